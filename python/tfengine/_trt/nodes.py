"""Looking at GraphDefs: TRTEngineOp nodes, names, and the nodes that nothing reads."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator

import tensorflow as tf

ENGINE_OP = "TRTEngineOp"


def engine_nodes(graph_def) -> Iterator:
    """The TRTEngineOp nodes of the graph and of its functions; what is changed in them is changed in the GraphDef."""
    for node in graph_def.node:
        if node.op == ENGINE_OP:
            yield node
    for function in graph_def.library.function:
        for node in function.node_def:
            if node.op == ENGINE_OP:
                yield node


def main_engine_nodes(graph_def) -> list:
    """Those of the graph alone: they run at each call."""
    return [node for node in graph_def.node if node.op == ENGINE_OP]


def device_of(node) -> contextlib.AbstractContextManager:
    """Where the node runs, and with it what its engines are among: the device that it names, or else the one that TensorFlow
    chooses now as it does for the node."""
    return tf.device(node.device) if node.device else contextlib.nullcontext()


def rename_functions_with_engines(graph_def) -> None:
    """Gives functions that hold engines, or call such, names that no function had before.

    TensorFlow knows functions by name for as long as the process lives, and refuses another one of the same name: that
    is what a function is once its engines' attributes change.
    """
    library = graph_def.library.function
    rename_functions(
        graph_def,
        {f.signature.name for f in library if any(node.op == ENGINE_OP for node in f.node_def)},
    )


def rename_functions(graph_def, taken: Iterable[str]) -> None:
    """The same for functions of these names, and for those that call them."""
    library = {function.signature.name: function for function in graph_def.library.function}
    changed = set(taken)
    while callers := {name for name, f in library.items() if changed & set(_callees(f.node_def))} - changed:
        changed |= callers
    names = {name: f"{_SUFFIX.sub('', name)}_{next(_numbers)}_of_tfengine" for name in changed}
    for name, function in library.items():
        function.signature.name = names.get(name, name)
        _rename_callees(function.node_def, names)
    _rename_callees(graph_def.node, names)


_numbers = itertools.count()
_SUFFIX = re.compile(r"_\d+_of_tfengine$")


def _callees(nodes: Iterable) -> Iterator[str]:
    for node in nodes:
        yield node.op  # calls may also be nodes of the function's name
        for function in functions_in(node):
            yield function.name


def _rename_callees(nodes: Iterable, names: dict[str, str]) -> None:
    if names:
        for node in nodes:
            node.op = names.get(node.op, node.op)
            for function in functions_in(node):
                function.name = names.get(function.name, function.name)


def functions_in(node) -> Iterator:
    """The functions in a node's attributes, as NameAttrLists."""
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func
        yield from value.list.func


def without_native_segments(graph_def, engines: Iterable[str]):
    """A copy in which the nodes of these engines (by canonical name) have no TensorFlow function to fall back to."""
    removed = set()
    copy = type(graph_def)()
    copy.node.extend(graph_def.node)
    copy.versions.CopyFrom(graph_def.versions)
    kept = {function.signature.name: function for function in graph_def.library.function}
    for nodes in [copy.node, *(function.node_def for function in kept.values())]:
        for node in nodes:
            if node.op == ENGINE_OP and canonical_name(node.name) in engines:
                removed.add(node.attr["segment_func"].func.name)
    copy.library.function.extend(function for name, function in kept.items() if name not in removed)
    for node in engine_nodes(copy):
        if node.attr["segment_func"].func.name in removed:
            node.attr["segment_func"].func.name = ""
    return copy


def canonical_name(node_name: str) -> str:
    """What the runtime calls an engine: importing under a prefix must not change it."""
    return node_name.rsplit("/", 1)[-1]


def node_of(tensor_name: str) -> str:
    """ "conv:0" and "^conv" to "conv"."""
    return tensor_name.removeprefix("^").split(":", 1)[0]


def unused_name(wanted: str, taken: Iterable[str]) -> str:
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def unread_nodes(graph_def) -> list[str]:
    """Nodes with outputs that no other node reads: the outputs of a graph that does not say what they are."""
    read = {node_of(name) for node in graph_def.node for name in node.input}
    silent = {"NoOp", "Assert", "Const", "Placeholder", "PlaceholderWithDefault"}
    return [node.name for node in graph_def.node if node.name not in read and node.op not in silent]


def names_of(nodes: Iterable) -> list[str]:
    """Node names from strings (":0" is allowed), Tensors and Operations, in order and each once."""
    names = {}
    for node in nodes:
        name = node if isinstance(node, str) else getattr(node, "name", None)
        if not isinstance(name, str):
            raise TypeError(f"nodes_denylist: got {node!r}, expected names of nodes or tf.Tensors")
        names[node_of(name)] = None
    return list(names)
