"""SavedModels with TRTEngineOps, in the form that TF-TRT wrote: engines are assets that a resource loads."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine.tensorflow as tft  # noqa: E402

from engine_graphs import (  # noqa: E402
    DIGITS_SHAPE,
    ENGINE,
    EngineSession,
    digits_function,
    engine_graph,
    function_of,
    run_python,
)
from tensorflow.python.trackable import asset, resource  # noqa: E402

# What a plan of TensorRT begins with, and nothing that we can read.
FOREIGN_ENGINE = b"ptrt\x00\x00\x00\x00" + bytes(range(256)) * 64

SERVE = """
import json, sys
import numpy as np, tensorflow as tf
import tfengine.tensorflow as tft
model = tf.saved_model.load({path!r})
call = model.signatures["serving_default"]
images = np.load({images!r})
(scores,) = call(image=tf.constant(images)).values()
np.save({scores!r}, scores.numpy())
print("STATUS", json.dumps(tft.engine_status({name!r})))
"""


class EngineResource(resource.TrackableResource):
    """As TF-TRT kept the engine of one TRTEngineOp in a SavedModel."""

    def __init__(self, name: str, filename: str, device: str):
        super().__init__(device=device)
        self._name = name
        self._filename = self._track_trackable(asset.Asset(filename), "_serialized_trt_resource_filename")

    def _create_resource(self):
        return tft.ops.create_trt_resource_handle(resource_name=self._name)

    def _initialize(self):
        tft.ops.initialize_trt_resource(self.resource_handle, self._filename, max_cached_engines_count=1)

    def _destroy_resource(self):
        handle = tft.ops.create_trt_resource_handle(resource_name=self._name)
        tf.raw_ops.DestroyResourceOp(resource=handle, ignore_lookup_error=True)


def save_model(folder, graph_def, engine: bytes, tmp_path, device: str = "", name: str = ENGINE) -> str:
    engine_file = tmp_path / f"trt-serialized-engine.{name}"
    engine_file.write_bytes(engine)
    for node in graph_def.node:
        if node.op == "TRTEngineOp":
            node.device = device

    @tf.function(input_signature=[tf.TensorSpec(DIGITS_SHAPE, name="image")], autograph=False)
    def call(image):
        return {"scores": tf.import_graph_def(graph_def, {"in_0": image}, [f"{name}:0"], name="")[0]}

    root = tf.Module()
    root.call = call
    root.engines = [EngineResource(name, str(engine_file), device)]
    tf.saved_model.save(root, str(folder), signatures={"serving_default": call})
    return str(folder)


def serve(path: str, images, tmp_path, name: str = ENGINE, **environment: str):
    """Loads and runs the model in a new process: scores, status of the engine, everything it printed."""
    import json

    np.save(tmp_path / "images.npy", images)
    code = SERVE.format(path=path, name=name, images=str(tmp_path / "images.npy"), scores=str(tmp_path / "scores.npy"))
    printed = run_python(code, **environment)
    status = next(line for line in printed.splitlines() if line.startswith("STATUS "))
    return np.load(tmp_path / "scores.npy"), json.loads(status.removeprefix("STATUS ")), printed


@pytest.fixture(scope="module")
def digits_native():
    return digits_function()


@pytest.fixture(scope="module")
def table(digits_native, images):
    session = EngineSession(engine_graph(digits_native, precision_mode="INT8"))
    session(images)
    return session.table()


def old_attributes(table: bytes) -> dict:
    """What TF-TRT 2.17 set on a node of an INT8 SavedModel."""
    return {
        "precision_mode": "INT8",
        "use_calibration": True,
        "calibration_data": table,
        "max_batch_size": 0,
        "static_engine": False,
        "fixed_input_size": True,
        "profile_strategy": "",
        "use_explicit_precision": False,
        "_use_implicit_batch": True,
        "_allow_build_at_runtime": True,
    }


@pytest.mark.parametrize("device", ["", "/device:GPU:0"], ids=["anywhere", "written-on-a-gpu"])
def test_a_saved_model_of_tf_trt(digits_native, table, images, tmp_path, device):
    graph = engine_graph(digits_native, **old_attributes(table))
    path = save_model(tmp_path / "model", graph, FOREIGN_ENGINE, tmp_path, device)
    scores, status, printed = serve(path, images[:16], tmp_path)
    want = digits_native(tf.constant(images[:16])).numpy()
    assert (scores.argmax(axis=1) == want.argmax(axis=1)).mean() > 0.9
    assert (status["precision"], status["state"], status["builds"]) == ("int8", "ready", 1)
    assert status["native_calls"] == {}
    assert printed.count("holds an engine that tfengine cannot read") == 1
    # The table was used: the engine computes the same as one that was given it directly.
    direct = EngineSession(engine_graph(digits_native, precision_mode="INT8", calibration_data=table))
    np.testing.assert_allclose(scores, direct(images[:16])[0], atol=1e-5)


def test_foreign_engines_are_told_once_for_all_operations(digits_native, table, images, tmp_path):
    paths = []
    for i in range(2):
        name = f"TRTEngineOp_000_00{i}"
        graph = engine_graph(digits_native, name, **old_attributes(table))
        (tmp_path / str(i)).mkdir()
        paths.append(save_model(tmp_path / f"model{i}", graph, FOREIGN_ENGINE, tmp_path / str(i), name=name))
    code = f"""
