"""INT8 calibration through TRTEngineOp: the engine's own float plan answers while its tensors are counted."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine  # noqa: E402
from tfengine import _core  # noqa: E402
from engine_graphs import ENGINE, EngineSession, digits_function, engine_graph, function_of, run_python, set_attribute  # noqa: E402

INT8 = {"precision_mode": "INT8", "use_calibration": True}


@pytest.fixture(scope="module")
def digits_native():
    return digits_function()


@pytest.fixture(scope="module")
def calibrated(digits_native, images):
    """A session that saw the calibration images in batches of 16, and its table."""
    session = EngineSession(engine_graph(digits_native, **INT8))
    for start in range(0, len(images), 16):
        session(images[start : start + 16])
    return session, session.table()


def accuracy(session, test_split) -> float:
    images, labels = test_split
    (scores,) = session(images)
    return float((scores.argmax(axis=1) == labels).mean())


def test_calibration_answers_with_the_float_model(digits_native, images):
    session = EngineSession(engine_graph(digits_native, **INT8))
    (got,) = session(images[:8])
    np.testing.assert_allclose(got, digits_native(tf.constant(images[:8])).numpy(), atol=1e-5)
    assert session.status()["state"] == "calibrating"
    assert session.status()["native_calls"] == {}


def test_table_is_tensorrts_text(calibrated):
    lines = calibrated[1].decode().splitlines()
    assert lines[0].startswith("TRT-") and lines[0].endswith("-EntropyCalibration2")
    names = [line.rsplit(": ", 1)[0] for line in lines[1:]]
    assert "TensorRTInputPH_0" in names
    assert "cnn_1/conv2d_1/Relu" in names  # the user's names
    for line in lines[1:]:
        digits = line.rsplit(": ", 1)[1]
        assert len(digits) == 8 and int(digits, 16) > 0


def test_int8_follows_calibration_without_a_new_graph(calibrated, digits_native, images, test_split):
    session = calibrated[0]
    native = (digits_native(tf.constant(test_split[0])).numpy().argmax(axis=1) == test_split[1]).mean()
    assert accuracy(session, test_split) >= native - 0.005
    status = session.status()
    assert (status["state"], status["precision"]) == ("ready", "int8")
    assert session.table() == calibrated[1]  # it can be asked again


def test_a_graph_with_the_table_needs_no_calibration(calibrated, digits_native, test_split):
    graph = engine_graph(digits_native, **INT8, calibration_data=calibrated[1])
    session = EngineSession(graph)
    native = (digits_native(tf.constant(test_split[0])).numpy().argmax(axis=1) == test_split[1]).mean()
    assert accuracy(session, test_split) >= native - 0.005
    status = session.status()
    assert (status["state"], status["precision"]) == ("ready", "int8")
    float_weights = float_engine_weights(digits_native, test_split)
    assert status["engines"][0]["weights_bytes"] < 0.5 * float_weights


def float_engine_weights(digits_native, test_split) -> int:
    session = EngineSession(engine_graph(digits_native))
    session(test_split[0])
    return session.status()["engines"][0]["weights_bytes"]


def test_batches_of_different_sizes_count_the_same(calibrated, digits_native, images):
    session = EngineSession(engine_graph(digits_native, **INT8))
    for start, end in [(0, 1), (1, 8), (8, 64), (64, 67), (67, 128)]:
        session(images[start:end])
    assert session.table() == calibrated[1]


def test_table_equals_the_standalone_calibrations(calibrated, digits, images, tmp_path):
    """Same tensors, same numbers; only the input has its name in the segment."""
    session, table = calibrated
    mine = dict(line.rsplit(": ", 1) for line in table.decode().splitlines()[1:])
    standalone = tfengine.calibrate(tfengine.load_model(digits / "cnn.pb"), images, batch_size=16, threads=1)
    for name, text in (line.rsplit(": ", 1) for line in standalone.table("entropy").splitlines()[1:]):
        assert mine[{"image": "TensorRTInputPH_0"}.get(name, name)] == text, name


def test_the_calibrator_is_an_attribute(digits_native, images):
    session = EngineSession(engine_graph(digits_native, **INT8, _tfengine_calibrator="minmax"))
    session(images)
    assert session.table().decode().splitlines()[0].endswith("-MinMaxCalibration")


def test_histograms_are_a_calibration_file(calibrated, images, tmp_path):
    path = tmp_path / "histograms.tfecal"
    path.write_bytes(calibrated[0].histograms())
    calibration = tfengine.Calibration.load(path)
    assert calibration.samples == len(images)
    assert calibration.table("entropy").encode() == calibrated[1]
    table = tmp_path / "table"
    command = [Path(sys.executable).with_name("tfengine"), "calibrate", "--from", path, "--calibrator", "entropy"]
    subprocess.run([*command, "--table", table, "--quiet"], check=True)
    assert table.read_bytes() == calibrated[1]


def test_histograms_before_the_end_are_an_error(digits_native, images):
    session = EngineSession(engine_graph(digits_native, **INT8))
    session(images[:4])
    with pytest.raises(
        tf.errors.FailedPreconditionError, match="has no finished calibration: GetCalibrationDataOp ends it"
    ):
        session.histograms()


def test_an_engine_that_saw_no_data_is_named(digits_native, images):
    session = EngineSession(engine_graph(digits_native, **INT8))
    session(images[:0])
    with pytest.raises(tf.errors.UnknownError, match=f"'{ENGINE}' saw no calibration data"):
        session.table()


def test_an_engine_without_calibration_is_named(digits_native, images):
    session = EngineSession(engine_graph(digits_native))
    session(images[:4])
    with pytest.raises(tf.errors.UnknownError, match=f"'{ENGINE}' is not calibrated: that takes precision INT8"):
        session.table()


def test_what_cannot_be_calibrated_says_why():
    function = function_of(lambda x: tf.math.bessel_i0e(tf.nn.relu(x)), [tf.TensorSpec([None, 4])])
    session = EngineSession(engine_graph(function, **INT8))
    session(np.ones((2, 4), np.float32))
    assert any("BesselI0e" in reason for reason in session.status()["native_calls"])
    with pytest.raises(tf.errors.UnknownError, match=f"'{ENGINE}' "):
        session.table()


@pytest.fixture(scope="module")
def means(calibrated):
    return _core.Calibration.from_bytes(calibrated[0].histograms()).channel_means()


def engine_of(graph, images, path) -> bytes:
    """The engine that the graph's operation builds, as a file."""
    import tfengine.tensorflow as tft

    session = EngineSession(graph)
    session(images[:8])
    assert session.status()["native_calls"] == {} and session.status()["precision"] == "int8"
    with session.graph.as_default():
        session.session.run(tft.ops.serialize_trt_resource(ENGINE, str(path)))
    return path.read_bytes()


