"""Tables of INT8 ranges: TensorRT's calibration cache, ONNX Runtime's tables, and our own."""

from __future__ import annotations

import math
import os
from typing import NamedTuple

from . import _core
from ._calibration import Calibration, TensorRange


class TableDifference(NamedTuple):
    """What two tables say of a tensor; None where a table does not have it."""

    tensor: str
    first: TensorRange | None
    second: TensorRange | None


def _range(row: tuple | None) -> TensorRange | None:
    return None if row is None else TensorRange(*row)


class RangeTable:
    """INT8 ranges by tensor. Formats: "tfengine" (JSON that keeps where each range is from), "tensorrt" (calibration
    cache), "onnxruntime-json", "onnxruntime-text", "onnxruntime-flatbuffers"."""

    def __init__(self, core: _core.RangeTable | None = None) -> None:
        self._core = _core.RangeTable() if core is None else core

    @classmethod
    def load(cls, path: str | os.PathLike) -> RangeTable:
        """From a file of any of the formats. Raises InvalidModel if it is malformed, InvalidArgument if unreadable."""
        return cls(_core.RangeTable.load(path))

    @classmethod
    def from_bytes(cls, data: bytes | str, name: str = "table") -> RangeTable:
        """The same from a file's content; `name` is what messages call it."""
        return cls(_core.RangeTable.from_bytes(data.encode() if isinstance(data, str) else data, name))

    @classmethod
    def of(cls, calibration: Calibration, calibrator: str = "auto", percentile: float = 99.99) -> RangeTable:
        """The ranges that a calibrator makes of a calibration, with those that the model's own nodes give."""
        table = cls()
        for row in calibration.ranges(calibrator, percentile):
            table._core.set(*row)
        return table

    def to_bytes(self, format: str = "tfengine", calibrator: str = "entropy") -> bytes:
        """`calibrator` chooses the head line of TensorRT's cache, which refuses another than it would run."""
        return self._core.to_bytes(format, calibrator)

    def save(self, path: str | os.PathLike, format: str = "tfengine", calibrator: str = "entropy") -> None:
        """The file appears whole or not at all."""
        self._core.save(path, format, calibrator)

    @property
    def format(self) -> str:
        """Of the file that the table was read from; "tfengine" for a new one."""
        return self._core.format

    @property
    def ranges(self) -> list[TensorRange]:
        """By name."""
        return [TensorRange(*row) for row in self._core.ranges()]

    def set(
        self,
        tensor: str,
        max_abs: float,
        *,
        non_negative: bool = False,
        source: str = "custom",
        low: float = -math.inf,
        high: float = math.inf,
    ) -> None:
        """`low` and `high`: the least and the largest value seen, for the measure "asymmetric". Raises InvalidArgument
        unless max_abs is finite and not negative."""
        self._core.set(tensor, max_abs, non_negative, source, low, high, "given")

    def merge(self, other: RangeTable) -> None:
        """Adds the ranges of another table. Of two for one tensor, custom wins over calibrated, that over one by rule;
        of equal sources the other table's."""
        self._core.merge(other._core)

    def diff(self, other: RangeTable, tolerance: float = 0.0) -> list[TableDifference]:
        """What differs by more than `tolerance` of the larger range, and what only one of the tables has; by name."""
        return [
            TableDifference(name, _range(first), _range(second))
            for name, first, second in self._core.diff(other._core, tolerance)
        ]

    def __len__(self) -> int:
        return len(self._core.ranges())

    def __repr__(self) -> str:
        return f"<tfengine.RangeTable of {len(self)} tensors>"
