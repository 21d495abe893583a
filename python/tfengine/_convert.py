"""From a model to an engine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from . import _core
from ._accuracy import LABELS, Metric, labelled_source, share_of
from ._calibration import Calibration, calibrate
from ._data import CalibrationData, is_read_once, source_of
from ._engine import Engine
from ._memory import SharedWeights, SharedWorkspace, sharing
from ._model import Model, model_of
from ._progress import Callback, progress_callback
from ._specs import ShapeSet, shape_sets
from ._table import RangeTable


def table_bytes(table: RangeTable | str | os.PathLike | None) -> bytes:
    if table is None:
        return b""
    return (table if isinstance(table, RangeTable) else RangeTable.load(table)).to_bytes()


def convert(
    model_or_path: Model | str | os.PathLike,
    precision: str = "fp32",
    calibration_data: CalibrationData | None = None,
    calibration: Calibration | None = None,
    calibrator: str = "auto",
    percentile: float = 99.99,
    num_calibration_samples: int | None = None,
    batch_size: int = 1,
    threads: int = 0,
    max_workspace_size_bytes: int = 1 << 30,
    timing_cache: str | os.PathLike | None = None,
    nodes_denylist: Iterable[str] = (),
    int8_grid: str = "auto",
    input_shapes: ShapeSet | Sequence[ShapeSet] | None = None,
    *,
    memory_limit_bytes: int | None = None,
    maximum_cached_engines: int = 8,
    backend: str = "",
    time_tactics: bool = True,
    maximum_cached_bytes: int | None = None,
    workspace: str | SharedWorkspace = "kept",
    shared_weights: SharedWeights | None = None,
    avoid_slow_int8: bool = True,
    bias_correction: bool = True,
    float_precision: str = "fp32",
    strict_ranges: bool = False,
    float_gates: bool = True,
    per_channel_weights: bool = True,
    measures: Iterable[str] = (),
    measure_data: CalibrationData | None = None,
    num_measure_samples: int = 64,
    explain: bool = False,
    target_accuracy: float | str | None = None,
    accuracy_data: CalibrationData | None = None,
    labels: Any = None,
    metric: str | Metric = "top1",
    num_accuracy_samples: int = 512,
    disabled_passes: Iterable[str] = (),
    progress: bool | Callback = False,
    resume: str | os.PathLike | None = None,
    calibration_table: RangeTable | str | os.PathLike | None = None,
    memory_budget_bytes: int = 0,
    allowed_precisions: Iterable[str] = (),
    split_batch: bool = True,
    device: str = "",
) -> Engine:
    """Converts a model (or the .pb file or SavedModel folder at a path) to an engine for this machine.

    Arguments:
        precision: "fp32", "bf16" (where the CPU has it), "fp16" (on a GPU) or "int8". Layers that bf16 makes slower here stay
            fp32.
        calibration_data: int8: real inputs, in any form that `calibrate` takes.
        calibration: int8: what `calibrate` gave earlier, instead of data.
        calibrator, percentile: int8: how ranges follow from the histograms; see `Calibration`.
        num_calibration_samples: int8: how many of the samples to use; None: all.
        batch_size: of calibration, and what the layers are tuned for where the model leaves its first dimension open.
            Other sizes run as well: the first run of each plans for it.
        threads: of calibration and of the engine; 0: all cores.
        max_workspace_size_bytes: what an implementation of a layer may ask for as scratch memory.
        timing_cache: file of measured times, read and extended, which makes later conversions faster.
        nodes_denylist: names of nodes to keep out of fusion and INT8. Those that reading the model removes (Identity, ...)
            are noted in the report and have no effect.
        int8_grid: "auto" (uint8 for tensors that cannot be negative) or "tensorrt" (int8 everywhere).
        input_shapes: the shapes to tune for: a dict of name to shape, a list in the order of the inputs, or one shape;
            or a list of such sets.
        memory_limit_bytes, maximum_cached_engines, maximum_cached_bytes, workspace, shared_weights, backend, time_tactics, device: as for `load`.
        avoid_slow_int8: layers that are slower in INT8 than in float on this machine stay float.
        bias_correction: int8: biases take back the mean error that rounding the weights makes.
        float_precision: int8: what layers that are not INT8 compute in: "fp32", or "bf16" where the CPU has it and where
            that is faster, or "fp16" on a GPU.
        calibration_table: int8: ranges by tensor name, or the path of a file of them: TensorRT's calibration cache, ONNX
            Runtime's tables, or what `RangeTable.save` wrote.
        strict_ranges: int8: tensors without a range raise InvalidArgument naming all of them; else what reads them stays
            in float, and the report's notes name them.
        float_gates: int8: squeeze-and-excitation branches stay in float.
        per_channel_weights: int8: weights have a scale for each output channel; False: one for the whole tensor.
        measures: int8: what recovers accuracy, any of "asymmetric", "equalization", "smoothing", "weight_mse" and "rounding",
            or "auto" for each that brings the results nearer to the float model's, by trial on a quarter of the samples that
            the others are fitted on; the float model is run on the first `num_measure_samples` of `measure_data` for it,
            which must be readable more than once.
        measure_data: int8: what the measures and `explain` run on; None: the calibration data.
        explain: int8: `Engine.explain` also knows how far each tensor is from the float model's, and
            `Engine.report()["gains"]` what each measure brings, in dB.
        target_accuracy: int8: the share of the float model's score to keep, as 0.999 or "99.9%": measures are added until
            it holds, then as few layers as possible return to float. What was tried is in `Engine.report()["accuracy"]`.
        accuracy_data, labels: what is scored on (None: a quarter of the calibration data, which measures are then not
            fitted on), and the class of each of its samples.
            Without labels the score is how often the float model's class comes out, or, where outputs are no classes,
            signal-to-noise: 99.9 % is 30 dB.
        metric: "top1" or "top5" of the first output, or a function of (outputs, batch), both dicts of name to array with
            the labels under "labels", that gives a batch's mean score.
        num_accuracy_samples: how many of the samples to score on.
        disabled_passes: names of graph rewrites to leave out, for debugging.
        resume: int8: file that keeps what is calibrated so far; see `calibrate`.
        memory_budget_bytes: bytes for weights, activations and workspace together (`Engine.memory()["peak_bytes"]`): the fastest
            engine inside, over `allowed_precisions`, tactics, orders of steps, and chunks that a batch is run in. Raises
            InvalidArgument with the least bytes where none fits. 0: no budget. See docs/memory.md.
        allowed_precisions: with a budget: what to choose from, best liked first; empty: `precision` alone.
        split_batch: a batch of the planned shapes, or a larger one, is run in chunks where its samples are independent and
            this machine runs it clearly faster so; the report's notes say which.
        progress: True for tqdm bars, or a function of (what, done, total), total being -1 when unknown.

    Raises InvalidModel, InvalidArgument, OutOfMemory or BackendFailure. The GIL is released while working.
    """
    model = model_of(model_or_path)
    nodes_denylist = list(nodes_denylist)
    allowed_precisions = list(allowed_precisions)
    if calibration is not None and calibration_data is not None:
        raise _core.InvalidArgument("convert: both calibration and calibration_data are given, expected one of them")
    samples = None
    with progress_callback(progress) as callback:
        if calibration_data is not None:
            if "int8" not in (name.lower() for name in allowed_precisions or [precision]):
                raise _core.InvalidArgument(f"convert: calibration_data is for precision 'int8', got '{precision}'")
            calibration = calibrate(
                model,
                calibration_data,
                num_calibration_samples=num_calibration_samples,
                batch_size=batch_size,
                threads=threads,
                nodes_denylist=nodes_denylist,
                progress=callback or False,
                resume=resume,
            )
            if measure_data is None and not is_read_once(calibration_data):
                samples = source_of(calibration_data, batch_size, num_calibration_samples)
        if measure_data is not None:
            samples = source_of(measure_data, batch_size, num_measure_samples)
        share = share_of(target_accuracy)
        if not share and (accuracy_data is not None or labels is not None or metric != "top1"):
            raise _core.InvalidArgument(
                "convert: accuracy_data, labels and metric say how target_accuracy is judged; give one"
            )
        scored = None
        if share and accuracy_data is not None:
            scored = labelled_source(accuracy_data, labels, batch_size, num_accuracy_samples)
        elif share:
            samples = labelled_source(calibration_data, labels, batch_size, num_calibration_samples)
        core = _core.convert(
            model._core,
            precision=precision,
            float_precision=float_precision,
            calibration=calibration and calibration._core,
            calibration_table=table_bytes(calibration_table),
            calibrator=calibrator,
            percentile=percentile,
            int8_grid=int8_grid,
            nodes_denylist=nodes_denylist,
            input_shapes=shape_sets(model.inputs, input_shapes),
            batch_size=batch_size,
            avoid_slow_int8=avoid_slow_int8,
            bias_correction=bias_correction,
            strict_ranges=strict_ranges,
            float_gates=float_gates,
            per_channel_weights=per_channel_weights,
            measures=list(measures),
            samples=samples,
            max_samples=num_measure_samples,
            explain=explain,
            target_share=share,
            accuracy_data=scored,
            accuracy_samples=num_accuracy_samples,
            label=LABELS if share and labels is not None else "",
            metric=metric if isinstance(metric, str) else "top1",
            score=None if isinstance(metric, str) else metric,
            disabled_passes=list(disabled_passes),
            threads=threads,
            max_workspace_size_bytes=max_workspace_size_bytes,
            maximum_cached_engines=maximum_cached_engines,
            timing_cache=timing_cache or "",
            backend=backend,
            memory_limit_bytes=memory_limit_bytes,
            time_tactics=time_tactics,
            memory_budget_bytes=memory_budget_bytes,
            allowed_precisions=allowed_precisions,
            split_batch=split_batch,
            maximum_cached_bytes=maximum_cached_bytes,
            **sharing(workspace, shared_weights),
            device=device,
            progress=callback,
        )
    return Engine(core)
