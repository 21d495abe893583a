#!/usr/bin/env python3
"""Trains the two digit classifiers that the demo and the tests use, and writes them as TensorFlow users have them.

    examples/digits/cnn.pb                  a plain CNN, frozen GraphDef
    examples/digits/separable.pb            a depthwise-separable CNN with batch norm and relu6, frozen GraphDef
    examples/digits/separable_saved_model/  the same network as a SavedModel

Needs TensorFlow (pip install -r requirements/tensorflow.txt). Takes about ten minutes on two cores. The files are in the
repository: run this only to make them anew.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

HERE = Path(__file__).parent / "digits"
SEED = 1998
SIZE_LIMIT_BYTES = 2_000_000
ACCURACY_GOAL = 0.98

layers = tf.keras.layers


def read_split(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images as float32 [count, 8, 8, 1] in 0..1, and labels."""
    images, labels = [], []
    for record in tf.data.TFRecordDataset(str(HERE / "data" / f"{split}.tfrecord")):
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        images.append(np.frombuffer(feature["image_raw"].bytes_list.value[0], np.uint8))
        labels.append(feature["label"].int64_list.value[0])
    return np.stack(images).reshape(-1, 8, 8, 1).astype(np.float32) / 16, np.array(labels)


def plain_cnn() -> tf.keras.Model:
    x = image = layers.Input((8, 8, 1), name="image")
    for filters in (32, 64, 96, 128):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(160, 3, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    return tf.keras.Model(image, layers.Dense(10, activation="softmax")(x), name="cnn")


def separable_cnn() -> tf.keras.Model:
    def norm_relu6(x):
        return layers.ReLU(6.0)(layers.BatchNormalization()(x))

    x = image = layers.Input((8, 8, 1), name="image")
    x = norm_relu6(layers.Conv2D(64, 3, padding="same", use_bias=False)(x))
    for filters, stride in ((128, 1), (192, 1), (256, 1), (256, 1), (384, 2)):
        x = norm_relu6(layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x))
        shortcut = x
        x = norm_relu6(layers.Conv2D(filters, 1, use_bias=False)(x))
        if shortcut.shape == x.shape:
            x = layers.Add()([shortcut, x])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    return tf.keras.Model(image, layers.Dense(10, activation="softmax")(x), name="separable")


def train(model: tf.keras.Model, epochs: int, batch_size: int = 32) -> None:
    images, labels = read_split("train")
    augment = tf.keras.Sequential(
        [
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant", seed=SEED),
            layers.RandomRotation(0.03, fill_mode="constant", seed=SEED),
        ]
    )
    batches = (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .shuffle(len(images), seed=SEED)
        .batch(batch_size)
        .map(lambda image, label: (augment(image, training=True), label))
        .prefetch(2)
    )
    steps = epochs * len(batches)
    model.compile(
        optimizer=tf.keras.optimizers.AdamW(tf.keras.optimizers.schedules.CosineDecay(2e-3, steps), weight_decay=1e-4),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(batches, epochs=epochs, verbose=2)


def freeze(model: tf.keras.Model, path: Path) -> None:
    spec = tf.TensorSpec([None, 8, 8, 1], tf.float32, name="image")
    function = tf.function(lambda image: model(image, training=False)).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(function)
    path.write_bytes(frozen.graph.as_graph_def().SerializeToString(deterministic=True))
    print(f"{path.name}: {frozen.inputs[0].name} -> {frozen.outputs[0].name}, {path.stat().st_size} bytes")
    assert path.stat().st_size < SIZE_LIMIT_BYTES, f"{path} is larger than {SIZE_LIMIT_BYTES} bytes"


def accuracy_of(path: Path, images: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of the frozen file, read back as a user would."""
    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.import_graph_def(definition, name="")
        output = session.run("Identity:0", {"image:0": images})
    return float(np.mean(output.argmax(axis=1) == labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("models", nargs="*", default=["cnn", "separable"])
    arguments = parser.parse_args()
    tf.config.experimental.enable_op_determinism()
    tested = {}
    for name in arguments.models:
        tf.keras.backend.clear_session()
        tf.keras.utils.set_random_seed(SEED)
        model = {"cnn": plain_cnn, "separable": separable_cnn}[name]()
        train(model, arguments.epochs)
        freeze(model, HERE / f"{name}.pb")
        tested[name] = accuracy_of(HERE / f"{name}.pb", *read_split("test"))
        if name == "separable":
            folder = HERE / "separable_saved_model"
            shutil.rmtree(folder, ignore_errors=True)
            model.export(str(folder), verbose=False)
    print(json.dumps({"test accuracy": tested}))
    assert min(tested.values()) >= ACCURACY_GOAL, f"a model is below {ACCURACY_GOAL:.0%}"


if __name__ == "__main__":
    main()
