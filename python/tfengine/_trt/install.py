"""Puts `tfengine.trt_convert` where TensorFlow had TF-TRT."""

from __future__ import annotations

import importlib
import sys

_PACKAGE = "tensorflow.python.compiler.tensorrt"


def install_tf_trt() -> None:
    """Makes TF-TRT's own names lead to tfengine, so that scripts written for TF-TRT run unchanged:

        import tfengine
        tfengine.install_tf_trt()
        from tensorflow.python.compiler.tensorrt import trt_convert as trt
        converter = tf.experimental.tensorrt.Converter(...)

    Call it before the script imports `trt_convert`. Calling it again changes nothing. `python -m tfengine.tf_trt
    SCRIPT ARGUMENTS` does it around a whole script. Raises ImportError if TensorFlow is missing, or of another version
    than tfengine was built with.
    """
    from tfengine import trt_convert

    package = importlib.import_module(_PACKAGE)
    sys.modules[f"{_PACKAGE}.trt_convert"] = trt_convert
    package.trt_convert = trt_convert
    package.trt = trt_convert
    for namespace in _namespaces():
        namespace.Converter = trt_convert.TrtGraphConverterV2
        namespace.ConversionParams = trt_convert.TrtConversionParams


def _namespaces() -> list:
    """The modules behind `tf.experimental.tensorrt` and `tf.compat.v2.experimental.tensorrt`."""
    import tensorflow as tf

    return [tf.experimental.tensorrt, tf.compat.v2.experimental.tensorrt]
