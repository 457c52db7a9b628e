"""Cases in which a quick form that was made for one call would tell something else of the next: it has to be made anew, or the
plain way taken."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tracing
import utils
from tensorflow import keras
from trainings import LOSS, data, model, train, update, words

METRICS = keras.metrics
CASES: list[Callable[[], object]] = []


def listed(function: Callable[[], object]) -> Callable[[], object]:
    CASES.append(function)
    return function


def layer_that(looks: Callable[[utils.Dense, object], bool]) -> type:
    """A class that passes for the library's own, and whose result depends on what it sees of itself and its input."""

    def call(self: utils.Dense, x: tf.Tensor, writer: object = None, step: object = None) -> tf.Tensor:
        return utils.Dense.__call__(self, x) * (3.0 if looks(self, x) else 1.0)

    kind = type("Looking", (utils.Dense,), {"__call__": call})
    tracing.remember_classes([kind])
    return kind


# --- forward passes -------------------------------------------------------------------------------------------------


@listed
def a_single_sample_after_a_batch() -> object:
    net = model(layer_that(lambda layer, x: x.shape[0] == 1))
    return [net._forward(data(count)[0]) for count in (12, 1, 7)]


@listed
def an_array_after_a_tensor() -> object:
    net, x = model(layer_that(lambda layer, x: isinstance(x, np.ndarray))), data()[0]
    return [net._forward(given) for given in (tf.constant(x), x)]


@listed
def whole_numbers_after_fractions() -> object:
    net, x = model(layer_that(lambda layer, x: x.dtype == "uint8")), data()[0]
    return [net._forward((x * 9).astype(kind)) for kind in ("float64", "uint8")]


@listed
def a_list_of_samples() -> object:
    return model()._forward(data()[0].tolist())


@listed
def floats_of_another_size() -> object:
    """What Keras computes with unless told otherwise is a setting of the whole process."""
    net, x = model(layer_that(lambda layer, x: keras.backend.floatx() == "float64")), data()[0]
    before = net._forward(x)
    keras.backend.set_floatx("float64")
    after = net._forward(x)
    keras.backend.set_floatx("float32")
    return before, after


@listed
def settings_that_are_equal_and_of_other_types() -> object:
    kind, x = layer_that(lambda layer, x: isinstance(layer.setting, (bool, list))), data()[0]
    nets = [model(kind) for _ in range(4)]
    for net, setting in zip(nets, (1, True, (1,), [1]), strict=True):
        for layer in net._layers:
            layer.setting = setting
    return [net._forward(x) for net in nets]


@listed
def weights_that_other_layers_share() -> object:
    found = []
    for shared in (0, 1):
        layers = [utils.Dense(6, 6, tf.nn.tanh, name) for name in ("one", "two", "three")]
        layers[2]._w = layers[shared]._w
        found.append(utils.Sequential(*layers)._forward(data()[0]))
    return found


@listed
def an_activation_of_the_notebooks_in_a_wrapper_of_the_library() -> object:
    factor = [1.0]

    def scaled(z: tf.Tensor) -> tf.Tensor:
        return z * factor[0]

    wrapped = tf.autograph.experimental.do_not_convert(scaled)
    net, x = utils.Sequential(utils.Dense(6, 3, wrapped, "one")), data()[0]
    before = net._forward(x)
    factor[0] = 3.0
    return before, net._forward(x)


@listed
def a_method_that_is_added_to_a_class() -> object:
    net, x = model(utils.DenseSmart), data()[0]
    before = net._forward(x)
    utils.DenseSmart.__call__ = lambda layer, x, *_: utils.Dense.__call__(layer, x) * 3
    after = net._forward(x)
    del utils.DenseSmart.__call__
    return before, after


@listed
def a_model_of_another_class() -> object:
    asked = []

    class Asked(utils.Sequential):
        @property
        def _layers(self) -> object:
            asked.append(None)
            return self.__dict__["layers"]

        @_layers.setter
        def _layers(self, layers: object) -> None:
            self.__dict__["layers"] = layers

    net = Asked(utils.Dense(6, 3, tf.nn.softmax, "one"))
    return [net._forward(data()[0]) for _ in range(3)], len(asked)


