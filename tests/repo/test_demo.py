"""The demo runs from end to end, and INT8 is as accurate as it says."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "examples/digits"))
from records import read_split

LEAST_SHARE = 0.999  # of the float model's accuracy
CALIBRATORS = "auto entropy entropy1 legacy minmax moving_average mse percentile".split()


def test_demo(tmp_path):
    pytest.importorskip("tfengine")
    figures = tmp_path / "figures.json"
    command = [sys.executable, ROOT / "examples/demo.py", "--no-tensorflow", "--seconds", "0", "--json", figures]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, rows in json.loads(figures.read_text()).items():
        share = rows["tfengine INT8"]["accuracy"] / rows["tfengine FP32"]["accuracy"]
        assert share >= LEAST_SHARE, f"{name}: INT8 has {share:.2%} of the float model's accuracy"


@pytest.mark.parametrize("calibrator", CALIBRATORS)
@pytest.mark.parametrize("model", ["cnn", "separable"])
def test_int8_accuracy_with_each_calibrator(model, calibrator):
    tfengine = pytest.importorskip("tfengine")
    path = ROOT / f"examples/digits/{model}.pb"
    images, labels = read_split("test")
    calibration = read_split("calibration")[0]

    def accuracy(**options):
        # Every step that can be INT8 is: what is measured must not depend on how fast this machine is just now.
        engine = tfengine.convert(path, threads=1, batch_size=100, avoid_slow_int8=False, **options)
        right = [
            next(iter(engine.run(images[at : at + 100]).values())).argmax(axis=1) == labels[at : at + 100]
            for at in range(0, len(images), 100)
        ]
        return sum(part.sum() for part in right) / len(labels)

    share = accuracy(precision="int8", calibration_data=calibration, calibrator=calibrator) / accuracy()
    assert share >= LEAST_SHARE, f"INT8 has {share:.2%} of the float model's accuracy"
