"""Ops written as ONNX, run by ONNX Runtime and compared with the engine."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import tfengine

onnxruntime = pytest.importorskip("onnxruntime")
tf = pytest.importorskip("tensorflow")


def frozen(function, *shapes):
    """The GraphDef of a function of float tensors."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    concrete = tf.function(function).get_concrete_function(*(tf.TensorSpec(shape, tf.float32) for shape in shapes))
    return convert_variables_to_constants_v2(concrete).graph.as_graph_def().SerializeToString()


def compare(function, *shapes, tolerance=1e-5, batch="given"):
    """Runs the engine and its ONNX model on the same random inputs. `batch` None: the graph leaves it open."""
    specified = shapes if batch == "given" else [(batch, *shape[1:]) for shape in shapes]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pb"
        path.write_bytes(frozen(function, *specified))
        engine = tfengine.convert(path, threads=1, time_tactics=False)
    rng = np.random.default_rng(1)
    inputs = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    feeds = dict(zip([spec.name for spec in engine.inputs], inputs, strict=True))
    expected = engine.run(feeds)
    session = onnxruntime.InferenceSession(engine.to_onnx(), providers=["CPUExecutionProvider"])
    names = [spec.name for spec in engine.outputs]
    for name, got in zip(names, session.run(names, feeds), strict=True):
        assert got.shape == expected[name].shape and got.dtype == expected[name].dtype
        if got.dtype == np.float32:
            np.testing.assert_allclose(got, expected[name], rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(got, expected[name])


PICTURE = (2, 6, 8, 12)


@pytest.mark.parametrize(
    "slices",
    [
        np.s_[:, 1:5:2, :, 3:],
        np.s_[:, ::-1, -3:, ...],
        np.s_[0],
        np.s_[..., 2],
        np.s_[:, tf.newaxis, -1, 1:3],
        np.s_[:, 4:0:-2, ..., tf.newaxis],
    ],
    ids=str,
)
def test_strided_slices(slices):
    compare(lambda x: x[slices] * 1.5, PICTURE)


def test_slices():
    compare(lambda x: tf.slice(x, [0, 1, 2, 0], [2, 3, -1, 5]) + 1.0, PICTURE)


@pytest.mark.parametrize("parts", [3, [2, 3, -1]], ids=str)
def test_splits(parts):
    compare(lambda x: [tf.nn.relu(part) for part in tf.split(x, parts, axis=-1)], PICTURE)


def test_unpacked_and_packed():
    compare(lambda x: tf.stack([-part for part in tf.unstack(x, axis=1)], axis=2), (2, 3, 4))


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", [(12, 24), (3, 5), (9, 8)])
@pytest.mark.parametrize("how", [{"half_pixel_centers": True}, {"align_corners": True}, {}], ids=str)
def test_resized(method, size, how):
    op = tf.raw_ops.ResizeNearestNeighbor if method == "nearest" else tf.raw_ops.ResizeBilinear
    compare(lambda x: op(images=x, size=size, **how) * 2.0, PICTURE, tolerance=1e-4)


@pytest.mark.parametrize("op", [tf.nn.space_to_depth, tf.nn.depth_to_space])
def test_blocks(op):
    compare(lambda x: op(x, 2) * 2.0, PICTURE)


def test_sizes_computed_from_the_batch():
    weights = tf.constant(np.random.default_rng(3).standard_normal((3, 3, 7, 12)).astype(np.float32))

    def network(x):
        sizes = tf.stack([tf.shape(x)[0], 12, 16, 7])
        return tf.nn.conv2d_transpose(x, weights, sizes, 2, "SAME")

    compare(network, PICTURE, tolerance=1e-4, batch=None)


def test_top_k():
    compare(lambda x: list(tf.math.top_k(x, 5)), (4, 20))


@pytest.mark.parametrize("equation", ["abc,cd->abd", "abcd,aecd->acbe"])
def test_einsum(equation):
    shapes = {"abc,cd->abd": ((2, 3, 4), (4, 5)), "abcd,aecd->acbe": ((2, 3, 4, 5), (2, 6, 4, 5))}[equation]
    compare(lambda x, y: tf.einsum(equation, x, y), *shapes, tolerance=1e-4)


@pytest.mark.parametrize("padding", ["SAME", "VALID", [[0, 0], [1, 0], [0, 1], [0, 0]]], ids=str)
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 2), (4, 2), (3, 1), (2, 3)])
def test_transposed_convolutions(padding, kernel, stride):
    weights = tf.constant(np.random.default_rng(2).standard_normal((kernel, kernel, 7, 12)).astype(np.float32))
    height, width = (6, 8)
    reach = {"SAME": 0, "VALID": max(kernel - stride, 0)}.get(padding if isinstance(padding, str) else "", None)
    if reach is None:
        sizes = [2, (height - 1) * stride + kernel - 1, (width - 1) * stride + kernel - 1, 7]
    else:
        sizes = [2, height * stride + reach, width * stride + reach, 7]
    compare(
        lambda x: tf.nn.conv2d_transpose(x, weights, sizes, stride, padding) + 1.0,
        (2, height, width, 12),
        tolerance=1e-4,
    )


