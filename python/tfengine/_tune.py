"""What a model's time costs in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

from . import _core
from ._calibration import Calibration, calibrate
from ._convert import table_bytes
from ._data import CalibrationData
from ._model import Model, model_of
from ._progress import Callback, progress_callback
from ._specs import ShapeSet, shape_sets
from ._table import RangeTable


class MemorySweep:
    """Engines that could be made of a model, by what they cost in time and memory; see `memory_sweep`.

    Each is a dict of "precision", "chunk" (samples of one run; 0: the whole batch), "max_workspace_size_bytes" (the limit
    that its tactics were chosen under), "time_us" (of the whole batch: the sum of its steps, measured one by one),
    "weights_bytes", "activation_bytes", "workspace_bytes", and "total_bytes" of these three.
    """

    def __init__(self, text: str, svg: str):
        self._document: dict[str, Any] = json.loads(text)
        self._svg = svg

    @property
    def model(self) -> str:
        """The graph's name."""
        return self._document["model"]

    @property
    def batch_size(self) -> int:
        return self._document["batch_size"]

    @property
    def by_workspace(self) -> list[dict[str, Any]]:
        """Of each precision, for the whole batch: the fastest engine under each workspace limit."""
        return self._document["by_workspace"]

    @property
    def by_total(self) -> list[dict[str, Any]]:
        """Of each precision: engines that none of it beats in both time and total bytes, fastest first."""
        return self._document["by_total"]

    def to_json(self) -> str:
        return json.dumps(self._document, indent=1)

    def to_svg(self) -> str:
        """Both curves beside each other, as a picture."""
        return self._svg


def memory_sweep(
    model_or_path: Model | str | os.PathLike,
    precisions: Iterable[str] = ("fp32",),
    calibration_data: CalibrationData | None = None,
    calibration: Calibration | None = None,
    *,
    calibrator: str = "auto",
    percentile: float = 99.99,
    num_calibration_samples: int | None = None,
    calibration_table: RangeTable | str | os.PathLike | None = None,
    batch_size: int = 1,
    input_shapes: ShapeSet | Sequence[ShapeSet] | None = None,
    threads: int = 0,
    timing_cache: str | os.PathLike | None = None,
    nodes_denylist: Iterable[str] = (),
    backend: str = "",
    progress: bool | Callback = False,
) -> MemorySweep:
    """Measures every tactic of every step in each of the precisions, for the batch and for the chunks that it can be run in,
    and says what time costs in memory. No engine is made; `convert` with `memory_budget_bytes` makes one of these.

    Arguments are as for `convert`; "int8" needs calibration data, a calibration, or a table. `input_shapes` is one set.
    Raises what `convert` raises, and InvalidArgument where TFENGINE_TIME_TACTICS=0 forbids to measure.
    """
    model = model_of(model_or_path)
    precisions = list(precisions)
    nodes_denylist = list(nodes_denylist)
    with progress_callback(progress) as callback:
        if calibration_data is not None:
            if calibration is not None:
                raise _core.InvalidArgument(
                    "memory_sweep: both calibration and calibration_data are given, expected one of them"
                )
            calibration = calibrate(
                model,
                calibration_data,
                num_calibration_samples=num_calibration_samples,
                threads=threads,
                nodes_denylist=nodes_denylist,
                progress=callback or False,
            )
        text, svg = _core.memory_sweep(
            model._core,
            precisions=precisions,
            calibration=calibration and calibration._core,
            calibration_table=table_bytes(calibration_table),
            calibrator=calibrator,
            percentile=percentile,
            nodes_denylist=nodes_denylist,
            input_shapes=shape_sets(model.inputs, input_shapes),
            batch_size=batch_size,
            threads=threads,
            timing_cache=timing_cache or "",
            backend=backend,
            progress=callback,
        )
    return MemorySweep(text, svg)
