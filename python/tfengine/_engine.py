"""Engines: converted models that run."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from . import _core
from ._accuracy import Explanation, explanation_of
from ._arrays import Inputs, named_arrays
from ._device import DeviceArray, on_device, run_on_device
from ._memory import SharedWeights, SharedWorkspace, sharing
from ._specs import ShapeSet, TensorSpec, shape_set, specs_from


class Engine:
    """A converted model, made by `convert` or `load`. Threads may share one: each call runs without the GIL and in
    memory of its own."""

    def __init__(self, core: _core.Engine) -> None:
        self._core = core

    @property
    def inputs(self) -> list[TensorSpec]:
        return specs_from(self._core.inputs)

    @property
    def outputs(self) -> list[TensorSpec]:
        return specs_from(self._core.outputs)

    @property
    def precision(self) -> str:
        """What it was converted to: "fp32", "fp16", "bf16" or "int8"."""
        return self._core.precision

    @property
    def threads(self) -> int:
        return self._core.threads

    @property
    def device(self) -> str:
        """Where it runs: "cpu", or "cuda:0" and the like."""
        return self._core.device

    def run(self, inputs: Inputs, *, stream: Any = None) -> dict[str, np.ndarray] | dict[str, DeviceArray]:
        """The outputs by name, as arrays of their own.

        `inputs` is a dict of name to array, a tuple or list of arrays in the order of `self.inputs`, or one array.
        Contiguous arrays are read in place. float64, uint8 and int8 are converted where float32 is expected.
        The first call with a new set of shapes plans for it, which takes longer.

        Arrays on a GPU (torch, cupy, jax, numba, or a `DeviceArray`), all of them on the engine's: nothing is copied, the
        outputs are `DeviceArray`s there, and the call does not wait for them. They have the inputs' own dtypes, and are
        contiguous. The same arrays again run faster than new ones.

        Arguments:
            stream: where arrays on a GPU are ready and the work is put: a number as `cudaStream_t`, or an object of torch or
                cupy; None: CUDA's default stream.

        Raises InvalidArgument for wrong names, dtypes or shapes; OutOfMemory when a memory limit is reached.
        """
        if on_device(inputs):
            return run_on_device(self, inputs, stream)
        return self._core.run(named_arrays(inputs))

    __call__ = run

    def prepare(self, input_shapes: ShapeSet) -> None:
        """Plans and allocates for these shapes now, so that the first run with them is as fast as the others."""
        self._core.prepare(shape_set(self.inputs, input_shapes))

    def save(self, path: str | os.PathLike) -> None:
        """Writes an engine file (.tfe), which appears whole or not at all."""
        self._core.save(path)

    def to_onnx(self) -> bytes:
        """What the engine computes as an ONNX model of opset 13, with the same names of inputs and outputs: tensors that
        are stored in INT8 have QuantizeLinear and DequantizeLinear nodes. Raises InvalidArgument naming a node that has no
        counterpart there."""
        return self._core.to_onnx()

    def to_tensorflow(self) -> bytes:
        """The same as a frozen GraphDef of TensorFlow, with FakeQuantWithMinMaxArgs nodes."""
        return self._core.to_tensorflow()

    def memory(self, input_shapes: ShapeSet | None = None) -> dict[str, Any]:
        """The bytes that the engine allocates to run on these shapes, and where they go.

        "weights_bytes", "activation_bytes", "workspace_bytes", "temporary_bytes" (the most that tensors between plans took so
        far, where shapes depend on data) and their sum "peak_bytes"; "constant_bytes" (what the weights were packed from, as
        the file has them); "file_bytes" (0 unless saved or loaded); to compare with, "activation_lower_bound_bytes" (the
        largest sum of tensors alive at once), "any_order_lower_bound_bytes" (what every order of the steps needs),
        "own_order_activation_bytes" (with the steps in the model's own order) and "naive_activation_bytes" (every tensor
        apart); "peak_layer".

        "steps": in order, each with "name", "op", "tactic", "live_bytes" (of tensors in the arena while it runs),
        "workspace_bytes", "packed_bytes" and "unpacked_bytes" (its weights as the tactic reads them, and as the file has
        them); "peak_step" is the index of the fullest. "tensors": the arena's blocks, each with "name",
        "offset", "bytes", "first_step" and "last_step". "rejected": tactics above the workspace limit, each with "step",
        "tactic", "workspace_bytes" and "gain_us" (microseconds by which it is faster than the chosen one, negative when
        slower, None when it was not timed).

        "cache": the plans that are kept, the latest first, each with "input_shapes", "contexts" (calls at a time that it
        holds memory for), "held_bytes", "activation_bytes" and "workspace_bytes"; "cached_bytes": all that the engine
        holds now; "evictions". "allocated": what the engine was given, now and at most, by purpose. "advice": what to
        change, each with "setting", "value" and "text".

        `input_shapes` is a dict of name to shape, a list of shapes in the order of `self.inputs`, or one shape; None:
        those of the latest run.
        """
        return self._core.memory(shape_set(self.inputs, input_shapes))

    def memory_timeline(self, input_shapes: ShapeSet | None = None, title: str = "") -> str:
        """An SVG picture of the tensors of the arena over the steps, for shapes as `memory` takes them."""
        return self._core.memory_timeline(shape_set(self.inputs, input_shapes), title)

    def release_memory(self) -> None:
        """Gives back activations and workspaces that no call uses now, and plans but the latest. The next run takes them
        again."""
        self._core.release_memory()

    def profile(self, inputs: Inputs, runs: int = 20) -> list[dict[str, Any]]:
        """For each layer, in order: "name", "op", "precision", "backend", "tactic" (the implementation chosen),
        "time_us" (microseconds, median over the runs) and "output_shape"."""
        return self._core.profile(named_arrays(inputs), runs)

    def report(self) -> dict[str, Any]:
        """What conversion decided: segments, refusals and their reasons, the range of each tensor and where it comes
        from, why each node is INT8 or float, timings."""
        return json.loads(self._core.report_json())

    def explain(self) -> Explanation:
        """What INT8 does to each tensor and layer: on which grid and why, what the grid clips and costs alone (known
        where the engine was calibrated), how far each tensor is from the float model's (where it was converted with
        `explain=True` and calibration data), and times (where conversion measured them)."""
        return explanation_of(self.report())

    @property
    def notices(self) -> list[str]:
        """Sentences worth knowing, for example that tactics were chosen anew because the file is from another CPU."""
        return self._core.notices()

    def dump(self) -> str:
        """The engine's graph as text."""
        return self._core.dump()

    def __repr__(self) -> str:
        names = ", ".join(f"{spec.name} {spec.shape}" for spec in self.inputs)
        return f"<tfengine.Engine {self.precision}, inputs {names}>"


