"""How much memory engines may use: limits of the process, and a workspace that engines share."""

from __future__ import annotations

from typing import Any

from . import _core


class SharedWorkspace:
    """One block of scratch memory for all engines that are given it as `workspace`: as large as the largest of them needs,
    in place of the sum. Their runs take turns, whichever threads they are on.

    Arguments:
        limit_bytes: implementations of layers that need more are not chosen in engines made with it.
        kept: False: the block is given back after each run.
    """

    def __init__(self, limit_bytes: int = 1 << 30, *, kept: bool = True) -> None:
        self._core = _core.SharedWorkspace(limit_bytes, kept)

    @property
    def limit_bytes(self) -> int:
        return self._core.limit_bytes

    @property
    def bytes(self) -> int:
        """Held now."""
        return self._core.bytes

    @property
    def peak_bytes(self) -> int:
        """Held at most so far."""
        return self._core.peak_bytes

    def release(self) -> None:
        """Gives back what is kept, when no engine runs with it; the next run takes it again."""
        self._core.release()


class SharedWeights:
    """Weights that several engines have in common, packed and held once: give the same one as `shared_weights` to engines of
    the same model, or of models with the same layers. Weights are found by a hash of their content that is not made to
    withstand forgery: share among models that you trust alike."""

    def __init__(self) -> None:
        self._core = _core.SharedWeights()

    @property
    def bytes(self) -> int:
        """Held now, by all engines together."""
        return self._core.bytes


def sharing(workspace: str | SharedWorkspace, weights: SharedWeights | None) -> dict[str, Any]:
    """What C++ takes for the two."""
    shared = isinstance(workspace, SharedWorkspace)
    return {
        "workspace": "kept" if shared else workspace,
        "shared_workspace": workspace._core if shared else None,
        "shared_weights": weights and weights._core,
    }


def set_memory_limits(
    config: Any = None,
    *,
    memory_fraction: float | None = None,
    memory_limit_bytes: int | None = None,
    allow_growth: bool | None = None,
    per_process_gpu_memory_fraction: float | None = None,
) -> None:
    """Sets what all engines of the process may use together. May be called again; None for both limits: no limit.

    Engines inside of TensorFlow use TensorFlow's memory, under TensorFlow's limits.

    Arguments:
        config: a TensorFlow session config (`tf.compat.v1.ConfigProto`) or its `gpu_options`, whose
            `per_process_gpu_memory_fraction` and `allow_growth` are taken where the arguments below are None. A fraction of
            0, TensorFlow's default, is no limit here.
        memory_fraction: the share, above 0 and at most 1, of the memory that the process may have: of the machine's, of its
            control group's limit, or of RLIMIT_AS, whichever is least (`process_memory()["available_bytes"]`).
        memory_limit_bytes: the same in bytes; where both are given, the smaller one holds.
        allow_growth: memory is taken as it is needed (True, the default); False: all of it at once, now. That needs a limit,
            and no engine that uses memory already. A `config` says it only together with a fraction.
        per_process_gpu_memory_fraction: TensorFlow's name of `memory_fraction`.

    Raises InvalidArgument for a fraction outside (0, 1] and the like; OutOfMemory, and the old limits stay, when more is in
    use already or when what is to be taken at once is not there.
    """
    if memory_fraction is None:
        memory_fraction = per_process_gpu_memory_fraction
    elif per_process_gpu_memory_fraction not in (None, memory_fraction):
        raise _core.InvalidArgument(
            f"set_memory_limits: got memory_fraction {memory_fraction} and per_process_gpu_memory_fraction "
            f"{per_process_gpu_memory_fraction}, expected one of them"
        )
    if config is not None:
        options = getattr(config, "gpu_options", config)
        fraction = getattr(options, "per_process_gpu_memory_fraction", None)
        if fraction is None:
            raise _core.InvalidArgument(
                f"set_memory_limits: got a {type(config).__name__}, expected a session config or its gpu_options"
            )
        if memory_fraction is None and fraction > 0:
            memory_fraction = fraction
            # The protobuf's default is False, for devices that hold nothing else.
            if allow_growth is None:
                allow_growth = options.allow_growth
    _core.set_memory_limits(memory_fraction, memory_limit_bytes, allow_growth)


def process_memory() -> dict[str, Any]:
    """What all engines of the process use: "in_use_bytes", "peak_bytes", and for each of the "purposes" "weights",
    "activations", "workspace" and "temporary" the same two; "allocations", "refusals"; the "limit_bytes" that holds (None:
    none), "memory_fraction", "allow_growth"; and "available_bytes", the memory that the process may have, with
    "available_source", what bounds it ("machine", "cgroup" or "RLIMIT_AS"), and "free_bytes" of it."""
    return _core.process_memory()


def reset_memory_peaks() -> None:
    """Lets the peaks of `process_memory` count from now on."""
    _core.reset_process_memory_peaks()
