# SPDX-License-Identifier: Apache-2.0
"""tfengine: converted by its command line, run through its Python package, both from this checkout.
"tfengine-bf16" can be asked for by name, and "tfengine-int8-auto": INT8 with the measures that recover accuracy."""

import json
import os
import subprocess
import time
from pathlib import Path

from .model import source

CONTENDERS = ["tfengine-fp32", "tfengine-int8"]

ENVIRONMENT = Path(os.environ.get("TFENGINE_VENV", Path(__file__).resolve().parents[2] / ".venv"))
CALIBRATOR = "auto"


def python():
    """The interpreter that has the tfengine package."""
    return str(ENVIRONMENT / "bin" / "python")


def available():
    command = [python(), "-c", "import tfengine"]
    return Path(python()).exists() and subprocess.run(command, capture_output=True).returncode == 0


def path(contender, model, cache, batch):
    return cache / f"{model.name}.{contender.removeprefix('tfengine-')}.{batch}.tfe"


def prepare(contender, model, cache, batches, threads):
    """Always anew and without remembered timings: the engine under measurement is the one that was just built. One for
    each batch size, as the others have it, and beside it (.json) what `tfengine convert` says, with "calibrate_s"."""
    graph = str(model.file("pb"))
    precision, _, measures = contender.removeprefix("tfengine-").partition("-")
    options = ["--precision", precision, "--threads", str(threads)]
    calibrate_s = 0.0
    if precision == "int8":
        started = time.perf_counter()
        histograms = str(cache / f"{model.name}.histograms")
        data = str(model.samples_file("calibration"))
        _tfengine("calibrate", graph, "--data", data, "-o", histograms, "--threads", str(threads))
        calibrate_s = time.perf_counter() - started
        options += ["--calibration", histograms, "--calibrator", CALIBRATOR]
        if measures:
            options += ["--calibration-data", data, "--measures", measures]
    for batch in batches:
        output = path(contender, model, cache, batch)
        figures = _tfengine("convert", graph, "-o", str(output), "--plan-batch-size", str(batch), *options)
        figures["calibrate_s"] = calibrate_s
        output.with_suffix(".json").write_text(json.dumps(figures))


def _tfengine(*arguments):
    command = [str(ENVIRONMENT / "bin" / "tfengine"), *arguments, "--quiet", "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def load(contender, model, cache, batch, threads):
    import tfengine

    engine = tfengine.load(str(path(contender, model, cache, batch)), threads=threads)

    def run(images):
        feed = {source(tensor): array for tensor, array in model.feed(images).items()}
        return next(iter(engine.run(feed).values()))

    return run
