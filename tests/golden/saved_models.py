# SPDX-License-Identifier: Apache-2.0
"""Tiny SavedModels with recorded outputs: calls, several signatures, variables in a bundle, and TensorFlow 1's form.

saved_models/<name>/                          the SavedModel
saved_models/<name>.data/<signature>/         input_<key>.npy, expected_<key>.npy
saved_models/index.txt                        lines `name signature inputs outputs`
"""

import shutil

import numpy as np
import tensorflow as tf


class Functions(tf.Module):
    """Calls with variables (StatefulPartitionedCall), without (PartitionedCall), nested, and one made twice."""

    def __init__(self, rng):
        super().__init__()
        self.kernel = tf.Variable(rng.standard_normal((3, 3, 3, 4)).astype(np.float32), name="kernel")
        self.bias = tf.Variable(rng.standard_normal(4).astype(np.float32), name="bias")
        self.dense = tf.Variable(rng.standard_normal((4, 3)).astype(np.float32), name="dense")
        self.half = tf.Variable(rng.standard_normal(3), dtype=tf.bfloat16, name="half")
        self.steps = tf.Variable(7, dtype=tf.int64, name="steps")

    @tf.function
    def activation(self, x):
        return tf.nn.relu(x) - 0.1 * tf.nn.relu(-x)

    @tf.function
    def block(self, x):
        y = tf.nn.bias_add(tf.nn.conv2d(x, self.kernel, 2, "SAME"), self.bias)
        return self.activation(self.activation(y) + 1.0)

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")])
    def classify(self, image):
        pooled = tf.reduce_mean(self.block(image), [1, 2])
        logits = tf.matmul(pooled, self.dense) + tf.cast(self.half, tf.float32)
        return {"logits": logits, "classes": tf.argmax(logits, -1)}

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image"),
            tf.TensorSpec((), tf.float32, name="scale"),
        ]
    )
    def features(self, image, scale):
        return {"features": self.block(image * scale) + tf.cast(self.steps, tf.float32)}


def _keras_model(rng):
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3), name="image"),
            layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.Activation("swish"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax"),
        ]
    )
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights(
                [rng.uniform(0.5, 1.5, 4), rng.normal(size=4), rng.normal(size=4), rng.uniform(0.5, 2, 4)]
            )
    return model


def _write_tf1(folder, rng):
    """Reference variables and the TensorFlow 1 builder, as models exported before 2019 have them."""
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 6), "x")
        weights = tf.compat.v1.get_variable(
            "fc/weights", initializer=rng.standard_normal((6, 4)).astype(np.float32), use_resource=False
        )
        biases = tf.compat.v1.get_variable(
            "fc/biases", initializer=rng.standard_normal(4).astype(np.float32), use_resource=False
        )
        y = tf.nn.relu(tf.matmul(x, weights) + biases, name="y")
        session.run(tf.compat.v1.global_variables_initializer())
        builder = tf.compat.v1.saved_model.Builder(str(folder))
        signature = tf.compat.v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()


def _record(root, index, name, signature, **inputs):
    """Runs a signature of the SavedModel as it lies on disk."""
    function = tf.saved_model.load(str(root / name)).signatures[signature]
    folder = root / f"{name}.data" / signature
    folder.mkdir(parents=True)
    results = function(**{key: tf.constant(value) for key, value in inputs.items()})
    for key, value in inputs.items():
        np.save(folder / f"input_{key}.npy", value)
    for key, value in results.items():
        np.save(folder / f"expected_{key}.npy", value.numpy())
    index.append(f"{name} {signature} {','.join(inputs)} {','.join(sorted(results))}")


def write(root):
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    rng = np.random.default_rng(3)
    image = rng.standard_normal((2, 8, 8, 3)).astype(np.float32)
    index = []

    module = Functions(rng)
    tf.saved_model.save(
        module, str(root / "functions"), {"serving_default": module.classify, "features": module.features}
    )
    _record(root, index, "functions", "serving_default", image=image)
    _record(root, index, "functions", "features", image=image, scale=np.float32(0.5))

    _keras_model(rng).export(str(root / "keras"), verbose=False)
    _record(root, index, "keras", "serving_default", image=image)

    _write_tf1(root / "tf1", rng)
    _record(root, index, "tf1", "serving_default", x=rng.standard_normal((3, 6)).astype(np.float32))
    (root / "index.txt").write_text("\n".join(index) + "\n")
