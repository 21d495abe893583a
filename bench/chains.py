# SPDX-License-Identifier: Apache-2.0
"""Chains of elementwise ops, as users write them: cases of `bench/ops.py --chains`."""

import concurrent.futures
import statistics
import time

import numpy as np
import tensorflow as tf


def steps(count):
    """`count` ops in a row, each a pass over memory of its own where they are not fused."""
    kinds = (
        lambda v: tf.maximum(v, 0.2),
        lambda v: v * 1.25,
        lambda v: tf.abs(v),
        lambda v: v - 0.25,
        lambda v: tf.minimum(v, 0.9),
    )

    def build(x):
        for i in range(count):
            x = kinds[i % len(kinds)](x)
        return x

    return build


def gelu(x):
    return 0.5 * x * (1.0 + tf.tanh(0.79788456 * (x + 0.044715 * x * x * x)))


def standardize(x, mean, deviation):
    return tf.clip_by_value((x - mean) / (deviation + 1e-3), -3.0, 3.0)


def masked(x, y):
    return tf.where(tf.logical_and(x > 0.3, y < 0.7), x * y, tf.abs(x - y))


def cell(forget, add, gate, state):
    state = tf.sigmoid(forget) * state + tf.sigmoid(add) * tf.tanh(gate)
    return tf.tanh(state) * tf.sigmoid(gate)


def cases():
    """(name, inputs of n elements, graph)."""
    rng = np.random.default_rng(1)
    reals = lambda *shape: rng.uniform(0.1, 0.9, shape).astype(np.float32)  # noqa: E731
    rows = lambda n: (max(n // 250, 1), 250)  # noqa: E731
    for count in (1, 3, 5, 10):
        yield f"{count} steps", lambda n: [reals(n)], steps(count)
    yield "gelu", lambda n: [reals(*rows(n))], gelu
    yield "standardize", lambda n: [reals(*rows(n)), reals(250), reals(250)], standardize
    yield "masked", lambda n: [reals(*rows(n)), reals(*rows(n))], masked
    yield "cell", lambda n: [reals(*rows(n)) for _ in range(4)], cell


def bandwidth(bytes_moved, threads):
    """Bytes per second of a copy that moves so many bytes (half of them read), shared by threads: median of 15."""
    source = np.ones(max(bytes_moved // 8, threads), np.float32)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    times = []
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for _ in range(15):
            start = time.perf_counter()
            # Copies of this size run without Python's lock.
            list(pool.map(lambda part: np.copyto(*part), parts))
            times.append(time.perf_counter() - start)
    return 2 * source.nbytes / statistics.median(times)
