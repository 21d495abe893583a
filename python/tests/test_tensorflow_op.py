"""TRTEngineOp in TensorFlow: answers, the engine cache, and when the native segment runs instead."""

import os

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from engine_graphs import DIGITS_SHAPE, ENGINE, EngineSession, digits_function, engine_graph, function_of, run_python  # noqa: E402


@pytest.fixture(scope="module")
def digits_native():
    return digits_function()


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(3).random((4, 8, 8, 1), dtype=np.float32)


def test_float_engine_answers_as_tensorflow(digits_native, batch):
    session = EngineSession(engine_graph(digits_native))
    (got,) = session(batch)
    np.testing.assert_allclose(got, digits_native(tf.constant(batch)).numpy(), atol=1e-5)
    status = session.status()
    assert status["state"] == "ready" and status["precision"] == "fp32" and status["name"] == ENGINE
    assert (status["engine_calls"], status["native_calls"], status["builds"]) == (1, {}, 1)
    assert [engine["input_shapes"] for engine in status["engines"]] == [[[4, 8, 8, 1]]]
    assert status["engines"][0]["weights_bytes"] > 1_000_000


def test_shapes_unknown_to_the_graph(digits_native, batch):
    """Graphs of before TF-TRT wrote input_shapes."""
    session = EngineSession(engine_graph(digits_native, input_shapes=False))
    (got,) = session(batch)
    np.testing.assert_allclose(got, digits_native(tf.constant(batch)).numpy(), atol=1e-5)
    assert session.status()["native_calls"] == {}


def test_many_types_scalars_and_one_tensor_under_two_names(batch):
    def build(image, scale, index, flag):
        scaled = image * scale
        reduced = tf.reduce_sum(scaled, axis=[1, 2])
        picked = tf.where(flag, index + 1, index - 1)
        return [scaled, scaled, tf.reduce_max(reduced), picked, tf.logical_not(flag), tf.cast(index, tf.float32) * 2.0]

    function = function_of(
        build,
        [
            tf.TensorSpec(DIGITS_SHAPE),
            tf.TensorSpec([]),
            tf.TensorSpec([3], tf.int32),
            tf.TensorSpec([3], tf.bool),
        ],
    )
    inputs = [batch, np.float32(1.5), np.array([4, 5, 6], np.int32), np.array([True, False, True])]
    session = EngineSession(engine_graph(function))
    want = function(*map(tf.constant, inputs))
    for got, expected in zip(session(*inputs), want, strict=True):
        assert got.dtype == expected.numpy().dtype
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-5)


def test_int64_at_the_border():
    function = function_of(lambda x: [tf.argmax(x, axis=1), x + 1.0], [tf.TensorSpec([None, 5])])
    x = np.random.default_rng(0).random((3, 5), dtype=np.float32)
    labels, plus = EngineSession(engine_graph(function))(x)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, x.argmax(axis=1))
    np.testing.assert_allclose(plus, x + 1)


def test_dynamic_image_sizes():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32)
    function = function_of(
        lambda x: tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME")), [tf.TensorSpec([None, None, None, 2])]
    )
    session = EngineSession(engine_graph(function, max_cached_engines_count=4))
    for shape in [(1, 8, 8, 2), (2, 5, 9, 2), (1, 16, 16, 2)]:
        x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        np.testing.assert_allclose(session(x)[0], function(tf.constant(x)).numpy(), atol=1e-4)
    assert session.status()["engine_calls"] == 3


def test_the_least_recently_used_engine_is_dropped(digits_native, batch):
    session = EngineSession(engine_graph(digits_native, max_cached_engines_count=2))
    for size in (1, 2, 1, 3):  # 2 was used longest ago when 3 comes
        session(batch[:size])
    status = session.status()
    assert [engine["input_shapes"][0][0] for engine in status["engines"]] == [3, 1]
    assert (status["builds"], status["evictions"]) == (3, 1)


