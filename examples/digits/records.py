"""Reads the digits' TFRecords with nothing but numpy."""

import struct
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data: bytes) -> dict[int, list]:
    """The fields of one protobuf message: length-delimited ones as bytes, varints as int."""
    found: dict[int, list] = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        value, at = _varint(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        found.setdefault(key >> 3, []).append(value)
    return found


def _features(record: bytes) -> dict[str, bytes | int]:
    """name -> the one value of each feature: tf.Example{features{feature{name, bytes_list | int64_list}}}."""
    values: dict[str, bytes | int] = {}
    for entry in _fields(_fields(record)[1][0])[1]:
        name, feature = _fields(entry)[1][0].decode(), _fields(_fields(entry)[2][0])
        values[name] = _fields(feature[1][0])[1][0] if 1 in feature else _varint(_fields(feature[3][0])[1][0], 0)[0]
    return values


def read_split(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images of 'train', 'calibration' or 'test' as float32 [count, 8, 8, 1] in 0..1, and their labels."""
    data = (DATA / f"{split}.tfrecord").read_bytes()
    images, labels = [], []
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        features = _features(data[at + 12 : at + 12 + length])
        images.append(np.frombuffer(features["image_raw"], np.uint8))
        labels.append(features["label"])
        at += 12 + length + 4
    return np.stack(images).reshape(-1, 8, 8, 1).astype(np.float32) / 16, np.array(labels)
