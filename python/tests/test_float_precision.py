"""Layers in bfloat16, and engines that have such on a CPU that has no bfloat16 arithmetic."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import tfengine


# oneDNN reads it at its first use: a process of its own.
WITHOUT_BF16 = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}


def run_without_bf16(code: str, *arguments: str) -> dict:
    """What a program prints as JSON on a CPU that does not multiply bfloat16 numbers."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=WITHOUT_BF16, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_another_float_precision_is_refused(model):
    with pytest.raises(tfengine.InvalidArgument, match="float_precision 'f16' is unknown, expected fp32, fp16 or bf16"):
        tfengine.convert(model, "fp32", float_precision="f16")


def test_without_bfloat16_float_layers_are_fp32_with_a_note(digits, calibration, tmp_path):
    calibration.save(tmp_path / "histograms")
    said = run_without_bf16(
        """
import json, sys, tfengine
model = tfengine.load_model(sys.argv[1])
calibration = tfengine.Calibration.load(sys.argv[2])
engine = tfengine.convert(model, "int8", calibration=calibration, float_precision="bf16")
try:
    tfengine.convert(model, "bf16")
except tfengine.InvalidArgument as error:
    print(json.dumps({"notes": engine.report()["notes"], "error": str(error)}))
""",
        str(digits / "cnn.pb"),
        str(tmp_path / "histograms"),
    )
    assert "float_precision bf16: this CPU has no bfloat16 arithmetic, what is not INT8 is FP32" in said["notes"]
    assert said["error"] == "precision bf16: this CPU has no bfloat16 arithmetic; use fp32 or int8"


@pytest.fixture
def bf16_engine(model, tmp_path):
    try:
        engine = tfengine.convert(model, "bf16", time_tactics=False)
    except tfengine.InvalidArgument as error:
        pytest.skip(str(error))
    path = tmp_path / "engine.tfe"
    engine.save(path)
    return path


def test_an_engine_of_another_cpu_computes_in_fp32(model, bf16_engine, images):
    assert tfengine.load(bf16_engine).notices == []
    said = run_without_bf16(
        """
import json, sys, numpy as np, tfengine
engine = tfengine.load(sys.argv[1])
images = np.load(sys.argv[2])
(scores,) = engine.run(images).values()
layers = {layer["precision"] for layer in engine.profile(images, runs=1)}
print(json.dumps({"notices": engine.notices, "layers": sorted(layers), "scores": scores.tolist()}))
""",
        str(bf16_engine),
        str(_saved(images[:4], bf16_engine.with_suffix(".npy"))),
    )
    assert any("has layers in bfloat16, which this CPU has no arithmetic for" in notice for notice in said["notices"])
    assert said["layers"] == ["fp32"]
    (wanted,) = tfengine.convert(model, "fp32").run(images[:4]).values()
    np.testing.assert_allclose(said["scores"], wanted, atol=1e-4)  # no trace of bfloat16


def _saved(array, path):
    np.save(path, array)
    return path
