"""Run by a Python that has the wheel with the op library, and TensorFlow: a SavedModel is converted and served there."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tfengine.tensorflow
from tfengine import trt_convert as trt


def main() -> None:
    library = Path(tfengine.tensorflow.library_path())
    if not library.is_relative_to(sys.prefix):
        sys.exit(f"loaded {library}, expected the op library of {sys.prefix}")
    folder = str(Path(sys.argv[1]) / "separable_saved_model")
    images = np.random.default_rng(0).random((16, 8, 8, 1), dtype=np.float32)
    exact = tf.saved_model.load(folder).signatures["serving_default"](image=tf.constant(images))["output_0"]
    converter = trt.TrtGraphConverterV2(folder, precision_mode="INT8")
    converter.convert(lambda: [images])
    converter.build(lambda: [images])
    converter.save("served")
    served = tf.saved_model.load("served").signatures["serving_default"](image=tf.constant(images))["output_0"]
    error = np.abs(served - exact).max()
    if not error < 0.25:
        sys.exit(f"INT8 differs from TensorFlow by {error}, expected less than 0.25")


if __name__ == "__main__":
    main()
