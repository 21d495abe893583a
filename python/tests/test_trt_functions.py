"""Engines inside the functions that a graph calls: loops, branches, and functions marked for TF-TRT."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine.tensorflow as plugin  # noqa: E402
from tfengine import trt_convert as trt  # noqa: E402

WIDTH = 24
rng = np.random.default_rng(0)
KERNELS = [rng.normal(scale=0.2, size=(WIDTH, WIDTH)).astype(np.float32) for _ in range(3)]


class Network(tf.Module):
    """A loop and a branch, both with products of weights that only they use."""

    def __init__(self):
        super().__init__()
        self.inner, self.then, self.otherwise = (tf.Variable(kernel) for kernel in KERNELS)

    @tf.function(input_signature=[tf.TensorSpec([None, WIDTH], name="x")])
    def __call__(self, x):
        def step(i, state):
            return i + 1, tf.nn.relu(state @ self.inner + 0.25)

        _, state = tf.while_loop(lambda i, _: i < 3, step, [0, x])
        return tf.cond(
            tf.reduce_sum(x) > 0.0,
            lambda: tf.nn.relu(tf.nn.softmax(state @ self.then)),
            lambda: tf.nn.relu(tf.tanh(state @ self.otherwise)),
        )


def expected(x):
    state = x
    for _ in range(3):
        state = np.maximum(state @ KERNELS[0] + 0.25, 0)
    if x.sum() > 0:
        scores = np.exp(state @ KERNELS[1])
        return scores / scores.sum(axis=1, keepdims=True)
    return np.maximum(np.tanh(state @ KERNELS[2]), 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    network = Network()
    folder = tmp_path_factory.mktemp("network")
    tf.saved_model.save(network, str(folder), signatures=network.__call__.get_concrete_function())
    return str(folder)


@pytest.fixture(scope="module")
def batches():
    values = np.random.default_rng(1).normal(size=(4, WIDTH)).astype(np.float32)
    return [np.abs(values), -np.abs(values)]


def engines(graph_def):
    return {
        node.name: function.signature.name
        for function in graph_def.library.function
        for node in function.node_def
        if node.op == "TRTEngineOp"
    }


def answer(function, x):
    (result,) = function(x=tf.constant(x)).values()
    return result.numpy()


def test_loops_and_branches_hold_engines_with_their_weights(folder, batches):
    converter = trt.TrtGraphConverterV2(folder, minimum_segment_size=2)
    function = converter.convert()
    graph_def = function.graph.as_graph_def()
    found = engines(graph_def)
    assert len(found) == 3
    assert {node.op for node in graph_def.node} >= {"While", "If"}
    segments = {inner.signature.name: inner for inner in graph_def.library.function}
    for name in found:
        # The weights are constants in the engine, not tensors that come in.
        assert "Const" in {node.op for node in segments[f"{name}_native_segment"].node_def}
    for x in batches:
        np.testing.assert_allclose(answer(function, x), expected(x), atol=1e-5)
    for name in found:
        status = plugin.engine_status(name)
        assert status["engine_calls"] > 0 and status["native_calls"] == {}
    assert "function '" in converter.report()


def test_weights_of_loops_and_branches_are_there_once(folder):
    serialized = (
        trt.TrtGraphConverterV2(folder, minimum_segment_size=2).convert().graph.as_graph_def().SerializeToString()
    )
    assert [serialized.count(kernel.tobytes()) for kernel in KERNELS] == [1, 1, 1]


def branches_graph() -> tf.compat.v1.GraphDef:
    """`x` and `y`; of two branches that take the same weights, one holds what tfengine does not run."""
    with tf.Graph().as_default() as graph:
        tf.compat.v1.enable_control_flow_v2()
        x = tf.compat.v1.placeholder(tf.float32, [None, WIDTH], name="x")
        weights = tf.constant(KERNELS[0], name="weights")
        y = tf.cond(
            tf.reduce_sum(x) > 0.0,
            lambda: tf.nn.relu(tf.nn.softmax(x @ weights)),
            lambda: tf.math.bessel_i0e(x) + tf.math.bessel_i0e(weights)[:1],
        )
        tf.identity(y, name="y")
        return graph.as_graph_def()


def test_weights_that_another_branch_needs_are_shared(batches):
    graph_def = branches_graph()
    _, converted = convert_v1(graph_def, is_dynamic_op=True, minimum_segment_size=2)
    assert "BesselI0e" in {node.op for function in converted.library.function for node in function.node_def}
    assert any("cond_true" in name for name in engines(converted).values())
    assert converted.SerializeToString().count(KERNELS[0].tobytes()) == 1
    for x in batches:
        np.testing.assert_allclose(run_v1(converted, x), run_v1(graph_def, x), atol=1e-5)


def test_a_loops_weights_that_are_read_behind_it_stay(batches):
    with tf.Graph().as_default() as graph:
        tf.compat.v1.enable_control_flow_v2()
        x = tf.compat.v1.placeholder(tf.float32, [None, WIDTH], name="x")
        _, state, weights = tf.while_loop(
            lambda i, *_: i < 2,
            lambda i, state, weights: (i + 1, tf.nn.relu(state @ weights + 0.5), weights),
            [0, x, tf.constant(KERNELS[1])],
            shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, WIDTH]), tf.TensorShape([WIDTH, WIDTH])],
        )
        tf.identity(state + weights[:1], name="y")
        graph_def = graph.as_graph_def()
    _, converted = convert_v1(graph_def, is_dynamic_op=True, minimum_segment_size=2)
    assert len(engines(converted)) == 1
    assert converted.SerializeToString().count(KERNELS[1].tobytes()) == 1
    for x in batches:
        np.testing.assert_allclose(run_v1(converted, x), run_v1(graph_def, x), atol=1e-5)


def test_int8_is_calibrated_inside_of_functions(folder, batches):
    converter = trt.TrtGraphConverterV2(folder, minimum_segment_size=2, precision_mode="INT8")
    function = converter.convert(lambda: batches)
    for x in batches:
        error = np.abs(answer(function, x) - expected(x)).max()
        assert 0 < error < 0.05
    for name in engines(function.graph.as_graph_def()):
        assert plugin.engine_status(name)["precision"] == "int8"


def test_saved_and_served(folder, batches, tmp_path):
    converter = trt.TrtGraphConverterV2(folder, minimum_segment_size=2)
    converter.convert()
    converter.build(lambda: batches)
    converter.save(str(tmp_path / "saved"))
    assert len(list((tmp_path / "saved" / "assets").glob("trt-serialized-engine.*"))) == 3
    served = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    for x in batches:
        np.testing.assert_allclose(answer(served, x), expected(x), atol=1e-5)
    lines = []
    converter.summary(print_fn=lines.append)
    assert "[*] Total number of TensorRT engines: 3" in lines


def test_the_main_graph_and_its_loops_can_be_left_as_they_are(folder, batches):
    function = trt.TrtGraphConverterV2(folder, minimum_segment_size=-1).convert()
    assert engines(function.graph.as_graph_def()) == {}
    np.testing.assert_allclose(answer(function, batches[0]), expected(batches[0]), atol=1e-5)


def graph_with_function(**attributes) -> tf.compat.v1.GraphDef:
    """A placeholder `x`, a call of a function of two products, and an Identity `y`."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, WIDTH], name="x")

        @tf.function
        def layer(value):
            return tf.nn.relu(tf.nn.relu(value @ KERNELS[0]) @ KERNELS[1])

        tf.identity(layer(x), name="y")
        graph_def = graph.as_graph_def()
    (function,) = graph_def.library.function
    for name, value in attributes.items():
        if isinstance(value, bool):
            function.attr[name].b = value
        elif isinstance(value, int):
            function.attr[name].i = value
        else:
            function.attr[name].s = value.encode()
    return graph_def


