"""Cases in which one guard of the quick ways matters: without it, a result would be another one. Each names what is guarded."""

import numpy as np
import tensorflow as tf
import tracing
import utils
from tensorflow import keras
from trainings import LOSS, data, layer_that, model, said, train, update

# --- forward passes: `quick_forward` --------------------------------------------------------------------------------


def a_single_sample_after_a_batch() -> object:
    """A trace for any number of samples is no trace for one."""
    net = model(layer_that(lambda layer, x, step: x.shape[0] == 1))
    return [net._forward(data(count)[0]) for count in (12, 1, 7)]


def an_array_after_a_tensor() -> object:
    """The input's type is part of the key."""
    net, x = model(layer_that(lambda layer, x, step: isinstance(x, np.ndarray))), data()[0]
    return [net._forward(given) for given in (tf.constant(x), x)]


def whole_numbers_after_fractions() -> object:
    """The input's type of numbers is part of the key, as it was before they became a tensor."""
    net, x = model(layer_that(lambda layer, x, step: x.dtype == "uint8")), data()[0]
    return [net._forward((x * 9).astype(kind)) for kind in ("float64", "uint8")]


def a_list_of_samples() -> object:
    """What is neither tensor nor array takes the plain way."""
    return model()._forward(data()[0].tolist())


def floats_of_another_size() -> object:
    """What Keras computes with unless told otherwise is a setting of the whole process, and part of each key."""
    net, x = model(layer_that(lambda layer, x, step: keras.backend.floatx() == "float64")), data()[0]
    before = net._forward(x)
    keras.backend.set_floatx("float64")
    after = net._forward(x)
    keras.backend.set_floatx("float32")
    return before, after


def settings_that_are_equal_and_of_other_types() -> object:
    """The types of settings, of lists and of tuples are part of the key."""
    kind, x = layer_that(lambda layer, x, step: isinstance(layer.setting, (bool, list))), data()[0]
    nets = [model(kind) for _ in range(4)]
    for net, setting in zip(nets, (1, True, (1,), [1]), strict=True):
        for layer in net._layers:
            layer.setting = setting
    return [net._forward(x) for net in nets]


def weights_that_other_layers_share() -> object:
    """Which layers share a variable is part of the key."""
    found = []
    for shared in (0, 1):
        layers = [utils.Dense(6, 6, tf.nn.tanh, name) for name in ("one", "two", "three")]
        layers[2]._w = layers[shared]._w
        found.append(utils.Sequential(*layers)._forward(data()[0]))
    return found


def an_activation_of_the_notebooks_in_a_wrapper_of_the_library() -> object:
    """`from_library` looks through all that is wrapped."""
    factor = [1.0]

    def scaled(z: tf.Tensor) -> tf.Tensor:
        return z * factor[0]

    wrapped = tf.autograph.experimental.do_not_convert(scaled)
    net, x = utils.Sequential(utils.Dense(6, 3, wrapped, "one")), data()[0]
    before = net._forward(x)
    factor[0] = 3.0
    return before, net._forward(x)


def a_method_that_is_added_to_a_class() -> object:
    """A class with one attribute more is not as it was made."""
    net, x = model(utils.DenseSmart), data()[0]
    before = net._forward(x)
    utils.DenseSmart.__call__ = lambda layer, x, *_: utils.Dense.__call__(layer, x) * 3
    after = net._forward(x)
    del utils.DenseSmart.__call__
    return before, after


def a_model_that_was_changed_while_others_of_its_kind_go_on() -> object:
    """A trace that is made again for another gradient is made of the model as it was at first."""
    first, second = model(), model()
    x, y = data()
    first._forward(tf.constant(x))
    first._layers[0].activation = tf.nn.tanh
    return gradient_at(second, x, y)


