"""Descriptions of inputs and outputs, and shapes in the forms that users write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Union

import numpy as np

from . import _core

Shape = Sequence[int]
# The shapes of all inputs: by name, in order, or of the only input.
ShapeSet = Union[Mapping[str, Shape], Sequence[Shape], Shape]


class TensorSpec(NamedTuple):
    """An input or output of a model or engine."""

    name: str
    dtype: np.dtype | str
    """numpy's dtype; its name where numpy has none ("bfloat16")."""
    shape: tuple[int | None, ...] | None
    """None stands for an unknown dimension; None as a whole for unknown rank."""


def specs_from(rows: Iterable[tuple[str, str, Sequence[int] | None]]) -> list[TensorSpec]:
    return [
        TensorSpec(name, _dtype(dtype), None if dims is None else tuple(None if dim < 0 else dim for dim in dims))
        for name, dtype, dims in rows
    ]


def _dtype(name: str) -> np.dtype | str:
    try:
        return np.dtype(name)
    except TypeError:
        return name


def _bare(name: str) -> str:
    return name.removesuffix(":0")


def _is_shape(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(dim, (int, np.integer)) for dim in value)


def _plain(shape: object, name: str) -> list[int]:
    if not _is_shape(shape) or any(dim < 0 for dim in shape):
        raise _core.InvalidArgument(f"input_shapes: '{name}' has {shape!r}, expected a tuple of known dimensions")
    return [int(dim) for dim in shape]


def shape_set(specs: Sequence[TensorSpec], shapes: ShapeSet | None) -> list[list[int]]:
    """One shape for each input, in their order; [] for None."""
    if shapes is None:
        return []
    if isinstance(shapes, Mapping):
        given = {_bare(name): shape for name, shape in shapes.items()}
        wanted = {_bare(spec.name) for spec in specs}
        if given.keys() != wanted:
            raise _core.InvalidArgument(f"input_shapes: got {sorted(given)}, expected {sorted(wanted)}")
        return [_plain(given[_bare(spec.name)], spec.name) for spec in specs]
    if _is_shape(shapes) and len(shapes) > 0:
        shapes = [shapes]
    if len(shapes) != len(specs):
        raise _core.InvalidArgument(f"input_shapes: got {len(shapes)} shapes, expected {len(specs)}")
    return [_plain(shape, spec.name) for spec, shape in zip(specs, shapes)]


def shape_sets(specs: Sequence[TensorSpec], shapes: ShapeSet | Sequence[ShapeSet] | None) -> list[list[list[int]]]:
    """One set, or a list of sets, as a list of sets. For a model of one input, a list of shapes is a list of sets."""
    if shapes is None:
        return []
    one = isinstance(shapes, Mapping) or _is_shape(shapes) or (len(specs) > 1 and all(map(_is_shape, shapes)))
    return [shape_set(specs, each) for each in ([shapes] if one else shapes)]