@listed
def a_model_that_was_changed_while_others_of_its_kind_go_on() -> object:
    first, second = model(), model()
    x, y = data()
    first._forward(tf.constant(x))
    first._layers[0].activation = tf.nn.tanh
    return gradient_at(second, x, y)


@listed
def a_gradient_that_holds_numbers_of_its_own() -> object:
    scale = tf.constant(np.random.rand(1, 200))

    @tf.custom_gradient
    def doubled(x: tf.Tensor) -> object:
        return x * 2, lambda given: given * scale

    kind = type("Doubling", (utils.Dense,), {"__call__": lambda self, x, *_: utils.Dense.__call__(self, doubled(x))})
    tracing.remember_classes([kind])
    net = utils.Sequential(kind(200, 3, tf.nn.softmax, "one"))
    x, y = data(12, 200)
    net._forward(x)
    return gradient_at(net, x, y)


def gradient_at(net: utils.Sequential, x: np.ndarray, y: np.ndarray) -> object:
    """The loss and its gradients for input and weights."""
    given = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = LOSS(y, net._forward(given))
    return value, tape.gradient(value, [given, *net.trainable_variables])


# --- tapes ----------------------------------------------------------------------------------------------------------


@listed
def gradients_of_gradients_by_one_tape() -> object:
    net, (x, y) = model(), data()
    given = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        value = LOSS(y, net._forward(given))
        first = tape.gradient(value, given)
    return first, tape.gradient(first, [given, *net.trainable_variables])


@listed
def gradients_of_gradients_by_two_tapes() -> object:
    net, (x, y) = model(), data()
    given = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(given)
        with tf.GradientTape() as inner:
            inner.watch(given)
            value = LOSS(y, net._forward(given))
        first = inner.gradient(value, given)
    return first, outer.gradient(first, [given, *net.trainable_variables])


# --- optimizers -----------------------------------------------------------------------------------------------------


@listed
def every_optimizer() -> object:
    names = ["Adadelta", "Adafactor", "Adagrad", "Adamax", "Ftrl", "Lamb", "Lion", "LossScaleOptimizer", "Nadam"]
    kinds = [getattr(keras.optimizers, name) for name in names]
    made = [kind(keras.optimizers.SGD()) if "Scale" in kind.__name__ else kind(0.01) for kind in kinds]
    return [train(model(), optimizer) for optimizer in made]


@listed
def moments_belong_to_their_variable() -> object:
    net, optimizer = model(middle=utils.Dense(5, 5, tf.nn.tanh, "middle")), keras.optimizers.Adam(0.01)
    train(net, optimizer, 2)
    for layer in net._layers[:2]:
        update(net, optimizer, [layer.b])
    return net.trainable_variables


@listed
def models_of_another_size() -> object:
    return [train(model(width=width), keras.optimizers.Adam(0.01)) for width in (5, 7, 5)]


@listed
def variables_of_another_type() -> object:
    variables = [tf.Variable(np.ones(3), dtype=kind) for kind in ("float32", "float64", "float32")]
    for variable in variables:
        optimizer = keras.optimizers.Adam(0.01)
        for _ in range(3):
            optimizer.apply_gradients([(variable * 2, variable)])
    return variables


@listed
def layers_of_keras() -> object:
    layer, optimizer = keras.layers.Dense(3, activation="softmax", dtype="float64"), keras.optimizers.Adam(0.01)
    layer.build((None, 6))
    for variable in layer.trainable_variables:
        variable.assign(np.random.rand(*variable.shape))
    for _ in range(3):
        x, y = data()
        with tf.GradientTape() as tape:
            value = LOSS(y, layer(x))
        optimizer.apply_gradients(zip(tape.gradient(value, layer.trainable_variables), layer.trainable_variables))  # noqa: B905
    return [variable.value for variable in layer.trainable_variables]


@listed
def weights_that_are_kept_small() -> object:
    layers = model()._layers
    layers[0]._w = tf.Variable(layers[0]._w, constraint=lambda w: tf.clip_by_value(w, -0.1, 0.1))
    return train(utils.Sequential(*layers), keras.optimizers.Adam(0.01))