def a_gradient_that_holds_numbers_of_its_own() -> object:
    """A gradient that cannot be compiled is refused when it is first asked for, and the plain way taken."""
    scale = tf.constant(np.random.rand(1, 200))  # more numbers than TensorFlow copies into a graph

    @tf.custom_gradient
    def doubled(x: tf.Tensor) -> object:
        return x * 2, lambda given: given * scale

    kind = type("Doubling", (utils.Dense,), {"__call__": lambda self, x, *_: utils.Dense.__call__(self, doubled(x))})
    tracing.remember_classes([kind])
    return gradient_at(utils.Sequential(kind(200, 3, tf.nn.softmax, "one")), *data(12, 200))


def gradient_at(net: utils.Sequential, x: np.ndarray, y: np.ndarray) -> object:
    """The loss and its gradients for input and weights."""
    given = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = LOSS(y, net._forward(given))
    return value, tape.gradient(value, [given, *net.trainable_variables])


# --- tapes and losses: `usual_tape`, `usual_value` ------------------------------------------------------------------


def gradients_of_gradients_by_one_tape() -> object:
    """Under a tape that may be asked twice the plain way is taken."""
    net, (x, y) = model(), data()
    given = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        value = LOSS(y, net._forward(given))
        first = tape.gradient(value, given)
    return first, tape.gradient(first, [given, *net.trainable_variables])


def gradients_of_gradients_by_two_tapes() -> object:
    """Under a tape within a tape the plain way is taken."""
    net, (x, y) = model(), data()
    given = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(given)
        with tf.GradientTape() as inner:
            inner.watch(given)
            value = LOSS(y, net._forward(given))
        first = inner.gradient(value, given)
    return first, outer.gradient(first, [given, *net.trainable_variables])


def a_loss_of_probabilities_that_carry_logits() -> object:
    """Keras computes the loss from the logits that its softmax leaves with the probabilities."""
    (x, y), found = data(9, 3), []
    for scale in (1.0, 400.0):
        logits = tf.constant(x * scale)
        found.append(LOSS(y, tf.nn.softmax(logits)))
        found.append(LOSS(y, keras.activations.softmax(logits)))
    return found


# --- optimizers: `quick_apply` --------------------------------------------------------------------------------------


def optimizers_of_other_classes() -> object:
    """The class is part of the key: some have equal settings. One that holds another takes the plain way."""
    names = ("Adadelta", "Adafactor", "Adagrad", "Adamax", "Ftrl", "Lamb", "Lion", "Nadam")
    made = [getattr(keras.optimizers, name)(0.01) for name in names] + [
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    ]
    return [train(model(), optimizer) for optimizer in made]


def moments_belong_to_their_variable() -> object:
    """The places of variables among an optimizer's are part of the key, for such as have one shape."""
    net, optimizer = model(middle=utils.Dense(5, 5, tf.nn.tanh, "middle")), keras.optimizers.Adam(0.01)
    train(net, optimizer, 2)
    for layer in net._layers[:2]:
        update(net, optimizer, [layer.b])
    return net.trainable_variables


def variables_of_another_type() -> object:
    """Shapes and types of variables are part of the key."""
    variables = [tf.Variable(np.ones(3), dtype=kind) for kind in ("float32", "float64", "float32")]
    for variable in variables:
        optimizer = keras.optimizers.Adam(0.01)
        for _ in range(3):
            optimizer.apply_gradients([(variable * 2, variable)])
    return variables


def weights_that_are_kept_small() -> object:
    """A variable with a constraint takes the plain way."""
    layers = model()._layers
    layers[0]._w = tf.Variable(layers[0]._w, constraint=lambda w: tf.clip_by_value(w, -0.1, 0.1))
    return train(utils.Sequential(*layers), keras.optimizers.Adam(0.01))


