"""Ops that move data or change a picture's size, written as ONNX, run by ONNX Runtime and compared with the engine."""

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
        np.testing.assert_allclose(got, expected[name], rtol=tolerance, atol=tolerance)


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
