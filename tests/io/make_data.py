#!/usr/bin/env python3
"""Makes the small data files of data/ with NumPy and TensorFlow. The files are checked in; tests need neither."""

import os
import shutil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf

DATA = Path(__file__).parent / "data"


def ramp(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape)


def make_arrays() -> None:
    for dtype in [
        "float32",
        "float16",
        "float64",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
    ]:
        np.save(DATA / f"{dtype}.npy", ramp(3, 2).astype(dtype))
    np.save(DATA / "bool.npy", ramp(3, 2) % 2 == 1)
    np.save(DATA / "bfloat16.npy", ramp(3, 2).astype(tf.bfloat16.as_numpy_dtype))
    np.save(DATA / "big_endian.npy", ramp(3, 2).astype(">f4"))
    np.save(DATA / "fortran.npy", np.asfortranarray(ramp(3, 2, 4).astype(np.float32)))
    np.save(DATA / "strings.npy", np.array(["a", "b"]))
    np.save(DATA / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    for version in [(1, 0), (2, 0), (3, 0)]:
        with open(DATA / f"version{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, ramp(3, 2).astype(np.float32), version)
    arrays = {
        "image": ramp(5, 2, 2).astype(np.float32),
        "mask": ramp(5).astype(np.uint8),
        "label": ramp(5).astype(np.int64),
    }
    np.savez(DATA / "stored.npz", **arrays)
    np.savez_compressed(DATA / "deflated.npz", **arrays)


def make_records() -> None:
    def example(i: int) -> bytes:
        picture = tf.io.encode_png(np.full([3, 4, 3], 10 * i, np.uint8)).numpy()
        features = {
            "raw": tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes([i, i + 1, i + 2, 255])])),
            "floats": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5 * i, 1.5])),
            "ints": tf.train.Feature(int64_list=tf.train.Int64List(value=[-i, i, 1 << 40])),
            "png": tf.train.Feature(bytes_list=tf.train.BytesList(value=[picture])),
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[i * 7])),
        }
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)

    with tf.io.TFRecordWriter(str(DATA / "records.tfrecord")) as writer:
        for i in range(3):
            writer.write(example(i))


def make_pictures() -> None:
    y, x = np.mgrid[0:12, 0:18]
    picture = np.stack([x * 10, y * 15, 255 - x * 5], -1).astype(np.uint8)
    (DATA / "picture.png").write_bytes(tf.io.encode_png(picture).numpy())
    encoded = tf.io.encode_jpeg(picture, quality=95).numpy()
    (DATA / "picture.jpg").write_bytes(encoded)
    np.save(DATA / "picture.jpg.npy", tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE").numpy())
    # The usual preprocessing: shorter side to 8, centre 8 x 8.
    resized = tf.image.resize(picture.astype(np.float32), [8, 12]).numpy()
    np.save(DATA / "picture.resized.npy", resized[:, 2:10])


def main() -> None:
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    make_arrays()
    make_records()
    make_pictures()


if __name__ == "__main__":
    main()
