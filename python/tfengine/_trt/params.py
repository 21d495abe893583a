"""What a conversion is asked for: TF-TRT's names, defaults and checks."""

from __future__ import annotations

import collections
import logging
import os
from typing import Any

logger = logging.getLogger("tfengine.trt_convert")

DEFAULT_TRT_MAX_WORKSPACE_SIZE_BYTES = 1 << 30

PROFILE_STRATEGY_RANGE = "Range"
PROFILE_STRATEGY_OPTIMAL = "Optimal"
PROFILE_STRATEGY_RANGE_OPTIMAL = "Range+Optimal"
PROFILE_STRATEGY_IMPLICIT_BATCH_MODE_COMPATIBLE = "ImplicitBatchModeCompatible"

CALIBRATORS = ("entropy", "entropy1", "legacy", "auto", "mse", "percentile", "minmax", "moving_average")


class TrtPrecisionMode:
    """FP16 means bfloat16 on a CPU that has it, else FP32. With INT8, layers that are not INT8 run the same way."""

    FP32 = "FP32"
    FP16 = "FP16"
    INT8 = "INT8"

    @staticmethod
    def supported_precision_modes() -> list[str]:
        modes = [TrtPrecisionMode.FP32, TrtPrecisionMode.FP16, TrtPrecisionMode.INT8]
        return modes + [mode.lower() for mode in modes]


def supported_profile_strategies() -> list[str]:
    return [
        PROFILE_STRATEGY_RANGE,
        PROFILE_STRATEGY_OPTIMAL,
        PROFILE_STRATEGY_RANGE_OPTIMAL,
        PROFILE_STRATEGY_IMPLICIT_BATCH_MODE_COMPATIBLE,
    ]


_FIELDS = collections.namedtuple(
    "TrtConversionParams",
    [
        "max_workspace_size_bytes",
        "precision_mode",
        "minimum_segment_size",
        "maximum_cached_engines",
        "use_calibration",
        "allow_build_at_runtime",
    ],
)

# Fields that TrtConversionParams had up to TensorFlow 2.3, with the only values that still mean something.
_FORMER_FIELDS = {"rewriter_config_template": (None,), "is_dynamic_op": (None, True), "max_batch_size": (None,)}


class TrtConversionParams(_FIELDS):
    """The parameters of a conversion, as a named tuple.

    Fields:
        max_workspace_size_bytes: the most scratch memory, in bytes, that one step of an engine may ask for.
        precision_mode: one of TrtPrecisionMode.supported_precision_modes().
        minimum_segment_size: nodes that a part of the graph must have to become an engine, identities not counted;
            -1 leaves the main graph as it is.
        maximum_cached_engines: for how many sets of input shapes one TRTEngineOp keeps engines; the least recently
            used is dropped.
        use_calibration: INT8: find ranges by calibration. False: they come from the graph's quantization nodes.
        allow_build_at_runtime: False: shapes that no engine was built for run in TensorFlow.

    Up to TensorFlow 2.3 there were also `rewriter_config_template`, `is_dynamic_op` and `max_batch_size`; they are
    accepted by name, in `_replace` too, when they ask for nothing (None, or is_dynamic_op=True): else ValueError.
    """

    __slots__ = ()

    def __new__(
        cls,
        max_workspace_size_bytes: int = DEFAULT_TRT_MAX_WORKSPACE_SIZE_BYTES,
        precision_mode: str = TrtPrecisionMode.FP32,
        minimum_segment_size: int = 3,
        maximum_cached_engines: int = 1,
        use_calibration: bool = True,
        allow_build_at_runtime: bool = True,
        **former: Any,
    ):
        _check_former_fields(former)
        return super().__new__(
            cls,
            max_workspace_size_bytes,
            precision_mode,
            minimum_segment_size,
            maximum_cached_engines,
            use_calibration,
            allow_build_at_runtime,
        )

    def _replace(self, /, **changes: Any):
        _check_former_fields({name: changes.pop(name) for name in list(changes) if name in _FORMER_FIELDS})
        return super()._replace(**changes)


def _check_former_fields(former: dict[str, Any]) -> None:
    for name, value in former.items():
        if name not in _FORMER_FIELDS:
            raise TypeError(f"TrtConversionParams has no field '{name}', expected one of {', '.join(_FIELDS._fields)}")
        if value not in _FORMER_FIELDS[name]:
            raise ValueError(
                f"TrtConversionParams.{name}: got {value!r}, expected it left out: "
                "engines are always built for the shapes that they meet"
            )
        if value is not None:
            logger.info("TrtConversionParams.%s=%r is the only behaviour there is, and need not be given", name, value)


DEFAULT_TRT_CONVERSION_PARAMS = TrtConversionParams()


def is_int8(params: TrtConversionParams) -> bool:
    return params.precision_mode.upper() == TrtPrecisionMode.INT8


def needs_calibration(params: TrtConversionParams) -> bool:
    return is_int8(params) and bool(params.use_calibration)


def check_params(params: TrtConversionParams) -> None:
    """ValueError for values that mean nothing, TypeError for what is no number."""
    modes = TrtPrecisionMode.supported_precision_modes()
    if params.precision_mode not in modes:
        raise ValueError(f"precision_mode: got {params.precision_mode!r}, expected one of {modes}")
    for name in ("max_workspace_size_bytes", "minimum_segment_size", "maximum_cached_engines"):
        value = getattr(params, name)
        # numpy's integers count as well.
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(f"{name}: got {value!r}, expected an integer")
    if params.minimum_segment_size <= 0 and params.minimum_segment_size != -1:
        raise ValueError(
            f"minimum_segment_size: got {params.minimum_segment_size}, expected a positive number, "
            "or -1 to leave the main graph as it is"
        )
    if params.maximum_cached_engines < 1:
        raise ValueError(f"maximum_cached_engines: got {params.maximum_cached_engines}, expected at least 1")
    if params.max_workspace_size_bytes < 0:
        raise ValueError(f"max_workspace_size_bytes: got {params.max_workspace_size_bytes}, expected at least 0")


def canonical_profile_strategy(strategy: str) -> str:
    """The strategy as it is written above; users may write it in either case, as in TF-TRT."""
    for known in supported_profile_strategies():
        if str(strategy).lower() == known.lower():
            return known
    raise ValueError(
        f"dynamic_shape_profile_strategy: got {strategy!r}, expected one of {supported_profile_strategies()}"
    )


def check_calibrator(calibrator: str, percentile: float) -> None:
    if calibrator not in CALIBRATORS:
        raise ValueError(f"calibrator: got {calibrator!r}, expected one of {list(CALIBRATORS)}")
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile: got {percentile!r}, expected a number above 0 and up to 100")


def experimental_feature(name: str) -> bool:
    """Whether the environment's TF_TRT_EXPERIMENTAL_FEATURES, a list with commas, names it."""
    return name in os.environ.get("TF_TRT_EXPERIMENTAL_FEATURES", "").split(",")
