"""TRTEngineOp's GPU kernel in a TensorFlow without GPUs: a device of type GPU stands in for one (tests/plugin/
host_gpu_device.cpp), whose memory no host code can touch. What such a test cannot see is TensorFlow's own GPU device."""

import json
import os
from pathlib import Path

import pytest

tf = pytest.importorskip("tensorflow")

import tfengine  # noqa: E402
from engine_graphs import ROOT, run_python  # noqa: E402

BUILD = Path(os.environ.get("TFENGINE_BUILD", ROOT / "build"))
LIBRARY = BUILD / "tests/plugin/libplugin_host_gpu.so"

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="the C++ tests are not built")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder with a tfengine whose op library is the one with the GPU."""
    folder = tmp_path_factory.mktemp("host_gpu") / "tfengine"
    folder.mkdir()
    for entry in Path(tfengine.__file__).parent.iterdir():
        if entry.name != "libtfengine_tensorflow.so":
            (folder / entry.name).symlink_to(entry)
    (folder / "libtfengine_tensorflow.so").symlink_to(LIBRARY)
    return folder.parent


@pytest.fixture
def on_gpu(package):
    """Runs a program there, and gives the JSON of its last line."""

    def run(code: str, **environment: str):
        path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
        printed = run_python(PROLOGUE + code, PYTHONPATH=path, TFENGINE_TIME_TACTICS="0", **environment)
        return json.loads(next(line for line in printed.splitlines() if line.startswith("{")))

    return run


PROLOGUE = """
import json
import numpy as np
import tensorflow as tf
import tfengine.tensorflow as plugin
from engine_graphs import ENGINE, EngineSession, digits_function, engine_graph, function_of
from tfengine import trt_convert as trt

IMAGES = np.random.default_rng(3).random((8, 8, 8, 1), dtype=np.float32)
FOLDER = "../../examples/digits/separable_saved_model"


def close(got, want):
    np.testing.assert_allclose(got, want, atol=1e-4)


def scores(function, images):
    with tf.device("/GPU:0"):
        return function(image=tf.constant(images))["output_0"].numpy()


def status_of(converter):
    (name,) = [node.name for node in converter._converted_graph_def.node if node.op == "TRTEngineOp"]
    return plugin.engine_status(name)
"""


def test_a_session_runs_engines_on_the_gpu(on_gpu):
    status = on_gpu(
        """
function = digits_function()
session = EngineSession(engine_graph(function))
with tf.device("/CPU:0"):
    want = function(tf.constant(IMAGES)).numpy()
close(session(IMAGES)[0], want)
close(session(IMAGES[:3])[0], want[:3])
close(session(IMAGES)[0], want)
print(json.dumps(session.status()))
"""
    )
    assert status["device"] == "cuda:1"  # CUDA's number, not TensorFlow's
    assert (status["builds"], status["engine_calls"], status["native_calls"]) == (2, 3, {})
    assert status["allocated_bytes"] >= status["engines"][0]["activation_bytes"] > 0


def test_where_the_graph_says_cpu_the_engine_is_the_cpus(on_gpu):
    status = on_gpu(
        """
function = digits_function()
graph = engine_graph(function)
graph.node[-1].device = "/device:CPU:0"
session = EngineSession(graph)
with session.graph.as_default(), tf.device("/CPU:0"):
    session._status = plugin.ops.tfengine_engine_status(ENGINE)
close(session(IMAGES)[0], function(tf.constant(IMAGES)).numpy())
print(json.dumps(session.status()))
"""
    )
    assert status["device"] == "cpu" and status["engine_calls"] == 1


def test_the_memory_fraction_of_the_session_binds_engines(on_gpu):
    seen = on_gpu(
        """
options = tf.compat.v1.GPUOptions(per_process_gpu_memory_fraction=0.0002)
session = EngineSession(engine_graph(digits_function()), gpu_options=options)
try:
    session(IMAGES)
    print("{}")
