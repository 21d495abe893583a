# SPDX-License-Identifier: Apache-2.0
"""Activation memory, measured: how many bytes one more sample of a batch takes while a network runs.

Each engine runs alone in a process in which all memory is counted (`peers/heap.c`, preloaded): the most that it holds during
a run, once it is warm, for two sizes of the batch, 33 and 65 by default. Weights are the same for both, so the difference by
one sample is what activations of one sample take, scratch memory of kernels that grows with the batch included; from smaller
batches it would be less than that, since some engines choose kernels with more scratch memory for few samples. Images and
results, which the caller has, are subtracted. Peers get the setting in which they hold least: ONNX Runtime without its arena, which keeps what it once had.

    .venv-bench/bin/python bench/memory.py --models resnet50,mobilenetv2

`--arenas` asks tfengine alone: the arena, its lower bound and what the order of steps gains, for batch 1 and 16.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peers import with_litert, with_onnxruntime, with_openvino, with_tfengine  # noqa: E402
from peers.model import Model  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "build" / "bench" / "models"
CACHE = ROOT / "build" / "bench" / "memory"
PRECISIONS = ("fp32", "int8")
PEERS = {
    "openvino": with_openvino,
    "onnxruntime": with_onnxruntime,
    "litert": with_litert,
}
# What memory is needed does not depend on how well ranges are known.
CALIBRATION_IMAGES = 6
MIB = 1 << 20


class FewImages(Model):
    """The same images again, where a batch of more is calibrated on."""

    images_wanted = CALIBRATION_IMAGES

    def calibration(self):
        images = super().calibration()[:CALIBRATION_IMAGES]
        return np.resize(images, (self.images_wanted, *images.shape[1:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="resnet50,mobilenetv2,inceptionv3,densenet121")
    parser.add_argument("--models-dir", type=Path, default=MODELS)
    parser.add_argument("--contenders", default="tfengine," + ",".join(PEERS))
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--batches", default="33,65", help="LiteRT converts the network for each, which takes long")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--arenas", action="store_true")
    parser.add_argument("--json", type=Path, help="figures for other programs; extended when it is there")
    parser.add_argument("--measure", nargs=3, metavar=("CONTENDER", "MODEL", "BATCH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        return measure_here(arguments)
    results = json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else {}
    for name in arguments.models.split(","):
        figures = results.setdefault(name, {})
        figures.update(arenas(arguments, name) if arguments.arenas else peers(arguments, name))
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))
        print(arena_rows(name, figures) if arguments.arenas else peer_rows(name, figures), flush=True)
    return 1 if any(broken(results, arguments.arenas)) else 0


def contender_name(engine, precision):
    return f"{engine}-{precision}"


def peers(arguments, name):
    CACHE.mkdir(parents=True, exist_ok=True)
    preload = CACHE / "heap.so"
    source = Path(__file__).resolve().parent / "peers" / "heap.c"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", str(source), "-o", str(preload)], check=True)
    few, many = (int(batch) for batch in arguments.batches.split(","))
    figures = {}
    for engine in arguments.contenders.split(","):
        for precision in arguments.precisions.split(","):
            contender = contender_name(engine, precision)
            model = FewImages(arguments.models_dir, name)
            prepare(engine, contender, model, arguments.threads, (few, many))
            peaks = [measure(arguments, preload, engine, contender, name, batch) for batch in (few, many)]
            activations = (peaks[1] - peaks[0]) / (many - few) - border_bytes(model)
            figures[contender] = {"batches": [few, many], "peaks": peaks, "activation_bytes": activations}
            if engine == "tfengine":
                path = with_tfengine.path(contender, model, CACHE, few).with_suffix(".json")
                memory = json.loads(path.read_text())
                figures[contender]["planned_bytes"] = memory["activation_bytes"] / few
                figures[contender]["workspace_bytes"] = memory["workspace_bytes"]
    return figures


def border_bytes(model):
    """Of one sample's results: those that the engines allocate. Images are the caller's, and allocated before the peak is reset
    in the same number for every engine; they are in the difference, too."""
    images = int(np.prod(model.input_shape[1:])) * 4
    return images + model.expected()[:1].nbytes


def prepare(engine, contender, model, threads, batches):
    if engine == "tfengine":
        if not all(with_tfengine.path(contender, model, CACHE, batch).exists() for batch in batches):
            few = CACHE / f"{model.name}.calibration.npy"
            np.save(few, model.calibration())
            convert(contender, model, few, threads, batches)
        return
    for batch in batches:
        model.images_wanted = batch if engine == "litert" else CALIBRATION_IMAGES
        PEERS[engine].prepare(contender, model, CACHE, (batch,), threads)


def convert(contender, model, calibration, threads, batches, timed=True):
    precision = contender.removeprefix("tfengine-")
    for batch in batches:
        output = with_tfengine.path(contender, model, CACHE, batch)
        command = [str(ROOT / "build" / "tools" / "tfengine"), "convert", str(model.file("pb")), "-o", str(output)]
        command += ["--precision", precision, "--threads", str(threads), "--plan-batch-size", str(batch)]
        command += ["--calibration-data", str(calibration)] if precision == "int8" else []
        command += [] if timed else ["--no-tactic-timing"]
        done = subprocess.run([*command, "--quiet", "--json"], check=True, stdout=subprocess.PIPE)
        output.with_suffix(".json").write_bytes(done.stdout)


def measure(arguments, preload, engine, contender, name, batch):
    python = with_tfengine.python() if engine == "tfengine" else sys.executable
    command = [python, __file__, "--models-dir", str(arguments.models_dir), "--threads", str(arguments.threads)]
    command += ["--measure", contender, name, str(batch)]
    environment = {**os.environ, "LD_PRELOAD": str(preload), "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout.splitlines()[-1])["peak_bytes"]


def measure_here(arguments):
    contender, name, batch = arguments.measure
    engine = contender.split("-")[0]
    model = FewImages(arguments.models_dir, name)
    module = with_tfengine if engine == "tfengine" else PEERS[engine]
    images = np.ascontiguousarray(np.resize(model.test(), (int(batch), *model.input_shape[1:])))
    if engine == "onnxruntime":
        without_arena()
    run = module.load(contender, model, CACHE, int(batch), arguments.threads)
    for _ in range(3):
        run(images)
    heap = ctypes.CDLL(None)
    heap.heap_peak.restype = ctypes.c_long
    heap.heap_reset_peak()
    run(images)
    print(json.dumps({"peak_bytes": heap.heap_peak()}))
    return 0


def without_arena():
    import onnxruntime

    class Options(onnxruntime.SessionOptions):
        def __init__(self):
            super().__init__()
            self.enable_cpu_mem_arena = False

    onnxruntime.SessionOptions = Options


def peer_rows(name, figures):
    rows = []
    for precision in PRECISIONS:
        cells = []
        for engine in ("tfengine", *PEERS):
            found = figures.get(contender_name(engine, precision))
            cells.append(f"{found['activation_bytes'] / MIB:.2f}" if found else "")
        ours = figures.get(contender_name("tfengine", precision), {})
        planned = f"{ours['planned_bytes'] / MIB:.2f}" if ours else ""
        rows.append(f"| {name} | {precision} | {planned} | {' | '.join(cells)} |")
    return "\n".join(rows)


def arenas(arguments, name):
    """tfengine's own numbers, without timing: in-place forms of tactics are what arenas depend on."""
    CACHE.mkdir(parents=True, exist_ok=True)
    model = FewImages(arguments.models_dir, name)
    few = CACHE / f"{name}.calibration.npy"
    np.save(few, model.calibration())
    figures = {}
    for precision in PRECISIONS:
        contender = contender_name("tfengine", precision)
        for batch in (1, 16):
            convert(contender, model, few, arguments.threads, (batch,), timed=False)
            path = with_tfengine.path(contender, model, CACHE, batch)
            command = [
                str(ROOT / "build" / "tools" / "tfengine"),
                "inspect",
                str(path),
                "--memory",
                "--json",
                "--quiet",
            ]
            command += ["--batch-size", str(batch), "--no-tactic-timing"]
            memory = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            figures[f"{precision}-{batch}"] = {key: memory[key] for key in memory if key.endswith("_bytes")}
            path.unlink()
    return figures


