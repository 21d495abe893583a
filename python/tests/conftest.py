"""What the Python tests share: the digits' models and images, and engines that are made once."""

import os
import sys
from pathlib import Path

# Before anything loads OpenMP: other tests may run on the same cores, and threads that spin starve them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "2")

import pytest

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits"
sys.path.insert(0, str(DIGITS))

import tfengine  # noqa: E402
from records import read_split  # noqa: E402


@pytest.fixture(scope="session")
def digits() -> Path:
    return DIGITS


@pytest.fixture(scope="session")
def images():
    """The calibration images, [128, 8, 8, 1]."""
    return read_split("calibration")[0]


@pytest.fixture(scope="session")
def test_split():
    """Images and labels that neither training nor calibration saw."""
    return read_split("test")


@pytest.fixture(scope="module")
def folder(digits):
    """The trained SavedModel that tests within TensorFlow convert."""
    return str(digits / "separable_saved_model")


@pytest.fixture(scope="module")
def original(folder):
    """Its signature, as TensorFlow runs it."""
    tensorflow = pytest.importorskip("tensorflow")
    return tensorflow.saved_model.load(folder).signatures["serving_default"]


@pytest.fixture
def batches(images):
    """A calibration_input_fn over the calibration images."""
    return lambda: ((images[at : at + 16],) for at in range(0, len(images), 16))


@pytest.fixture
def untimed(monkeypatch):
    """Engines of this process and its children are the same however busy the machine is."""
    monkeypatch.setenv("TFENGINE_TIME_TACTICS", "0")


@pytest.fixture(scope="session")
def model():
    return tfengine.load_model(DIGITS / "cnn.pb")


@pytest.fixture(scope="session")
def fp32(model):
    return tfengine.convert(model, threads=1)


@pytest.fixture(scope="session")
def calibration(model, images):
    return tfengine.calibrate(model, images, batch_size=16, threads=1)


@pytest.fixture(scope="session")
def int8(model, calibration):
    return tfengine.convert(model, precision="int8", calibration=calibration, threads=1)


@pytest.fixture(scope="session")
def accuracy(test_split):
    """A function of an engine: the share of the test images that it classifies rightly."""

    def measure(engine) -> float:
        images, labels = test_split
        (scores,) = engine.run(images).values()
        return float((scores.argmax(axis=1) == labels).mean())

    return measure
