"""Profile strategies: for which shapes an engine is meant, once `build` has seen shapes."""

from __future__ import annotations

from collections.abc import Sequence

from .params import (
    PROFILE_STRATEGY_IMPLICIT_BATCH_MODE_COMPATIBLE,
    PROFILE_STRATEGY_OPTIMAL,
    PROFILE_STRATEGY_RANGE,
    PROFILE_STRATEGY_RANGE_OPTIMAL,
)

Shapes = Sequence[Sequence[int]]
"""Of an engine's inputs, in order."""


def profiles_text(strategy: str, seen: Sequence[Shapes]) -> str:
    """The profiles that the strategy makes of the shapes that were seen, as TRTEngineOp's `_tfengine_profiles`:
    profiles behind ";", inputs behind "|", dimensions behind ",", each a number or a range. Shapes of other ranks than
    the first come into no range."""
    exact = [[[(size, size) for size in shape] for shape in shapes] for shapes in seen]
    profiles = {
        PROFILE_STRATEGY_RANGE: lambda: [_range(seen)],
        PROFILE_STRATEGY_OPTIMAL: lambda: exact,
        PROFILE_STRATEGY_RANGE_OPTIMAL: lambda: [*exact, _range(seen)],
        PROFILE_STRATEGY_IMPLICIT_BATCH_MODE_COMPATIBLE: lambda: [_batches_up_to(shapes) for shapes in seen],
    }[strategy]()
    return ";".join("|".join(",".join(map(_dimension, shape)) for shape in profile) for profile in profiles)


def _range(seen: Sequence[Shapes]) -> list:
    ranks = [len(shape) for shape in seen[0]]
    alike = [shapes for shapes in seen if [len(shape) for shape in shapes] == ranks]
    return [[(min(sizes), max(sizes)) for sizes in zip(*of_one)] for of_one in zip(*alike)]


def _batches_up_to(shapes: Shapes) -> list:
    return [[(1, shape[0]), *((size, size) for size in shape[1:])] if shape else [] for shape in shapes]


def _dimension(bounds: tuple[int, int]) -> str:
    least, most = bounds
    return str(least) if least == most else f"{least}-{most}"
