# SPDX-License-Identifier: Apache-2.0
"""Trains a network for INT8 with Keras and TensorFlow's fake-quant ops, and converts it with the ranges that it learnt: no
calibration data, every layer INT8.

    python examples/train_quantization_aware.py model_folder

Weights are rounded per channel. Each activation has a `Range`, a layer whose moving averages of least and largest values are
variables of the SavedModel.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parent / "digits"))
from records import read_split  # noqa: E402

keras = tf.keras


class Range(keras.layers.Layer):
    """Rounds to 8 bits between moving averages of the least and the largest value of training's batches."""

    def __init__(self, momentum=0.95, **options):
        super().__init__(**options)
        self.momentum = momentum
        self.rounds = True  # False: the float network

    def build(self, shape):
        ends = {"shape": (), "trainable": False, "initializer": "zeros"}
        self.low, self.high = self.add_weight(name="low", **ends), self.add_weight(name="high", **ends)

    def call(self, x, training=False):
        if not self.rounds:
            return x
        if training:
            self.low.assign(self._average(self.low, tf.minimum(tf.reduce_min(x), 0.0)))
            self.high.assign(self._average(self.high, tf.maximum(tf.reduce_max(x), 1e-3)))
        return tf.quantization.fake_quant_with_min_max_vars(x, self.low, self.high)

    def _average(self, old, new):
        # The first batch counts whole.
        return tf.where(self.high == 0.0, new, self.momentum * old + (1 - self.momentum) * new)


class Convolution(keras.layers.Layer):
    """A convolution, or one for each channel, whose weights are rounded to 8 bits with a scale for each channel."""

    def __init__(self, filters, size, depthwise=False, **options):
        super().__init__(**options)
        self.filters, self.size, self.depthwise = filters, size, depthwise
        self.rounds = True

    def build(self, shape):
        inputs = () if self.depthwise else (shape[-1],)
        self.kernel = self.add_weight(
            name="kernel", shape=(self.size, self.size, *inputs, self.filters), initializer="he_normal"
        )

    def call(self, x):
        kernel = tf.convert_to_tensor(self.kernel)
        if self.rounds:
            most = tf.reduce_max(tf.abs(kernel), axis=list(range(len(kernel.shape) - 1)))
            kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(kernel, -most, most, narrow_range=True)
        if self.depthwise:
            return tf.nn.depthwise_conv2d(x, kernel[..., tf.newaxis], [1, 1, 1, 1], "SAME")
        return tf.nn.conv2d(x, kernel, 1, "SAME")


def block(x, filters, size, depthwise=False, residual=None):
    """Convolution, batch norm, sum, relu, and the range of what comes out: in between, the engine has no tensor. `residual`
    has its range from the block that made it."""
    x = keras.layers.BatchNormalization(momentum=0.9)(Convolution(filters, size, depthwise)(x))
    x = x if residual is None else keras.layers.Add()([x, residual])
    return Range()(keras.layers.ReLU()(x))


def network(width=24):
    image = keras.Input((8, 8, 1), name="image")
    x = first = block(Range()(image), width, 3)
    x = block(x, width, 3, depthwise=True)
    x = block(x, width, 1, residual=first)
    x = keras.layers.MaxPooling2D()(x)  # which keeps the range
    x = second = block(x, 2 * width, 3)
    x = block(x, 2 * width, 3, depthwise=True)
    x = block(x, 2 * width, 1, residual=second)
    x = Range()(keras.layers.GlobalAveragePooling2D(keepdims=True)(x))
    return keras.Model(image, keras.layers.Flatten(name="logits")(Convolution(10, 1)(x)))


MOVES = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))  # rows and columns


def train(model, epochs=8, batch=128):
    """On the digits' training split, as it is and moved by a pixel."""
    images, labels = read_split("train")
    images = np.concatenate([np.roll(images, move, axis=(1, 2)) for move in MOVES])
    labels = np.tile(labels, len(MOVES))
    steps = epochs * (len(images) // batch)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(images, labels, batch, epochs, verbose=0)


def trained(seed=1, **options):
    keras.utils.set_random_seed(seed)
    model = network()
    train(model, **options)
    return model


def in_float(model):
    """The same weights in a network that rounds nothing."""
    copy = network()
    copy.set_weights(model.get_weights())
    for layer in copy.layers:
        if isinstance(layer, (Range, Convolution)):
            layer.rounds = False
    return copy


def accuracy(scores, labels):
    return float(np.mean(np.asarray(scores).argmax(1) == labels))


def main():
    import tfengine

    (folder,) = sys.argv[1:]
    model = trained()
    model.export(folder, verbose=False)
    engine = tfengine.convert(folder, precision="int8", strict_ranges=True)
    images, labels = read_split("test")
    nodes = engine.report()["int8"]["nodes"]
    layers = [node["int8"] for node in nodes if node["op"] in ("Conv2D", "DepthwiseConv2dNative", "MatMul")]
    print(f"float: {accuracy(in_float(model).predict(images, verbose=0), labels):.2%}")
    print(
        f"INT8, {sum(layers)} of {len(layers)} layers: {accuracy(next(iter(engine.run(images).values())), labels):.2%}"
    )


if __name__ == "__main__":
    main()
