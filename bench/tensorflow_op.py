# SPDX-License-Identifier: Apache-2.0
"""What TRTEngineOp costs in TensorFlow: beside the standalone INT8 engine, and beside plain TensorFlow in float.

The same frozen graph, calibration images and threads. Each contender is loaded once in a process of its own, and turns are
interleaved. Times are from numpy array to numpy array. TensorFlow's contenders are called as functions, and the op in a
session too: calling a function that does nothing takes TensorFlow 0.3 ms.

    python bench/models.py --models resnet50
    python bench/tensorflow_op.py --models resnet50

Run it with the Python that tfengine was built for.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import peers  # noqa: E402
from peers import compare  # noqa: E402
from peers.machine import cpu_model  # noqa: E402
from peers.model import Model  # noqa: E402

BUILD = Path(__file__).resolve().parent.parent / "build" / "bench"
TENSORFLOW, ENGINE, OP, OP_IN_SESSION = CONTENDERS = (
    "tensorflow-fp32",
    "tfengine-int8",
    "trtengineop-int8",
    "trtengineop-int8-session",
)


def prepare(contender, model, arguments):
    """In a process of its own: converters leave threads, memory and settings behind."""
    command = [sys.executable, __file__, "--prepare-one", contender, "--models", model.name]
    command += ["--models-dir", str(arguments.models_dir), "--cache-dir", str(arguments.cache_dir)]
    command += ["--batch", str(arguments.batch), "--threads", str(arguments.threads)]
    subprocess.run(command, check=True)


def run(model, arguments):
    with contextlib.ExitStack() as stack:
        workers = []
        for contender in CONTENDERS:
            settings = (arguments.cache_dir, arguments.batch, arguments.threads)
            workers.append(compare.Worker(contender, model, *settings))
            stack.callback(workers[-1].close)
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=lambda text: text.split(","), default=["resnet50"])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=8, help="turns of each contender")
    parser.add_argument("--models-dir", type=Path, default=BUILD / "models")
    parser.add_argument("--cache-dir", type=Path, default=BUILD / "peers")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--prepare-only", action="store_true", help="convert the models and stop")
    parser.add_argument("--measure-only", action="store_true", help="measure what was converted before")
    parser.add_argument("--prepare-one", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse()
    arguments.cache_dir = arguments.cache_dir.resolve()
    arguments.models_dir = arguments.models_dir.resolve()
    arguments.cache_dir.mkdir(parents=True, exist_ok=True)
    models = [Model(arguments.models_dir, name) for name in arguments.models]
    if arguments.prepare_one:
        settings = (arguments.cache_dir, [arguments.batch], arguments.threads)
        return peers.engine(arguments.prepare_one).prepare(arguments.prepare_one, models[0], *settings)

    figures = {"machine": cpu_model(), "threads": arguments.threads, "batch": arguments.batch, "models": {}}
    for model in models:
        if not arguments.measure_only:
            for contender in (TENSORFLOW, ENGINE, OP):
                prepare(contender, model, arguments)
        if not arguments.prepare_only:
            figures["models"][model.name] = results = run(model, arguments)
            print(report(model.name, arguments.batch, results), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
