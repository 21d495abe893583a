"""Many callers of one converted function: right answers, a bounded cache, memory that does not grow."""

import os
import threading
import time

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine.tensorflow as tft  # noqa: E402

from engine_graphs import (  # noqa: E402
    DIGITS_SHAPE,
    EngineSession,
    digits_function,
    engine_graph,
    run_python,
)

# A minute shows what ten seconds do not; every test run cannot afford it.
SECONDS = float(os.environ.get("TFENGINE_TEST_SECONDS", "10"))
THREADS = 8
BATCHES = (1, 2, 3, 5, 8)
CACHED = 3


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def eager_call(function, name):
    definition = engine_graph(function, name, max_cached_engines_count=CACHED)
    return tf.compat.v1.wrap_function(
        lambda x: tf.import_graph_def(definition, {"in_0": x}, [name + ":0"], name="")[0],
        [tf.TensorSpec(DIGITS_SHAPE)],
    )


def test_eight_threads_with_five_shapes():
    name = "TRTEngineOp_070_000"
    native = digits_function()
    call = eager_call(native, name)
    images = np.random.default_rng(5).random((64, 8, 8, 1), dtype=np.float32)
    want = native(tf.constant(images)).numpy()
    end = time.monotonic() + SECONDS
    wrong, counts, most_engines = [], [0] * THREADS, [0]

    def work(index: int) -> None:
        random = np.random.default_rng(index)
        while time.monotonic() < end and not wrong:
            size = random.choice(BATCHES)
            start = random.integers(0, len(images) - size)
            got = call(tf.constant(images[start : start + size])).numpy()
            if got.shape != (size, 10) or not np.allclose(got, want[start : start + size], atol=1e-4):
                wrong.append((index, start, size))
            counts[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(THREADS)]
    for thread in threads:
        thread.start()
    early, middle = None, time.monotonic() + SECONDS / 3
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        if early is None and time.monotonic() > middle:
            early = resident_bytes()
        if sum(counts):
            most_engines[0] = max(most_engines[0], len(tft.engine_status(name)["engines"]))
    for thread in threads:
        thread.join()
    assert not wrong
    assert min(counts) > 0
    status = tft.engine_status(name)
    assert status["engine_calls"] == sum(counts) and status["native_calls"] == {}
    assert most_engines[0] <= CACHED and status["evictions"] > 0
    # Memory that came in the first third is caches filling; a leak would go on: 20 MiB are less than 1 % of the calls' data.
    assert resident_bytes() - early < 20 << 20


def test_calibration_under_concurrent_calls(images):
    """Every batch counts exactly once, whoever runs it."""
    native = digits_function()
    batches = [images[start : start + 8] for start in range(0, 128, 8)]

    def table(threads: int) -> bytes:
        session = EngineSession(engine_graph(native, precision_mode="INT8"))
        todo = list(batches)
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    if not todo:
                        return
                    batch = todo.pop()
                np.testing.assert_allclose(session(batch)[0], native(tf.constant(batch)).numpy(), atol=1e-4)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return session.table()

    assert table(4) == table(1)


def test_two_sessions_do_not_oversubscribe():
    """Engines of all sessions share runner threads that together use no more cores than there are."""
    code = """
import os, threading
import numpy as np, tensorflow as tf
from engine_graphs import EngineSession, digits_function, engine_graph
native = digits_function()
sessions = [EngineSession(engine_graph(native)) for _ in range(3)]
images = np.ones((64, 8, 8, 1), np.float32)
for session in sessions:
    session(images)
def threads_now():
    return len(os.listdir("/proc/self/task"))
before = threads_now()
def work(session):
    for _ in range(30):
        session(images)
workers = [threading.Thread(target=work, args=(session,)) for session in sessions for _ in range(4)]
for worker in workers: worker.start()
most = 0
while any(worker.is_alive() for worker in workers):
    most = max(most, threads_now())
# The callers themselves, and nothing more: no team of threads for each of them.
print("ADDED", most - before - len(workers))
"""
    line = next(line for line in run_python(code).splitlines() if line.startswith("ADDED"))
    assert int(line.split()[1]) <= len(os.sched_getaffinity(0))