def gradients_that_are_sparse_or_missing() -> object:
    """A gradient that is no tensor takes the plain way."""
    table, rest, optimizer = tf.Variable(np.random.rand(9, 4)), tf.Variable(2.0), keras.optimizers.Adam(0.01)
    for rows in ([1, 2], [2, 3, 3]):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(tf.gather(table, rows) ** 2)
        optimizer.apply_gradients(zip(tape.gradient(value, [table, rest]), [table, rest], strict=True))
    return table, rest


def gradients_without_their_variables() -> object:
    """An update that names no variables takes the plain way."""
    net, optimizer = model(), keras.optimizers.Adam(0.01)
    train(net, optimizer, 2)
    optimizer.apply([tf.ones_like(variable) for variable in net.trainable_variables])
    return net.trainable_variables


def variables_that_an_optimizer_does_not_know() -> object:
    """The plain way says what is wrong."""
    net, optimizer = model(), keras.optimizers.Adam(0.01)
    train(net, optimizer, 2)
    return said(lambda: update(net, optimizer, model().trainable_variables))


# --- metrics: `quick_update_state` ----------------------------------------------------------------------------------


def metrics_with_a_variable_of_their_own() -> object:
    """What holds on to a variable cannot be compiled for others that look alike."""
    deltas = [tf.Variable(0.1, dtype=tf.float64) for _ in range(2)]
    means = [keras.metrics.MeanMetricWrapper(keras.losses.huber, delta=delta) for delta in deltas]
    for mean in means:
        mean.update_state(data(9, 3)[0], data(9, 3)[0])
    deltas[0].assign(5.0)
    means[1].update_state(data(9, 3)[0], data(9, 3)[0])
    return [mean.result() for mean in means]


def metrics_whose_base_is_patched() -> object:
    """A class of which a base is not as it was made takes the plain way."""
    accuracy, update_state = keras.metrics.SparseCategoricalAccuracy(), keras.metrics.Mean.update_state
    (x, y), found = data(9, 3), []
    for factor in (1.0, 3.0):

        def scaled(mean: object, values: tf.Tensor, sample_weight: object = None, by: float = factor) -> None:
            update_state(mean, values * by, sample_weight)

        keras.metrics.Mean.update_state = scaled
        accuracy.update_state(y, x)
        found.append(accuracy.result())
    keras.metrics.Mean.update_state = update_state
    return found


def metrics_by_a_function_of_the_notebooks() -> object:
    """A function that is not the library's own takes the plain way."""
    asked = []

    def counting(y: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        asked.append(None)
        return (prediction - y) * len(asked)

    mean = keras.metrics.MeanMetricWrapper(counting)
    for _ in range(3):
        mean.update_state(data(9, 3)[0], data(9, 3)[0])
    return mean.result(), len(asked)


def metrics_by_other_functions() -> object:
    """The function, its settings and the type of numbers are part of the key."""
    (target, values), named = (data(9, 3)[0], data(9, 3)[0]), keras.metrics.MeanMetricWrapper
    means = [named(keras.losses.mae), named(keras.losses.mse), named(keras.losses.mse, dtype="float64")]
    means += [named(keras.losses.huber, delta=delta) for delta in (0.1, 0.2)]
    for mean in means:
        mean.update_state(target, values)
    return [mean.result() for mean in means]


def a_vector_after_a_number() -> object:
    """Whether values are samples or one number is part of the key."""
    mean = keras.metrics.Mean()
    for value in (2.5, [1.0, 2.0, 3.0]):
        mean.update_state(tf.constant(value))
    return mean.result()


def values_that_are_masked() -> object:
    """A tensor that carries a mask takes the plain way."""
    mean, accuracy = keras.metrics.Mean(), keras.metrics.SparseCategoricalAccuracy()
    for masked in (False, True):
        x, y = data(9, 3)
        given = tf.constant(x)
        if masked:
            given._keras_mask = tf.constant(np.arange(9) < 3)
        mean.update_state(given, np.ones(9))
        accuracy.update_state(y, given, np.ones(9))
    return mean.result(), accuracy.result()