import tensorflow as tf, tfengine.tensorflow
for path in {paths!r}:
    tf.saved_model.load(path)
"""
    assert run_python(code).count("holds an engine that tfengine cannot read") == 1


def test_our_engines_are_loaded_without_building(digits_native, table, images, tmp_path):
    attributes = old_attributes(table)
    session = EngineSession(engine_graph(digits_native, **attributes))
    (want,) = session(images[:16])
    engine_file = tmp_path / "engine"
    with session.graph.as_default():
        write = tft.ops.serialize_trt_resource(ENGINE, str(engine_file), delete_resource=True)
    session.session.run(write)
    assert engine_file.read_bytes().startswith(b"TFENGINE")
    with pytest.raises(tf.errors.NotFoundError):
        session.session.run(write)  # delete_resource
    graph = engine_graph(digits_native, **{**attributes, "_allow_build_at_runtime": False})
    path = save_model(tmp_path / "model", graph, engine_file.read_bytes(), tmp_path)
    scores, status, printed = serve(path, images[:16], tmp_path)
    np.testing.assert_allclose(scores, want, atol=1e-6)
    assert (status["builds"], status["native_calls"], status["precision"]) == (0, {}, "int8")
    assert "tfengine:" not in printed
    # Another shape was not built ahead.
    scores, status, _ = serve(path, images[:3], tmp_path)
    np.testing.assert_allclose(scores, digits_native(tf.constant(images[:3])).numpy(), atol=1e-4)
    assert sum(status["native_calls"].values()) == 1


def test_engines_to_be_built_where_they_are_served(digits_native, images, tmp_path):
    session = EngineSession(engine_graph(digits_native))
    session(images[:4])
    engine_file = tmp_path / "engine"
    with session.graph.as_default():
        write = tft.ops.serialize_trt_resource(ENGINE, str(engine_file), save_gpu_specific_engines=False)
    session.session.run(write)
    assert engine_file.read_bytes() == b""
    path = save_model(tmp_path / "model", engine_graph(digits_native), b"", tmp_path)
    scores, status, printed = serve(path, images[:4], tmp_path)
    np.testing.assert_allclose(scores, session(images[:4])[0], atol=1e-5)
    assert status["builds"] == 1 and "tfengine:" not in printed


@pytest.mark.parametrize("where", [20, 80, -1], ids=["header", "structure", "cut"])
def test_damaged_engines_are_built_anew(digits_native, images, tmp_path, where):
    session = EngineSession(engine_graph(digits_native))
    session(images[:4])
    engine_file = tmp_path / "engine"
    with session.graph.as_default():
        session.session.run(tft.ops.serialize_trt_resource(ENGINE, str(engine_file)))
    damaged = bytearray(engine_file.read_bytes())
    if where > 0:
        damaged[where : where + 8] = b"\xff" * 8
    else:
        del damaged[len(damaged) // 2 :]
    path = save_model(tmp_path / "model", engine_graph(digits_native), bytes(damaged), tmp_path)
    scores, status, printed = serve(path, images[:4], tmp_path)
    np.testing.assert_allclose(scores, digits_native(tf.constant(images[:4])).numpy(), atol=1e-5)
    assert status["builds"] == 1 and "It is built anew from the native segment" in printed


def test_an_engine_of_another_segment_is_not_used(digits_native, images, tmp_path):
    other = function_of(lambda x: tf.reduce_mean(tf.nn.relu(x - 0.5), axis=[1, 2]), [tf.TensorSpec(DIGITS_SHAPE)])
    session = EngineSession(engine_graph(other))
    session(images[:4])
    engine_file = tmp_path / "engine"
    with session.graph.as_default():
        session.session.run(tft.ops.serialize_trt_resource(ENGINE, str(engine_file)))
    path = save_model(tmp_path / "model", engine_graph(digits_native), engine_file.read_bytes(), tmp_path)
    scores, status, printed = serve(path, images[:4], tmp_path)
    np.testing.assert_allclose(scores, digits_native(tf.constant(images[:4])).numpy(), atol=1e-5)
    assert status["builds"] == 1 and "holds an engine of another segment" in printed


def test_static_engines_live_in_the_node(digits_native, images, tmp_path):
    session = EngineSession(engine_graph(digits_native))
    (want,) = session(images[:4])
    engine_file = tmp_path / "engine"
    with session.graph.as_default():
        session.session.run(tft.ops.serialize_trt_resource(ENGINE, str(engine_file)))
    graph = engine_graph(digits_native, static_engine=True, serialized_segment=engine_file.read_bytes())
    static = EngineSession(graph)
    np.testing.assert_allclose(static(images[:4])[0], want, atol=1e-6)
    assert static.status()["builds"] == 0
    # And a foreign one, as old frozen graphs have them.
    old = EngineSession(engine_graph(digits_native, static_engine=True, serialized_segment=FOREIGN_ENGINE))
    np.testing.assert_allclose(old(images[:4])[0], want, atol=1e-5)
    assert old.status()["builds"] == 1


def test_an_operation_outlives_the_deletion_of_its_resource(digits_native, images, tmp_path):
    """Saving deletes; the graph goes on, with the engine that it has, and can be saved again."""
    session = EngineSession(engine_graph(digits_native))
    (want,) = session(images[:4])
    with session.graph.as_default():
        write = tft.ops.serialize_trt_resource(ENGINE, str(tmp_path / "engine"), delete_resource=True)
    for _ in range(2):
        session.session.run(write)
        np.testing.assert_array_equal(session(images[:4])[0], want)
    assert session.status()["builds"] == 1


def test_a_file_that_is_loaded_after_the_first_call(digits_native, images, tmp_path):
    built = EngineSession(engine_graph(digits_native))
    (want,) = built(images[:4])
    with built.graph.as_default():
        built.session.run(tft.ops.serialize_trt_resource(ENGINE, str(tmp_path / "engine")))
    session = EngineSession(engine_graph(digits_native, _allow_build_at_runtime=False))
    session(images[:4])
    with session.graph.as_default():
        handle = tft.ops.create_trt_resource_handle(resource_name=ENGINE)
        session.session.run(tft.ops.initialize_trt_resource(handle, str(tmp_path / "engine")))
    np.testing.assert_allclose(session(images[:4])[0], want, atol=1e-6)
    assert (session.status()["engine_calls"], session.status()["builds"]) == (1, 0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda path: ("", path), tf.errors.InvalidArgumentError, "input 'resource_name' is empty"),
        (lambda path: (ENGINE, ""), tf.errors.InvalidArgumentError, "input 'filename' is empty"),
        (lambda path: ("TRTEngineOp_009_009", path), tf.errors.NotFoundError, "'TRTEngineOp_009_009' on this device"),
        (lambda path: ([ENGINE], path), tf.errors.InvalidArgumentError, r"got shape \[1\], expected a scalar"),
    ],
)
def test_wrong_requests_are_told(tmp_path, make, error, message):
    name, path = make(str(tmp_path / "engine"))
    with pytest.raises(error, match=message):
        tft.ops.serialize_trt_resource(name, path)


def test_missing_files_are_told(tmp_path):
    handle = tft.ops.create_trt_resource_handle(resource_name="TRTEngineOp_008_000")
    with pytest.raises(tf.errors.NotFoundError, match="absent"):
        tft.ops.initialize_trt_resource(handle, str(tmp_path / "absent"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="input 'filename' is empty"):
        tft.ops.initialize_trt_resource(handle, "")


def test_another_tensorflow_is_one_clear_sentence(tmp_path):
    code = """
import tensorflow as tf
tf.version.VERSION = "2.99.0"
try:
    import tfengine.tensorflow
except ImportError as error:
    print("SAID", error)
"""
    said = next(line for line in run_python(code).splitlines() if line.startswith("SAID "))
    assert f"was built for TensorFlow {tf.version.VERSION}, this is TensorFlow 2.99.0: install" in said
