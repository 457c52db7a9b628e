"""Functions traced once and then called without the wrappers around them: tensors in, tensors out.

TensorFlow runs a traced function in a few dozen microseconds, but takes a millisecond in Python to look at the arguments
first. Who calls these functions has looked already. Nothing in a graph is rewritten before it runs, so that each
operation does what it would have done alone, to the last bit.
"""

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.eager import context, execute, record
from tensorflow.python.eager.polymorphic_function import concrete_function
from tensorflow.python.framework import func_graph
from tensorflow.python.ops import gradients_util
from tensorflow.python.ops.resource_variable_ops import ResourceVariable, variable_accessed


def as_written():
    """Call options by which a graph runs as it was traced."""
    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return "executor_type", "", "config_proto", config.SerializeToString()


AS_WRITTEN = as_written()


class Refused(Exception):
    """A function that cannot be compiled for everybody who would call it."""


def trace(function, args):
    """The traced function; Refused when it holds on to a variable that is not among its arguments."""
    traced = tf.function(function, autograph=False).get_concrete_function(*args)
    if any(capture.dtype == tf.resource for capture in traced.captured_inputs):
        raise Refused("a variable of its own")
    return traced


def inputs_of(args):
    return [arg.handle if isinstance(arg, ResourceVariable) else arg for arg in args]


class Compiled:
    """A traced function without gradient. Called with a flat list of tensors and variables, it gives a list of tensors."""

    def __init__(self, function, captured):
        self.function = function  # alive as long as its name is called
        self.name = function.name.decode()
        self.outputs = len(function.function_type.flat_outputs)
        self.captured = list(captured)

    def __call__(self, args):
        inputs = inputs_of(args) + self.captured
        return execute.execute(self.name, self.outputs, inputs, AS_WRITTEN, context.context())


def compiled(function, args):
    """`function`, traced for nested lists of tensors and variables."""
    traced = trace(function, args)
    return Compiled(traced._inference_function, traced.captured_inputs)


class Differentiable:
    """A traced function of one output that tapes record as one operation. Called as `Compiled`, it gives the output."""

    def __init__(self, function, args):
        self.trace = lambda: trace(function, args)
        traced = self.trace()
        self.read = [len(given.consumers()) > 0 for given in traced.graph.inputs]
        self.alone = Compiled(traced._inference_function, traced.captured_inputs)  # keeps nothing for a gradient
        usual = tuple(
            i
            for i, (given, read) in enumerate(zip(traced.graph.inputs, self.read, strict=True))
            if read and (given.dtype.is_floating or given.dtype == tf.resource)
        )
        variables = tuple(i for i in usual if traced.graph.inputs[i].dtype == tf.resource)
        self.usual = Pair(traced, variables or usual)
        self.pairs = {self.usual.wanted: self.usual}

    def __call__(self, args):
        for arg, read in zip(args, self.read, strict=False):  # what is captured comes after the arguments
            if read and isinstance(arg, ResourceVariable):
                variable_accessed(arg)
        inputs = inputs_of(args)
        wanted = tuple(i for i, value in enumerate(inputs) if record.should_record_backprop([value]))
        return self.recorded(inputs, wanted) if wanted else self.plain(inputs)

    def plain(self, args):
        """The output alone, and nothing recorded."""
        return self.alone(args)[0]

    def recorded(self, inputs, wanted):
        if wanted not in self.pairs:
            self.pairs[wanted] = self.pair(wanted)
        output, backward = self.pairs[wanted](inputs)
        record.record_operation("Compiled", [output], inputs, backward)
        return output

    def pair(self, wanted):
        try:
            return Pair(self.trace(), wanted)
        except Exception as error:
            raise Refused(str(error)) from error


class Pair:
    """A function that keeps what its gradient for the inputs `wanted` (numbers) needs, and that gradient."""

    def __init__(self, traced, wanted):
        graph, self.captured, self.wanted = traced.graph, list(traced.captured_inputs), wanted
        self.size = len(graph.inputs) - len(self.captured)
        output = graph.outputs[0]
        back = func_graph.FuncGraph("backward")
        with back.as_default():
            given = tf.compat.v1.placeholder(output.dtype, output.shape)
            ways = gradients_util._GradientsHelper(
                [output], [graph.inputs[i] for i in wanted], [given], src_graph=graph
            )
        self.known = [way is not None for way in ways]
        back.inputs = [given, *back.internal_captures]
        back.outputs.extend(way for way in ways if way is not None)
        back.structured_outputs = ways
        kept = [capture for capture in back.external_captures if not isinstance(capture, tf.__internal__.EagerTensor)]
        if len(kept) < len(back.external_captures) or any(capture.graph is not graph for capture in kept):
            raise Refused("a gradient with constants of its own")
        graph.outputs.extend(kept)
        forward, self.gradient = concrete_function._create_forward_backward_with_graph({}, graph, back)
        self.forward, self.backward = Compiled(forward, self.captured), Compiled(self.gradient._inference_function, ())

    def __call__(self, inputs):
        output, *kept = self.forward(inputs)

        def backward(given):
            return self.spread(self.back([tf.convert_to_tensor(given), *kept]))

        return output, backward

    def back(self, values):
        """The gradients; where a tape or a graph looks on, in a way that it can follow."""
        alone = tf.executing_eagerly() and not record.could_possibly_record()
        return self.backward(values) if alone else self.gradient._call_flat(values, [])

    def spread(self, ways):
        """One gradient or None for each input of the function."""
        found = [None] * self.size
        rest = iter(ways if isinstance(ways, (list, tuple)) else [ways])
        for place, known in zip(self.wanted, self.known, strict=True):
            found[place] = next(rest) if known else None
        return found
