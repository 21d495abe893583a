"""Limits of the process, workspaces that are shared, and what engines say about their memory."""

import subprocess
import sys
import types
import xml.etree.ElementTree

import numpy as np
import pytest
import tfengine


@pytest.fixture
def no_limits():
    yield
    tfengine.set_memory_limits()


@pytest.fixture(scope="module")
def engine_file(fp32, tmp_path_factory):
    path = tmp_path_factory.mktemp("memory") / "cnn.tfe"
    fp32.save(path)
    return path


def test_a_limit_is_joint_and_leaves_everything_usable(engine_file, images, no_limits):
    first = tfengine.load(engine_file, threads=1)
    want = first.run(images[:1])["Identity"]
    one = first.memory()["peak_bytes"]
    limit = tfengine.process_memory()["in_use_bytes"] + one // 2
    tfengine.set_memory_limits(memory_limit_bytes=limit)
    assert tfengine.process_memory()["limit_bytes"] == limit
    with pytest.raises(tfengine.OutOfMemory) as caught:
        tfengine.load(engine_file, threads=1).run(images[:1])
    error = caught.value
    assert isinstance(error, MemoryError)
    assert error.limit_bytes == limit
    assert error.requested_bytes > error.largest_free_bytes == limit - error.in_use_bytes
    assert (error.setting, error.engine) == ("memory_limit_bytes", "cnn")
    assert error.purpose in ("weights", "activations", "workspace") and "step" in error.what
    assert str(error).endswith("; raise memory_limit_bytes")
    np.testing.assert_array_equal(first.run(images[:1])["Identity"], want)
    tfengine.set_memory_limits()
    assert tfengine.process_memory()["limit_bytes"] is None
    tfengine.load(engine_file, threads=1).run(images[:1])


def test_fractions(no_limits):
    available = tfengine.process_memory()["available_bytes"]
    for arguments in [{"memory_fraction": 0.25}, {"per_process_gpu_memory_fraction": 0.25}]:
        tfengine.set_memory_limits(**arguments)
        said = tfengine.process_memory()
        assert said["limit_bytes"] == available // 4
        assert (said["memory_fraction"], said["allow_growth"]) == (0.25, True)
    for fraction in (0, -1, 1.5, float("nan")):
        with pytest.raises(tfengine.InvalidArgument, match="memory_fraction: got"):
            tfengine.set_memory_limits(memory_fraction=fraction)
    with pytest.raises(tfengine.InvalidArgument, match="expected one of them"):
        tfengine.set_memory_limits(memory_fraction=0.5, per_process_gpu_memory_fraction=0.25)
    assert tfengine.process_memory()["limit_bytes"] == available // 4


@pytest.mark.parametrize("wrap", [lambda options: options, lambda options: types.SimpleNamespace(gpu_options=options)])
def test_options_of_a_session(wrap, no_limits):
    tfengine.set_memory_limits(
        wrap(types.SimpleNamespace(per_process_gpu_memory_fraction=0.5, allow_growth=True)), memory_limit_bytes=1 << 60
    )
    said = tfengine.process_memory()
    assert said["limit_bytes"] == said["available_bytes"] // 2
    tfengine.set_memory_limits(wrap(types.SimpleNamespace(per_process_gpu_memory_fraction=0.0, allow_growth=False)))
    assert tfengine.process_memory()["limit_bytes"] is None
    with pytest.raises(tfengine.InvalidArgument, match="got a dict, expected a session config"):
        tfengine.set_memory_limits({})


def test_a_session_config_of_tensorflow(no_limits):
    tf = pytest.importorskip("tensorflow")
    config = tf.compat.v1.ConfigProto()
    config.gpu_options.per_process_gpu_memory_fraction = 0.5
    config.gpu_options.allow_growth = True
    for each in (config, config.gpu_options):
        tfengine.set_memory_limits(each)
        assert tfengine.process_memory()["memory_fraction"] == 0.5
        tfengine.set_memory_limits()