def rounded(x, dtype=tf.int32):
    """Small integers around zero, some of them equal."""
    return tf.cast(tf.round(x * 2), dtype)


def divisors(x, dtype=tf.int32):
    """The same without zero."""
    return tf.where(rounded(x, dtype) == 0, tf.cast(3, dtype), rounded(x, dtype))


PAIR = ((3, 4, 5), (3, 1, 5))


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64, tf.float32], ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("op", ["Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual"])
def test_comparisons(op, dtype):
    compare(lambda x, y: getattr(tf.raw_ops, op)(x=rounded(x, dtype), y=rounded(y, dtype)), *PAIR)


def test_logic():
    def network(x, y):
        a, b = x > 0, y > 0.5
        both = [tf.logical_and(a, b), tf.logical_or(a, tf.logical_not(b))]
        return [*both, tf.reduce_all(a, 1), tf.reduce_any(a, [0, 2], keepdims=True)]

    compare(network, *PAIR)


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64], ids=lambda dtype: dtype.name)
@pytest.mark.parametrize(
    "op", ["FloorDiv", "FloorMod", "TruncateDiv", "TruncateMod", "Maximum", "Minimum", "SquaredDifference", "AddV2"]
)
def test_arithmetic_of_integers(op, dtype):
    compare(lambda x, y: getattr(tf.raw_ops, op)(x=rounded(x * 5, dtype), y=divisors(y, dtype)), *PAIR)


REAL_OPS = "FloorDiv FloorMod TruncateDiv TruncateMod SquaredDifference DivNoNan MulNoNan Xdivy Xlogy".split()


@pytest.mark.parametrize("op", REAL_OPS)
def test_arithmetic_of_real_numbers(op):
    # One operand is zero now and then where the op says what comes of it.
    def network(x, y):
        a = rounded(x, tf.float32) if op in ("Xdivy", "Xlogy") else x * 5
        b = rounded(y, tf.float32) if op in ("DivNoNan", "MulNoNan") else divisors(y, tf.float32)
        return getattr(tf.raw_ops, op)(x=a, y=tf.abs(b) if op == "Xlogy" else b)

    compare(network, *PAIR)


def test_choices():
    def network(x, y):
        rows = tf.raw_ops.Select(condition=x[:, 0, 0] > 0, x=x, y=-x)
        each = tf.raw_ops.Select(condition=x > 0, x=x * 2, y=x)
        whole = tf.where(rounded(x) > 1, rounded(x), 7)
        return [tf.where(x > y, x, y), rows, each, whole, tf.clip_by_value(x, -0.5, 0.25), tf.add_n([x, x * 2, -x])]

    compare(network, *PAIR)


def test_choices_between_channels_first():
    weights = tf.constant(np.random.default_rng(4).standard_normal((1, 1, 12, 12)).astype(np.float32))

    def network(x):
        y = tf.nn.conv2d(x, weights, 1, "SAME")
        y = tf.where(y > np.linspace(-1, 1, 12, dtype=np.float32), y, y * np.linspace(0.1, 0.5, 12, dtype=np.float32))
        return tf.nn.conv2d(tf.math.squared_difference(y, 1.0), weights, 1, "SAME")

    compare(network, PICTURE, tolerance=1e-4)


@pytest.mark.parametrize("op", ["Erfc", "Expm1", "Log1p", "Selu", "Softsign", "Sign", "Round", "Rint", "Sin", "Atan"])
def test_functions(op):
    argument = {"Selu": "features", "Softsign": "features"}.get(op, "x")
    compare(lambda x: getattr(tf.raw_ops, op)(**{argument: tf.abs(x) if op == "Log1p" else x * 2}), (4, 20))


def test_predicates():
    def network(x):
        wild = tf.math.divide(tf.cast(rounded(x), tf.float32), tf.nn.relu(x))
        return [tf.math.is_nan(wild), tf.math.is_inf(wild), tf.math.is_finite(wild)]

    compare(network, (4, 20))


def test_reductions():
    def network(x):
        sums = [tf.reduce_sum(x, [1, 2]), tf.reduce_prod(x, -1, keepdims=True), tf.reduce_sum(rounded(x), 1)]
        return [*sums, tf.argmax(x, -1), tf.argmin(x, 1, output_type=tf.int32), tf.cumsum(x, 1, reverse=True)]

    compare(network, PICTURE, tolerance=1e-4)


@pytest.mark.parametrize("batch", ["given", None])
def test_large_of_small(batch):
    def network(x):
        rows = tf.shape(x)[0]
        filled = tf.fill([rows, 3], 2.5) + x[:, :3]
        spread = tf.broadcast_to(x[:, :1], [rows, 6]) + tf.cast(tf.range(rows), tf.float32)[:, tf.newaxis]
        classes = tf.one_hot(rounded(x[:, :4]), 3, on_value=2.0, off_value=-1.0, axis=1)
        picked = tf.gather_nd(x, tf.stack([tf.range(rows), tf.zeros_like(tf.range(rows)) + 2], 1))
        return [filled, spread, classes, tf.tile(x, [1, 2]), picked, tf.ones_like(x) * x]

    compare(network, (5, 8), batch=batch)
