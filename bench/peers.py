# SPDX-License-Identifier: Apache-2.0
"""Compares tfengine with TensorFlow, ONNX Runtime, OpenVINO and LiteRT: speed, and accuracy of INT8.

The same frozen graph, the same calibration images, the same number of threads. Each contender is loaded once in a
process of its own; turns are interleaved, so that a noisy moment hits all of them. Times are from numpy array to numpy
array.

    python bench/models.py --models resnet50,mobilenetv2
    python bench/peers.py --models resnet50,mobilenetv2 --batches 1,16 --json build/bench/peers.json
"""

import argparse
import contextlib
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import peers  # noqa: E402
from peers import compare  # noqa: E402
from peers.machine import cpu_has_vnni, cpu_model  # noqa: E402
from peers.model import Model  # noqa: E402

NAME_WIDTH = 30
BUILD = Path(__file__).resolve().parent.parent / "build" / "bench"


def all_contenders():
    return [name for file in peers.FILES for name in importlib.import_module(f"peers.with_{file}").CONTENDERS]


def usable(contender):
    module = peers.engine(contender)
    if hasattr(module, "available") and not module.available():
        print(f"{contender}: not installed, left out", file=sys.stderr)
        return False
    return True


def prepare(contenders, model, arguments):
    """Converts in a process for each contender: converters leave threads, memory and settings behind."""
    ready = []
    for contender in contenders:
        started = time.perf_counter()
        command = [sys.executable, __file__, "--prepare-one", contender, "--models", model.name]
        command += ["--models-dir", str(arguments.models_dir), "--cache-dir", str(arguments.cache_dir)]
        command += ["--batches", ",".join(map(str, arguments.batches)), "--threads", str(arguments.threads)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{contender}: no model, left out:\n{done.stderr[-1500:]}", file=sys.stderr)
            continue
        ready.append(contender)
        print(f"{model.name} {contender}: ready in {time.perf_counter() - started:.1f} s", file=sys.stderr)
    return ready


def run(contenders, model, batch, arguments):
    with contextlib.ExitStack() as stack:
        workers = []
        for contender in contenders:
            try:
                workers.append(compare.Worker(contender, model, arguments.cache_dir, batch, arguments.threads))
                stack.callback(workers[-1].close)
            except RuntimeError as error:
                print(error, file=sys.stderr)
        results = compare.measure(workers, arguments.rounds) if arguments.rounds else {w.contender: {} for w in workers}
        for worker in workers:
            results[worker.contender]["load_s"] = worker.ready_s
            if batch == arguments.batches[0]:
                results[worker.contender]["accuracy"] = compare.accuracy(worker.evaluate(), model)
    return results


def table(name, batch, results):
    """One line a contender; the ratio is to the fastest contender of the same precision that is not tfengine."""
    columns = f"{'median ms':>10}{'min ms':>9}{'vs best peer':>13}{'logits dB':>11}{'output dB':>11}{'same class':>12}"
    lines = [f"{name}, batch {batch}", " " * NAME_WIDTH + columns]
    for contender, result in results.items():
        line = f"{contender:{NAME_WIDTH}}"
        if "median_ms" in result:
            ratio = best_peer_ms(contender, results) / result["median_ms"]
            line += f"{result['median_ms']:10.3f}{result['min_ms']:9.3f}{ratio:12.2f}x"
        if "accuracy" in result:
            accuracy = result["accuracy"]
            line += f"{accuracy['logits_db']:11.1f}{accuracy['outputs_db']:11.1f}"
            line += f"{accuracy['same_class']:9d}/{accuracy['images']}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def best_peer_ms(contender, results):
    precision = contender.split("-")[1]
    peers_ms = [
        r["median_ms"] for c, r in results.items() if c.split("-")[1] == precision and not c.startswith("tfengine")
    ]
    return min(peers_ms, default=float("nan"))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--models", type=names, default=["resnet50", "mobilenetv2"])
    parser.add_argument("--contenders", type=names, help="default: " + ",".join(all_contenders()))
    parser.add_argument("--batches", type=lambda text: [int(part) for part in text.split(",")], default=[1, 16])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=8, help="turns of each contender; 0 for accuracy alone")
    parser.add_argument("--models-dir", type=Path, default=BUILD / "models")
    parser.add_argument("--cache-dir", type=Path, default=BUILD / "peers")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--prepare-only", action="store_true", help="convert the models and stop")
    parser.add_argument("--prepare-one", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse()
    arguments.cache_dir = arguments.cache_dir.resolve()
    arguments.models_dir = arguments.models_dir.resolve()
    arguments.cache_dir.mkdir(parents=True, exist_ok=True)
    if arguments.prepare_one:
        model = Model(arguments.models_dir, arguments.models[0])
        settings = (arguments.cache_dir, arguments.batches, arguments.threads)
        return peers.engine(arguments.prepare_one).prepare(arguments.prepare_one, model, *settings)

    contenders = [name for name in arguments.contenders or all_contenders() if usable(name)]
    figures = {"machine": cpu_model(), "vnni": cpu_has_vnni(), "threads": arguments.threads, "results": []}
    for name in arguments.models:
        model = Model(arguments.models_dir, name)
        ready = prepare(contenders, model, arguments)
        if arguments.prepare_only:
            continue
        for batch in arguments.batches:
            results = run(ready, model, batch, arguments)
            print(table(name, batch, results), flush=True)
            figures["results"].append({"model": name, "batch": batch, "contenders": results})
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
