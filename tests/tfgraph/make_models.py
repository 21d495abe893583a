#!/usr/bin/env python3
"""Makes the small models of data/ with TensorFlow, each with one input and TensorFlow's outputs for it as .npy files.

Run it with the project's Python: tests/tfgraph/make_models.py. The files are checked in; tests do not need TensorFlow.
"""

import os
import shutil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf

DATA = Path(__file__).parent / "data"
v1 = tf.compat.v1


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def save_arrays(name: str, arrays: dict) -> None:
    for key, value in arrays.items():
        np.save(DATA / f"{name}.{key}.npy", np.asarray(value))


class Functions(tf.Module):
    """Nested functions, a captured constant, ops with several outputs, two signatures."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(random(3, 3, 2, 4, seed=1), name="block/kernel")
        self.bias = tf.Variable(random(4, seed=2), name="bias")
        self.other = tf.Variable(random(4, seed=3), name="bias")  # a name that is taken
        self.table = tf.constant(random(4, seed=4))

    @tf.function
    def inner(self, x):
        y = tf.nn.conv2d(x, self.kernel, 1, "SAME") + self.bias
        y, _, _ = v1.nn.fused_batch_norm(y, tf.ones(4), self.other, self.table, tf.fill([4], 2.0), is_training=False)
        return tf.nn.relu(y), y * self.table

    @tf.function
    def outer(self, x):
        a, b = self.inner(x)
        c, _ = self.inner(x[:, ::-1])
        return a + c, b

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 2], tf.float32, name="image")])
    def serve(self, image):
        total, scaled = self.outer(image)
        _, second = tf.split(scaled, 2, axis=-1)
        values, indices = tf.math.top_k(tf.reduce_mean(total, [1, 2]), 2)
        return {"total": total, "second": second, "values": values, "indices": indices}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def double(self, x):
        return {"y": tf.identity(x) * 2.0}


def make_functions() -> None:
    module = Functions()
    x = random(2, 4, 4, 2, seed=9)
    save_arrays("functions", {"input": x, **module.serve(x)})
    tf.saved_model.save(
        module, str(DATA / "functions"), signatures={"serving_default": module.serve, "double": module.double}
    )


def make_keras() -> None:
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Input((6, 6, 1), name="picture"),
            tf.keras.layers.Conv2D(4, 3),
            tf.keras.layers.BatchNormalization(),
            tf.keras.layers.ReLU(6.0),
            tf.keras.layers.DepthwiseConv2D(3),
            tf.keras.layers.GlobalAveragePooling2D(),
            tf.keras.layers.Dense(3, "softmax"),
        ]
    )
    x = random(2, 6, 6, 1, seed=5)
    save_arrays("keras", {"input": x, "output_0": model(x, training=False)})
    model.export(str(DATA / "keras"), verbose=False)


def make_tf1() -> None:
    x_value = random(3, 5, seed=6)
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 5], "x")
        reference = v1.get_variable("dense/reference", initializer=random(5, 4, seed=7), use_resource=False)
        resource = v1.get_variable("dense/resource", initializer=random(4, seed=8), use_resource=True)
        keep = v1.placeholder_with_default(1.0, [], "keep")
        y = tf.tanh(tf.matmul(x, reference) + resource) * keep
        session.run(v1.global_variables_initializer())
        save_arrays("tf1", {"input": x_value, "scores": session.run(y, {x: x_value})})
        v1.saved_model.simple_save(session, str(DATA / "tf1"), {"x": x}, {"scores": y})


def make_frozen() -> None:
    """A graph as freezing leaves it: identities, assertions, a default, control edges, an unused placeholder."""
    x_value = random(2, 3, seed=10)
    with tf.Graph().as_default() as graph, v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3], "x")
        v1.placeholder(tf.float32, [], "unused")
        check = v1.Assert(tf.reduce_all(tf.math.is_finite(x)), [x], name="check")
        with tf.control_dependencies([check]):
            a = tf.identity(x, "a")
        rate = v1.placeholder_with_default(np.float32(0.5), [], "rate")
        b, c = tf.identity_n([tf.stop_gradient(a * rate), a + 1.0], "pair")
        d = tf.debugging.check_numerics(b, "bad", name="numerics")
        parts = tf.split(tf.concat([d, c], 1, name="joined"), 3, axis=1, name="parts")
        first = tf.nn.relu(parts[0], "first")
        last = tf.identity(parts[2], "last")
        tf.no_op("init")
        save_arrays(
            "frozen", dict(zip(["input", "first", "last"], [x_value, *session.run([first, last], {x: x_value})]))
        )
        (DATA / "frozen.pb").write_bytes(graph.as_graph_def().SerializeToString(deterministic=True))


def make_nchw() -> None:
    """NCHW nodes, which TensorFlow runs on GPUs only: the expected output is of the same network in NHWC."""
    x_value = random(2, 2, 8, 8, seed=11)
    kernel, bias, depthwise = random(3, 3, 2, 4, seed=12), random(4, seed=13), random(3, 3, 4, 1, seed=14)

    def network(x, nchw: bool):
        order = "NCHW" if nchw else "NHWC"
        by = (lambda h, w: [1, 1, h, w]) if nchw else (lambda h, w: [1, h, w, 1])
        zero, pad = [0, 0], [[1, 0], [0, 1]]
        padding = [zero, zero, *pad] if nchw else [zero, *pad, zero]
        x = tf.nn.conv2d(x, kernel, by(2, 1), padding, order, name="conv")
        x = tf.nn.bias_add(x, bias, order, name="bias")
        x, _, _ = v1.nn.fused_batch_norm(
            x, bias + 2, bias, bias, bias * bias + 1, is_training=False, data_format=order, name="norm"
        )
        x = tf.nn.relu(x, "relu")
        x = tf.raw_ops.DepthwiseConv2dNative(
            input=x, filter=depthwise, strides=by(1, 1), padding="SAME", data_format=order, name="depthwise"
        )
        x = tf.raw_ops.MaxPool(
            input=x, ksize=by(2, 3), strides=by(1, 2), padding="VALID", data_format=order, name="pool"
        )
        return tf.raw_ops.AvgPool(
            value=x, ksize=by(2, 1), strides=by(1, 1), padding="SAME", data_format=order, name="mean"
        )

    expected = tf.transpose(network(tf.transpose(x_value, [0, 2, 3, 1]), False), [0, 3, 1, 2])
    save_arrays("nchw", {"input": x_value, "mean": expected})
    with tf.Graph().as_default() as graph:
        network(v1.placeholder(tf.float32, [None, 2, 8, 8], "x"), True)
        (DATA / "nchw.pb").write_bytes(graph.as_graph_def().SerializeToString(deterministic=True))


def make_constants() -> None:
    """Constants of every type: stored as bytes, as lists, as one repeated value, empty."""
    with tf.Graph().as_default() as graph:
        for dtype in [
            "float32",
            "float64",
            "float16",
            "bfloat16",
            "int8",
            "uint8",
            "int16",
            "uint16",
            "int32",
            "uint32",
            "int64",
            "uint64",
            "bool",
        ]:
            kind = tf.as_dtype(dtype)
            values = np.array([1, 0, 3, 2]).astype(kind.as_numpy_dtype)
            v1.constant(values.reshape(2, 2), kind, name=f"{dtype}_bytes")
            v1.constant(np.ones(3).astype(kind.as_numpy_dtype), kind, name=f"{dtype}_splat")
            v1.constant(np.array(1).astype(kind.as_numpy_dtype), kind, name=f"{dtype}_scalar")
            v1.constant(np.zeros([0, 2]).astype(kind.as_numpy_dtype), kind, name=f"{dtype}_empty")
        v1.constant(["a", "b"], name="text")
        definition = graph.as_graph_def()
        lists = definition.node.add(name="lists", op="Const")
        lists.attr["dtype"].type = tf.float32.as_datatype_enum
        tensor = lists.attr["value"].tensor
        tensor.dtype = tf.float32.as_datatype_enum
        tensor.tensor_shape.dim.add(size=5)
        tensor.float_val.extend([1.5, 2.5])  # the last repeats
        (DATA / "constants.pb").write_bytes(definition.SerializeToString(deterministic=True))


def main() -> None:
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    make_functions()
    make_keras()
    make_tf1()
    make_frozen()
    make_nchw()
    make_constants()
    for folder in DATA.iterdir():
        if folder.is_dir():
            (folder / "fingerprint.pb").unlink(missing_ok=True)
            shutil.rmtree(folder / "assets", ignore_errors=True)


if __name__ == "__main__":
    main()
