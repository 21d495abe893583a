"""The op library, which registers TRTEngineOp and its sister ops; loading it is `tfengine.tensorflow`'s matter."""

from __future__ import annotations

from typing import Any


def ops() -> Any:
    """The Python wrappers of the library's ops."""
    from tfengine import tensorflow

    return tensorflow.ops
