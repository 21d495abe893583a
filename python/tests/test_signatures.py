"""SavedModels with several signatures, inputs and outputs of all kinds, and shapes that nobody knows before the run."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine


class Several(tf.Module):
    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(0)
        self.kernel = tf.Variable(rng.standard_normal((4, 3)), dtype=tf.float32)
        self.table = tf.Variable(np.arange(12).reshape(6, 2), dtype=tf.int64)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 4), tf.float32, name="x"),
            tf.TensorSpec((None,), tf.int32, name="ids"),
            tf.TensorSpec((), tf.bool, name="flag"),
        ]
    )
    def classify(self, x, ids, flag):
        y = tf.matmul(x, self.kernel)
        return {
            "logits": tf.where(flag, y, -y),
            "rows": tf.gather(self.table, ids),
            "best": tf.argmax(y, -1),
            "any": tf.reduce_any(y > 0, -1),
            "flag": tf.logical_not(flag),
        }

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
    def any_rank(self, x):
        return {
            "y": tf.nn.relu(x) * 2.0 + 1.0,
            "sum": tf.reduce_sum(x),
            "shape": tf.shape(x),
            "flat": tf.reshape(x, [-1]),
        }

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None), tf.int64, name="a"),
            tf.TensorSpec((None, None), tf.int64, name="b"),
        ]
    )
    def integers(self, a, b):
        return {"sum": a + b, "same": a, "mask": tf.logical_and(a > b, a != 0)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    module = Several()
    folder = tmp_path_factory.mktemp("several")
    signatures = {
        "serving_default": module.classify,
        "any_rank": module.any_rank,
        "integers": module.integers,
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return module, folder


def check(engine, function, inputs):
    expected = function(**{name: tf.constant(value) for name, value in inputs.items()})
    results = engine.run(inputs)
    assert set(results) == set(expected)
    for name, wanted in expected.items():
        assert results[name].dtype == wanted.numpy().dtype and results[name].shape == wanted.shape, name
        np.testing.assert_allclose(results[name], wanted, rtol=1e-5, atol=1e-5, err_msg=name)


def test_inputs_and_outputs_of_all_kinds(saved):
    module, folder = saved
    engine = tfengine.convert(folder, input_shapes={"x": (2, 4), "ids": (3,), "flag": ()}, time_tactics=False)
    x = np.random.default_rng(1).standard_normal((2, 4)).astype(np.float32)
    ids = np.array([1, 5, 0], np.int32)
    for flag in (True, False):
        check(engine, module.classify, {"x": x, "ids": ids, "flag": np.bool_(flag)})
    check(engine, module.classify, {"x": x[:1], "ids": ids[:2], "flag": np.bool_(True)})


def test_ranks_are_known_when_the_engine_runs(saved):
    module, folder = saved
    model = tfengine.load_model(folder, signature_key="any_rank")
    engine = tfengine.convert(model, input_shapes=(2, 3), time_tactics=False, maximum_cached_engines=2)
    rng = np.random.default_rng(2)
    for shape in [(2, 3, 4), (5,), (), (1, 2, 1, 2, 1, 2), (0, 3), (2, 3)]:
        check(
            engine,
            module.any_rank,
            {"x": rng.standard_normal(shape).astype(np.float32)},
        )


def test_integers_pass_through_files(saved, tmp_path):
    module, folder = saved
    model = tfengine.load_model(folder, signature_key="integers")
    engine = tfengine.convert(model, input_shapes=[(2, 3), (2, 3)], time_tactics=False)
    engine.save(tmp_path / "integers.tfe")
    a, b = np.array([[1, 2, 3], [0, 5, 1 << 40]]), np.array([[3, 2, 1], [-1, -1, -1]])
    for loaded in (engine, tfengine.load(tmp_path / "integers.tfe")):
        check(loaded, module.integers, {"a": a, "b": b})
        check(loaded, module.integers, {"a": a[:1, :2], "b": b[:1, :1]})


def test_a_signature_that_is_not_there(saved):
    with pytest.raises(
        tfengine.InvalidArgument,
        match="no signature 'x', expected one of 'any_rank', 'integers', 'serv",
    ):
        tfengine.load_model(saved[1], signature_key="x")
