"""The ways in which notebooks train, each a case: what comes of it is the same with acceleration and without."""

import contextlib
import functools

import numpy as np
import tensorflow as tf
import utils
from tensorboard.plugins.histogram import summary_v2
from tensorflow import keras
from trainings import LOSS, data, layer_that, model, said, train, update


def adam() -> object:
    return train(model(), keras.optimizers.Adam(0.01))


def other_optimizers() -> object:
    kinds = (keras.optimizers.SGD(0.01, momentum=0.9), keras.optimizers.RMSprop(), keras.optimizers.AdamW(0.01))
    return [train(model(utils.DenseSmart), kind) for kind in kinds]


def settings_that_change_on_the_way() -> object:
    net, optimizer = model(), keras.optimizers.Adam(0.01)
    train(net, optimizer)
    optimizer.learning_rate = 0.05
    train(net, optimizer)
    optimizer.beta_1 = 0.5
    return train(net, optimizer)


def some_variables_in_another_order() -> object:
    net, optimizer = model(), keras.optimizers.Adam(0.01)
    train(net, optimizer, 2)
    for variables in (net.trainable_variables[::-1], net.trainable_variables[1:3]):
        update(net, optimizer, variables)
    return net.trainable_variables, optimizer.iterations


def two_models_of_one_shape_share_nothing() -> object:
    first, second = model(), model()
    return (
        train(first, keras.optimizers.Adam()),
        train(second, keras.optimizers.Adam(0.1)),
        first._forward(data()[0]),
    )


def flawed_and_own_layers() -> object:
    class Doubling:
        name, trainable = "doubling", True

        def __call__(self, x: tf.Tensor, writer: object = None, step: object = None) -> tf.Tensor:
            return x * 2

        def get_trainable(self) -> list[tf.Variable]:
            return []

    nets = (model(middle=utils.BatchNormFlawed("norm")), model(middle=Doubling()))
    return [train(net, keras.optimizers.Adam(0.01)) for net in nets]


def a_frozen_layer_stays_as_it_is() -> object:
    frozen = utils.Dense(5, 5, tf.nn.tanh, "frozen")
    frozen.trainable = False
    return train(model(middle=frozen), keras.optimizers.Adam()), frozen.w


def tapes_of_every_sort() -> object:
    net = model()
    x, y = data()
    watched = tf.constant(x)
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(watched)
        with tf.GradientTape() as inner:
            value = LOSS(y, net._forward(watched))
        first = inner.gradient(value, net.trainable_variables)
    again = outer.gradient(first[0], [watched, *net.trainable_variables])
    with tf.GradientTape(watch_accessed_variables=False) as choosy:
        choosy.watch(net.trainable_variables[1])
        value = LOSS(y, net._forward(x))
    return first, again, outer.gradient(value, watched), choosy.gradient(value, net.trainable_variables)


def gradients_belong_to_the_moment_of_the_forward_pass() -> object:
    net = model()
    x, y = data()
    with tf.GradientTape() as tape:
        value = LOSS(y, net._forward(x))
    for variable in net.trainable_variables:
        variable.assign(variable * 2)
    return tape.gradient(value, net.trainable_variables)


def inputs_of_every_type() -> object:
    net, whole = model(), np.random.randint(0, 200, (4, 6))
    kinds = (whole.astype("uint8"), whole.astype("float32"), tf.constant(whole, tf.float64), whole[:1])
    return [net._forward(kind) for kind in kinds]


def losses() -> object:
    x, y = data(9, 3)
    found = []
    for labels, change, logits in ((y, tf.nn.softmax, False), (y, tf.identity, True), (y[:, None], tf.abs, False)):
        with tf.GradientTape() as tape:
            start = tf.Variable(x)
            value = LOSS(labels, change(start), from_logits=logits)
        found += [value, tape.gradient(value, start)]
    return found, keras.losses.SparseCategoricalCrossentropy()(y, x)


def rounded_sums_of_several_paths() -> object:
    net = model()
    x, y = data()
    with tf.GradientTape() as tape:
        size = tf.add_n([tf.reduce_sum(variable**2) for variable in net.trainable_variables])
        value = LOSS(y, net._forward(x)) + 0.1 * size + LOSS(y, net._forward(x / 2))
    return tape.gradient(value, net.trainable_variables)


