"""The buckets of `tf.summary.histogram`, counted in NumPy."""

import numpy as np
import tensorflow as tf
from tensorboard.plugins.histogram import summary_v2
from tensorflow.python.ops.resource_variable_ops import ResourceVariable
from tracing import NUMBERS, PLAIN


def quick_buckets(plain, data, bucket_count=None):
    count = summary_v2.DEFAULT_BUCKET_COUNT if bucket_count is None else bucket_count
    if not isinstance(data, (tf.Tensor, ResourceVariable)) or type(count) is not int or count < 1:
        return PLAIN
    values = data.numpy().ravel()
    if values.dtype.kind not in NUMBERS or not values.size:
        return PLAIN
    with np.errstate(all="ignore"):
        return counted(values.astype(np.float64), count)


def counted(values, count):
    low, high = values.min(), values.max()
    if not np.isfinite(low + high) or not np.isfinite(high - low) or (low < high and not (high - low) / count):
        return all_nan(count) if np.isnan(values).all() else PLAIN
    return tf.constant(one_value(high, len(values), count) if low == high else buckets(values, low, high, count))


def all_nan(count):
    """Edges that are no numbers, and no value in any bucket."""
    return tf.constant(np.stack([np.full(count, np.nan), np.full(count, np.nan), np.zeros(count)], axis=1))


def one_value(value, size, count):
    edges, counts = np.full(count, value), np.zeros(count)
    counts[-1] = size
    return np.stack([edges, edges, counts], axis=1)


def buckets(values, low, high, count):
    """As `summary_v2._buckets` does it, operation by operation, but for the counting."""
    places = np.floor((values - low) / ((high - low) / count)).astype(np.int32)
    counts = np.bincount(np.minimum(places, count - 1), minlength=count).astype(np.float64)
    edges = np.concatenate([[low], low + (high - low) / count * np.arange(1, count), [high]])
    return np.stack([edges[:-1], edges[1:], counts], axis=1)
