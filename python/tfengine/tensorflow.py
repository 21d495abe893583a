"""TRTEngineOp and its sister operations in TensorFlow: importing this module registers them.

Graphs and SavedModels that hold TRTEngineOp nodes, those of the old TF-TRT included, load and run after it. The functions
below look at the operations' engines.
"""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

try:
    import tensorflow as tf
except ModuleNotFoundError as error:
    if error.name != "tensorflow":
        raise
    raise ImportError(
        "tfengine's TensorFlow part needs TensorFlow, which this environment does not have: install tensorflow-cpu, and "
        "build tfengine where it is installed; all else of tfengine works without"
    ) from None

__all__ = ["calibration_histograms", "calibration_table", "engine_status", "import_graph_def", "library_path", "ops"]

_LIBRARY = Path(__file__).with_name("libtfengine_tensorflow.so")


def library_path() -> str:
    """The op library's file, for `tf.load_op_library` or a C++ program's TF_LoadLibrary."""
    return str(_LIBRARY)


def _load() -> ModuleType:
    version_file = _LIBRARY.with_suffix(".version")
    if not _LIBRARY.exists() or not version_file.exists():
        raise ImportError(
            "this tfengine was built without the TensorFlow op library: build it where tensorflow-cpu is installed"
        )
    built = version_file.read_text().strip()
    if built != tf.version.VERSION:
        # Classes without a stable layout cross the border: they fit within one release only.
        raise ImportError(
            f"tfengine's op library was built for TensorFlow {built}, this is TensorFlow {tf.version.VERSION}: install "
            f"tensorflow-cpu=={built}, or build tfengine with the TensorFlow that is installed"
        )
    return tf.load_op_library(str(_LIBRARY))


ops = _load()
"""The generated wrappers: `ops.trt_engine_op`, `ops.get_calibration_data_op`, ..."""


def import_graph_def(graph_def, input_map=None, return_elements=None, name=None):
    """tf.graph_util.import_graph_def, with the same arguments, results and errors, that also works inside of a tf.function.

    There TensorFlow leaves the graph's functions behind, and a TRTEngineOp would not find its segment. Here they are made
    known to TensorFlow, for as long as the process lives; those whose names other functions have already get new ones.
    """
    if tf.inside_function():
        from ._trt.functions import registered

        graph_def = registered(graph_def)
    return tf.graph_util.import_graph_def(graph_def, input_map, return_elements, name)


def engine_status(name: str) -> dict[str, Any]:
    """What the TRTEngineOp `name` (without the names of enclosing functions) does, on the current device.

    Keys: state ("not built", "calibrating", "ready"), engines (input_shapes and bytes of weights, activations and
    workspace of each), builds, evictions, calls, engine_calls, native_calls (reason to count), failed_builds, threads,
    allocated_bytes (what it holds of TensorFlow's allocator). Raises tf.errors.NotFoundError when it never ran. In a
    tf.compat.v1.Session, run `ops.tfengine_engine_status(name)` there instead: each session has engines of its own.
    """
    return json.loads(ops.tfengine_engine_status(name).numpy())


def calibration_table(name: str) -> bytes:
    """Ends the calibration of the TRTEngineOp `name` and returns TensorRT's calibration cache text.

    Raises tf.errors.UnknownError when it saw no data, tf.errors.NotFoundError when it never ran.
    """
    return ops.get_calibration_data_op(name).numpy()


def calibration_histograms(name: str) -> bytes:
    """The histograms behind `calibration_table`: a file of these bytes is what `tfengine calibrate --from` reads."""
    return ops.tfengine_calibration_histograms(name).numpy()