def test_channel_means_correct_biases(calibrated, means, digits_native, images, tmp_path):
    graph = engine_graph(digits_native, **INT8, calibration_data=calibrated[1])
    assert b"/corrected_bias" not in engine_of(graph, images, tmp_path / "without")
    set_attribute(graph.node[-1], "_tfengine_channel_means", means)
    assert b"/corrected_bias" in engine_of(graph, images, tmp_path / "with")


def test_malformed_channel_means_are_told_and_done_without(calibrated, means, digits_native, images, tmp_path):
    graph = engine_graph(digits_native, **INT8, calibration_data=calibrated[1])
    for damaged in (means[:40], b"TFE", means[:-1] + b"x"):
        set_attribute(graph.node[-1], "_tfengine_channel_means", damaged)
        assert b"/corrected_bias" not in engine_of(graph, images, tmp_path / "engine")
    code = """
import numpy as np
from engine_graphs import EngineSession, digits_function, engine_graph
attributes = {"calibration_data": "TRT-8600-EntropyCalibration2\\n", "_tfengine_channel_means": b"TFEMEANS"}
graph = engine_graph(digits_function(), precision_mode="INT8", **attributes)
EngineSession(graph)(np.ones((1, 8, 8, 1), np.float32))
"""
    sentence = (
        f"'{ENGINE}': its channel means: truncated: only 8 bytes. Its INT8 engine is built without bias correction"
    )
    assert sentence in run_python(code)


def test_a_damaged_table_is_told(digits_native, images):
    graph = engine_graph(digits_native, **INT8, calibration_data="TRT-8600-EntropyCalibration2\nimage: zzz\n")
    session = EngineSession(graph)
    session(images[:4])
    (reason,) = session.status()["native_calls"]
    assert "the calibration table: line 2: the scale is 'zzz', expected 8 hexadecimal digits" in reason


def test_int8_without_any_range_stays_float(digits_native, images):
    graph = engine_graph(digits_native, precision_mode="INT8", use_calibration=False)
    session = EngineSession(graph)
    (got,) = session(images[:8])
    # bfloat16 where the CPU has it and is faster so.
    np.testing.assert_allclose(got, digits_native(tf.constant(images[:8])).numpy(), atol=0.02)
    assert session.status()["native_calls"] == {}
    code = """
import numpy as np
from engine_graphs import EngineSession, digits_function, engine_graph
graph = engine_graph(digits_function(), precision_mode="INT8", use_calibration=False)
EngineSession(graph)(np.ones((1, 8, 8, 1), np.float32))
"""
    assert "has neither a calibration table nor quantization nodes: its engine computes in float" in run_python(code)


def test_strict_ranges_fail_the_call_and_name_the_tensors(digits_native, images):
    graph = engine_graph(digits_native, precision_mode="INT8", use_calibration=False, _tfengine_strict_ranges=True)
    session = EngineSession(graph)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"\[quantize\] \d+ tensors have no INT8 range: '.*', '.*';"
    ):
        session(images[:8])
    assert session.status()["native_calls"] == {}


def test_percentile_is_the_calibrators(digits_native, images):
    tables = {}
    for percentile in (99.99, 50.0):
        attributes = {"_tfengine_calibrator": "percentile", "_tfengine_percentile": percentile}
        session = EngineSession(engine_graph(digits_native, **INT8, **attributes))
        session(images[:16])
        tables[percentile] = session.table()
    assert tables[50.0] != tables[99.99]


def test_ranges_of_the_graph_need_no_calibration(images):
    def build(x):
        x = tf.quantization.fake_quant_with_min_max_args(x, 0.0, 16.0)
        kernel = np.random.default_rng(0).normal(size=(3, 3, 1, 32)).astype(np.float32)
        return tf.quantization.fake_quant_with_min_max_args(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME")), 0.0, 64.0)

    function = function_of(build, [tf.TensorSpec([None, 8, 8, 1])])
    session = EngineSession(engine_graph(function, precision_mode="INT8", use_calibration=False))
    (got,) = session(images[:4])
    np.testing.assert_allclose(got, function(tf.constant(images[:4])).numpy(), atol=0.6)
    assert session.status()["precision"] == "int8"


def test_set_attribute_is_what_the_converter_writes(calibrated, digits_native):
    """The guide's loop: the table moves from the run into the node."""
    graph = engine_graph(digits_native, **INT8)
    set_attribute(graph.node[-1], "calibration_data", calibrated[1])
    assert graph.node[-1].attr["calibration_data"].s == calibrated[1]
