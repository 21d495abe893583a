# SPDX-License-Identifier: Apache-2.0
"""Holds engines to what they say about their memory. For each model, precision and batch size, in a process of its own that
loads the engine file and runs it:

    - what was allocated at most is what is reported, byte for byte, for weights, activations and workspace, and in sum
    - what the engine keeps between runs is its weights, within 2 %, once activations and workspace are given back ("kept");
      "packed" is the weights as kernels read them over the constants of the engine's file
    - the arena is at most 1.05 of its lower bound, the most that lives at one step; beside it that of any order of steps
    - the process grows by what is reported, and the outputs, plus at most 5 % and 8 MiB: as a whole, and without the pages of
      the libraries' files. These belong to the process and not to the engine, are shared with others that use the libraries,
      and come and go with what runs: fewer of them must not make up for what an engine takes

    .venv/bin/python bench/models.py --models resnet50,mobilenetv2
    .venv/bin/python bench/memory_exact.py --models resnet50,mobilenetv2 --json build/bench/memory_exact.json

Run it with the Python that tfengine was built for. Nothing is timed unless --time-tactics says so: the numbers hold for any
choice of tactics. The exit code is 1 when a number is off, and each case is told on standard error.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from models import DEFAULT_DIR, MODELS  # noqa: E402

PRECISIONS = ["fp32", "int8"]
BATCHES = [1, 16]
MIB = 1 << 20
MOST_GROWTH = 1.05
MOST_GROWTH_BYTES = 8 * MIB
MOST_KEPT = 1.02
MOST_ARENA = 1.05
SIZES = ("weights_bytes", "activation_bytes", "activation_lower_bound_bytes", "any_order_lower_bound_bytes")
PURPOSES = {"weights": "weights_bytes", "activations": "activation_bytes", "workspace": "workspace_bytes"}
MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ ")
ROW = "{:18}{:>5}{:>6}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}{:>8}{:>8}"
COLUMNS = "model,,batch,weights,arena,bound,any order,workspace,grows by,more,of files,kept,packed"
HEAD = ROW.format(*COLUMNS.split(","))


def main():
    arguments = parse()
    if arguments.worker:
        print(json.dumps(measure(Path(arguments.worker), arguments)))
        return 0
    arguments.cache_dir.mkdir(parents=True, exist_ok=True)
    figures, broken = {}, []
    print(HEAD)
    for name in arguments.models:
        for precision in arguments.precisions:
            for batch in arguments.batches:
                case = f"{name} {precision} batch {batch}"
                result = figures[case] = run_case(name, precision, batch, arguments)
                broken += [f"{case}: {text}" for text in broken_rules(result)]
                print(row(name, precision, batch, result), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    for line in broken:
        print(f"memory_exact.py: {line}", file=sys.stderr)
    return 1 if broken else 0


def parse():
    comma = lambda convert: lambda text: [convert(part) for part in text.split(",")]  # noqa: E731
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--models", type=comma(str), default=MODELS)
    options.add_argument("--precisions", type=comma(str), default=PRECISIONS)
    options.add_argument("--batches", type=comma(int), default=BATCHES)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--models-dir", type=Path, default=DEFAULT_DIR, help="where models.py wrote them")
    options.add_argument("--cache-dir", type=Path, default=DEFAULT_DIR.parent / "memory", help="where engines go")
    options.add_argument("--time-tactics", action="store_true", help="choose the fastest tactics of this machine")
    options.add_argument("--json", type=Path, help="also write the figures here")
    options.add_argument("--worker", help=argparse.SUPPRESS)
    options.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    return options.parse_args()


def run_case(name, precision, batch, arguments):
    """Converts, unless that was done before, and measures in a process that does nothing else."""
    engine = arguments.cache_dir / f"{name}.{precision}.{batch}{'.timed' if arguments.time_tactics else ''}.tfe"
    if not engine.exists():
        convert(name, precision, batch, engine, arguments)
    command = [sys.executable, __file__, "--worker", str(engine), "--batch", str(batch)]
    command += ["--threads", str(arguments.threads)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def convert(name, precision, batch, engine, arguments):
    model = arguments.models_dir / f"{name}.pb"
    options = ["-o", str(engine), "--precision", precision, "--plan-batch-size", str(batch)]
    options += ["--threads", str(arguments.threads), "--quiet"]
    if precision == "int8":
        options += ["--calibration-data", str(model.with_suffix(".calibration.npy")), "--num-calibration-samples", "8"]
    if not arguments.time_tactics:
        options.append("--no-tactic-timing")
    tfengine = str(Path(sys.executable).parent / "tfengine")
    subprocess.run([tfengine, "convert", str(model), *options], check=True, stdout=subprocess.DEVNULL)


def resident_bytes():
    """Of this process: all that is resident, and of it the pages of libraries that are as their files have them."""
    whole = files = 0
    mapping = ""
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line.startswith("Rss:"):
            whole += int(line.split()[1])
            files += int(line.split()[1]) if ".so" in mapping else 0
        elif line.startswith("Anonymous:") and ".so" in mapping:  # relocated, or written
            files -= int(line.split()[1])
        elif MAPPING.match(line):
            mapping = line
    return whole * 1024, files * 1024


def measure(path, arguments):
    import ctypes

    import numpy as np
    import tfengine

    warm = tfengine.load(path, threads=arguments.threads)
    shapes = [[arguments.batch if size is None else size for size in spec.shape] for spec in warm.inputs]
    images = {spec.name: np.ones(shape, spec.dtype) for spec, shape in zip(warm.inputs, shapes)}
    del warm
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what is free already must not take in what comes
    whole, files = resident_bytes()
    engine = tfengine.load(path, threads=arguments.threads)
    for _ in range(2):
        outputs = engine.run(images)
    whole_now, files_now = resident_bytes()
    result = {key: value for key, value in engine.memory().items() if key.endswith("_bytes") or key == "allocated"}
    result["output_bytes"] = sum(array.nbytes for array in outputs.values())
    result["grown_bytes"] = whole_now - whole
    result["grown_files_bytes"] = files_now - files
    engine.release_memory()
    result["kept_bytes"] = engine.memory()["cached_bytes"]
    return result


def allowed_growth(result):
    return MOST_GROWTH * (result["peak_bytes"] + result["output_bytes"]) + MOST_GROWTH_BYTES


def own_growth(result):
    return result["grown_bytes"] - result["grown_files_bytes"]


def broken_rules(result):
    purposes = result["allocated"]["purposes"]
    for purpose, key in PURPOSES.items():
        if purposes[purpose]["peak_bytes"] != result[key]:
            yield f"{purpose}: {purposes[purpose]['peak_bytes']} bytes were allocated, {result[key]} are reported"
    if result["allocated"]["peak_bytes"] != result["peak_bytes"]:
        yield f"{result['allocated']['peak_bytes']} bytes were allocated at most, {result['peak_bytes']} are reported"
    if result["kept_bytes"] > MOST_KEPT * result["weights_bytes"]:
        yield f"it keeps {result['kept_bytes']} bytes, its weights are {result['weights_bytes']}"
    if result["activation_bytes"] > MOST_ARENA * result["activation_lower_bound_bytes"]:
        yield f"its arena is {result['activation_bytes']} bytes, {result['activation_lower_bound_bytes']} live at most"
    for what, grown in (("as a whole", result["grown_bytes"]), ("without libraries", own_growth(result))):
        if grown > allowed_growth(result):
            yield f"the process grew by {grown} bytes {what}, at most {allowed_growth(result):.0f} are allowed"


def row(name, precision, batch, result):
    mib = lambda bytes_: f"{bytes_ / MIB:.2f}"  # noqa: E731
    sizes = [mib(result[key]) for key in SIZES]
    more = own_growth(result) - result["peak_bytes"] - result["output_bytes"]
    return ROW.format(
        name,
        precision,
        batch,
        *sizes,
        mib(result["workspace_bytes"]),
        mib(result["grown_bytes"]),
        mib(more),
        mib(result["grown_files_bytes"]),
        f"{result['kept_bytes'] / result['weights_bytes']:.3f}",
        f"{result['weights_bytes'] / result['constant_bytes']:.3f}",
    )


if __name__ == "__main__":
    sys.exit(main())