PROGRAM = """
import sys, numpy as np, tfengine
try:
    engine = tfengine.load(sys.argv[1], threads=1)
    engine.run(np.zeros((1, 8, 8, 1), np.float32))
    said = tfengine.process_memory()
    print(said["limit_bytes"], said["allow_growth"], said["in_use_bytes"] == engine.memory()["peak_bytes"])
except tfengine.Error as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("environment", "start"),
    [
        ({}, "None True True"),
        ({"TFENGINE_MEMORY_LIMIT_BYTES": "50000000"}, "50000000 True True"),
        ({"TFENGINE_MEMORY_LIMIT_BYTES": "50000000", "TFENGINE_ALLOW_GROWTH": "0"}, "50000000 False True"),
        ({"TFENGINE_MEMORY_LIMIT_BYTES": "1000"}, "OutOfMemory out of memory: "),
        ({"TFENGINE_MEMORY_FRACTION": "2"}, "InvalidArgument memory_fraction: got 2, "),
    ],
)
def test_the_environment_sets_limits(engine_file, environment, start):
    import os

    command = [sys.executable, "-c", PROGRAM, engine_file]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=True)
    assert done.stdout.startswith(start)


def test_a_workspace_for_many_engines(engine_file, images):
    workspace = tfengine.SharedWorkspace(1 << 28)
    engines = [tfengine.load(engine_file, threads=1, time_tactics=False, workspace=workspace) for _ in range(2)]
    want = tfengine.load(engine_file, threads=1, time_tactics=False).run(images[:4])["Identity"]
    for engine in engines:
        np.testing.assert_array_equal(engine.run(images[:4])["Identity"], want)
        assert engine.memory()["allocated"]["purposes"]["workspace"]["peak_bytes"] == 0
    largest = max(engine.memory()["workspace_bytes"] for engine in engines)
    assert workspace.bytes == workspace.peak_bytes == largest
    workspace.release()
    assert (workspace.bytes, workspace.limit_bytes) == (0, 1 << 28)


def test_weights_of_the_same_model_are_held_once(engine_file, images):
    weights = tfengine.SharedWeights()
    before = tfengine.process_memory()["purposes"]["weights"]["in_use_bytes"]
    engines = [tfengine.load(engine_file, threads=1, time_tactics=False, shared_weights=weights) for _ in range(3)]
    outputs = [engine.run(images[:4])["Identity"] for engine in engines]
    for output in outputs[1:]:
        np.testing.assert_array_equal(output, outputs[0])
    assert weights.bytes == engines[0].memory()["weights_bytes"] == engines[2].memory()["weights_bytes"]
    assert tfengine.process_memory()["purposes"]["weights"]["in_use_bytes"] == before + weights.bytes
    del engines
    assert weights.bytes == 0


def test_a_workspace_while_running(engine_file, images):
    engine = tfengine.load(engine_file, threads=1, time_tactics=False, workspace="running")
    want = tfengine.load(engine_file, threads=1, time_tactics=False).run(images[:4])["Identity"]
    for _ in range(2):
        np.testing.assert_array_equal(engine.run(images[:4])["Identity"], want)
    memory = engine.memory()
    assert memory["allocated"]["purposes"]["workspace"]["in_use_bytes"] == 0
    assert memory["allocated"]["peak_bytes"] == memory["peak_bytes"]
    with pytest.raises(tfengine.InvalidArgument, match="workspace: got 'sometimes', expected"):
        tfengine.load(engine_file, workspace="sometimes")


def test_the_report_adds_up(engine_file, images):
    engine = tfengine.load(engine_file, threads=1, time_tactics=False)
    engine.run(images[:4])
    memory = engine.memory()
    for purpose, key in [
        ("weights", "weights_bytes"),
        ("activations", "activation_bytes"),
        ("workspace", "workspace_bytes"),
    ]:
        assert memory["allocated"]["purposes"][purpose]["peak_bytes"] == memory[key]
    assert memory["cached_bytes"] == memory["peak_bytes"] == memory["allocated"]["in_use_bytes"]
    fullest = max(memory["steps"], key=lambda step: step["live_bytes"])
    assert fullest["name"] == memory["steps"][memory["peak_step"]]["name"] == memory["peak_layer"]
    (plan,) = memory["cache"]
    assert plan["input_shapes"] == [(4, 8, 8, 1)]
    assert plan["held_bytes"] == memory["activation_bytes"] + memory["workspace_bytes"]
    assert {"setting", "value", "text"} == set(memory["advice"][-1])
    assert memory["advice"][-1]["value"] == memory["peak_bytes"]


def test_cached_bytes_are_a_limit(engine_file, images):
    engine = tfengine.load(engine_file, threads=1, time_tactics=False, maximum_cached_bytes=0)
    for count in (1, 2, 3):
        engine.run(images[:count])
    assert [plan["input_shapes"] for plan in engine.memory()["cache"]] == [[(3, 8, 8, 1)]]
    assert engine.memory()["evictions"] == 2
    engine.release_memory()
    assert engine.memory()["cached_bytes"] == engine.memory()["weights_bytes"]


def test_the_timeline_is_a_picture(fp32):
    picture = xml.etree.ElementTree.fromstring(fp32.memory_timeline((2, 8, 8, 1), title="digits <cnn>"))
    name = "{http://www.w3.org/2000/svg}"
    assert picture.tag == name + "svg"
    boxes = [box for box in picture.iter(name + "rect") if box.find(name + "title") is not None]
    assert len(boxes) == len(fp32.memory((2, 8, 8, 1))["tensors"])
    assert "digits <cnn>" in [text.text for text in picture.iter(name + "text")]
