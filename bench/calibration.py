# SPDX-License-Identifier: Apache-2.0
"""What calibration costs beside running the model: its time and memory against those of the FP32 engine.

The model is calibrated on its 64 images, one at a time, from the start to the finished histograms, planning included. The
FP32 engine, its tactics measured, runs the same images in between, some images at a time: a noisy moment hits both. Reported
is the ratio of the two times, the median of `--rounds` such turns. Memory is the peak of a process that does one of the two.

Then every calibrator makes its ranges of the saved histograms, without the model: the seconds that all of them take together,
the median of `--rounds`. The exit code is 1 where that is more than 2 s. `--histograms FILE` does that alone, with what
`tfengine calibrate -o FILE` saved.

    python bench/models.py --models resnet50,mobilenetv2
    python bench/calibration.py --models resnet50,mobilenetv2
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peers.machine import cpu_model  # noqa: E402
from peers.model import Model  # noqa: E402

BUILD = Path(__file__).resolve().parent.parent / "build" / "bench"
CALIBRATORS = ["auto", "entropy", "entropy1", "legacy", "minmax", "moving_average", "mse", "percentile"]
CALIBRATORS_LIMIT_S = 2.0
TURN = 8  # images that one of the two takes before the other's turn
MIB = 1 << 20


def convert(model, arguments):
    import tfengine

    return tfengine.convert(
        tfengine.load_model(model.file("pb")),
        precision="fp32",
        threads=arguments.threads,
        timing_cache=arguments.cache_dir / "calibration.timing",
    )


def single_images(model):
    images = model.calibration()
    return [images[i : i + 1] for i in range(len(images))]


def one_round(model, engine, images, arguments):
    """Seconds of calibration and of the engine's runs."""
    import tfengine

    runs_s = 0.0

    def turns():
        nonlocal runs_s
        for first in range(0, len(images), TURN):
            turn = images[first : first + TURN]
            yield from turn
            start = time.perf_counter()
            for image in turn:
                engine.run(image)
            runs_s += time.perf_counter() - start

    start = time.perf_counter()
    tfengine.calibrate(model, turns(), threads=arguments.threads)
    return time.perf_counter() - start - runs_s, runs_s


def times(model, arguments):
    import tfengine

    engine = convert(model, arguments)
    images = single_images(model)
    loaded = tfengine.load_model(model.file("pb"))
    one_round(loaded, engine, images, arguments)
    rounds = [one_round(loaded, engine, images, arguments) for _ in range(arguments.rounds)]
    return {
        "calibration_ms": 1e3 * statistics.median(calibration for calibration, _ in rounds) / len(images),
        "engine_ms": 1e3 * statistics.median(runs for _, runs in rounds) / len(images),
        "ratio": statistics.median(calibration / runs for calibration, runs in rounds),
        "ratios": [calibration / runs for calibration, runs in rounds],
    }


def peak_bytes():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def run_one(what, model, arguments):
    """In a process of its own: one of the two, and its peak."""
    import tfengine

    images = single_images(model)
    if what == "engine":
        engine = convert(model, arguments)
        for image in images:
            engine.run(image)
    else:
        tfengine.calibrate(tfengine.load_model(model.file("pb")), iter(images), threads=arguments.threads)
    print(peak_bytes())


def peak_of(what, model, arguments):
    command = [sys.executable, __file__, "--peak-of", what, "--models", model.name, "--threads", str(arguments.threads)]
    command += ["--models-dir", str(arguments.models_dir), "--cache-dir", str(arguments.cache_dir)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def memory(model, arguments):
    peaks = {what: peak_of(what, model, arguments) for what in ("engine", "calibration")}
    return {f"{what}_peak_bytes": peak for what, peak in peaks.items()} | {
        "beyond_engine_bytes": peaks["calibration"] - peaks["engine"]
    }


def solving(histograms, arguments):
    """Seconds that the calibrators take, by name and together, for histograms in a file."""
    import tfengine

    calibration = tfengine.Calibration.load(histograms)
    rounds = []
    for _ in range(arguments.rounds):
        seconds = {}
        for calibrator in CALIBRATORS:
            start = time.perf_counter()
            tensors = len(calibration.ranges(calibrator))
            seconds[calibrator] = time.perf_counter() - start
        rounds.append(seconds)
    each = {name: statistics.median(seconds[name] for seconds in rounds) for name in CALIBRATORS}
    together = statistics.median(sum(seconds.values()) for seconds in rounds)
    return {"calibrator_s": each, "calibrators_s": together, "tensors": tensors}


def saved_histograms(model, arguments):
    import tfengine

    path = arguments.cache_dir / f"{model.name}.histograms"
    if not model.is_current(path):
        tfengine.calibrate(model.file("pb"), iter(single_images(model)), threads=arguments.threads).save(path)
    return path


def solving_report(name, result):
    slowest = max(result["calibrator_s"], key=result["calibrator_s"].get)
    return (
        f"{name}: {len(CALIBRATORS)} calibrators over {result['tensors']} histograms in {result['calibrators_s']:.2f} s, "
        f"most in {slowest} ({result['calibrator_s'][slowest]:.2f} s)"
    )


def report(name, result):
    return (
        f"{name}: calibration {result['calibration_ms']:.2f} ms an image, FP32 engine {result['engine_ms']:.2f} ms: "
        f"{result['ratio']:.2f}x ({min(result['ratios']):.2f} to {max(result['ratios']):.2f}); "
        f"peak {result['calibration_peak_bytes'] / MIB:.0f} MiB, {result['beyond_engine_bytes'] / MIB:+.0f} MiB beside "
        "the engine's process"
    )


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=lambda text: text.split(","), default=["resnet50"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--models-dir", type=Path, default=BUILD / "models")
    parser.add_argument("--cache-dir", type=Path, default=BUILD)
    parser.add_argument("--histograms", type=Path, help="saved ones, to which calibrators are applied; nothing else")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--peak-of", choices=("engine", "calibration"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse()
    if arguments.histograms:
        result = solving(arguments.histograms, arguments)
        print(solving_report(arguments.histograms.name, result))
        return result["calibrators_s"] > CALIBRATORS_LIMIT_S
    models = [Model(arguments.models_dir, name) for name in arguments.models]
    if arguments.peak_of:
        return run_one(arguments.peak_of, models[0], arguments)
    results = {}
    for model in models:
        results[model.name] = times(model, arguments) | memory(model, arguments)
        print(report(model.name, results[model.name]), flush=True)
        results[model.name] |= solving(saved_histograms(model, arguments), arguments)
        print(solving_report(model.name, results[model.name]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"cpu": cpu_model(), "threads": arguments.threads} | results, indent=1))
    return any(result["calibrators_s"] > CALIBRATORS_LIMIT_S for result in results.values())


if __name__ == "__main__":
    sys.exit(main())
