"""Models as TensorFlow writes them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from . import _core
from ._specs import TensorSpec, specs_from


class Model:
    """A frozen GraphDef or SavedModel read from disk by `load_model`. The file is mapped, not copied."""

    def __init__(self, core: _core.Model) -> None:
        self._core = core

    @property
    def inputs(self) -> list[TensorSpec]:
        return specs_from(self._core.inputs)

    @property
    def outputs(self) -> list[TensorSpec]:
        return specs_from(self._core.outputs)

    def ops(self) -> dict[str, int]:
        """How many nodes of each op the graph has, as imported."""
        return dict(self._core.ops())

    @property
    def constant_bytes(self) -> int:
        """Bytes of weights and other constants."""
        return self._core.constant_bytes

    def dump(self, after: str = "import") -> str:
        """The graph as text after a step: "import", "optimize", or the name of a rewrite."""
        return self._core.dump(after)

    def __repr__(self) -> str:
        names = ", ".join(f"{spec.name} {spec.shape}" for spec in self.inputs)
        return f"<tfengine.Model of {sum(self.ops().values())} nodes, inputs {names}>"


def load_model(
    path: str | os.PathLike,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    signature_key: str | None = None,
) -> Model:
    """Reads a frozen GraphDef (.pb) or a SavedModel folder.

    Arguments:
        inputs, outputs: tensor names; None: the placeholders and the nodes that nothing uses (GraphDef), or the
            signature's (SavedModel).
        tags: of the SavedModel's MetaGraph; None: ("serve",).
        signature_key: of the SavedModel; None: "serving_default".

    Raises InvalidModel when the file is malformed, InvalidArgument when it is missing or has no such names.
    """
    for name, given in (("inputs", inputs), ("outputs", outputs), ("tags", tags)):
        if isinstance(given, str):
            raise _core.InvalidArgument(f"{name}: got the string '{given}', expected a list of names")
    return Model(_core.Model.load(path, list(inputs or ()), list(outputs or ()), list(tags or ()), signature_key or ""))


def model_of(model_or_path: Model | str | os.PathLike) -> Model:
    if isinstance(model_or_path, Model):
        return model_or_path
    if isinstance(model_or_path, (str, os.PathLike)):
        return load_model(model_or_path)
    raise _core.InvalidArgument(f"model: got {type(model_or_path).__name__}, expected a tfengine.Model or a path")
