# SPDX-License-Identifier: Apache-2.0
"""Runs what an INT8 engine exports, in ONNX Runtime and in TensorFlow, and compares with the engine.

The engine of each model is converted from its calibration images, written as ONNX with Q/DQ nodes and as a TensorFlow graph
with fake-quant nodes, and all three run the test images. Reported is the signal-to-noise ratio of the logits against the
engine's, and, to compare with, of the engine against the float model: the bridges have to be much nearer to the engine than
the engine is to the float model.

    python bench/models.py --models resnet50,mobilenetv2
    python bench/bridges.py --models digits,moving,resnet50,mobilenetv2
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent))
DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits"
sys.path.insert(0, str(DIGITS))

import numpy as np  # noqa: E402
import tfengine  # noqa: E402

FAR_NEARER_DB = 6


def load(name):
    """The model up to its logits, calibration images, test images."""
    if name == "digits":
        from records import read_split

        return tfengine.load_model(DIGITS / "separable.pb"), read_split("calibration")[0], read_split("test")[0][:64]
    if name == "moving":
        import moving

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "moving.pb"
            path.write_bytes(moving.graph_def())
            return tfengine.load_model(path), moving.pictures(32, 1), moving.pictures(8, 2)
    from models import DEFAULT_DIR
    from peers.model import Model

    model = Model(DEFAULT_DIR, name)
    return tfengine.load_model(model.file("pb"), outputs=[model.logits]), model.calibration(), model.test()


def in_onnx_runtime(model, feeds, output):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run([output], feeds)[0]


def in_tensorflow(graph_def, feeds, output):
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef.FromString(graph_def)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        return session.run(f"{output}:0", {f"{name}:0": value for name, value in feeds.items()})


RUNNERS = {
    "ONNX Runtime": lambda engine, *rest: in_onnx_runtime(engine.to_onnx(), *rest),
    "TensorFlow": lambda engine, *rest: in_tensorflow(engine.to_tensorflow(), *rest),
}


def logits(scores):
    """Softmax hides what happens to the small scores."""
    positive = scores.min() >= 0 and np.allclose(scores.sum(-1), 1, atol=1e-2)
    return np.log(np.maximum(scores, 1e-9)) if positive else scores


def signal_to_noise_db(expected, got):
    expected, got = logits(expected), logits(got)
    noise = np.sum((expected - got) ** 2.0)
    return np.inf if noise == 0 else 10 * np.log10(np.sum(expected**2.0) / noise)


def compare(name, int8_grid, runners):
    """A line for the model, and whether all was well."""
    model, calibration, test = load(name)
    options = {"threads": 1, "batch_size": 1, "avoid_slow_int8": False}
    measures = ["asymmetric"] if int8_grid == "asymmetric" else []
    grid = "auto" if measures else int8_grid
    engine = tfengine.convert(
        model, precision="int8", calibration_data=calibration, int8_grid=grid, measures=measures, **options
    )
    output = engine.outputs[0].name
    expected = engine.run(test)[output]
    against_float = signal_to_noise_db(tfengine.convert(model, **options).run(test)[output], expected)
    found = {}
    for runner in runners:
        try:
            got = RUNNERS[runner](engine, {engine.inputs[0].name: test}, output)
            found[runner] = signal_to_noise_db(expected, got)
        except ImportError:
            print(f"{runner} is not installed")
    text = ", ".join(f"{runner} {value:.1f} dB from the engine" for runner, value in found.items())
    print(f"{name} ({int8_grid}): {text}; the engine is {against_float:.1f} dB from float")
    return all(value >= against_float + FAR_NEARER_DB for value in found.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="digits", help="digits, moving (moving.py), or names of models.py")
    parser.add_argument(
        "--int8-grid", default="auto,tensorrt", help="auto, tensorrt, or asymmetric: auto with zero points"
    )
    parser.add_argument("--in", dest="runners", default=",".join(RUNNERS), help="programs, with commas")
    arguments = parser.parse_args()
    well = [
        compare(name, grid, arguments.runners.split(","))
        for name in arguments.models.split(",")
        for grid in arguments.int8_grid.split(",")
    ]
    sys.exit(0 if all(well) else 1)


if __name__ == "__main__":
    main()