def load(
    path: str | os.PathLike,
    threads: int = 0,
    *,
    max_workspace_size_bytes: int | None = None,
    maximum_cached_engines: int = 8,
    timing_cache: str | os.PathLike | None = None,
    backend: str = "",
    memory_limit_bytes: int | None = None,
    time_tactics: bool = True,
    maximum_cached_bytes: int | None = None,
    workspace: str | SharedWorkspace = "kept",
    shared_weights: SharedWeights | None = None,
    device: str = "",
) -> Engine:
    """Loads an engine file (.tfe).

    Arguments:
        threads: 0: as many as it was converted with.
        max_workspace_size_bytes: what an implementation of a layer may ask for as scratch memory; None: as it was
            converted with.
        maximum_cached_engines: plans kept, one for each set of input shapes; the least recently used is dropped.
        timing_cache: file of measured times, read and extended: planning for new shapes need not measure again.
        backend: "onednn" or "reference"; "": the best for each layer.
        memory_limit_bytes: the most that the engine may allocate for weights, activations and workspace together, within
            what `set_memory_limits` allows the process.
        time_tactics: False: plans take the first implementation of each layer, untimed, and keep every layer INT8 that can
            be: the same engine every time, often a slower one. The environment's TFENGINE_TIME_TACTICS=0 does the same.
        maximum_cached_bytes: plans are dropped, the least recently used first, while weights, activations and workspaces
            together are more; the latest plan stays. None: no such limit.
        workspace: "kept" between runs; "running": taken for each run and given back; or a `SharedWorkspace`.
        shared_weights: weights are held once for all engines that are given it.
        device: "" or "cpu"; "cuda" for the first NVIDIA GPU, "cuda:1" for the second.

    Raises InvalidModel when the file is malformed, InvalidArgument when it is missing, OutOfMemory.
    """
    core = _core.Engine.load(
        path,
        threads=threads,
        max_workspace_size_bytes=max_workspace_size_bytes,
        maximum_cached_engines=maximum_cached_engines,
        timing_cache=timing_cache or "",
        backend=backend,
        memory_limit_bytes=memory_limit_bytes,
        time_tactics=time_tactics,
        maximum_cached_bytes=maximum_cached_bytes,
        **sharing(workspace, shared_weights),
        device=device,
    )
    return Engine(core)
