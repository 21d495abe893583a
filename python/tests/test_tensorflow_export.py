"""Engines written as TensorFlow graphs with fake-quant nodes, run by TensorFlow and compared with the engine."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine  # noqa: E402


def run_graph(graph_def, feeds, output):
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(graph_def)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        return session.run(f"{output}:0", {f"{name}:0": value for name, value in feeds.items()})


def signal_to_noise_db(expected, got):
    return 10 * np.log10(np.sum(expected**2.0) / np.sum((expected - got) ** 2.0))


@pytest.mark.parametrize("name", ["cnn.pb", "separable.pb", "separable_saved_model"])
@pytest.mark.parametrize("int8_grid", ["auto", "tensorrt"])
def test_int8_engines(name, int8_grid, digits, images, test_split):
    engine = tfengine.convert(
        digits / name,
        precision="int8",
        calibration_data=images,
        batch_size=16,
        int8_grid=int8_grid,
        avoid_slow_int8=False,
        threads=1,
    )
    graph = engine.to_tensorflow()
    nodes = tf.compat.v1.GraphDef.FromString(graph).node
    stored = [row for row in engine.report()["int8"]["tensors"] if row["dtype"] in ("int8", "uint8")]
    assert sum(node.op == "FakeQuantWithMinMaxArgs" for node in nodes) >= len(stored) > 3
    (output,) = [spec.name for spec in engine.outputs]
    pictures = test_split[0][:64]
    expected = engine.run(pictures)[output]
    got = run_graph(graph, {engine.inputs[0].name: pictures}, output)
    # An integer that is one off here and there, where a sum lies between two.
    assert signal_to_noise_db(expected, got) > 30
    assert np.mean(expected.argmax(1) == got.argmax(1)) == 1.0


def test_float_engines_are_exact(digits, test_split):
    engine = tfengine.convert(digits / "cnn.pb", threads=1)
    (output,) = [spec.name for spec in engine.outputs]
    pictures = test_split[0][:16]
    got = run_graph(engine.to_tensorflow(), {engine.inputs[0].name: pictures}, output)
    np.testing.assert_allclose(got, engine.run(pictures)[output], rtol=1e-4, atol=1e-5)


def test_what_was_written_is_read_again(digits, images, test_split, tmp_path):
    """The bridge leads back: the fake-quant nodes give an engine all of its ranges."""
    first = tfengine.convert(
        digits / "cnn.pb", precision="int8", calibration_data=images, batch_size=16, avoid_slow_int8=False, threads=1
    )
    (tmp_path / "written.pb").write_bytes(first.to_tensorflow())
    second = tfengine.convert(
        tmp_path / "written.pb", precision="int8", strict_ranges=True, batch_size=16, avoid_slow_int8=False, threads=1
    )
    stored = [
        {row["op"]: row["int8"] for row in engine.report()["int8"]["nodes"] if row["op"] in ("Conv2D", "MatMul")}
        for engine in (first, second)
    ]
    assert stored[0] == stored[1]
    (output,) = [spec.name for spec in first.outputs]
    pictures = test_split[0][:64]
    # [-128, 127] steps become a range of 128, so the grids differ by one part in 127.
    assert signal_to_noise_db(first.run(pictures)[output], second.run(pictures)[output]) > 20


def test_paddings_of_their_own(tmp_path):
    """Pads that the engine takes into a convolution are nodes again: TensorFlow aborts over some that are attributes."""
    rng = np.random.default_rng(3)
    depthwise = tf.constant(rng.normal(size=(3, 3, 8, 1)).astype(np.float32))
    pointwise = tf.constant(rng.normal(size=(1, 1, 8, 8)).astype(np.float32))

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 12, 12, 8], tf.float32, name="x")])
        def serve(self, x):
            x = tf.nn.relu6(tf.nn.conv2d(x, pointwise, 1, "SAME"))
            x = tf.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]])
            x = tf.nn.relu6(tf.nn.depthwise_conv2d(x, depthwise, [1, 2, 2, 1], "VALID") + 0.5)
            return {"y": tf.nn.conv2d(x, pointwise, 1, "SAME")}

    model = Model()
    tf.saved_model.save(model, str(tmp_path / "m"), signatures=model.serve)
    engine = tfengine.convert(tmp_path / "m", threads=1)
    x = rng.normal(size=(4, 12, 12, 8)).astype(np.float32)
    output = engine.outputs[0].name
    np.testing.assert_allclose(
        run_graph(engine.to_tensorflow(), {"x": x}, output), engine.run(x)[output], rtol=1e-4, atol=1e-4
    )
