"""Arrays in the forms that users have them, as what the extension takes: [(name, C-contiguous numpy array)]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np

from . import _core

# An array: numpy, or anything with __dlpack__ (torch, jax, cupy on the host ...) or that np.asarray takes.
ArrayLike = Any
# What a model takes: by name, in the order of its inputs, or the only input.
Inputs = Union[Mapping[str, ArrayLike], Sequence[ArrayLike], ArrayLike]


def is_array(value: object) -> bool:
    return isinstance(value, np.ndarray) or hasattr(value, "__dlpack__") or hasattr(value, "__array__")


def as_array(value: ArrayLike, name: str) -> np.ndarray:
    """Without a copy if `value` is contiguous and of the machine's byte order."""
    if not isinstance(value, np.ndarray) and hasattr(value, "__dlpack__") and not np.isscalar(value):
        value = np.from_dlpack(value)
    try:
        # Not ascontiguousarray: that makes arrays of scalars.
        array = np.asarray(value, order="C")
    except ValueError as error:  # rows of different lengths
        raise _core.InvalidArgument(f"input '{name}': {error}") from None
    if array.dtype.kind not in "fiub":
        raise _core.InvalidArgument(f"input '{name}': got dtype {array.dtype}, expected numbers or bools")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def named_arrays(inputs: Inputs) -> list[tuple[str, np.ndarray]]:
    """An empty name stands for "the next input in order"."""
    if isinstance(inputs, Mapping):
        return [(str(name), as_array(array, str(name))) for name, array in inputs.items()]
    if isinstance(inputs, (tuple, list)) and any(map(is_array, inputs)):
        return [("", as_array(array, f"number {place}")) for place, array in enumerate(inputs, 1)]
    return [("", as_array(inputs, "number 1"))]
