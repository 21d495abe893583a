#!/usr/bin/env python3
"""Trains small networks that are harder to keep accurate in INT8 than the digits' CNNs, as frozen graphs:

    examples/tasks/mobile.pb       inverted residuals with relu6, as MobileNetV2's, on digits of 32 x 32 pixels
    examples/tasks/efficient.pb    the same with swish and squeeze-and-excitation, as EfficientNet's
    examples/tasks/vision.pb       a transformer encoder over patches of the same images
    examples/tasks/bytes.pb        a transformer that fills in masked bytes of Python sources
    examples/tasks/hostile.pb      mobile.pb with relu, whose channels around the depthwise convolutions are spread by a
                                   factor of 1000: the same function, and ruin to a grid that all channels share

Needs TensorFlow (pip install -r requirements/tensorflow.txt). The files are in the repository: run this only to make them
anew, a few minutes each on one core. `--seconds` ends a session early; the next one goes on from its checkpoint.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from tasks.data import MASK, SIDE, WINDOW, digits, masked, sources, text
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

HERE = Path(__file__).parent / "tasks"
CHECKPOINTS = Path(__file__).resolve().parent.parent / "build" / "tasks"
SEED = 2026
SIZE_LIMIT_BYTES = 2_000_000
BATCH = 64

keras = tf.keras
layers = keras.layers


def inverted_residual(x, filters, stride, activation, expand=4, squeeze=False):
    shortcut = x
    x = layers.Conv2D(expand * x.shape[-1], 1, use_bias=False)(x)
    x = activation()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
    x = activation()(layers.BatchNormalization()(x))
    if squeeze:
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Conv2D(max(4, x.shape[-1] // 16), 1, activation="swish")(gate)
        x = layers.Multiply()([x, layers.Conv2D(x.shape[-1], 1, activation="sigmoid")(gate)])
    x = layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(x))
    return layers.Add()([shortcut, x]) if shortcut.shape == x.shape else x


def mobile(activation=lambda: layers.ReLU(6.0), squeeze=False, name="mobile"):
    x = image = layers.Input((SIDE, SIDE, 1), name="image")
    x = activation()(layers.BatchNormalization()(layers.Conv2D(16, 3, 2, padding="same", use_bias=False)(x)))
    for filters, stride in ((16, 1), (24, 2), (24, 1), (32, 1), (48, 2), (48, 1), (64, 1)):
        x = inverted_residual(x, filters, stride, activation, squeeze=squeeze)
    x = activation()(layers.BatchNormalization()(layers.Conv2D(192, 1, use_bias=False)(x)))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(10)(x), name=name)


def efficient():
    return mobile(lambda: layers.Activation("swish"), squeeze=True, name="efficient")


def hostile():
    return mobile(layers.ReLU, name="hostile")


def spread_channels(model):
    """Scales channels by factors from 1 to 1000 in front of a depthwise convolution and behind it, and takes the factors
    back in the next layer's weights: relu lets them through."""
    rng = np.random.default_rng(SEED)
    depthwise = [layer for layer in model.layers if isinstance(layer, layers.DepthwiseConv2D)]
    for layer in depthwise:
        before = previous(model, previous(model, layer))  # relu, then batch norm
        after = following(model, layer)
        project = following(model, following(model, after))
        for norm, weighted, axis in ((before, layer, 2), (after, project, 2)):
            factors = (1000.0 ** rng.random(layer.kernel.shape[2])).astype(np.float32)
            norm.gamma.assign(norm.gamma * factors)
            norm.beta.assign(norm.beta * factors)
            shape = [1] * len(weighted.kernel.shape)
            shape[axis] = -1
            weighted.kernel.assign(weighted.kernel / factors.reshape(shape))


def previous(model, layer):
    return layer.input._keras_history.operation


def following(model, layer):
    return layer._outbound_nodes[0].operation


class Positions(layers.Layer):
    """Adds a trained vector for each position."""

    def build(self, shape):
        self.table = self.add_weight(
            shape=shape[1:], initializer=keras.initializers.RandomNormal(stddev=0.05), name="table"
        )

    def call(self, x):
        return x + self.table