@listed
def gradients_that_are_sparse_or_missing() -> object:
    table, rest, optimizer = tf.Variable(np.random.rand(9, 4)), tf.Variable(2.0), keras.optimizers.Adam(0.01)
    for rows in ([1, 2], [2, 3, 3]):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(tf.gather(table, rows) ** 2)
        optimizer.apply_gradients(zip(tape.gradient(value, [table, rest]), [table, rest], strict=True))
    return table, rest


@listed
def gradients_without_their_variables() -> object:
    net, optimizer = model(), keras.optimizers.Adam(0.01)
    train(net, optimizer, 2)
    optimizer.apply([tf.ones_like(variable) for variable in net.trainable_variables])
    return net.trainable_variables


@listed
def variables_that_an_optimizer_does_not_know() -> object:
    net, optimizer = model(), keras.optimizers.Adam(0.01)
    train(net, optimizer, 2)
    try:
        update(net, optimizer, model().trainable_variables)
    except Exception as error:  # noqa: BLE001 - whatever is said
        return words(f"{type(error).__name__}: {error}"[:60])
    return None


@listed
def a_variable_named_twice() -> object:
    net, optimizer = model(), keras.optimizers.SGD(0.5)
    for _ in range(2):
        update(net, optimizer, [*net.trainable_variables, net.trainable_variables[0]])
    return net.trainable_variables


# --- metrics --------------------------------------------------------------------------------------------------------


@listed
def metrics_with_a_variable_of_their_own() -> object:
    deltas = [tf.Variable(0.1, dtype=tf.float64) for _ in range(2)]
    means = [METRICS.MeanMetricWrapper(keras.losses.huber, delta=delta) for delta in deltas]
    for mean in means:
        mean.update_state(data(9, 3)[0], data(9, 3)[0])
    deltas[0].assign(5.0)
    means[1].update_state(data(9, 3)[0], data(9, 3)[0])
    return [mean.result() for mean in means]


@listed
def metrics_of_another_class() -> object:
    asked = []

    class Asked(METRICS.Mean):
        @property
        def dtype(self) -> str:
            asked.append(None)
            return "float32"

    mean = Asked()
    asked.clear()
    for _ in range(3):
        mean.update_state(data()[0])
    return mean.result(), len(asked)


@listed
def metrics_by_a_function_of_the_notebooks() -> object:
    asked = []

    def counting(y: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        asked.append(None)
        return (prediction - y) * len(asked)

    mean = METRICS.MeanMetricWrapper(counting)
    for _ in range(3):
        mean.update_state(data(9, 3)[0], data(9, 3)[0])
    return mean.result(), len(asked)


@listed
def metrics_with_other_settings() -> object:
    means = [METRICS.SparseTopKCategoricalAccuracy(k) for k in (1, 2)]
    means += [METRICS.MeanMetricWrapper(loss) for loss in (keras.losses.mae, keras.losses.mse)]
    means += [METRICS.MeanSquaredError(), METRICS.MeanAbsoluteError(), METRICS.MeanSquaredError(dtype="float64")]
    for mean in means:
        x, y = data(9, 3)
        mean.update_state(y if "Sparse" in type(mean).__name__ else np.eye(3)[y], x.astype("float32"))
    return [mean.result() for mean in means]


@listed
def a_vector_after_a_number() -> object:
    mean = METRICS.Mean()
    for value in (2.5, [1.0, 2.0, 3.0]):
        mean.update_state(tf.constant(value))
    return mean.result()


@listed
def values_that_are_masked() -> object:
    mean, accuracy = METRICS.Mean(), METRICS.SparseCategoricalAccuracy()
    for masked in (False, True):
        x, y = data(9, 3)
        given = tf.constant(x)
        if masked:
            given._keras_mask = tf.constant(np.arange(9) < 3)
        mean.update_state(given, np.ones(9))
        accuracy.update_state(y, given, np.ones(9))
    return mean.result(), accuracy.result()


@listed
def metrics_of_single_samples() -> object:
    kinds = (METRICS.Mean, METRICS.Accuracy, METRICS.BinaryAccuracy, METRICS.SparseCategoricalAccuracy)
    means = [kind() for kind in kinds]
    for count in (5, 1, 1, 5):
        x, y = data(count, 3)
        means[0].update_state(x, np.arange(1.0))
        for mean in means[1:3]:
            mean.update_state(y, y)
        means[3].update_state(y, x)
    return [mean.result() for mean in means]
