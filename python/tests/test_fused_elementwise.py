"""Chains of elementwise ops run as one step each, with TensorFlow's results."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

RNG = np.random.default_rng(3)


def reals(*shape, dtype=np.float32):
    return RNG.normal(size=shape).astype(dtype)


def frozen(function, inputs, folder):
    concrete = tf.function(function).get_concrete_function(
        *(tf.TensorSpec(x.shape, x.dtype, name=f"x{i}") for i, x in enumerate(inputs))
    )
    graph = convert_variables_to_constants_v2(concrete).graph
    path = folder / "chain.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    outputs = [tensor.op.name for tensor in concrete.outputs]
    return tfengine.load_model(path, outputs=[tensor.op.name for tensor in graph.outputs] if graph.outputs else outputs)


def gelu_by_hand(x):
    return 0.5 * x * (1.0 + tf.tanh(0.8 * (x + 0.04 * tf.pow(x, 3.0))))


def normalize(x, mean, deviation):
    return tf.clip_by_value((x - mean) / (deviation + 1e-3), -2.0, 2.0)


def masked(x, y):
    keep = tf.logical_and(x > 0.1, y < 0.5)
    return tf.where(keep, x * y, tf.abs(x)) + tf.cast(keep, x.dtype)


def integers(x, y):
    return tf.bitwise.bitwise_xor(x * 3 + y, tf.maximum(x, y)) - tf.cast(x > y, tf.int32)


CASES = {
    "gelu_by_hand": (gelu_by_hand, [reals(4, 33)]),
    "rows": (normalize, [reals(5, 7, 24), reals(24), np.abs(reals(24))]),
    "columns": (normalize, [reals(5, 7, 24), reals(5, 1, 1), np.abs(reals(7, 1))]),
    "masked": (masked, [reals(300, 40), reals(300, 40)]),
    "masked_broadcast": (masked, [reals(3, 1, 40), reals(70, 1)]),
    "float64": (masked, [reals(30, 4, dtype=np.float64), reals(30, 4, dtype=np.float64)]),
    "float16": (gelu_by_hand, [reals(60, 20, dtype=np.float16)]),
    "integers": (integers, [RNG.integers(-9, 9, (6, 50)).astype(np.int32), RNG.integers(-9, 9, 50).astype(np.int32)]),
    "long": (lambda x: tf.nest.flatten([x := tf.sin(x) * 1.5 + 0.1 for _ in range(30)])[-1], [reals(1000)]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("threads", [1, 2])
def test_chains(name, threads, tmp_path):
    function, inputs = CASES[name]
    expected = function(*map(tf.constant, inputs)).numpy()
    engine = tfengine.convert(frozen(function, inputs, tmp_path), threads=threads, time_tactics=False)
    named = {f"x{i}": x for i, x in enumerate(inputs)}
    (result,) = engine.run(named).values()
    assert result.dtype == expected.dtype
    tolerance = 5e-3 if expected.dtype == np.float16 else 1e-5
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)
    layers = [layer for layer in engine.profile(named, runs=1) if layer["tactic"] != "in place"]
    assert any(layer["op"].startswith("FusedElementwise(") and layer["tactic"] == "own:chain" for layer in layers)
    # Operands that are smaller than the result are computed by themselves.
    assert len(layers) <= (4 if name in ("long", "masked_broadcast") else 2)


def test_several_results(tmp_path):
    def cell(x, c):
        gate = tf.sigmoid(x)
        c = gate * c + (1.0 - gate) * tf.tanh(x)
        return tf.identity(c, name="c"), tf.identity(gate * tf.tanh(c), name="h")

    inputs = [reals(8, 16), reals(8, 16)]
    engine = tfengine.convert(frozen(cell, inputs, tmp_path), time_tactics=False)
    results = engine.run({"x0": inputs[0], "x1": inputs[1]})
    expected = [value.numpy() for value in cell(*map(tf.constant, inputs))]
    assert len(results) == 2
    for result, wanted in zip(results.values(), expected):
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)
    steps = [layer for layer in engine.profile({"x0": inputs[0], "x1": inputs[1]}, runs=1)]
    assert sum(layer["op"].startswith("FusedElementwise(") for layer in steps) == 1


def test_in_loops_and_files(tmp_path):
    def loop(x, c):
        def body(i, h, c):
            gate = tf.sigmoid(h + x)
            c = gate * c + (1.0 - gate) * tf.tanh(h)
            return i + 1, gate * tf.tanh(c), c

        return tf.while_loop(lambda i, h, c: i < 5, body, (0, x, c))[1:]

    inputs = [reals(8, 16), reals(8, 16)]
    model = frozen(loop, inputs, tmp_path)
    engine = tfengine.convert(model, time_tactics=False)
    engine.save(tmp_path / "loop.tfe")
    named = {"x0": inputs[0], "x1": inputs[1]}
    expected = [value.numpy() for value in loop(*map(tf.constant, inputs))]
    for made in (engine, tfengine.load(tmp_path / "loop.tfe")):
        for _ in range(2):
            for result, wanted in zip(made.run(named).values(), expected):
                np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)
        assert any(layer["op"].startswith("FusedElementwise(") for layer in made.profile(named, runs=1))


def test_denied_nodes_stay_alone(tmp_path):
    def chain(x):
        return tf.abs(tf.tanh(tf.abs(x - 1.0), name="alone") - 0.5)

    inputs = [reals(50)]
    engine = tfengine.convert(frozen(chain, inputs, tmp_path), nodes_denylist=["alone"], time_tactics=False)
    (result,) = engine.run({"x0": inputs[0]}).values()
    np.testing.assert_allclose(result, chain(inputs[0]), rtol=1e-5, atol=1e-6)
    layers = {layer["name"]: layer["op"] for layer in engine.profile({"x0": inputs[0]}, runs=1)}
    assert layers["alone"] == "Tanh"