def convert_v1(graph_def, **arguments):
    with tf.Graph().as_default():
        converter = trt.TrtGraphConverter(input_graph_def=graph_def, nodes_denylist=["y"], **arguments)
        return converter, converter.convert()


def run_v1(graph_def, x):
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_def, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            return session.run("y:0", {"x:0": x})


def test_marked_functions_are_converted_by_their_own_parameters(batches):
    graph_def = graph_with_function(
        _tftrt_convert_function=True,
        _tftrt_precision_mode="FP16",
        _tftrt_minimum_segment_size=2,
        _tftrt_max_workspace_size_bytes=1 << 20,
        _tftrt_max_cached_engines=7,
        _tftrt_is_dyn_op=True,
        _tftrt_use_calibration=False,
        _tftrt_use_implicit_batch=False,
        _tftrt_profile_strategy="Optimal",
        _tftrt_allow_build_at_runtime=False,
        _tftrt_max_batch_size=3,
        _tftrt_trt_logger_name="DefaultLogger",
    )
    _, converted = convert_v1(graph_def, minimum_segment_size=-1, is_dynamic_op=True)
    ((engine, function_name),) = engines(converted).items()
    assert function_name.endswith("_with_engines")
    (node,) = (node for function in converted.library.function for node in function.node_def if node.name == engine)
    attr = node.attr
    assert attr["precision_mode"].s == b"FP16"
    assert attr["workspace_size_bytes"].i == 1 << 20
    assert attr["max_cached_engines_count"].i == 7
    assert attr["max_batch_size"].i == 3
    assert attr["profile_strategy"].s == b"Optimal"
    assert not attr["_use_implicit_batch"].b and not attr["_allow_build_at_runtime"].b
    want = np.maximum(np.maximum(batches[0] @ KERNELS[0], 0) @ KERNELS[1], 0)
    np.testing.assert_allclose(run_v1(converted, batches[0]), want, atol=1e-5)  # natively: nothing may be built


