#!/usr/bin/env python3
"""TensorFlow 2's flow: a SavedModel becomes INT8, is saved with its engines, and is served by a new process.

Converts examples/digits/separable_saved_model. The new process neither converts nor calibrates: it loads the SavedModel
after `import tfengine.tensorflow`, and compares its accuracy with the original's.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

DIGITS = Path(__file__).resolve().parents[1] / "digits"
MODEL = DIGITS / "separable_saved_model"
BATCH_SIZE = 16
SERVING_BATCH_SIZES = (1, 100)


def read_records(split, batch_size):
    """A dataset of (images, labels) from TFRecords of tf.Example."""

    def parse(record):
        features = {"image_raw": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
        example = tf.io.parse_single_example(record, features)
        image = tf.reshape(tf.io.decode_raw(example["image_raw"], tf.uint8), [8, 8, 1])
        return tf.cast(image, tf.float32) / 16, example["label"]

    return tf.data.TFRecordDataset(str(DIGITS / "data" / f"{split}.tfrecord")).map(parse).batch(batch_size)


def convert(output):
    from tfengine import trt_convert as trt

    def calibration_input_fn():
        for images, _ in read_records("calibration", BATCH_SIZE):
            yield (images,)

    def input_fn():
        for batch_size in SERVING_BATCH_SIZES:
            yield (np.zeros((batch_size, 8, 8, 1), np.float32),)

    params = trt.DEFAULT_TRT_CONVERSION_PARAMS._replace(
        precision_mode=trt.TrtPrecisionMode.INT8, maximum_cached_engines=len(SERVING_BATCH_SIZES)
    )
    converter = trt.TrtGraphConverterV2(input_saved_model_dir=str(MODEL), conversion_params=params)
    converter.convert(calibration_input_fn=calibration_input_fn)
    converter.build(input_fn=input_fn)
    converter.summary()
    converter.save(str(output))


def serve(folder):
    import tfengine.tensorflow  # noqa: F401  registers the ops that the SavedModel uses

    def accuracy(model):
        signature = model.signatures["serving_default"]
        right = [
            tf.argmax(signature(image=images)["output_0"], axis=1) == labels
            for images, labels in read_records("test", SERVING_BATCH_SIZES[-1])
        ]
        return float(np.concatenate(right).mean())

    original, converted = accuracy(tf.saved_model.load(str(MODEL))), accuracy(tf.saved_model.load(str(folder)))
    print(f"accuracy: float {original:.2%}, INT8 {converted:.2%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("digits_saved_model_int8"), help="folder to write to")
    parser.add_argument("--serve", type=Path, metavar="FOLDER", help="only load and run what was converted before")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    convert(arguments.output)
    subprocess.run([sys.executable, __file__, "--serve", str(arguments.output)], check=True)


if __name__ == "__main__":
    main()
