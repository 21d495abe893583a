# SPDX-License-Identifier: Apache-2.0
"""Converts the Keras applications in every precision, compares them with TensorFlow, and holds the engines to their
contracts: FP32 outputs within 1e-4 of TensorFlow's as a share of the outputs' range, engine files not more than 5 % larger
than the constants in them, and as many bytes at run time as the plan says.

    .venv/bin/python bench/models.py
    .venv/bin/python bench/applications.py --models mobilenetv3small,densenet121 --json build/bench/applications.json

Run it with the Python that tfengine was built for. The exit code is 1 when a contract is broken or a model does not
convert, and each case is told on standard error.
"""

import collections
import contextlib
import json
import math
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from models import MODELS  # noqa: E402
from peers import command, compare, with_tfengine  # noqa: E402
from peers.model import Model  # noqa: E402

TENSORFLOW = "tensorflow-fp32"
PRECISIONS = ["fp32", "bf16", "int8"]
BATCH = 1
MOST_ERROR = 1e-4
MOST_FILE_OVER_CONSTANTS = 1.05
DTYPE_BYTES = {"s8": 1, "u8": 1, "bool": 1, "bf16": 2, "f16": 2, "f64": 8, "s64": 8}  # others: 4
CONSTANT = re.compile(r"^  %\S.* = const (\w+)\[([\d, ]*)\]", re.MULTILINE)
HEAVY = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
ROW = "{:18}{:6}{:>9}{:>9}{:>8}{:>8}{:>9}{:>7}{:>6}{:>9}{:>9}{:>7}  {}"
HEAD = ROW.format(
    "model", "", "median", "min ms", "vs TF", "load s", "error", "dB", "top-1", "convert", "MiB", "file", ""
)


def main():
    arguments = parse()
    figures = {**command.machine(arguments), "models": {}}
    broken = []
    for number, name in enumerate(arguments.models):
        model = Model(arguments.models_dir, name)
        contenders = [f"tfengine-{precision}" for precision in arguments.precisions]
        if not arguments.measure_only:
            ready = [each for each in contenders if command.prepare(each, model, [BATCH], arguments)]
            broken += [f"{name} {each}: does not convert" for each in contenders if each not in ready]
            contenders = ready
        if arguments.prepare_only:
            continue
        results = figures["models"][name] = measure(model, contenders, arguments)
        broken += [f"{name} {each}: {text}" for each in contenders for text in broken_contracts(each, results[each])]
        if not arguments.quiet:
            print("" if number else HEAD + "\n", table(name, results), sep="", flush=True)
    command.write_json(figures, arguments)
    for line in broken:
        print(f"applications.py: {line}", file=sys.stderr)
    return 1 if broken else 0


def parse():
    options = command.parser(__doc__, MODELS, cache="applications", rounds=3)
    options.add_argument("--precisions", type=command.comma_list(), default=PRECISIONS)
    options.add_argument("--quiet", action="store_true", help="no table; what is broken is told all the same")
    return command.parse(options)


def measure(model, contenders, arguments):
    with contextlib.ExitStack() as stack:
        everyone = [TENSORFLOW, *contenders]
        workers = [command.load(each, model, BATCH, arguments, stack) for each in everyone]
        results = compare.measure(workers, arguments.rounds) if arguments.rounds else {each: {} for each in everyone}
        for worker in workers:
            results[worker.contender]["load_s"] = worker.ready_s
            results[worker.contender]["accuracy"] = compare.accuracy(worker.evaluate(), model)
    for contender in contenders:
        engine_file = with_tfengine.path(contender, model, arguments.cache_dir, BATCH)
        results[contender].update(engine_figures(engine_file, model, arguments.threads))
    return results


