"""TF-TRT's module `trt_convert`, with tfengine's engines: from tfengine import trt_convert as trt.

TrtGraphConverterV2 converts SavedModels of TensorFlow 2, TrtGraphConverter frozen graphs and SavedModels in TensorFlow
1's manner. Names, arguments, defaults and kinds of errors are TF-TRT's; docs/migrating_from_tf_trt.md says what differs.
"""

from . import tensorflow as _op_library  # noqa: F401  converted graphs run once this module is imported
from ._trt.converter_v1 import TrtGraphConverter
from ._trt.converter_v2 import TrtGraphConverterV2
from ._trt.legacy import calib_graph_to_infer_graph, create_inference_graph
from ._trt.params import (
    DEFAULT_TRT_CONVERSION_PARAMS,
    DEFAULT_TRT_MAX_WORKSPACE_SIZE_BYTES,
    PROFILE_STRATEGY_IMPLICIT_BATCH_MODE_COMPATIBLE,
    PROFILE_STRATEGY_OPTIMAL,
    PROFILE_STRATEGY_RANGE,
    PROFILE_STRATEGY_RANGE_OPTIMAL,
    TrtConversionParams,
    TrtPrecisionMode,
    supported_profile_strategies,
)

__all__ = [
    "DEFAULT_TRT_CONVERSION_PARAMS",
    "DEFAULT_TRT_MAX_WORKSPACE_SIZE_BYTES",
    "PROFILE_STRATEGY_IMPLICIT_BATCH_MODE_COMPATIBLE",
    "PROFILE_STRATEGY_OPTIMAL",
    "PROFILE_STRATEGY_RANGE",
    "PROFILE_STRATEGY_RANGE_OPTIMAL",
    "TrtConversionParams",
    "TrtGraphConverter",
    "TrtGraphConverterV2",
    "TrtPrecisionMode",
    "calib_graph_to_infer_graph",
    "create_inference_graph",
    "supported_profile_strategies",
]
