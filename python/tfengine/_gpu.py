"""NVIDIA GPUs: which there are, and how much of their memory engines may use."""

from __future__ import annotations

from typing import Any

from . import _core


def gpus() -> list[dict[str, Any]]:
    """Those that the driver shows, each with "index", "name", "compute_capability" and "total_memory_bytes"; none without a
    driver, or where tfengine was built without CUDA."""
    return _core.gpus()


def set_gpu_memory(
    index: int = 0,
    *,
    per_process_gpu_memory_fraction: float = 1.0,
    limit_bytes: int | None = None,
    allow_growth: bool = True,
) -> None:
    """Sets what all engines of the process may use together of a GPU's memory: weights, activations, workspaces, and the
    tensors on their way in and out. To be called before the first engine there.

    Arguments:
        per_process_gpu_memory_fraction: of the GPU's total memory, above 0 and at most 1.
        limit_bytes: the same in bytes; the smaller one holds.
        allow_growth: False: all of it is taken now.

    Raises InvalidArgument when there is no such GPU, the fraction is out of range, or memory is in use already.
    """
    _core.set_gpu_memory(index, per_process_gpu_memory_fraction, limit_bytes, allow_growth)


def gpu_memory(index: int = 0) -> dict[str, Any]:
    """What engines use of the GPU's memory, in the form of `process_memory`, with the "limit_bytes" (None: none)."""
    return _core.gpu_memory(index)
