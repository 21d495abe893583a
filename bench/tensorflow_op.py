# SPDX-License-Identifier: Apache-2.0
"""What TRTEngineOp costs in TensorFlow: beside the standalone INT8 engine, and beside plain TensorFlow in float.

The same frozen graph, calibration images and threads. Each contender is loaded once in a process of its own, and turns are
interleaved. Times are from numpy array to numpy array. TensorFlow's contenders are called as functions, and the op in a
session too: calling a function that does nothing takes TensorFlow 0.3 ms.

    python bench/models.py --models resnet50
    python bench/tensorflow_op.py --models resnet50

Run it with the Python that tfengine was built for.
"""

import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peers import command, compare  # noqa: E402
from peers.model import Model  # noqa: E402

TENSORFLOW, ENGINE, OP, OP_IN_SESSION = CONTENDERS = (
    "tensorflow-fp32",
    "tfengine-int8",
    "trtengineop-int8",
    "trtengineop-int8-session",
)


def run(model, arguments):
    with contextlib.ExitStack() as stack:
        workers = [command.load(each, model, arguments.batch, arguments, stack) for each in CONTENDERS]
        results = compare.measure(workers, arguments.rounds)
        for worker in workers:
            results[worker.contender]["load_s"] = worker.ready_s
            results[worker.contender]["accuracy"] = compare.accuracy(worker.evaluate(), model)
    return results


def report(name, batch, results):
    lines = [f"{name}, batch {batch}", f"{'':26}{'median ms':>10}{'min ms':>9}{'logits dB':>11}{'load s':>8}"]
    for contender, result in results.items():
        lines.append(
            f"{contender:26}{result['median_ms']:10.3f}{result['min_ms']:9.3f}"
            f"{result['accuracy']['logits_db']:11.1f}{result['load_s']:8.1f}"
        )
    engine, tensorflow = results[ENGINE]["median_ms"], results[TENSORFLOW]["median_ms"]
    for contender in (OP, OP_IN_SESSION):
        op = results[contender]["median_ms"]
        lines.append(
            f"{contender}: {op / engine:.2f}x the standalone engine ({op - engine:+.3f} ms), "
            f"{tensorflow / op:.2f}x as fast as TensorFlow FP32"
        )
    return "\n".join(lines) + "\n"


def parse():
    options = command.parser(__doc__, ["resnet50"])
    options.add_argument("--batch", type=int, default=1)
    return command.parse(options)


def main():
    arguments = parse()
    figures = {**command.machine(arguments), "batch": arguments.batch, "models": {}}
    for model in [Model(arguments.models_dir, name) for name in arguments.models]:
        if not arguments.measure_only:
            for contender in (TENSORFLOW, ENGINE, OP):
                if not command.prepare(contender, model, [arguments.batch], arguments):
                    sys.exit(1)
        if not arguments.prepare_only:
            figures["models"][model.name] = results = run(model, arguments)
            print(report(model.name, arguments.batch, results), flush=True)
    command.write_json(figures, arguments)


if __name__ == "__main__":
    main()
