"""Attention as exporters write it runs as one step, with TensorFlow's results."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

HEADS, DEPTH, TOKENS = 3, 8, 20
WIDTH = HEADS * DEPTH


def weights(seed, *shape):
    values = np.random.default_rng(seed).normal(size=shape) / np.sqrt(shape[0])
    return tf.constant(values.astype(np.float32))


def project(x, seed):
    """A dense layer on a sequence, its channels split into heads."""
    flat = tf.matmul(tf.reshape(x, [-1, WIDTH]), weights(seed, WIDTH, WIDTH)) + weights(seed + 1, WIDTH)
    return tf.reshape(flat, [-1, x.shape[1], HEADS, DEPTH])


def join(y, seed):
    flat = tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [-1, WIDTH])
    return tf.reshape(tf.matmul(flat, weights(seed, WIDTH, WIDTH)) + weights(seed + 1, WIDTH), [-1, y.shape[2], WIDTH])


def hugging_face(x, mask):
    q, k, v = (tf.transpose(project(x, seed), [0, 2, 1, 3]) for seed in (0, 2, 4))
    scores = tf.matmul(q, k, transpose_b=True) / np.float32(np.sqrt(DEPTH))
    scores = scores + (1.0 - tf.cast(mask, tf.float32))[:, None, None, :] * -10000.0
    return join(tf.matmul(tf.nn.softmax(scores), v), 6) + x


def einsum(x, mask):
    q, k, v = (project(x, seed) for seed in (0, 2, 4))
    scores = tf.einsum("aecd,abcd->acbe", k, q * np.float32(1 / np.sqrt(DEPTH)))
    scores = tf.where(tf.cast(mask, tf.bool)[:, None, None, :], scores, np.float32(-3e38))
    y = tf.einsum("acbe,aecd->abcd", tf.nn.softmax(scores), v)
    return tf.matmul(tf.reshape(y, [-1, WIDTH]), weights(6, WIDTH, WIDTH))


def relative_positions(x, mask):
    q, k, v = (tf.transpose(project(x, seed), [0, 2, 1, 3]) for seed in (0, 2, 4))
    scores = tf.matmul(q * np.float32(0.4), k, transpose_b=True) + weights(8, 1, HEADS, TOKENS, TOKENS)
    y = join(tf.matmul(tf.nn.softmax(scores), v), 6)
    return y * tf.cast(mask, tf.float32)[:, :, None]


def last_tokens(x, mask):
    q, k, v = (tf.transpose(project(part, seed), [0, 2, 1, 3]) for part, seed in ((x[:, -4:], 0), (x, 2), (x, 4)))
    y = tf.matmul(tf.nn.softmax(tf.matmul(q, k, transpose_b=True)), v)
    return join(y, 6) * tf.cast(mask[:, :4], tf.float32)[:, :, None]


STYLES = {each.__name__: each for each in (hugging_face, einsum, relative_positions, last_tokens)}


def inputs(batch, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(size=(batch, TOKENS, WIDTH)).astype(np.float32),
        "mask": (np.arange(TOKENS)[None] < rng.integers(5, TOKENS + 1, (batch, 1))).astype(np.int32),
    }


def saved(function, folder):
    concrete = tf.function(function).get_concrete_function(
        tf.TensorSpec((None, TOKENS, WIDTH), name="x"), tf.TensorSpec((None, TOKENS), tf.int32, name="mask")
    )
    path = folder / "attention.pb"
    path.write_bytes(convert_variables_to_constants_v2(concrete).graph.as_graph_def().SerializeToString())
    return path


@pytest.fixture(params=STYLES)
def style(request, tmp_path):
    return STYLES[request.param], saved(STYLES[request.param], tmp_path)


def ops_of(engine, feed):
    return [layer["op"] for layer in engine.profile(feed, runs=1) if layer["tactic"] != "in place"]


def expected(function, feed):
    return function(tf.constant(feed["x"]), tf.constant(feed["mask"])).numpy()


@pytest.mark.parametrize("threads", [1, 2])
def test_one_step_for_any_batch(style, threads):
    function, path = style
    engine = tfengine.convert(path, threads=threads, time_tactics=False)
    for batch in (1, 3):
        feed = inputs(batch)
        (result,) = engine.run(feed).values()
        wanted = expected(function, feed)
        assert np.abs(result - wanted).max() <= 1e-5 * np.ptp(wanted)
        ops = ops_of(engine, feed)
        assert ops.count("Attention") == 1
        assert not {"Transpose", "Softmax", "BatchMatMulV2"} & set(ops)


def test_biases_and_sums_are_in_the_products(tmp_path):
    ops = ops_of(tfengine.convert(saved(hugging_face, tmp_path), time_tactics=False), inputs(2))
    assert ops.count("MatMul") == 4
    assert "Add" not in ops


def test_int8(style):
    function, path = style
    samples = [inputs(1, seed) for seed in range(16)]
    table = tfengine.calibrate(path, samples)
    engine = tfengine.convert(path, precision="int8", calibration=table, time_tactics=False)
    feed = inputs(2, seed=40)
    (result,) = engine.run(feed).values()
    wanted = expected(function, feed)
    noise_db = 10 * np.log10(np.square(wanted).sum() / np.square(result - wanted).sum())
    assert noise_db > 20
    ops = ops_of(engine, feed)
    assert ops.count("Attention") == 1
    assert not {"Transpose", "Softmax", "BatchMatMulV2"} & set(ops)


def test_files_keep_the_step(style, tmp_path):
    function, path = style
    feed = inputs(2)
    tfengine.convert(path, time_tactics=False).save(tmp_path / "attention.tfe")
    engine = tfengine.load(tmp_path / "attention.tfe")
    (result,) = engine.run(feed).values()
    wanted = expected(function, feed)
    assert np.abs(result - wanted).max() <= 1e-5 * np.ptp(wanted)
    assert ops_of(engine, feed).count("Attention") == 1