def metrics() -> object:
    mean, accuracy = keras.metrics.Mean(), keras.metrics.SparseCategoricalAccuracy()
    found = []
    for count in (9, 9, 4):
        x, y = data(count, 3)
        mean.update_state(x)
        mean.update_state(2.5)
        mean.update_state(x, sample_weight=np.arange(float(count)))
        accuracy.update_state(y, x)
        accuracy.update_state(y, x, np.arange(count))
        found += [mean.result(), accuracy.result()]
    mean.reset_state()
    mean.update_state([1.0, np.nan])
    return found, mean.result()


def patches_of_library_code_are_heeded() -> object:
    found: list[object] = [train(model(), keras.optimizers.Adam(0.01))]
    plain_call, plain_step = utils.Dense.__call__, keras.optimizers.Adam.update_step
    utils.Dense.__call__ = lambda layer, x, writer=None, step=None: plain_call(layer, x * 2)
    found.append(train(model(), keras.optimizers.Adam(0.01)))
    utils.Dense.__call__ = plain_call
    keras.optimizers.Adam.update_step = lambda optimizer, gradient, variable, rate: variable.assign_sub(gradient)
    found.append(train(model(), keras.optimizers.Adam(0.01)))
    keras.optimizers.Adam.update_step = plain_step
    utils.DenseSmart.get_trainable = lambda layer: [layer.w]
    found.append(train(model(utils.DenseSmart), keras.optimizers.Adam(0.01)))
    del utils.DenseSmart.get_trainable
    keras.backend.set_epsilon(0.1)
    found.append(train(model(), keras.optimizers.Adam(0.01)))
    keras.backend.set_epsilon(1e-7)
    return found


def single_samples_and_batches_that_do_not_fit() -> object:
    net, accuracy = model(), keras.metrics.SparseCategoricalAccuracy()
    x, y = data(1)
    accuracy.update_state(y, net._forward(x))
    with contextlib.suppress(ValueError, tf.errors.InvalidArgumentError):
        LOSS(data(5)[1], net._forward(data(4)[0]))
    return LOSS(y, net._forward(x)), accuracy.result()


def activations_of_every_origin() -> object:
    seen: list[object] = []

    @functools.wraps(tf.nn.relu)
    def noting(x: tf.Tensor) -> tf.Tensor:
        seen.append(x.numpy())  # type: ignore[attr-defined]
        return tf.nn.relu(x)

    nets = [
        utils.Sequential(utils.Dense(6, 5, first, "one"), utils.Dense(5, 3, last, "two"))
        for first, last in ((noting, tf.nn.softmax), (tf.nn.tanh, keras.activations.softmax))
    ]
    nets[1].trainable_variables[2].assign_add(np.full((5, 3), 400.0) * [[1.0, 0.0, -1.0]])
    return [train(net, keras.optimizers.Adam(0.01)) for net in nets], seen


def optimizers_with_unusual_settings() -> object:
    kinds = [keras.optimizers.Adam(0.01, beta_1=tf.constant(beta)) for beta in (0.5, 0.9)]
    kinds += [keras.optimizers.Adam(0.01, clipnorm=np.float32(norm)) for norm in (0.1, 1.0)]
    kinds += [keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5))]
    return [train(model(), kind) for kind in kinds]


def a_model_that_counts_its_steps() -> object:
    net = model()
    for net._layers[0].step in range(60):
        net._forward(data()[0])
    return train(net, keras.optimizers.Adam(0.01))


def variables_that_a_pass_does_not_read_are_not_watched() -> object:
    net = model()
    net.seen, net.losses = tf.Variable(0), [0.5]
    net._layers[0]._w = tf.Variable(np.random.rand(6, 5))
    net._forward(data()[0])
    with tf.GradientTape() as tape:
        net._forward(data()[0])
    return len(tape.watched_variables())


