# SPDX-License-Identifier: Apache-2.0
"""Compares tfengine with TensorFlow, ONNX Runtime, OpenVINO and LiteRT: speed, and accuracy of INT8.

The same frozen graph, the same calibration images, the same number of threads. Each contender is loaded once in a
process of its own; turns are interleaved, so that a noisy moment hits all of them. Times are from numpy array to numpy
array.

    python bench/models.py --models resnet50,mobilenetv2
    python bench/peers.py --models resnet50,mobilenetv2 --batches 1,16 --json build/bench/peers.json
"""

import contextlib
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import peers  # noqa: E402
from peers import command, compare  # noqa: E402
from peers.model import Model  # noqa: E402

NAME_WIDTH = 30


def all_contenders():
    return [name for file in peers.FILES for name in importlib.import_module(f"peers.with_{file}").CONTENDERS]


def usable(contender):
    module = peers.engine(contender)
    if hasattr(module, "available") and not module.available():
        print(f"{contender}: not installed, left out", file=sys.stderr)
        return False
    return True


def run(contenders, model, batch, arguments):
    with contextlib.ExitStack() as stack:
        workers = []
        for contender in contenders:
            try:
                workers.append(command.load(contender, model, batch, arguments, stack))
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
    options = command.parser(__doc__, ["resnet50", "mobilenetv2"])
    options.add_argument("--contenders", type=command.comma_list(), help="default: " + ",".join(all_contenders()))
    options.add_argument("--batches", type=command.comma_list(int), default=[1, 16])
    return command.parse(options)


def main():
    arguments = parse()
    contenders = [name for name in arguments.contenders or all_contenders() if usable(name)]
    figures = {**command.machine(arguments), "results": []}
    for name in arguments.models:
        model = Model(arguments.models_dir, name)
        ready = contenders
        if not arguments.measure_only:
            ready = [each for each in contenders if command.prepare(each, model, arguments.batches, arguments)]
        if arguments.prepare_only:
            continue
        for batch in arguments.batches:
            results = run(ready, model, batch, arguments)
            print(table(name, batch, results), flush=True)
            figures["results"].append({"model": name, "batch": batch, "contenders": results})
    command.write_json(figures, arguments)


if __name__ == "__main__":
    main()
