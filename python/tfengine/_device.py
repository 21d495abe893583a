"""Arrays in a GPU's memory, in and out of engines without copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _core

CUDA = 2  # DLPack's number of the kind of device
# CUDA's handle of the default stream, which __cuda_array_interface__ has no 0 for.
DEFAULT_STREAM = 1


class DeviceArray:
    """An engine's output in the memory of a GPU. Other libraries take it without a copy: `torch.from_dlpack(array)`,
    `cupy.from_dlpack(array)`, `jax.dlpack.from_dlpack(array)`, or through `__cuda_array_interface__`. The memory is tfengine's,
    under the limit of `set_gpu_memory`, and given back when the last of them lets go; work in other streams than the one that
    the engine ran in has to be over by then."""

    def __init__(self, core: _core.DeviceArray) -> None:
        self._core = core

    @property
    def shape(self) -> tuple[int, ...]:
        return self._core.shape

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self._core.dtype_name)

    @property
    def device(self) -> str:
        return f"cuda:{self._core.gpu}"

    def numpy(self) -> np.ndarray:
        """A copy in the host's memory, once the array is computed."""
        return self._core.to_host()

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self._core.address, False),
            "strides": None,
            "version": 3,
            "stream": self._core.stream or DEFAULT_STREAM,
        }

    def __dlpack__(self, **_: Any) -> Any:
        # The array is waited for, so that it is ready in whichever stream it will be read.
        return self._core.dlpack()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (CUDA, self._core.gpu)

    def __repr__(self) -> str:
        return f"<tfengine.DeviceArray {self.dtype} {self.shape} on {self.device}>"


class _View(NamedTuple):
    dtype: np.dtype
    address: int
    shape: tuple[int, ...]


def _is_on_device(value: object) -> bool:
    if hasattr(value, "__cuda_array_interface__"):  # torch raises AttributeError for a tensor of the host
        return True
    # What it raises elsewhere, by the standard of arrays, are BufferErrors and the like of its own.
    return hasattr(value, "__dlpack_device__") and value.__dlpack_device__()[0] == CUDA


def on_device(inputs: Any) -> bool:
    """Whether arrays, in any form that `Engine.run` takes, lie on a GPU."""
    if isinstance(inputs, Mapping):
        return any(map(_is_on_device, inputs.values()))
    if isinstance(inputs, (tuple, list)):
        return any(map(_is_on_device, inputs))
    return _is_on_device(inputs)


def _view(value: Any, name: str) -> _View:
    if not _is_on_device(value):
        raise _core.InvalidArgument(
            f"input '{name}': got an array of the host beside others on a GPU, expected all there"
        )
    if not hasattr(value, "__cuda_array_interface__"):
        dtype, address, shape, _ = _core.dlpack_view(value)
        return _View(np.dtype(dtype), address, shape)
    interface = value.__cuda_array_interface__
    dtype = np.dtype(interface["typestr"])
    shape = tuple(interface["shape"])
    strides = interface.get("strides")
    dense = tuple(dtype.itemsize * int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    if strides is not None and any(a != b for a, b, dim in zip(strides, dense, shape) if dim > 1):
        raise _core.InvalidArgument(f"input '{name}': got strides {tuple(strides)}, expected a contiguous array")
    return _View(dtype, interface["data"][0], shape)


def _by_position(engine: Any, inputs: Any) -> list[tuple[str, Any]]:
    names = [spec.name for spec in engine.inputs]
    if isinstance(inputs, Mapping):
        known = {name.removesuffix(":0"): value for name, value in inputs.items()}
        missing = [name for name in names if name.removesuffix(":0") not in known]
        if missing or len(known) != len(names):
            raise _core.InvalidArgument(f"run: got inputs {sorted(inputs)}, expected {names}")
        return [(name, known[name.removesuffix(":0")]) for name in names]
    values: Sequence[Any] = inputs if isinstance(inputs, (tuple, list)) else [inputs]
    if len(values) != len(names):
        raise _core.InvalidArgument(f"run: got {len(values)} inputs, expected {len(names)}: {names}")
    return list(zip(names, values))


def _handle(stream: Any) -> int:
    for name in ("cuda_stream", "ptr", "handle"):  # torch, cupy, numba
        if hasattr(stream, name):
            return int(getattr(stream, name))
    return int(stream or 0)


def run_on_device(engine: Any, inputs: Any, stream: Any) -> dict[str, DeviceArray]:
    views = []
    for (name, value), spec in zip(_by_position(engine, inputs), engine.inputs):
        view = _view(value, name)
        if view.dtype != spec.dtype:
            raise _core.InvalidArgument(f"input '{name}': got dtype {view.dtype} on a GPU, expected {spec.dtype}")
        views.append((view.address, list(view.shape)))
    outputs = _core.run_on_device(engine._core, views, _handle(stream) or DEFAULT_STREAM)
    return {name: DeviceArray(array) for name, array in outputs.items()}