def engine_figures(path, model, threads):
    """What the engine file and the engine say of themselves, and what its allocator says."""
    import tfengine

    converted = json.loads(path.with_suffix(".json").read_text())
    engine = tfengine.load(path, threads=threads)
    source = model.input.split(":")[0]
    layers = engine.profile({source: model.images(BATCH)}, 10)
    memory = engine.memory()
    run = [layer for layer in layers if layer["tactic"] != "in place"]
    heavy = [layer for layer in layers if layer["op"] in HEAVY]
    return {
        "calibrate_s": converted["calibrate_s"],
        "convert_s": converted["seconds"],
        "steps": dict(collections.Counter(layer["precision"] for layer in run)),
        "heavy_steps": dict(collections.Counter(layer["precision"] for layer in heavy)),
        "reference_steps": sorted({layer["op"] for layer in run if layer["backend"] == "reference"}),
        "layers": layers,
        "memory": memory,
        "least_limit_is_peak": runs_within(path, model, memory["peak_bytes"])
        and not runs_within(path, model, memory["peak_bytes"] - 1),
        "file_bytes": path.stat().st_size,
        "constant_bytes": constant_bytes(engine.dump()),
        "notes": converted["report"]["notes"],
    }


def runs_within(path, model, limit):
    """Whether an allocator that counts every byte and stops at `limit` is enough for a run."""
    import tfengine

    try:
        tfengine.load(path, memory_limit_bytes=limit).run({model.input.split(":")[0]: model.images(BATCH)})
    except tfengine.OutOfMemory:
        return False
    return True


def constant_bytes(dump):
    """Bytes of the constants of an engine's graph, quantized weights as integers."""
    total = 0
    for dtype, dims in CONSTANT.findall(dump):
        total += DTYPE_BYTES.get(dtype, 4) * math.prod(int(dim) for dim in dims.split(",") if dim.strip())
    return total


def broken_contracts(contender, result):
    error = result["accuracy"]["largest_error"]
    if contender == "tfengine-fp32" and not error <= MOST_ERROR:
        yield f"outputs differ from TensorFlow's by {error:.2g} of their range, expected at most {MOST_ERROR:g}"
    if not math.isfinite(result["accuracy"]["logits_db"]):
        yield "outputs are not finite"
    share = result["file_bytes"] / result["constant_bytes"]
    if share > MOST_FILE_OVER_CONSTANTS:
        yield f"the file is {share:.3f} of its constants, expected at most {MOST_FILE_OVER_CONSTANTS}"
    if not result["least_limit_is_peak"]:
        yield f"the least memory limit that it runs within is not the plan's {result['memory']['peak_bytes']} bytes"


def table(name, results):
    return "\n".join(line(name, contender, result, results) for contender, result in results.items())


def line(name, contender, result, results):
    timed = "median_ms" in result
    cells = [f"{result['median_ms']:.3f}", f"{result['min_ms']:.3f}"] if timed else ["", ""]
    cells.append(f"{results[TENSORFLOW]['min_ms'] / result['min_ms']:.2f}x" if timed else "")
    accuracy = result["accuracy"]
    cells.append(f"{result['load_s']:.2f}")
    cells.append(f"{accuracy['largest_error']:.1e}")
    cells.append(f"{accuracy['logits_db']:.1f}")
    cells.append(f"{accuracy['same_class']}/{accuracy['images']}")
    if "memory" in result:
        cells.append(f"{result['calibrate_s'] + result['convert_s']:.1f} s")
        cells.append(f"{result['memory']['peak_bytes'] / 2**20:.2f}")
        cells.append(f"{result['file_bytes'] / result['constant_bytes']:.3f}")
        steps = ", ".join(f"{count} {precision}" for precision, count in sorted(result["steps"].items()))
        reference = f"; reference: {', '.join(result['reference_steps'])}" if result["reference_steps"] else ""
        cells.append(steps + reference)
    else:
        cells += [""] * 4
    label = "TF" if contender == TENSORFLOW else contender.removeprefix("tfengine-")
    return ROW.format(name, label, *cells)


if __name__ == "__main__":
    sys.exit(main())
