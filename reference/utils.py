"""Учебная библиотека: слои, модель и последовательность данных. Менять её не нужно — работайте в ноутбуке."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tensorflow import keras


class MNISTSequence(keras.utils.Sequence):
    """Батчи картинок: `len` — их число (последний может быть короче), `[i]` — батч с номером i.

    `preprocess(X, y)` получает батч (n, 28, 28) и возвращает то, что увидит сеть. Без него пиксели делятся на 255,
    а картинка вытягивается в строку: (n, 784), float64.
    """

    def __init__(self, X, y, batch_size, preprocess=None):
        super().__init__()
        self.X = X
        self.y = y
        self.batch_size = batch_size
        self.preprocess = preprocess

    def __len__(self):
        return int(np.ceil(len(self.X) / self.batch_size))

    def __getitem__(self, idx):
        if not 0 <= idx < len(self):
            raise IndexError(idx)
        part = slice(idx * self.batch_size, (idx + 1) * self.batch_size)
        X, y = self.X[part], self.y[part]
        if self.preprocess is not None:
            return self.preprocess(X, y)
        return (X / 255.0).reshape(-1, 784), y


class Dense:
    """Полносвязный слой `activation(x @ w + b)` с весами из N(0, 1). С `writer` пишет гистограммы весов и выходов."""

    def __init__(self, inp_shape: int, out_shape: int, activation: Callable, name: str):
        self._inp_shape = inp_shape
        self._out_shape = out_shape
        self.activation = activation
        self.name = name
        self.trainable = True
        self._w = tf.Variable(self._init_weights(), dtype=tf.float64)
        self._b = tf.Variable(np.zeros((1, out_shape)), dtype=tf.float64)

    def _init_weights(self):
        return np.random.randn(self._inp_shape, self._out_shape)

    def __call__(self, x, writer=None, step=None):
        z = x @ self._w + self._b
        a = self.activation(z)
        if writer is not None:
            with writer.as_default():
                tf.summary.histogram(self.name + "_kernel", self._w, step=step)
                tf.summary.histogram(self.name + "_bias", self._b, step=step)
                tf.summary.histogram(self.name + "_activation", a, step=step)
                tf.summary.histogram(self.name + "_z", z, step=step)
        return a

    def get_trainable(self):
        return [self._w, self._b] if self.trainable else []

    @property
    def w(self):
        return self._w

    @property
    def b(self):
        return self._b

    @property
    def inp_shape(self):
        return self._inp_shape

    @property
    def out_shape(self):
        return self._out_shape


class DenseSmart(Dense):
    """`Dense`, у которого разброс начальных весов выбран по функции активации."""

    def _init_weights(self):
        inp, out = self._inp_shape, self._out_shape
        kind = getattr(self.activation, "__name__", "")
        if kind == "relu":
            return np.random.randn(inp, out) * np.sqrt(2.0 / inp)
        if kind == "sigmoid":
            return np.random.rand(inp, out) * np.sqrt(6.0 / (inp + out))
        return np.random.randn(inp, out)


class BatchNormFlawed:
    """Нормализация по батчу с обучаемыми масштабом и сдвигом. В ней есть ошибка: её нужно найти и исправить."""

    def __init__(self, name: str):
        self.name = name
        self.trainable = True
        self._beta = tf.Variable(0.0, dtype=tf.float64)
        self._gamma = tf.Variable(1.0, dtype=tf.float64)

    def __call__(self, x, writer=None, step=None):
        mu = tf.reduce_mean(x, axis=0)
        sigma = tf.math.reduce_std(x, axis=0)
        normed = (x - mu) / sigma
        out = normed * self._gamma + self._beta
        if writer is not None:
            with writer.as_default():
                tf.summary.histogram(self.name + "_beta", self._beta, step=step)
                tf.summary.histogram(self.name + "_gamma", self._gamma, step=step)
                tf.summary.histogram(self.name + "_normed", normed, step=step)
                tf.summary.histogram(self.name + "_out", out, step=step)
                tf.summary.histogram(self.name + "_sigma", sigma, step=step)
                tf.summary.histogram(self.name + "_mu", mu, step=step)
        return out

    def get_trainable(self):
        return [self._beta, self._gamma] if self.trainable else []


class Sequential:
    """Слои один за другим; обучается методом `fit_generator`."""

    def __init__(self, *layers):
        self._layers = layers
        self._trainable_variables = [variable for layer in layers for variable in layer.get_trainable()]

    @property
    def trainable_variables(self):
        return self._trainable_variables

    def _forward(self, x, writer=None, step=None):
        for layer in self._layers:
            x = layer(x, writer, step)
        return x

    def fit_generator(self, train_seq, eval_seq, epoch, loss, optimizer, writer=None):
        step = 0
        for e in range(epoch):
            train_loss, train_accuracy = keras.metrics.Mean(), keras.metrics.SparseCategoricalAccuracy()
            val_loss, val_accuracy = keras.metrics.Mean(), keras.metrics.SparseCategoricalAccuracy()

            for x, y in train_seq:
                with tf.GradientTape() as tape:
                    prediction = self._forward(x, writer, step)
                    loss_value = loss(y, prediction)
                gradients = tape.gradient(loss_value, self._trainable_variables)
                optimizer.apply_gradients(zip(gradients, self._trainable_variables))
                train_accuracy.update_state(y, prediction)
                train_loss.update_state(loss_value)
                with writer.as_default():
                    tf.summary.scalar("train_accuracy", train_accuracy.result().numpy(), step=step)
                    tf.summary.scalar("train_loss", train_loss.result().numpy(), step=step)
                step += 1

            for x, y in eval_seq:
                prediction = self._forward(x)
                val_loss.update_state(loss(y, prediction))
                val_accuracy.update_state(y, prediction)

            for kind, mean, accuracy in (("Train", train_loss, train_accuracy), ("Val", val_loss, val_accuracy)):
                print(f"Epoch {e + 1}: {kind} loss: {mean.result():.3f} {kind} Accuracy: {accuracy.result():.3f}")
            print("*" * 20)

    def predict_generator(self, seq):
        return np.concatenate([self._forward(x).numpy() for x, _ in seq])
