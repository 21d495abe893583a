# SPDX-License-Identifier: Apache-2.0
"""One contender in a process of its own, driven over pipes: a JSON object a line in, one a line out.

{"do": "time", "iterations": K}  ->  {"ms": [K numbers]}
{"do": "evaluate", "path": P}    ->  {} after writing the test images' outputs, and logits if it has them, to P (.npz)
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from . import engine
from .model import Model, count, part

WARM_UP_RUNS = 3


def main():
    contender, models, name, cache, batch, threads = sys.argv[1:]
    replies = _keep_stdout_for_replies()
    model = Model(models, name)
    cache, batch, threads = Path(cache), int(batch), int(threads)
    module = engine(contender)

    started = time.perf_counter()
    run = module.load(contender, model, cache, batch, threads)
    images = model.images(batch)
    for _ in range(WARM_UP_RUNS):
        run(images)
    _reply(replies, {"ready_s": time.perf_counter() - started})

    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "time":
            _reply(replies, {"ms": _time(run, images, request["iterations"])})
        else:
            np.savez(request["path"], **_evaluate(module, contender, model, cache, batch, threads, run))
            _reply(replies, {})


def _keep_stdout_for_replies():
    """Some engines print; that goes to stderr."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies


def _reply(replies, value):
    replies.write(json.dumps(value) + "\n")
    replies.flush()


def _time(run, images, iterations):
    times = []
    for _ in range(iterations):
        started = time.perf_counter()
        run(images)
        times.append(1e3 * (time.perf_counter() - started))
    return times


def _evaluate(module, contender, model, cache, batch, threads, run):
    results = {"outputs": _run_all(run, model.test(), batch)}
    if hasattr(module, "load_logits"):
        results["logits"] = _run_all(module.load_logits(contender, model, cache, threads), model.test(), 1)
    return results


def _run_all(run, images, batch):
    """Outputs for all images, `batch` at a time; the last group is filled up with its own first images."""
    outputs = []
    for at in range(0, count(images), batch):
        size = min(batch, count(images) - at)
        group = part(images, at + np.arange(batch) % size)
        outputs.append(np.array(run(group))[:size])
    return np.concatenate(outputs)


if __name__ == "__main__":
    main()