except tf.errors.ResourceExhaustedError as error:
    print(json.dumps({"message": error.message, "allocated": session.status()["allocated_bytes"]}))
"""
    )
    assert f"limit {int(0.0002 * (128 << 20))} bytes" in seen["message"]
    assert seen["allocated"] == 0


def test_int8_is_calibrated_built_saved_and_served_there(on_gpu, tmp_path):
    converted = on_gpu(
        f"""
converter = trt.TrtGraphConverterV2(FOLDER, precision_mode="INT8", maximum_cached_engines=2)
function = converter.convert(lambda: ((IMAGES[at : at + 4],) for at in (0, 4)))
converter.build(lambda: ((IMAGES[:size],) for size in (8, 2)))
result = scores(function, IMAGES)
converter.save({str(tmp_path / "saved")!r})
np.save({str(tmp_path / "scores.npy")!r}, result)
original = tf.saved_model.load(FOLDER).signatures["serving_default"]
with tf.device("/CPU:0"):
    want = original(image=tf.constant(IMAGES))["output_0"].numpy()
assert 1e-5 < np.abs(result - want).max() < 0.25
print(json.dumps(status_of(converter)))
"""
    )
    assert (converted["device"], converted["precision"], converted["native_calls"]) == ("cuda:1", "int8", {})
    assert converted["builds"] == 2
    served = on_gpu(
        f"""
loaded = tf.saved_model.load({str(tmp_path / "saved")!r})
close(scores(loaded.signatures["serving_default"], IMAGES), np.load({str(tmp_path / "scores.npy")!r}))
(name,) = {[converted["name"]]!r}
print(json.dumps(plugin.engine_status(name)))
"""
    )
    assert (served["device"], served["precision"], served["builds"]) == ("cuda:1", "int8", 0)
    assert (served["engine_calls"], served["native_calls"]) == (1, {})


def test_fp16_is_a_gpus_half_precision(on_gpu):
    status = on_gpu(
        """
session = EngineSession(engine_graph(digits_function(), precision_mode="FP16"))
session(IMAGES)
print(json.dumps(session.status()))
"""
    )
    assert (status["precision"], status["native_calls"]) == ("fp16", {})


def test_the_native_segment_runs_on_the_gpu(on_gpu):
    """Integers of 32 bits included, which TensorFlow's functions keep on the host."""
    status = on_gpu(
        """
specs = [tf.TensorSpec([None, 4]), tf.TensorSpec([None], tf.int32)]
function = function_of(lambda x, n: [tf.nn.relu(x), -n], specs)
session = EngineSession(engine_graph(function, _allow_build_at_runtime=False))
x, n = np.float32([[-1, 2, -3, 4]]), np.int32([5, -6, 7])
positive, negative = session(x, n)
np.testing.assert_array_equal(positive, [[0, 2, 0, 4]])
np.testing.assert_array_equal(negative, -n)
print(json.dumps(session.status()))
"""
    )
    assert status["engine_calls"] == 0 and sum(status["native_calls"].values()) == 1


def test_engines_take_and_give_integers_on_the_gpu(on_gpu):
    status = on_gpu(
        """
specs = [tf.TensorSpec([None, 4]), tf.TensorSpec([None], tf.int32)]
function = function_of(lambda x, n: [tf.gather(x, n), n + 1, x > 0], specs)
session = EngineSession(engine_graph(function))
x, n = np.float32([[-1, 2, -3, 4], [5, 6, -7, 8]]), np.int32([1, 0, 1])
rows, more, positive = session(x, n)
np.testing.assert_array_equal(rows, x[n])
np.testing.assert_array_equal(more, n + 1)
np.testing.assert_array_equal(positive, x > 0)
print(json.dumps(session.status()))
"""
    )
    assert (status["device"], status["engine_calls"], status["native_calls"]) == ("cuda:1", 1, {})
