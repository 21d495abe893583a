"""The accuracy contract: what `convert` scores on, and what an engine says of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._data import CalibrationData, Data, NamedArrays, is_read_once, source_of

LABELS = "labels"
# (outputs, batch), both by name, to the batch's mean score.
Metric = Callable[[dict[str, np.ndarray], dict[str, np.ndarray]], float]


def share_of(target: float | str | None) -> float:
    """0.999 of 0.999, "0.999" and "99.9%"; 0 of None."""
    if target is None:
        return 0.0
    text = str(target).strip()
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise _core.InvalidArgument(f"target_accuracy: got {target!r}, expected '99.9%' or 0.999")
    return share


def labelled_source(data: CalibrationData | None, labels: Any, batch_size: int, limit: int | None) -> _core.Source:
    """The data's batches, with their labels as one more tensor if there are any."""
    if data is None:
        raise _core.InvalidArgument("target_accuracy: give calibration_data or accuracy_data")
    if is_read_once(data):
        raise _core.InvalidArgument(
            "target_accuracy: the data are read more than once; give an array, a list of batches or a path"
        )
    source = source_of(data, batch_size, limit)
    if labels is None:
        return source
    classes = np.asarray(labels)
    if classes.ndim < 1 or classes.dtype.kind not in "iu":
        raise _core.InvalidArgument(
            f"labels: got {classes.dtype} {classes.shape}, expected integers, a row or one row for each sample"
        )

    def begin() -> Iterator[NamedArrays]:
        at = 0
        for batch in Data(source):
            count = len(next(iter(batch.values())))
            if at + count > len(classes):
                raise _core.InvalidArgument(f"labels: got {len(classes)}, fewer than the data has samples")
            yield [*batch.items(), (LABELS, classes[at : at + count].astype(np.int64))]
            at += count

    return _core.Source.of_iterator(begin, source.samples)


class TensorExplanation(NamedTuple):
    """What INT8 does to one tensor. Figures are None where nothing is known: see `Engine.explain`."""

    tensor: str
    int8: bool
    why: str
    """A sentence: the grid and where its range comes from, or why the tensor is float."""
    max_abs: float | None
    """What the range covers: [-max_abs, max_abs], or [0, max_abs] on an unsigned grid, or from the least to the largest value
    that came on one with a zero point."""
    source: str | None
    """Of the range: "custom", "calibrated" or "rule"."""
    clipped: float | None
    """The share of calibration's values that lie beyond the range."""
    alone_db: float | None
    """Signal-to-noise of calibration's values on this grid."""
    so_far_db: float | None
    """Signal-to-noise of the engine's tensor, with the errors of all layers before it."""
    dead_channels: int | None
    """Channels that were zero in all samples."""


class LayerExplanation(NamedTuple):
    """Whether a layer runs in INT8, and what it gained."""

    layer: str
    op: str
    int8: bool
    why: str
    float_us: float | None
    """Time in a float engine, in microseconds; None where it was not measured."""
    engine_us: float | None
    """Time in this engine."""


class Explanation(NamedTuple):
    tensors: list[TensorExplanation]
    layers: list[LayerExplanation]


def explanation_of(report: Mapping[str, Any]) -> Explanation:
    """Of an engine's report; empty for a float engine."""
    int8 = report.get("int8", {"tensors": [], "nodes": []})
    known = {row["tensor"]: row for row in report.get("explain", [])}
    times = report.get("times", {})
    tensors = []
    for row in int8["tensors"]:
        more = known.get(row["name"], {})
        figures = [more.get(key) for key in ("clipped", "alone_db", "so_far_db", "dead_channels")]
        is_int8 = row["dtype"] in ("int8", "uint8")
        tensors.append(
            TensorExplanation(row["name"], is_int8, row["text"], row.get("max_abs"), row.get("source"), *figures)
        )
    layers = []
    for row in int8["nodes"]:
        time = times.get(row["name"], {})
        layers.append(
            LayerExplanation(
                row["name"], row["op"], row["int8"], row["text"], time.get("float_us"), time.get("int8_us")
            )
        )
    return Explanation(tensors, layers)
