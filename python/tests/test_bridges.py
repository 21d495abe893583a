"""The harder tasks' INT8 engines as ONNX models and as TensorFlow graphs: both run and compared with the engine."""

import sys
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
onnxruntime = pytest.importorskip("onnxruntime")

import tfengine  # noqa: E402

TASKS = Path(__file__).resolve().parents[2] / "examples" / "tasks"
sys.path.insert(0, str(TASKS))

import data as task_data  # noqa: E402
from test_onnx_export import run_model  # noqa: E402
from test_tensorflow_export import run_graph, signal_to_noise_db  # noqa: E402


def samples_of(task):
    """A few to calibrate with, and others."""
    if task == "bytes":
        return task_data.text("train", 32)[0], task_data.text("test", 16)[0]
    return task_data.digits("calibration")[0][:32], task_data.digits("test")[0][:32]


@pytest.mark.parametrize(
    "options",
    [{"int8_grid": "tensorrt"}, {"measures": ["asymmetric"]}],
    ids=["tensorrt", "asymmetric"],
)
@pytest.mark.parametrize("task", ["mobile", "efficient", "vision", "hostile", "bytes"])
def test_tasks(task, options):
    calibration, samples = samples_of(task)
    engine = tfengine.convert(
        TASKS / f"{task}.pb",
        precision="int8",
        calibration_data=calibration,
        avoid_slow_int8=False,
        time_tactics=False,
        threads=1,
        **options,
    )
    (source,), (output,) = engine.inputs, engine.outputs
    expected = engine.run(samples)[output.name]
    written = {
        "ONNX": run_model(engine.to_onnx(), {source.name: samples}, output.name),
        "TensorFlow": run_graph(engine.to_tensorflow(), {source.name: samples}, output.name),
    }
    for name, got in written.items():
        assert got.shape == expected.shape, name
        # Most rows of scores are the same but for the last digits. In others a sum lies between two integers and one is taken
        # here, the other there, which the layers behind may magnify; attention hands it on to every row of a sequence.
        rows = [array.reshape(-1, array.shape[-1]) for array in (expected, got + 1e-30)]
        of_rows = [signal_to_noise_db(*pair) for pair in zip(*rows, strict=True)]
        assert np.median(of_rows) > (40 if task == "bytes" else 60), name
        assert signal_to_noise_db(expected, got) > 25, name
        assert np.mean(expected.argmax(-1) == got.argmax(-1)) > 0.98, name


def test_keras_embedding(tmp_path):
    """Embeddings bring comparisons, choices and arithmetic of integers with them."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    tokens = keras.Input((12,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(50, 16, mask_zero=True)(tokens)
    x = keras.layers.MultiHeadAttention(2, 8)(x, x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model(tokens, keras.layers.Dense(5)(x))
    model.export(str(tmp_path / "model"), verbose=False)
    rng = np.random.default_rng(2)
    samples = [rng.integers(0, 50, (count, 12)).astype(np.int32) for count in (32, 9)]
    engine = tfengine.convert(
        str(tmp_path / "model"),
        precision="int8",
        calibration_data=samples[0],
        avoid_slow_int8=False,
        time_tactics=False,
        threads=1,
    )
    (source,), (output,) = engine.inputs, engine.outputs
    expected = engine.run(samples[1])[output.name]
    assert signal_to_noise_db(np.asarray(model(samples[1])), expected) > 20
    got = run_model(engine.to_onnx(), {source.name: samples[1]}, output.name)
    assert signal_to_noise_db(expected, got) > 30