def test_marked_functions_are_found_inside_of_others(batches):
    with tf.Graph().as_default() as graph:

        @tf.function
        def layer(value):
            return tf.nn.relu(tf.nn.relu(value @ KERNELS[0]) @ KERNELS[1])

        @tf.function
        def around(value):
            return layer(value) + 1.0

        tf.identity(around(tf.compat.v1.placeholder(tf.float32, [None, WIDTH], name="x")), name="y")
        graph_def = graph.as_graph_def()
    for function in graph_def.library.function:
        function.attr["_tftrt_convert_function"].b = "layer" in function.signature.name
    _, converted = convert_v1(graph_def, minimum_segment_size=-1, is_dynamic_op=True)
    (name,) = engines(converted).values()
    assert "layer" in name
    want = np.maximum(np.maximum(batches[0] @ KERNELS[0], 0) @ KERNELS[1], 0) + 1
    np.testing.assert_allclose(run_v1(converted, batches[0]), want, atol=1e-5)


def test_unmarked_functions_are_inlined(batches):
    converter, converted = convert_v1(graph_with_function(), is_dynamic_op=True, minimum_segment_size=2)
    assert engines(converted) == {} and [n.op for n in converted.node].count("TRTEngineOp") == 1
    want = np.maximum(np.maximum(batches[0] @ KERNELS[0], 0) @ KERNELS[1], 0)
    np.testing.assert_allclose(run_v1(converted, batches[0]), want, atol=1e-5)


def test_functions_that_may_not_be_inlined_get_engines_of_their_own(batches):
    _, converted = convert_v1(graph_with_function(_noinline=True), is_dynamic_op=True, minimum_segment_size=2)
    assert len(engines(converted)) == 1
    want = np.maximum(np.maximum(batches[0] @ KERNELS[0], 0) @ KERNELS[1], 0)
    np.testing.assert_allclose(run_v1(converted, batches[0]), want, atol=1e-5)


def test_functions_that_xla_compiles_are_left_alone():
    _, converted = convert_v1(graph_with_function(_XlaMustCompile=True), is_dynamic_op=True, minimum_segment_size=2)
    assert engines(converted) == {}


def test_marks_survive_tensorflows_freezing(tmp_path, batches):
    """It inlines what it may, and with a function its marks would be gone."""

    class Marked(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, WIDTH], name="x")])
        def __call__(self, x):
            return layer(x)

    @tf.function
    def layer(value):
        return tf.nn.relu(tf.nn.relu(value @ KERNELS[0]) @ KERNELS[1])

    model = Marked()
    tf.saved_model.save(model, str(tmp_path), signatures=model.__call__.get_concrete_function())
    path = tmp_path / "saved_model.pb"
    saved = type(tf.compat.v1.saved_model.Builder(str(tmp_path / "x"))._saved_model).FromString(path.read_bytes())
    for function in saved.meta_graphs[0].graph_def.library.function:
        if "layer" in function.signature.name:
            function.attr["_tftrt_convert_function"].b = True
            function.attr["_tftrt_minimum_segment_size"].i = 2
    path.write_bytes(saved.SerializeToString())
    function = trt.TrtGraphConverterV2(str(tmp_path), minimum_segment_size=-1).convert()
    assert len(engines(function.graph.as_graph_def())) == 1
    want = np.maximum(np.maximum(batches[0] @ KERNELS[0], 0) @ KERNELS[1], 0)
    np.testing.assert_allclose(answer(function, batches[0]), want, atol=1e-5)