def test_shapes_of_one_op_share_their_weights(digits_native, batch, untimed):
    alone = EngineSession(engine_graph(digits_native, max_cached_engines_count=4))
    alone(batch[:4])
    session = EngineSession(engine_graph(digits_native, max_cached_engines_count=4))
    for size in (4, 3, 2, 1):
        session(batch[:size])
    status = session.status()
    assert len(status["engines"]) == 4
    # Tactics may differ between shapes, and with them packed forms; four copies would be four times as much.
    assert status["engines"][0]["weights_bytes"] < 2.5 * alone.status()["engines"][0]["weights_bytes"]


def test_a_larger_engine_is_not_used_for_a_smaller_batch():
    """Reductions over the batch would count the rows that are not there."""
    function = function_of(lambda x: tf.reduce_mean(tf.nn.relu(x), axis=0), [tf.TensorSpec([None, 3])])
    session = EngineSession(engine_graph(function, _use_implicit_batch=True))
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_allclose(session(x)[0], x.mean(axis=0))
    np.testing.assert_allclose(session(x[:2])[0], x[:2].mean(axis=0))


def test_empty_batches_run_natively(digits_native, batch):
    session = EngineSession(engine_graph(digits_native))
    assert session(batch[:0])[0].shape == (0, 10)
    assert session.status()["native_calls"] == {"an input is empty": 1}


def test_shapes_that_the_segment_was_not_converted_for_run_natively():
    function = function_of(lambda x: tf.nn.relu(x), [tf.TensorSpec([None, 4])])
    graph = engine_graph(function)
    session = EngineSession(graph)
    x = np.array([[-1.0, 2.0]], np.float32)
    np.testing.assert_array_equal(session(x)[0], [[0.0, 2.0]])
    reason = "input 0 has shape [1,2], the segment was converted for [?,4]"
    assert session.status()["native_calls"] == {reason: 1}


def test_building_at_run_time_can_be_forbidden(digits_native, batch):
    session = EngineSession(engine_graph(digits_native, _allow_build_at_runtime=False))
    (got,) = session(batch)
    np.testing.assert_allclose(got, digits_native(tf.constant(batch)).numpy(), atol=1e-5)
    reason = "no engine was built for these shapes, and building at run time is not allowed"
    assert session.status()["native_calls"] == {reason: 1}
    assert session.status()["state"] == "not built"


def test_profile_generation_runs_natively(digits_native, batch):
    session = EngineSession(engine_graph(digits_native, _profile_generation_mode=True))
    session(batch)
    assert session.status()["native_calls"] == {"shapes for profiles are being collected": 1}


def test_what_no_engine_runs_is_native_and_not_tried_again():
    function = function_of(lambda x: tf.math.bessel_i0e(tf.nn.relu(x)), [tf.TensorSpec([None, 4])])
    session = EngineSession(engine_graph(function))
    x = np.array([[1.0, -1.0, 2.0, 3.0]], np.float32)
    for _ in range(3):
        np.testing.assert_allclose(session(x)[0], tf.math.bessel_i0e(np.maximum(x, 0)), rtol=1e-6)
    status = session.status()
    ((reason, count),) = status["native_calls"].items()
    assert "BesselI0e" in reason and count == 3
    assert len(status["failed_builds"]) == 1 and status["builds"] == 0
    for size in range(2, 12):  # a segment that never could be built is given up, whatever the shapes
        session(np.repeat(x, size, axis=0))
    assert len(session.status()["failed_builds"]) == 3


def test_failed_builds_leave_good_engines_alone():
    """Reshape to a fixed size: one batch size fits, others fail in the planner and in TensorFlow alike."""
    function = function_of(lambda x: tf.reshape(tf.nn.relu(x) * 2.0, [6, 2]), [tf.TensorSpec([None, 4])])
    session = EngineSession(engine_graph(function))
    good, bad = np.ones((3, 4), np.float32), np.ones((2, 4), np.float32)
    session(good)
    for _ in range(2):
        with pytest.raises(tf.errors.InvalidArgumentError):
            session(bad)
    session(good)
    status = session.status()
    assert [engine["input_shapes"] for engine in status["engines"]] == [[[3, 4]]]
    assert (status["builds"], status["evictions"], len(status["failed_builds"])) == (1, 0, 1)
    assert status["engine_calls"] == 2


