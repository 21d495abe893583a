"""Run by a Python that has only the wheel: the package and the command line convert and run a model."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import tfengine


def main() -> None:
    digits = Path(sys.argv[1])
    place = Path(tfengine.__file__)
    if not place.is_relative_to(sys.prefix):
        sys.exit(f"imported {place}, expected the package of {sys.prefix}")
    images = np.random.default_rng(0).random((64, 8, 8, 1), dtype=np.float32)
    exact = tfengine.convert(digits / "cnn.pb", threads=1).run(images)["Identity"]
    engine = tfengine.convert(digits / "cnn.pb", precision="int8", calibration_data=images, threads=1)
    error = np.abs(engine.run(images)["Identity"] - exact).max()
    if not error < 0.1:
        sys.exit(f"INT8 differs from float by {error}, expected less than 0.1")
    command = Path(sys.prefix) / "bin/tfengine"
    subprocess.run([command, "convert", digits / "separable.pb", "-o", "digits.tfe"], check=True)
    subprocess.run([command, "inspect", "digits.tfe"], check=True, stdout=subprocess.DEVNULL)
    tfengine.load("digits.tfe").run(images[:1])
    try:
        importlib.import_module("tfengine.trt_convert")
    except ImportError as error:
        if "needs TensorFlow" not in str(error):
            sys.exit(f"tfengine.trt_convert without TensorFlow says: {error}")
    else:
        sys.exit("tfengine.trt_convert was imported where TensorFlow is not installed")


if __name__ == "__main__":
    main()