def arguments_that_do_not_fit() -> object:
    net, x = model(), data()[0]
    given = (
        ((), {}),
        ((x, None), {"writer": None}),
        ((x, None, 3), {"step": 4}),
        ((x, None, 3, 4), {}),
    )
    return [said(functools.partial(net._forward, *args, **kwargs)) for args, kwargs in given]


def layers_that_look_at_the_step_that_they_are_told() -> object:
    asks = (lambda step: isinstance(step, int), lambda step: step == 3, repr, bool, lambda step: step is None)
    nets = [model(layer_that(lambda layer, x, step, ask=ask: ask(step) in (True, "3"))) for ask in asks]
    return [net._forward(data()[0], None, step) for net in nets for step in (4, 3, 0, None)]


def a_jacobian() -> object:
    net = model()
    x, y = data()
    with tf.GradientTape() as tape:
        value = LOSS(y, net._forward(x))
    return tape.jacobian(value, net.trainable_variables[3])


def errors_speak_in_their_own_words() -> object:
    net = model(middle=utils.BatchNormFlawed("norm"))
    first = utils.Sequential(utils.BatchNormFlawed("norm"), utils.Dense(6, 3, tf.nn.softmax, "two"))
    x, y = data()
    attempts = (
        lambda: LOSS(y + 9, net._forward(x)),
        lambda: net._forward(x[:, :4]),
        lambda: net._forward(tf.constant(x, tf.float32)),
        lambda: first._forward(x.astype("float32")),
        lambda: utils.Sequential()._forward(x),
    )
    return [said(attempt, 60) for attempt in attempts]  # what follows names operations


def inside_the_notebooks_own_function() -> object:
    net, x = model(), data()[0]
    return tf.function(net._forward)(x), tf.function(lambda: LOSS(np.array([1]), tf.constant([[0.2, 0.5, 0.3]])))()


def histograms() -> object:
    values = [
        [1.0, 2.0, 4.0],
        [3.0] * 4,
        [1.0, np.nan],
        [np.nan] * 2,
        [np.inf, 1.0],
        [],
        [7],
        np.array([-1e300, 1e300]),
        np.array([-1e308, 1e308]),
        np.array([0.0, 5e-324]),
    ]
    normal = np.random.randn(500)
    more = [normal, normal.astype("f4"), (normal * 100).astype("i8"), normal.reshape(5, 100), normal > 0]
    with np.errstate(all="raise"):
        found = [summary_v2._buckets(tf.constant(value)) for value in (*values, *more)]
        return found, summary_v2._buckets(tf.Variable(normal), bucket_count=7)


def a_training_that_logs() -> object:
    """As notebooks do it: each pass is told its step, and a writer at every twentieth of 40."""
    net, optimizer, writer = model(), keras.optimizers.Adam(0.01), tf.summary.create_noop_writer()
    for step in range(40):
        x, y = data()
        with tf.GradientTape() as tape:
            value = LOSS(y, net._forward(x, writer if step % 20 == 0 else None, step))
        gradients = tape.gradient(value, net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, net.trainable_variables, strict=True))
        net._forward(x)
    return net.trainable_variables


def layers_of_keras() -> object:
    layer, optimizer = keras.layers.Dense(3, activation="softmax", dtype="float64"), keras.optimizers.Adam(0.01)
    layer.build((None, 6))
    layer.kernel.assign(np.random.rand(6, 3))  # Keras has random numbers of its own
    for _ in range(3):
        x, y = data()
        with tf.GradientTape() as tape:
            value = LOSS(y, layer(x))
        gradients = tape.gradient(value, layer.trainable_variables)
        optimizer.apply_gradients(zip(gradients, layer.trainable_variables, strict=True))
    return [variable.value for variable in layer.trainable_variables]


def a_model_that_grows_with_each_pass() -> object:
    class Growing(utils.Sequential):
        @property
        def _layers(self) -> object:
            self.size += 1
            return self.layers[: self.size]

        @_layers.setter
        def _layers(self, layers: object) -> None:
            self.layers, self.size = layers, 0

    net, x = Growing(*(utils.Dense(6, 6, tf.nn.tanh, name) for name in ("one", "two", "three"))), data()[0]
    return [net._forward(x) for _ in range(3)]
