"""Calibration: from real inputs to the ranges of tensors."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import NamedTuple

from . import _core
from ._data import CalibrationData, source_of
from ._model import Model, model_of
from ._progress import Callback, progress_callback


class TensorRange(NamedTuple):
    """The range [-max_abs, max_abs] that a tensor's INT8 scale covers, or [0, max_abs] if it is never negative."""

    tensor: str
    max_abs: float
    non_negative: bool
    source: str
    """One of "calibrated", "custom" (the graph says so) and "rule" (follows from the op, as for softmax)."""
    low: float = -math.inf
    """The least value seen, infinite where that is not known."""
    high: float = math.inf
    """The largest."""
    origin: str = ""
    """The node or calibrator that gave the range."""


class SampleId(NamedTuple):
    """A sample of the calibration data."""

    index: int | None
    """Its place among them; None when that is not known, as of merged or loaded calibrations."""
    fingerprint: str
    """Of its content."""


class OutlierSample(NamedTuple):
    """A sample that goes much further than others."""

    sample: SampleId
    tensor: str
    """In which it stands out most."""
    peak: float
    """Its largest magnitude there."""
    typical: float
    """The samples' median of that."""


class Checkup(NamedTuple):
    """What the statistics of a calibration say about its data."""

    samples: int
    enough_samples: int | None
    """So many would have given nearly the same ranges; None when all were not enough, or too few to tell."""
    outliers: list[OutlierSample]
    """The most extreme first."""
    constant_samples: list[SampleId]
    """With an input of one value throughout."""
    repeated_samples: int
    findings: list[str]
    """Sentences: too few samples, outliers, inputs that look raw, scaled twice or constant, samples that repeat, tensors
    that are nearly always zero."""


def _sample(index: int, fingerprint: str) -> SampleId:
    return SampleId(None if index < 0 else index, fingerprint)


class Calibration:
    """The histograms of every tensor that may become INT8. Any calibrator can be applied to them, with no further run
    of the model: calibrator is "auto" (for each tensor the range with the least quantization error), "entropy" and
    "entropy1" (TensorRT's entropy 2 and 1), "minmax", "moving_average" (the mean of the samples' largest magnitudes),
    "percentile" (of the nonzero values), "legacy" (the same of all values, as TensorRT's) or "mse"; `percentile` is for
    "percentile" and "legacy" alone."""

    def __init__(self, core: _core.Calibration) -> None:
        self._core = core

    @classmethod
    def load(cls, path: str | os.PathLike) -> Calibration:
        """From a file that `save` or `tfengine calibrate` wrote. Raises InvalidModel if it is malformed."""
        return cls(_core.Calibration.load(path))

    def save(self, path: str | os.PathLike) -> None:
        """The file appears whole or not at all."""
        self._core.save(path)

    def merge(self, other: Calibration) -> None:
        """Adds the histograms of other data through the same model: exactly as if one run had seen all of it.
        Raises InvalidArgument if they are of another model."""
        self._core.merge(other._core)

    @property
    def samples(self) -> int:
        return self._core.samples

    def ranges(self, calibrator: str = "auto", percentile: float = 99.99) -> list[TensorRange]:
        return [TensorRange(*row) for row in self._core.ranges(calibrator, percentile)]

    def table(self, calibrator: str = "auto", percentile: float = 99.99) -> str:
        """The ranges as the text of a TensorRT calibration cache."""
        return self._core.table(calibrator, percentile)

    @property
    def warnings(self) -> list[str]:
        """Sentences on what may be wrong with the data: NaN or Inf seen, tensors that are always zero."""
        return self._core.warnings()

    def checkup(self) -> Checkup:
        """Whether there were enough samples, and which of them, or which inputs, look wrong."""
        samples, enough, outliers, constant, repeated, findings = self._core.checkup()
        return Checkup(
            samples,
            None if enough < 0 else enough,
            [OutlierSample(_sample(*sample), tensor, peak, typical) for sample, tensor, peak, typical in outliers],
            [_sample(*sample) for sample in constant],
            repeated,
            findings,
        )

    def __repr__(self) -> str:
        return f"<tfengine.Calibration on {self.samples} samples>"


def calibrate(
    model_or_path: Model | str | os.PathLike,
    data: CalibrationData,
    *,
    num_calibration_samples: int | None = None,
    batch_size: int = 1,
    threads: int = 0,
    nodes_denylist: Iterable[str] = (),
    progress: bool | Callback = False,
    resume: str | os.PathLike | None = None,
    resume_samples: int = 256,
    device: str = "cpu",
) -> Calibration:
    """Runs the model in float on `data` and collects the histograms of its tensors, in one pass and bounded memory.

    Arguments:
        data: real inputs, preprocessed as for the model:
            - one array, or a dict of input name to array: the first dimension counts samples, `batch_size` at a time;
            - an iterable of batches, each a dict of name to array, a tuple or list of arrays in the order of the
              inputs, or one array. Arrays are numpy's, or of anything with DLPack;
            - the path of .npy, .npz, a folder of them, or a folder of images; or what `open_data` gives.
        num_calibration_samples: how many of the samples to use; None: all.
        threads: 0: all cores.
        nodes_denylist: names of nodes to be kept out of fusion and INT8: the same as for `convert`.
        progress: True for a tqdm bar, or a function of (what, done, total), total being -1 when unknown.
        resume: file of what was counted so far, replaced every `resume_samples` samples and removed at the end. When it
            is there at the start, calibration goes on behind the samples it holds: the data have to bring the same
            batches in the same order as before. Other samples are an error that names the first of them.
        device: where the model runs and its tensors are counted: "cpu", "cuda" or "cuda:1". Models with loops or branches
            run on the CPU whatever it is; those with shapes that depend on data are refused on a GPU.

    Raises InvalidArgument for arrays that don't fit the model or the file of `resume`, or if there is no sample. The
    GIL is released except while the next batch is asked for.
    """
    model = model_of(model_or_path)
    source = source_of(data, batch_size, num_calibration_samples)
    limit = -1 if num_calibration_samples is None else num_calibration_samples
    with progress_callback(progress) as callback:
        core = _core.calibrate(
            model._core, source, threads, limit, list(nodes_denylist), callback, resume or "", resume_samples, device
        )
    return Calibration(core)
