"""MNIST without a network: for notebooks, and for definitions that look at it."""


def install(path):
    """Let `keras.datasets.mnist.load_data()` read the harness's file; its own code stays as it is."""
    from keras.src.datasets import mnist

    mnist.get_file = lambda *args, **kwargs: path
