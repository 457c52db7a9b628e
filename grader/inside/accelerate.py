"""Makes library code quicker behind the notebook's back, with the same results to the last bit; never student code.

What takes most of the time of this kind of training, when it runs eagerly, is everything around the arithmetic: an
optimizer's update, a metric's update, a loss, a layer of the course library are dozens of small operations, each
with its own way through Python. They are traced once from the library's own code, for each kind and shape, and then
called with the variables at hand (see `compiled.py`); the buckets of a histogram are counted in NumPy. Whatever is
unusual takes the plain path: a class that is not the library's own or has been patched, sparse or missing gradients, a
graph being built, a layer that is asked to log.
"""

import functools
import inspect

import tensorflow as tf
from keras.src import backend
from keras.src.metrics import reduction_metrics
from keras.src.optimizers import base_optimizer
from quick_histograms import quick_buckets
from quick_passes import count, quick_forward, quick_loss
from quick_updates import quick_apply, quick_update_state
from tensorboard.plugins.histogram import summary_v2
from tensorflow import keras
from tensorflow.python.eager import backprop, context, forwardprop
from tracing import PLAIN, remember_classes


def install():
    """Quicken Keras and TensorBoard. What comes back does so to a course library: to its model as long as all its layers are the
    library's own."""
    quicken(base_optimizer.BaseOptimizer, "apply", quick_apply)
    quicken(reduction_metrics.Mean, "update_state", quick_update_state)
    quicken(reduction_metrics.MeanMetricWrapper, "update_state", quick_update_state)
    quicken(backend.nn, "sparse_categorical_crossentropy", quick_loss)
    quicken(summary_v2, "_buckets", quick_buckets)
    count(backprop.GradientTape, "_push_tape", "_pop_tape")
    count(forwardprop.ForwardAccumulator, "_push_accumulator", "_pop_accumulator")
    for module in (keras.optimizers, keras.metrics):
        remember_classes(filter(inspect.isclass, vars(module).values()))
    return quicken_course


def quicken_course(library):
    if hasattr(library, "Sequential"):
        quicken(library.Sequential, "_forward", functools.partial(quick_forward, library))
    made = filter(inspect.isclass, vars(library).values())  # after a reload, among what a notebook may have put there
    remember_classes(kind for kind in made if kind.__module__ == library.__name__)


def quicken(owner, name, quick):
    """Replace a library's function by one that first asks `quick(plain, *args)`; its answer PLAIN means: not my case."""
    plain = getattr(owner, name)

    @functools.wraps(plain)
    def call(*args, **kwargs):
        eager = tf.executing_eagerly() and not context.context().op_callbacks
        answer = quick(plain, *args, **kwargs) if eager else PLAIN
        return plain(*args, **kwargs) if answer is PLAIN else answer

    setattr(owner, name, call)