def test_fallback_can_be_an_error(digits_native, batch, monkeypatch):
    monkeypatch.setenv("TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION", "false")
    session = EngineSession(engine_graph(digits_native, _allow_build_at_runtime=False))
    with pytest.raises(tf.errors.AbortedError) as error:
        session(batch)
    assert f"TRTEngineOp '{ENGINE}': it would have to run natively (no engine was built" in error.value.message
    assert "TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION=false forbids" in error.value.message
    EngineSession(engine_graph(digits_native))(batch)  # engines still run


def test_builds_can_be_made_to_fail(digits_native, batch, monkeypatch):
    monkeypatch.setenv("TF_TRT_ABORT_CUDA_ENGINE_BUILD", "true")
    session = EngineSession(engine_graph(digits_native))
    (got,) = session(batch)
    np.testing.assert_allclose(got, digits_native(tf.constant(batch)).numpy(), atol=1e-5)
    (reason,) = session.status()["native_calls"]
    assert reason == "no engine for input shapes [4,8,8,1]: TF_TRT_ABORT_CUDA_ENGINE_BUILD is set"


def test_fp16_runs_in_what_the_cpu_has(digits_native, batch):
    session = EngineSession(engine_graph(digits_native, precision_mode="FP16"))
    (got,) = session(batch)
    assert session.status()["precision"] in ("bf16", "fp32")
    np.testing.assert_allclose(got, digits_native(tf.constant(batch)).numpy(), atol=0.5)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"max_cached_engines_count": 0}, "max_cached_engines_count is 0, expected at least 1"),
        ({"workspace_size_bytes": -1}, "workspace_size_bytes is -1, expected at least 0"),
    ],
)
def test_wrong_attributes_are_told(digits_native, batch, attributes, message):
    session = EngineSession(engine_graph(digits_native, **attributes))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        session(batch)


def test_a_node_without_segment_and_engine_is_told(digits_native, batch):
    graph = engine_graph(digits_native)
    graph.node[-1].attr["segment_func"].func.name = ""
    with pytest.raises(tf.errors.FailedPreconditionError, match="neither a native segment"):
        EngineSession(graph)(batch)


def test_two_segments_of_one_name_in_one_process(digits_native, batch):
    """The eager context has one set of resources for all graphs."""
    other = function_of(lambda x: tf.nn.relu(x - 0.5), [tf.TensorSpec(DIGITS_SHAPE)])
    calls = []
    for function in (digits_native, other):
        definition = engine_graph(function)
        calls.append(
            tf.compat.v1.wrap_function(
                lambda x, definition=definition: tf.import_graph_def(definition, {"in_0": x}, [ENGINE + ":0"])[0],
                [tf.TensorSpec(DIGITS_SHAPE)],
            )
        )
    for _ in range(2):
        np.testing.assert_allclose(calls[0](tf.constant(batch)), digits_native(tf.constant(batch)), atol=1e-5)
        np.testing.assert_allclose(calls[1](tf.constant(batch)), other(tf.constant(batch)), atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_intra_op_setting_binds(threads):
    """In a process of its own: TensorFlow's first session decides for all that share its thread pool."""
    code = f"""
import numpy as np, tensorflow as tf
from engine_graphs import EngineSession, digits_function, engine_graph
tf.config.threading.set_intra_op_parallelism_threads({threads})
session = EngineSession(engine_graph(digits_function()), intra_op_parallelism_threads={threads})
session(np.ones((1, 8, 8, 1), np.float32))
print("threads", session.status()["threads"])
"""
    assert f"threads {min(threads, len(os.sched_getaffinity(0)))}" in run_python(code)


def test_status_of_what_never_ran(digits_native):
    import tfengine.tensorflow as tft

    with pytest.raises(tf.errors.NotFoundError, match="no engine of the name 'nobody' on this device"):
        tft.engine_status("nobody")
    with pytest.raises(tf.errors.NotFoundError, match="no engine of the name"):
        EngineSession(engine_graph(digits_native)).status()
