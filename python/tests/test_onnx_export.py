"""Engines written as ONNX models, run by ONNX Runtime where it is installed and compared with the engine."""

import numpy as np
import pytest
import tfengine

onnxruntime = pytest.importorskip("onnxruntime")


def run_model(model, feeds, output):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run([output], feeds)[0]


@pytest.mark.parametrize("name", ["cnn.pb", "separable.pb", "separable_saved_model"])
@pytest.mark.parametrize("int8_grid", ["auto", "tensorrt", None])
def test_engines(name, int8_grid, digits, images, test_split):
    options = {"threads": 1, "batch_size": 16, "avoid_slow_int8": False}
    if int8_grid:
        options |= {"precision": "int8", "calibration_data": images, "int8_grid": int8_grid}
    engine = tfengine.convert(digits / name, **options)
    pictures = test_split[0][:64]
    output = engine.outputs[0].name
    expected = engine.run(pictures)[output]
    got = run_model(engine.to_onnx(), {engine.inputs[0].name: pictures}, output)
    noise = np.sum((expected - got) ** 2.0) / np.sum(expected**2.0)
    # An integer that is one off here and there, where a sum lies between two.
    assert 10 * np.log10(1 / max(noise, 1e-20)) > (30 if int8_grid else 90)
    assert np.mean(expected.argmax(1) == got.argmax(1)) == 1.0
