"""TensorFlow models as fast FP32 and INT8 engines; TensorFlow itself is not needed.

    import numpy as np
    import tfengine

    engine = tfengine.convert("model.pb", precision="int8", calibration_data=images)
    engine.save("model.tfe")
    outputs = tfengine.load("model.tfe").run({"image": images[:1]})

All errors are of the family `tfengine.Error`.
"""

from ._calibration import Calibration, Checkup, OutlierSample, SampleId, TensorRange, calibrate
from ._convert import convert
from ._core import (
    BackendFailure,
    Error,
    InternalError,
    InvalidArgument,
    InvalidModel,
    OutOfMemory,
    __version__,
)
from ._data import Data, open_data
from ._device import DeviceArray
from ._engine import Engine, load
from ._gpu import gpu_memory, gpus, set_gpu_memory
from ._memory import SharedWeights, SharedWorkspace, process_memory, reset_memory_peaks, set_memory_limits
from ._model import Model, load_model
from ._specs import TensorSpec
from ._table import RangeTable, TableDifference
from ._trt.install import install_tf_trt
from ._tune import MemorySweep, memory_sweep

__all__ = [
    "BackendFailure",
    "Calibration",
    "Checkup",
    "Data",
    "DeviceArray",
    "Engine",
    "Error",
    "InternalError",
    "InvalidArgument",
    "InvalidModel",
    "MemorySweep",
    "Model",
    "OutOfMemory",
    "OutlierSample",
    "RangeTable",
    "SampleId",
    "SharedWeights",
    "SharedWorkspace",
    "TableDifference",
    "TensorRange",
    "TensorSpec",
    "__version__",
    "calibrate",
    "convert",
    "gpu_memory",
    "gpus",
    "install_tf_trt",
    "load",
    "load_model",
    "memory_sweep",
    "open_data",
    "process_memory",
    "reset_memory_peaks",
    "set_gpu_memory",
    "set_memory_limits",
]