def arena_rows(name, figures):
    rows = []
    for precision in PRECISIONS:
        for batch in (1, 16):
            m = figures[f"{precision}-{batch}"]
            arena, bound = m["activation_bytes"], m["activation_lower_bound_bytes"]
            own, naive = m["own_order_activation_bytes"], m["naive_activation_bytes"]
            gain = f"{100 * (1 - arena / own):.1f} %" if own > arena else ""
            ratio = f"{arena / bound:.3f}" if bound else ""
            rows.append(
                f"| {name} | {precision} | {batch} | {arena / MIB:.2f} | {bound / MIB:.2f} | {ratio} | {gain} "
                f"| {naive / MIB:.2f} |"
            )
    return "\n".join(rows)


def broken(results, arenas_only):
    """What the figures are expected to be, and are not."""
    for name, figures in results.items():
        for key, found in figures.items():
            if arenas_only and "activation_lower_bound_bytes" in found:
                if found["activation_bytes"] > 1.05 * found["activation_lower_bound_bytes"]:
                    print(f"{name} {key}: the arena is more than 1.05 of its lower bound", file=sys.stderr)
                    yield name
            engine, _, precision = key.partition("-")
            if not arenas_only and engine in PEERS and f"tfengine-{precision}" in figures:
                if figures[f"tfengine-{precision}"]["activation_bytes"] >= found["activation_bytes"]:
                    print(f"{name} {precision}: tfengine takes more than {engine}", file=sys.stderr)
                    yield name


if __name__ == "__main__":
    sys.exit(main())
