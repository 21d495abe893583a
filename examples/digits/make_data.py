#!/usr/bin/env python3
"""Writes the UCI handwritten digits as TFRecords of tf.Example: data/{train,calibration,test}.tfrecord.

Needs requirements/train.txt and scikit-learn (pip install scikit-learn), which carries the images.
The split is a seeded permutation, so that running this again gives the same bytes.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

SEED = 1998
SPLITS = {"test": 400, "calibration": 128, "train": 1269}


def example(image: np.ndarray, label: int) -> bytes:
    feature = {
        "image_raw": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.astype(np.uint8).tobytes()])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)


def main() -> None:
    digits = load_digits()
    order = np.random.RandomState(SEED).permutation(len(digits.images))
    folder = Path(__file__).parent / "data"
    folder.mkdir(exist_ok=True)
    for split, count in SPLITS.items():
        chosen, order = order[:count], order[count:]
        path = folder / f"{split}.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for i in chosen:
                writer.write(example(digits.images[i], digits.target[i]))
        print(f"{path.name}: {count} images, {path.stat().st_size} bytes")
    assert len(order) == 0, "the splits do not cover the data set"


if __name__ == "__main__":
    main()
