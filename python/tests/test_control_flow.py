"""Loops, branches, calls and lists of tensors without TensorFlow: results as TensorFlow's, from SavedModels and from frozen
graphs in both of TensorFlow's forms."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

FORMS = ("saved_model", "functional", "lowered")


def load(function, form, folder):
    """The model of a tf.function: as TensorFlow saves it, frozen, or frozen with Switch, Merge, Enter and Exit."""
    if form == "saved_model":
        module = tf.Module()
        module.serve = function
        module.weights = getattr(function, "weights", [])
        tf.saved_model.save(module, str(folder / "saved_model"), signatures=function)
        return tfengine.load_model(folder / "saved_model")
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(), lower_control_flow=form == "lowered")
    definition = frozen.graph.as_graph_def()
    ops = {node.op for node in definition.node}
    assert ("Switch" in ops) == (form == "lowered")
    (folder / "frozen.pb").write_bytes(definition.SerializeToString())
    return tfengine.load_model(folder / "frozen.pb")


def check(function, form, folder, *inputs, dtypes=None):
    names = [argument.name for argument in function.input_signature]
    expected = [np.asarray(value) for value in tf.nest.flatten(function(*map(tf.constant, inputs)))]
    model = load(function, form, folder)
    engine = tfengine.convert(model, input_shapes=dict(zip(names, map(np.shape, inputs))), time_tactics=False)
    results = list(engine.run(dict(zip(names, inputs))).values())
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected):
        assert result.dtype == wanted.dtype and result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-5)
    # What a loop leaves behind does not change the next run.
    again = list(engine.run(dict(zip(names, inputs))).values())
    for result, first in zip(again, results):
        np.testing.assert_array_equal(result, first)
    return model, engine


def spec(shape, dtype=tf.float32, name=None):
    return tf.TensorSpec(shape, dtype, name=name)


@pytest.mark.parametrize("form", FORMS)
def test_a_loop_whose_count_depends_on_data(form, tmp_path):
    @tf.function(input_signature=[spec((3,), name="x"), spec((), name="limit")])
    def function(x, limit):
        count, y = tf.while_loop(
            lambda count, y: tf.reduce_sum(y) < limit,
            lambda count, y: (count + 1, y * 1.5 + 0.25),
            (0, x),
        )
        return y, count

    x = np.array([0.5, 1.0, 1.5], np.float32)
    _, engine = check(function, form, tmp_path, x, np.float32(100.0))
    results = engine.run({"x": x, "limit": np.float32(-1.0)})
    np.testing.assert_array_equal(next(iter(results.values())), x)
    assert list(results.values())[1] == 0


@pytest.mark.parametrize("form", FORMS)
def test_states_that_change_places(form, tmp_path):
    @tf.function(
        input_signature=[
            spec((2,), name="a"),
            spec((2,), name="b"),
            spec((), tf.int32, name="steps"),
        ]
    )
    def function(a, b, steps):
        _, x, y, z = tf.while_loop(
            lambda i, x, y, z: i < steps,
            lambda i, x, y, z: (i + 1, y, x + y, x),
            (0, a, b, a - b),
        )
        return x, y, z

    a, b = np.array([1, 2], np.float32), np.array([3, 5], np.float32)
    for steps in (0, 1, 2, 7):
        (tmp_path / str(steps)).mkdir()
        check(function, form, tmp_path / str(steps), a, b, np.int32(steps))


@pytest.mark.parametrize("form", FORMS)
def test_loops_in_loops_and_branches_in_loops(form, tmp_path):
    @tf.function(input_signature=[spec((2, 2), name="x"), spec((), tf.int32, name="outer")])
    def function(x, outer):
        def body(i, y):
            def inner(j, z):
                z = tf.cond(tf.equal(j % 2, 0), lambda: z + x, lambda: tf.matmul(z, x) * 0.5)
                return j + 1, z

            _, y = tf.while_loop(lambda j, z: j <= i, inner, (0, y))
            return i + 1, y / (1.0 + tf.reduce_max(tf.abs(y)))

        return tf.while_loop(lambda i, y: i < outer, body, (0, x))[1]

    check(
        function,
        form,
        tmp_path,
        np.array([[0.5, -1.0], [0.25, 2.0]], np.float32),
        np.int32(5),
    )


@pytest.mark.parametrize("form", FORMS)
def test_branches(form, tmp_path):
    weights = tf.constant(np.random.default_rng(0).standard_normal((4, 3)), tf.float32)

    @tf.function(
        input_signature=[
            spec((None, 4), name="x"),
            spec((), tf.bool, name="first"),
            spec((), tf.int32, name="way"),
        ]
    )
    def function(x, first, way):
        a = tf.cond(first, lambda: tf.matmul(x, weights), lambda: tf.nn.relu(x[:, :3]) - 1.0)
        b = tf.switch_case(
            way,
            [lambda: a * 2.0, lambda: a + tf.reduce_sum(x), lambda: tf.zeros_like(a)],
        )
        nested = tf.cond(
            first,
            lambda: tf.cond(way > 0, lambda: b + 1.0, lambda: b - 1.0),
            lambda: -b,
        )
        return a, b, nested

    x = np.random.default_rng(1).standard_normal((2, 4)).astype(np.float32)
    _, engine = check(function, form, tmp_path, x, np.bool_(True), np.int32(1))
    for first in (True, False):
        for way in (0, 1, 2, 5, -1):
            expected = function(x, tf.constant(first), tf.constant(way))
            results = engine.run({"x": x, "first": np.bool_(first), "way": np.int32(way)})
            for result, wanted in zip(results.values(), expected):
                np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_lists_of_tensors(form, tmp_path):
    @tf.function(input_signature=[spec((None, 3), name="x")])
    def function(x):
        doubled = tf.map_fn(lambda row: row * 2.0 + tf.reduce_max(row), x)
        sums = tf.scan(lambda total, row: total + row, x)
        read = tf.TensorArray(tf.float32, size=3, element_shape=(3,)).write(1, x[0]).write(0, x[1])
        return doubled, sums, read.stack(), read.size()

    check(function, form, tmp_path, np.arange(12, dtype=np.float32).reshape(4, 3))


@pytest.mark.parametrize("layer", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("form", FORMS)
def test_recurrent_layers(form, layer, tmp_path):
    import keras

    keras.utils.set_random_seed(3)
    kind = {
        "lstm": keras.layers.LSTM,
        "gru": keras.layers.GRU,
        "rnn": keras.layers.SimpleRNN,
    }[layer]
    layers = [
        keras.layers.Masking(0.0),
        keras.layers.Bidirectional(kind(5, return_sequences=True)),
        kind(4, return_sequences=True, go_backwards=True),
    ]
    last = kind(3, return_state=True)

    @tf.function(input_signature=[spec((None, None, 2), name="x")])
    def function(x):
        for one in layers:
            x = one(x)
        return tf.nest.flatten(last(x))

    x = np.random.default_rng(2).standard_normal((2, 6, 2)).astype(np.float32)
    x[0, 4:] = 0.0
    x[1, 2:] = 0.0
    function(tf.constant(x))  # builds the layers
    function.weights = [weight.value for one in [*layers, last] for weight in one.weights]
    _, engine = check(function, form, tmp_path, x)
    other = np.random.default_rng(3).standard_normal((3, 4, 2)).astype(np.float32)
    for result, wanted in zip(engine.run({"x": other}).values(), function(tf.constant(other))):
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-5)


def test_frames_and_arrays_of_tensorflow_1(tmp_path):
    v1 = tf.compat.v1
    was = v1.control_flow_v2_enabled()
    v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default() as graph:
            x = v1.placeholder(tf.float32, (5, 2), name="x")
            rows = tf.TensorArray(tf.float32, size=5).unstack(x)
            results = tf.TensorArray(tf.float32, size=5)

            def body(i, state, results):
                state = v1.cond(i > 2, lambda: state * 0.5, lambda: state + rows.read(i))
                return i + 1, state, results.write(i, state)

            _, state, results = v1.while_loop(lambda i, *_: i < 5, body, (0, tf.zeros(2), results))
            tf.identity(state, name="state")
            tf.identity(results.stack(), name="results")
            with v1.Session(graph=graph) as session:
                value = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
                expected = session.run(["state:0", "results:0"], {"x:0": value})
            definition = graph.as_graph_def()
    finally:
        if was:
            v1.enable_control_flow_v2()
    assert {"Enter", "Merge", "TensorArrayV3", "TensorArrayScatterV3"} <= {node.op for node in definition.node}
    (tmp_path / "graph.pb").write_bytes(definition.SerializeToString())
    model = tfengine.load_model(tmp_path / "graph.pb", outputs=["state", "results"])
    engine = tfengine.convert(model, time_tactics=False)
    results = engine.run({"x": value})
    for name, wanted in zip(("state", "results"), expected):
        np.testing.assert_allclose(results[name], wanted, rtol=1e-6, atol=1e-6)


def test_an_array_of_tensorflow_1_that_grows(tmp_path):
    v1 = tf.compat.v1
    was = v1.control_flow_v2_enabled()
    v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default() as graph:
            x = v1.placeholder(tf.float32, (2,), name="x")
            n = v1.placeholder(tf.int32, (), name="n")
            grown = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=(2,))

            def body(i, grown):
                return i + 1, grown.write(i, x * tf.cast(i, tf.float32))

            _, grown = v1.while_loop(lambda i, _: i < n, body, (0, grown))
            tf.identity(grown.stack(), name="rows")
            tf.identity(grown.size(), name="count")
            with v1.Session(graph=graph) as session:
                value = np.array([1.5, -2.0], np.float32)
                names = ["rows", "count"]
                expected = {
                    count: session.run([f"{name}:0" for name in names], {"x:0": value, "n:0": count})
                    for count in (1, 7)
                }
            definition = graph.as_graph_def()
    finally:
        if was:
            v1.enable_control_flow_v2()
    assert "TensorArrayV3" in {node.op for node in definition.node}
    (tmp_path / "graph.pb").write_bytes(definition.SerializeToString())
    model = tfengine.load_model(tmp_path / "graph.pb", outputs=names)
    engine = tfengine.convert(model, time_tactics=False)
    for count, wanted in expected.items():
        results = engine.run({"x": value, "n": np.int32(count)})
        for name, array in zip(names, wanted):
            np.testing.assert_array_equal(results[name], array)
