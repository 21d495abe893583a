# SPDX-License-Identifier: Apache-2.0
"""The driver's half of a worker, the interleaved measurement, and the accuracy figures."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from . import engine

TURN_S = 0.4  # a turn is long enough to reach a steady clock and short enough that all contenders see the same machine
PAUSE_S = 0.1  # thread pools go on spinning for a while after their last run


class Worker:
    """A contender loaded in its own process."""

    def __init__(self, contender, model, cache, batch, threads, python=sys.executable):
        module = engine(contender)
        interpreter = module.python() if hasattr(module, "python") else python
        command = [interpreter, "-m", "peers.worker", contender, model.directory, model.name, cache, batch, threads]
        self.contender = contender
        self._log = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=Path(__file__).resolve().parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.ready_s = self._reply()["ready_s"]

    def _reply(self):
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise RuntimeError(f"{self.contender} failed:\n{self._log.read()[-2000:]}")
        return json.loads(line)

    def _ask(self, **request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._reply()

    def time(self, iterations):
        return self._ask(do="time", iterations=iterations)["ms"]

    def evaluate(self):
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "outputs.npz")
            self._ask(do="evaluate", path=path)
            return dict(np.load(path))

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def measure(workers, rounds):
    """Milliseconds by contender: `rounds` turns each, in rotating order so that none is always first."""
    iterations = {worker.contender: max(3, round(1e3 * TURN_S / min(worker.time(3)))) for worker in workers}
    times = {worker.contender: [] for worker in workers}
    for index in range(rounds):
        start = index % len(workers)
        for worker in workers[start:] + workers[:start]:
            time.sleep(PAUSE_S)
            times[worker.contender].append(worker.time(iterations[worker.contender]))
    return {contender: summary(turns) for contender, turns in times.items()}


def summary(turns):
    every = [ms for turn in turns for ms in turn]
    return {
        "median_ms": statistics.median(every),
        "min_ms": min(every),
        "best_turn_median_ms": min(statistics.median(turn) for turn in turns),
        "runs": len(every),
    }


def accuracy(results, model):
    """Against TensorFlow's float outputs: signal-to-noise in dB, the largest error as a share of the outputs' range, and
    how many of the test images keep their class."""
    expected, expected_logits = model.expected(), model.expected_logits()
    outputs = results["outputs"].reshape(expected.shape)
    if "logits" in results:
        logits = results["logits"]
    elif model.logits == model.output:
        logits = outputs
    else:  # log(softmax(x)) is x up to a constant for each image, so centring makes the two comparable
        logits = np.log(np.maximum(outputs, 1e-37))
    logits = logits.reshape(expected_logits.shape)
    return {
        "largest_error": float(np.abs(outputs - expected).max() / np.ptp(expected)),
        "outputs_db": signal_to_noise(expected, outputs),
        "logits_db": signal_to_noise(_centred(expected_logits), _centred(logits)),
        "same_class": int((logits.argmax(axis=1) == expected_logits.argmax(axis=1)).sum()),
        "images": len(expected),
    }


def _centred(logits):
    return logits - logits.mean(axis=1, keepdims=True)


def signal_to_noise(reference, value):
    noise = np.square(reference.astype(np.float64) - value).sum()
    return float(10 * np.log10(np.square(reference.astype(np.float64)).sum() / max(noise, 1e-300)))
