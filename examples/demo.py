#!/usr/bin/env python3
"""Two trained TensorFlow models become INT8 engines, and are compared with what they were.

Converts examples/digits/{cnn,separable}.pb to FP32 and INT8, the INT8 ranges calibrated on 128 real images, and prints
accuracy on 400 other images, latency and throughput at batch 1 and 64, file size and memory; with a row for TensorFlow
if it is installed. Each row is measured in a process of its own.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "digits"))
from records import read_split

MODELS = {"cnn": "plain CNN", "separable": "depthwise-separable CNN"}
BATCHES = (1, 64)


def resident_peak_bytes() -> int:
    """The most memory that this process has held so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def tensorflow_model(path: Path, threads: int):
    """The frozen graph as a function of an array."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(definition, name=""), [])
    function = wrapped.prune("image:0", "Identity:0")
    return lambda images: function(tf.constant(images)).numpy()


def tfengine_model(path: Path):
    import tfengine

    engine = tfengine.load(path)
    (input_name,) = [tensor.name for tensor in engine.inputs]
    return lambda images: next(iter(engine.run({input_name: images}).values())), engine


def median_ms(run, images: np.ndarray, seconds: float) -> float:
    for _ in range(5):
        run(images)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 10:
        start = time.perf_counter()
        run(images)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def measure(kind: str, path: Path, threads: int, seconds: float) -> dict:
    """One row of the table, as the child process prints it."""
    images, labels = read_split("test")
    before = resident_peak_bytes()
    engine = None
    if kind == "tensorflow":
        run = tensorflow_model(path, threads)
    else:
        run, engine = tfengine_model(path)
    probabilities = np.concatenate([run(images[at : at + 1]) for at in range(len(images))])
    row = {
        "accuracy": float(np.mean(probabilities.argmax(axis=1) == labels)),
        "file_bytes": path.stat().st_size,
    }
    for batch in BATCHES:
        row[f"ms_{batch}"] = median_ms(run, np.ascontiguousarray(images[:batch]), seconds)
        row[f"per_s_{batch}"] = batch / row[f"ms_{batch}"] * 1e3
    return row | {
        "process_bytes": resident_peak_bytes() - before,
        "engine_bytes": engine and engine.memory()["peak_bytes"],
    }


def measured_apart(kind: str, path: Path, arguments) -> dict:
    command = [sys.executable, __file__, "--measure", kind, str(path), "--threads", str(arguments.threads)]
    command += ["--seconds", str(arguments.seconds)]
    child = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": str(arguments.threads)}
    )
    if child.returncode != 0:
        raise SystemExit(f"demo: measuring {kind} on {path} failed:\n{child.stderr}")
    return json.loads(child.stdout.splitlines()[-1])


def convert_all(folder: Path, threads: int) -> dict[tuple[str, str], Path]:
    import tfengine

    calibration, _ = read_split("calibration")
    engines = {}
    for name in MODELS:
        for precision in ("fp32", "int8"):
            start = time.perf_counter()
            data = {"calibration_data": calibration} if precision == "int8" else {}
            engine = tfengine.convert(
                HERE / "digits" / f"{name}.pb",
                precision=precision,
                threads=threads,
                input_shapes=[{"image": (batch, 8, 8, 1)} for batch in BATCHES],
                **data,
            )
            path = engines[name, precision] = folder / f"{name}.{precision}.tfe"
            engine.save(path)
            how = f", calibrated on {len(calibration)} images" if data else ""
            print(f"  {name}.pb -> {path.name} in {time.perf_counter() - start:.1f} s{how}")
    return engines


def print_table(title: str, rows: dict[str, dict]) -> None:
    def mib(value):
        return f"{value / 2**20:.1f}" if value is not None else "-"

    print(f"\n{title}")
    print(
        f"  {'':18}{'accuracy':>9}{'batch 1':>11}{'':>12}{'batch 64':>12}{'':>12}{'file':>9}{'memory':>10}{'process':>10}"
    )
    print(f"  {'':18}{'%':>9}{'ms':>11}{'images/s':>12}{'ms':>12}{'images/s':>12}{'MiB':>9}{'MiB':>10}{'MiB':>10}")
    for name, row in rows.items():
        print(
            f"  {name:18}{row['accuracy'] * 100:9.2f}{row['ms_1']:11.3f}{row['per_s_1']:12,.0f}"
            f"{row['ms_64']:12.3f}{row['per_s_64']:12,.0f}{mib(row['file_bytes']):>9}"
            f"{mib(row['engine_bytes']):>10}{mib(row['process_bytes']):>10}"
        )
    base = next(iter(rows))
    faster = [
        f"{rows[base][f'ms_{batch}'] / rows['tfengine INT8'][f'ms_{batch}']:.1f} x at batch {batch}"
        for batch in BATCHES
    ]
    lost = (rows[base]["accuracy"] - rows["tfengine INT8"]["accuracy"]) * 100
    change = (
        "the same accuracy"
        if abs(lost) < 0.005
        else f"{abs(lost):.2f} points {'less' if lost > 0 else 'more'} accuracy"
    )
    print(f"  INT8 against {base}: {' and '.join(faster)} the speed, {change}")


def compare(arguments) -> None:
    folder = HERE.parent / "build" / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    print("Converting:")
    engines = convert_all(folder, arguments.threads)
    with_tensorflow = arguments.tensorflow and importlib.util.find_spec("tensorflow") is not None
    if arguments.tensorflow and not with_tensorflow:
        print("TensorFlow is not installed: its rows are left out (pip install -r requirements/tensorflow.txt)")
    print(f"Measuring with {arguments.threads} threads ...")
    results = {}
    for name, description in MODELS.items():
        rows = results[name] = {}
        if with_tensorflow:
            rows["TensorFlow float"] = measured_apart("tensorflow", HERE / "digits" / f"{name}.pb", arguments)
        for precision in ("fp32", "int8"):
            rows[f"tfengine {precision.upper()}"] = measured_apart("tfengine", engines[name, precision], arguments)
        print_table(f"{description} ({name}.pb), 400 test images", rows)
    print(
        "\nmemory: weights, activations and workspace of the engine at batch 64; process: what the whole process grew by."
    )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=min(os.cpu_count() or 1, 8), help="threads for every row")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long to time each batch size of each row")
    parser.add_argument("--no-tensorflow", dest="tensorflow", action="store_false", help="leave TensorFlow's rows out")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE")
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        kind, path = arguments.measure
        print(json.dumps(measure(kind, Path(path), arguments.threads, arguments.seconds)))
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
