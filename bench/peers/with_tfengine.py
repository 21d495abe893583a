# SPDX-License-Identifier: Apache-2.0
"""tfengine: converted by its command line, run through its Python package, both from this checkout."""

import os
import subprocess
from pathlib import Path

CONTENDERS = ["tfengine-fp32", "tfengine-int8"]

ENVIRONMENT = Path(os.environ.get("TFENGINE_VENV", Path(__file__).resolve().parents[2] / ".venv"))
CALIBRATOR = "auto"


def python():
    """The interpreter that has the tfengine package."""
    return str(ENVIRONMENT / "bin" / "python")


def available():
    command = [python(), "-c", "import tfengine"]
    return Path(python()).exists() and subprocess.run(command, capture_output=True).returncode == 0


def _path(contender, model, cache, batch):
    return cache / f"{model.name}.{contender.removeprefix('tfengine-')}.{batch}.tfe"


def prepare(contender, model, cache, batches, threads):
    """Always anew: the engine under measurement is the one that was just built. One for each batch size, as the others
    have it."""
    graph = str(model.file("pb"))
    options = ["--precision", contender.removeprefix("tfengine-"), "--threads", str(threads)]
    options += ["--timing-cache", str(cache / "tfengine.timing")]
    if contender == "tfengine-int8":
        histograms = str(cache / f"{model.name}.histograms")
        _tfengine(
            "calibrate",
            graph,
            "--data",
            str(model.file("calibration.npy")),
            "-o",
            histograms,
            "--threads",
            str(threads),
        )
        options += ["--calibration", histograms, "--calibrator", CALIBRATOR]
    for batch in batches:
        output = str(_path(contender, model, cache, batch))
        _tfengine("convert", graph, "-o", output, "--plan-batch-size", str(batch), *options)


def _tfengine(*arguments):
    subprocess.run([str(ENVIRONMENT / "bin" / "tfengine"), *arguments, "--quiet"], check=True)


def load(contender, model, cache, batch, threads):
    import tfengine

    engine = tfengine.load(str(_path(contender, model, cache, batch)), threads=threads)
    source = model.input.split(":")[0]

    def run(images):
        return next(iter(engine.run({source: images}).values()))

    return run