def encoder(x, depth, heads, width):
    for _ in range(depth):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = x + layers.MultiHeadAttention(heads, width // heads)(y, y)
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.Dense(3 * width, activation="gelu")(y)
        x = x + layers.Dense(width)(y)
    return layers.LayerNormalization(epsilon=1e-6)(x)


def vision(width=64):
    image = layers.Input((SIDE, SIDE, 1), name="image")
    x = layers.Conv2D(width, 4, 4)(image)
    x = Positions()(layers.Reshape((SIDE // 4 * (SIDE // 4), width))(x))
    x = layers.GlobalAveragePooling1D()(encoder(x, 4, 4, width))
    return keras.Model(image, layers.Dense(10)(x), name="vision")


def bytes_model(width=96):
    tokens = layers.Input((WINDOW,), dtype="int32", name="tokens")
    x = Positions()(layers.Embedding(MASK + 1, width)(tokens))
    return keras.Model(tokens, layers.Dense(256)(encoder(x, 3, 4, width)), name="bytes")


def augmented_digits():
    images, labels = digits("train")
    augment = keras.Sequential(
        [
            layers.RandomTranslation(0.12, 0.12, fill_mode="constant", seed=SEED),
            layers.RandomRotation(0.04, fill_mode="constant", seed=SEED),
            layers.RandomZoom(0.15, fill_mode="constant", seed=SEED),
        ]
    )
    data = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images)).repeat().batch(BATCH)
    for batch, classes in data:
        yield augment(batch, training=True), classes, None


def masked_text():
    rng = np.random.default_rng(SEED)
    data = sources("train")
    while True:
        starts = rng.integers(0, len(data) - WINDOW, BATCH)
        windows = data[starts[:, None] + np.arange(WINDOW)].astype(np.int32)
        tokens, hidden = masked(windows, rng)
        yield tf.constant(tokens), tf.constant(windows), tf.constant(hidden, tf.float32)


# Builder, batches, steps, learning rate.
TASKS = {
    "mobile": (mobile, augmented_digits, 900, 3e-3),
    "efficient": (efficient, augmented_digits, 900, 3e-3),
    "vision": (vision, augmented_digits, 2500, 1e-3),
    "hostile": (hostile, augmented_digits, 900, 3e-3),
    "bytes": (bytes_model, masked_text, 3000, 1.5e-3),
}


def train(name, seconds):
    """Whether training is complete; else a checkpoint is left."""
    build, batches, steps, rate = TASKS[name]
    keras.utils.set_random_seed(SEED)
    model = build()
    warm = 100
    schedule = keras.optimizers.schedules.CosineDecay(0.0, steps - warm, warmup_target=rate, warmup_steps=warm)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-3, clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    manager = tf.train.CheckpointManager(checkpoint, str(CHECKPOINTS / name), max_to_keep=1)
    if manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint)

    @tf.function(reduce_retracing=True)
    def step(inputs, wanted, weights):
        with tf.GradientTape() as tape:
            losses = loss_of(wanted, model(inputs, training=True))
            loss = (
                tf.reduce_mean(losses) if weights is None else tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)
            )
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
        return loss

    end = time.monotonic() + seconds
    for inputs, wanted, weights in batches():
        done = int(optimizer.iterations)
        if done >= steps or time.monotonic() > end:
            break
        loss = step(inputs, wanted, weights)
        if done % 100 == 0:
            print(f"{name}: step {done} of {steps}, loss {float(loss):.3f}", flush=True)
    manager.save()
    if int(optimizer.iterations) < steps:
        return False
    if name == "hostile":
        spread_channels(model)
    freeze(model, HERE / f"{name}.pb")
    print(f"{name}: {score(model, name):.4f} on the test split, {model.count_params()} weights", flush=True)
    return True


def score(model, name):
    if name == "bytes":
        tokens, windows, hidden = text("test", 512)
        return float((model.predict(tokens, verbose=0).argmax(-1) == windows)[hidden].mean())
    images, labels = digits("test")
    return float((model.predict(images, verbose=0).argmax(-1) == labels).mean())


def freeze(model, path):
    source = model.inputs[0]
    spec = tf.TensorSpec([None, *source.shape[1:]], source.dtype, name=source.name)
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(function)
    path.write_bytes(frozen.graph.as_graph_def().SerializeToString(deterministic=True))
    print(f"{path.name}: {frozen.inputs[0].name} -> {frozen.outputs[0].name}, {path.stat().st_size} bytes")
    assert path.stat().st_size < SIZE_LIMIT_BYTES, f"{path} is larger than {SIZE_LIMIT_BYTES} bytes"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of training in this session")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for name in arguments.tasks:
        if not train(name, arguments.seconds):
            print(f"{name}: to be continued", flush=True)


if __name__ == "__main__":
    main()
