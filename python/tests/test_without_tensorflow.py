"""An environment without TensorFlow: the package is whole but for the TensorFlow part, which says what it lacks."""

import subprocess
import sys

import pytest

# None in sys.modules: Python finds no module of that name, as where it is not installed.
HIDDEN = "import sys; sys.modules['tensorflow'] = None\n"


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", HIDDEN + code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["tfengine.tensorflow", "tfengine.trt_convert"])
def test_one_sentence_says_what_is_missing(module):
    done = run(f"import {module}")
    assert done.returncode == 1
    (last,) = done.stderr.splitlines()[-1:]
    assert last == (
        "ImportError: tfengine's TensorFlow part needs TensorFlow, which this environment does not have: install "
        "tensorflow-cpu, and build tfengine where it is installed; all else of tfengine works without"
    )
    assert "During handling" not in done.stderr


def test_the_rest_works(digits):
    done = run(
        "import numpy as np, tfengine\n"
        f"engine = tfengine.convert({str(digits / 'cnn.pb')!r}, threads=1)\n"
        "print(engine.run(np.zeros((1, 8, 8, 1), np.float32))['Identity'].shape)\n"
    )
    assert done.stdout == "(1, 10)\n", done.stderr
