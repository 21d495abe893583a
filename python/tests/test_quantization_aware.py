"""A Keras network that is trained with simulated quantization, saved, and converted with the ranges that it learnt."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import tfengine  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

import train_quantization_aware as example  # noqa: E402

WEIGHTED = ("Conv2D", "DepthwiseConv2dNative", "MatMul")


@pytest.fixture(scope="module")
def model():
    return example.trained()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    model.export(str(path), verbose=False)
    return path


@pytest.mark.parametrize("int8_grid", ["auto", "tensorrt"])
def test_all_layers_are_int8_and_as_accurate_as_in_float(model, folder, int8_grid, test_split):
    images, labels = test_split
    engine = tfengine.convert(
        folder, precision="int8", strict_ranges=True, int8_grid=int8_grid, avoid_slow_int8=False, threads=1
    )
    report = engine.report()["int8"]
    layers = [node["int8"] for node in report["nodes"] if node["op"] in WEIGHTED]
    convolutions = sum(isinstance(layer, example.Convolution) for layer in model.layers)
    assert layers == [True] * convolutions
    assert report["missing_ranges"] == [] and report["ignored_ranges"] == []
    wanted = example.accuracy(example.in_float(model).predict(images, verbose=0), labels)
    scores = next(iter(engine.run(images).values()))
    assert wanted > 0.97
    assert example.accuracy(scores, labels) >= 0.999 * wanted
    # Training's own rounding, on grids that are not symmetric.
    simulated = model.predict(images, verbose=0)
    assert np.mean(simulated.argmax(1) == scores.argmax(1)) > 0.98


def test_ranges_are_the_moving_averages(model, folder):
    engine = tfengine.convert(folder, precision="int8", strict_ranges=True, avoid_slow_int8=False, threads=1)
    learnt = [layer for layer in model.layers if isinstance(layer, example.Range)]
    expected = sorted(max(abs(float(layer.low)), abs(float(layer.high))) for layer in learnt)
    rows = engine.report()["int8"]["tensors"]
    found = sorted({row["max_abs"] for row in rows if row.get("source") == "custom"})
    np.testing.assert_allclose(found, expected, rtol=1e-6)
