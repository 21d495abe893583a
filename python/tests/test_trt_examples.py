"""The scripts in examples/tf_trt, as they stand, and with TF-TRT's own import line under `python -m tfengine.tf_trt`."""

import os
import re
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow")

HALF_A_POINT = 0.5
OURS = "from tfengine import trt_convert as trt"
TF_TRTS = "from tensorflow.python.compiler.tensorrt import trt_convert as trt"
OUTPUTS = {
    "frozen_graph_int8": {"digits_int8.pb", "*.calib_table"},
    "saved_model_int8": {"saved_model.pb", "assets/trt-serialized-engine.TRTEngineOp_*"},
    "custom_ranges": None,
}


def run(arguments, folder):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def accuracies(output):
    """By what the script calls them, in per cent."""
    (line,) = (line for line in output.splitlines() if line.startswith("accuracy: "))
    return {name: float(value) for name, value in re.findall(r"(float|simulated by TensorFlow|INT8) ([\d.]+)%", line)}


@pytest.mark.parametrize("unchanged", [False, True], ids=["import changed", "import unchanged"])
@pytest.mark.parametrize("script", OUTPUTS)
def test_int8_is_as_accurate_as_float(digits, tmp_path, script, unchanged):
    source = digits.parent / "tf_trt" / f"{script}.py"
    runner = []
    if unchanged:
        text = source.read_text()
        assert text.count(OURS) == 1
        # Where it looks for the models.
        text = text.replace("Path(__file__).resolve().parents[1]", f"Path({str(digits.parent)!r})")
        source = tmp_path / "old_script.py"
        source.write_text(text.replace(OURS, TF_TRTS))
        runner = ["-m", "tfengine.tf_trt"]
    printed = accuracies(run([*runner, source, "--output", tmp_path / "output"], tmp_path))
    assert printed["float"] > 98 and printed["INT8"] >= printed["float"] - HALF_A_POINT
    if script == "custom_ranges":
        assert abs(printed["INT8"] - printed["simulated by TensorFlow"]) <= HALF_A_POINT
        assert (tmp_path / "output").stat().st_size > 100_000
    else:
        for pattern in OUTPUTS[script]:
            assert list((tmp_path / "output").glob(pattern)), pattern
