"""Calibration data in all its forms, as sources of batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Union

import numpy as np

from . import _core
from ._arrays import Inputs, as_array, is_array, named_arrays

NamedArrays = list[tuple[str, np.ndarray]]


class Data:
    """Batches read from files, made by `open_data`. Iterating yields one dict of name to array for each batch; the
    name is "" where the file gives none. Each iteration starts anew."""

    def __init__(self, source: _core.Source) -> None:
        self._source = source

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        self._source.rewind()
        while (batch := self._source.next()) is not None:
            yield batch

    @property
    def samples(self) -> int | None:
        """Samples in all, or None when that is not known before the end."""
        return self._source.samples


def open_data(
    path: str | os.PathLike,
    *,
    batch_size: int = 1,
    limit: int | None = None,
    feature: str = "image",
    label_feature: str = "",
    decode: str = "raw",
    feature_dtype: str = "uint8",
    feature_shape: Sequence[int] = (),
    resize: int = 0,
    crop: tuple[int, int] | None = None,
    channel_order: str = "rgb",
    mean: float | Sequence[float] = 0.0,
    scale: float | Sequence[float] = 1.0,
    keep_dtype: bool = False,
) -> Data:
    """Opens .npy, .npz, a folder of them, TFRecords of tf.Example, or a folder of JPEG or PNG images.

    Arguments:
        batch_size: samples in a batch; the first dimension of arrays counts samples.
        limit: samples to read; None: all.
        feature, label_feature: TFRecord: names of the features with the sample and (optionally) its int64 label.
        decode: TFRecord: "raw" (bytes of `feature_dtype`), "jpeg", "png", "floats" or "ints".
        feature_shape: TFRecord: the shape of one sample, for "raw", "floats" and "ints".
        resize: images: the length in pixels that the shorter side becomes; 0 leaves it.
        crop: images: (height, width) cut from the centre; None leaves them.
        channel_order: images: "rgb" or "bgr".
        mean, scale: value = (pixel - mean) * scale as float32; one number, or one for each of three channels.
        keep_dtype: leave integers as they are.

    Raises InvalidArgument for a missing file or wrong option, InvalidModel for a malformed file.
    """

    def channels(value: float | Sequence[float], name: str) -> list[float]:
        values = [float(value)] * 3 if np.isscalar(value) else [float(each) for each in value]
        if len(values) != 3:
            raise _core.InvalidArgument(f"{name}: got {len(values)} numbers, expected 1 or 3")
        return values

    source = _core.Source.open(
        path,
        batch_size=batch_size,
        limit=-1 if limit is None else limit,
        feature=feature,
        label_feature=label_feature,
        decode=decode,
        feature_dtype=feature_dtype,
        feature_shape=[int(dim) for dim in feature_shape],
        resize=resize,
        crop=(0, 0) if crop is None else crop,
        channel_order=channel_order,
        mean=channels(mean, "mean"),
        scale=channels(scale, "scale"),
        keep_dtype=keep_dtype,
    )
    return Data(source)


# See `calibrate` for what each form means.
CalibrationData = Union[str, os.PathLike, Data, Inputs, Iterable[Any]]


def is_read_once(data: CalibrationData) -> bool:
    """Whether its batches can be read once only: it is an iterator."""
    if isinstance(data, (str, os.PathLike, Data, Mapping)) or is_array(data) or not isinstance(data, Iterable):
        return False
    return isinstance(data, Iterator)


def source_of(data: CalibrationData, batch_size: int, limit: int | None) -> _core.Source:
    if batch_size < 1:
        raise _core.InvalidArgument(f"batch_size: got {batch_size}, expected at least 1")
    if limit is not None and limit < 1:
        raise _core.InvalidArgument(f"num_calibration_samples: got {limit}, expected at least 1")
    if isinstance(data, (str, os.PathLike)):
        return open_data(data, batch_size=batch_size, limit=limit)._source
    if isinstance(data, Data):
        data._source.rewind()
        return data._source
    if is_array(data) or isinstance(data, Mapping):
        return _source_of_samples(data, batch_size, limit)
    if not isinstance(data, Iterable):
        raise _core.InvalidArgument(
            f"calibration data: got {type(data).__name__}, expected an array, a dict of arrays, an iterable of batches "
            "or a path"
        )
    try:
        samples = min(len(data), limit or len(data)) if hasattr(data, "__len__") and batch_size == 1 else None
    except TypeError:
        samples = None
    return _core.Source.of_iterator(_reader(data, limit), samples)


def _source_of_samples(data: Inputs, batch_size: int, limit: int | None) -> _core.Source:
    """Arrays whose first dimension counts samples."""
    arrays = named_arrays(data) if isinstance(data, Mapping) else [("", as_array(data, "calibration data"))]
    if not arrays or any(array.ndim == 0 for _, array in arrays):
        raise _core.InvalidArgument("calibration data: the first dimension of an array counts samples; got a scalar")
    counts = {len(array) for _, array in arrays}
    if len(counts) > 1:
        raise _core.InvalidArgument(
            f"calibration data: the arrays have {sorted(counts)} samples, expected equally many"
        )
    count = min(counts.pop(), limit or 2**62)

    def begin() -> Iterator[NamedArrays]:
        for at in range(0, count, batch_size):
            yield [(name, array[at : min(at + batch_size, count)]) for name, array in arrays]

    return _core.Source.of_iterator(begin, count)


def _reader(data: Iterable[Any], limit: int | None) -> Callable[[], Iterator[NamedArrays] | None]:
    """A function that reads all batches from the first: None the second time if `data` is an iterator itself."""
    once = iter(data)
    state = {"read": False}

    def begin() -> Iterator[NamedArrays] | None:
        if not state["read"]:
            state["read"] = True
            batches = once
        elif once is data:
            return None
        else:
            batches = iter(data)
        return _limited(map(named_arrays, batches), limit)

    return begin


def _limited(batches: Iterable[NamedArrays], limit: int | None) -> Iterator[NamedArrays]:
    """Ends after `limit` samples, cutting the last batch if need be."""
    left = limit
    for batch in batches:
        if left is not None:
            batch = [(name, array[:left] if array.ndim else array) for name, array in batch]
            left -= len(batch[0][1]) if batch and batch[0][1].ndim else 1
        yield batch
        if left is not None and left <= 0:
            return
