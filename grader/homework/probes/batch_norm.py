"""Feeds the student's repaired batch norm with inputs of several kinds, forwards and backwards.

Settings: `name` of the class; `layer`, a name for the instance; `cases`, names of inputs. Arrays: for each case `C_x`
[n, d] and `C_weights` [n, d]; scalars `gamma`, `beta`; an input `log_x`.
Answers, for each case: `C_plain`, the output with gamma 1 and beta 0; `C_affine`, the output with the drawn ones; the
gradients of sum(weights * output) for gamma, beta and x with the drawn ones: `C_dgamma`, `C_dbeta`, `C_dx`. `again_plain`
is the output for the second case's input of a layer that was fed the first case's before. `trainable` [2] says
whether gamma and beta are among what the layer gives to be trained. The event files of two calls
with a writer, at steps 0 and 100, lie in `summaries`; its output is `log_out`.
"""

import tensorflow as tf


def run(namespace, settings, arrays, answer):
    kind = namespace[settings["name"]]
    for case in settings["cases"]:
        answer.measure(case, lambda c=case: feed(kind, settings, arrays, answer, c))
    answer.measure("trainable", lambda: note_trainable(kind, settings, answer))
    answer.measure("again", lambda: feed_twice(kind, settings, arrays, answer))
    answer.measure("summaries", lambda: log(kind, settings, arrays, answer))


def make(kind, settings, gamma, beta):
    layer = kind(settings["layer"])
    layer._gamma.assign(gamma)
    layer._beta.assign(beta)
    return layer


def feed(kind, settings, arrays, answer, case):
    x = tf.constant(arrays[f"{case}_x"])
    answer.put(f"{case}_plain", make(kind, settings, 1.0, 0.0)(x))
    layer = make(kind, settings, float(arrays["gamma"]), float(arrays["beta"]))
    with tf.GradientTape() as tape:
        tape.watch(x)
        out = layer(x)
        total = tf.reduce_sum(tf.cast(out, tf.float64) * arrays[f"{case}_weights"])
    answer.put(f"{case}_affine", out)
    for name, gradient in zip(("dgamma", "dbeta", "dx"), tape.gradient(total, [layer._gamma, layer._beta, x])):
        if gradient is not None:
            answer.put(f"{case}_{name}", tf.convert_to_tensor(gradient))


def note_trainable(kind, settings, answer):
    layer = make(kind, settings, 1.0, 0.0)
    given = layer.get_trainable()
    answer.put("trainable", [any(v is own for v in given) for own in (layer._gamma, layer._beta)])


def feed_twice(kind, settings, arrays, answer):
    first, second = settings["cases"][:2]
    layer = make(kind, settings, 1.0, 0.0)
    layer(tf.constant(arrays[f"{first}_x"]))
    answer.put("again_plain", layer(tf.constant(arrays[f"{second}_x"])))


def log(kind, settings, arrays, answer):
    writer = tf.summary.create_file_writer(answer.logdir("summaries"))
    layer = make(kind, settings, float(arrays["gamma"]), float(arrays["beta"]))
    try:
        for step in (0, 100):  # a layer may log every so many steps
            answer.put("log_out", layer(tf.constant(arrays["log_x"]), writer, step))
    finally:
        writer.close()
