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


def _path(contender, model, cache):
    return cache / f"{model.name}.{contender.removeprefix('tfengine-')}.tfe"


def prepare(contender, model, cache, batches):
    """Always converts anew: the engine under measurement is the one that was just built."""
    precision = contender.removeprefix("tfengine-")
    command = [
        str(ENVIRONMENT / "bin" / "tfengine"),
        "convert",
        str(model.file("pb")),
        "-o",
        str(_path(contender, model, cache)),
    ]
    command += ["--precision", precision, "--quiet"]
    command += ["--timing-cache", str(cache / "tfengine.timing")]
    if precision == "int8":
        command += ["--calibration-data", str(model.file("calibration.npy")), "--calibrator", CALIBRATOR]
    subprocess.run(command, check=True)


def load(contender, model, cache, batch, threads):
    import tfengine

    engine = tfengine.load(str(_path(contender, model, cache)), threads=threads)
    source = model.input.split(":")[0]

    def run(images):
        return next(iter(engine.run({source: images}).values()))

    return run
