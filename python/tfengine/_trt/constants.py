"""Large constants once. Functions of loops and branches hold weights that they were passed as arguments before: what
passes them need not any more, and what still does shares one copy."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.core.framework import function_pb2

from .nodes import ENGINE_OP, functions_in, node_of, unused_name

LOOPS = ("While", "StatelessWhile")
BRANCHES = ("If", "StatelessIf", "Case", "StatelessCase")
# Below this a copy costs less than a call.
_LARGE_BYTES = 1024
_SEGMENT = "_native_segment"


class _Scope(NamedTuple):
    """The main graph, or a function, whose tensors have longer names."""

    nodes: Any
    read_outside: set[str]
    """Names of nodes that are read by more than nodes."""
    is_function: bool

    def tensor(self, node: str, output: int = 0) -> str:
        if self.is_function:
            return f"{node}:output:{output}"
        return f"{node}:{output}" if output else node

    def reads(self) -> Iterator[str]:
        return (name for node in self.nodes for name in node.input)


def _scopes(graph_def, readable: Collection[str] = ()) -> list[_Scope]:
    scopes = [_Scope(graph_def.node, {node_of(name) for name in readable}, False)]
    for function in graph_def.library.function:
        read = {node_of(name) for name in [*function.ret.values(), *function.control_ret.values()]}
        scopes.append(_Scope(function.node_def, read, True))
    return scopes


def drop_idle_arguments(graph_def, readable: Collection[str]) -> None:
    """Loops and branches are passed a zero in place of a large constant that their functions do not look at.

    `readable`: names of nodes of the main graph whose outputs stay as they are.
    """
    library = {function.signature.name: function for function in graph_def.library.function}
    for scope in _scopes(graph_def, readable):
        dropped = set()
        for node in [node for node in scope.nodes if node.op in (*LOOPS, *BRANCHES)]:
            dropped |= _drop_of_node(scope, node, library)
        while dropped:
            dropped = _remove_unread(scope, dropped)


def _drop_of_node(scope: _Scope, node, library: dict) -> set[str]:
    """The nodes whose tensors are not passed any more."""
    functions = [library[function.name] for function in functions_in(node) if function.name in library]
    first = 1 if node.op in BRANCHES else 0
    dropped = set()
    for i, name in enumerate(node.input):
        constant = None if name.startswith("^") or i < first else _constant_behind(scope, name)
        if constant is None or not functions or not all(_ignores(function, i - first) for function in functions):
            continue
        if node.op in LOOPS and (node.name in scope.read_outside or scope.tensor(node.name, i) in set(scope.reads())):
            continue
        dropped.add(node_of(name))
        node.input[i] = scope.tensor(_zero(scope, constant.attr["dtype"].type))
        for shapes in ("output_shapes", "_output_shapes"):
            if node.op in LOOPS and shapes in node.attr and len(node.attr[shapes].list.shape) > i:
                node.attr[shapes].list.shape[i].CopyFrom(tf.TensorShape([]).as_proto())
    return dropped


def _constant_behind(scope: _Scope, name: str):
    """The large constant that a tensor is, if it is one; Identities between do not count."""
    nodes = {node.name: node for node in scope.nodes}
    node = nodes.get(node_of(name))
    while node is not None and node.op == "Identity":
        node = nodes.get(node_of(node.input[0]))
    if node is None or node.op != "Const" or node.attr["value"].ByteSize() < _LARGE_BYTES:
        return None
    return node if node.attr["dtype"].type != tf.string.as_datatype_enum else None


def _ignores(function, argument: int) -> bool:
    """Whether the function does nothing with an argument but, as a loop's body, return it under the same number."""
    name = function.signature.input_arg[argument].name
    passing = {name}
    while True:
        more = {node.name for node in function.node_def if node.op == "Identity" and node_of(node.input[0]) in passing}
        if more <= passing:
            break
        passing |= more
    read = {node_of(text) for node in function.node_def if node.name not in passing for text in node.input}
    if read & passing or set(function.control_ret.values()) & passing:
        return False
    outputs = [output.name for output in function.signature.output_arg]
    returned = {i for i, output in enumerate(outputs) if node_of(function.ret[output]) in passing}
    return returned <= {argument}


def _zero(scope: _Scope, dtype: int) -> str:
    """A scalar, one of each type."""
    for node in scope.nodes:
        if node.op == "Const" and node.name.startswith("tfengine_unused") and node.attr["dtype"].type == dtype:
            return node.name
    zero = scope.nodes.add(name=unused_name("tfengine_unused", {node.name for node in scope.nodes}), op="Const")
    zero.attr["dtype"].type = dtype
    zero.attr["value"].tensor.dtype = dtype
    zero.attr["value"].tensor.tensor_shape.SetInParent()
    return zero.name


def _remove_unread(scope: _Scope, names: set[str]) -> set[str]:
    """Removes those of the constants and Identities that nothing reads; what they read themselves comes next."""
    read = {node_of(name) for name in scope.reads()} | scope.read_outside
    next_names: set[str] = set()
    for i in reversed(range(len(scope.nodes))):
        node = scope.nodes[i]
        if node.name in names and node.name not in read and node.op in ("Const", "Identity"):
            next_names |= {node_of(name) for name in node.input}
            del scope.nodes[i]
    return next_names


def share_constants(graph_def) -> None:
    """Large constants that functions with engines, or their segments, have in common with others of these or with the
    main graph become functions that return them."""
    library = graph_def.library.function
    homes = {function.signature.name: name for function in library if (name := _only_constant(function)) is not None}
    shared = {key: name for name, key in homes.items()}
    # Others may be known to TensorFlow under their names, and stay as they are.
    ours = [function.node_def for function in library if _is_ours(function) and function.signature.name not in homes]
    places: dict[str, list] = {}
    in_functions: set[str] = set()
    for i, nodes in enumerate([graph_def.node, *ours]):
        for node in nodes:
            if node.op == "Const" and node.attr["value"].ByteSize() >= _LARGE_BYTES:
                key = _key(node)
                places.setdefault(key, []).append(node)
                if i > 0:
                    in_functions.add(key)
    for key, nodes in places.items():
        if key not in shared:
            if len(nodes) < 2 or key not in in_functions:
                continue
            taken = {function.signature.name for function in library}
            shared[key] = unused_name("tfengine_constant_of_functions", taken)
            library.append(_constant_function(shared[key], nodes[0]))
        for node in nodes:
            _call_instead(node, shared[key])


def _is_ours(function) -> bool:
    return function.signature.name.endswith(_SEGMENT) or any(node.op == ENGINE_OP for node in function.node_def)


def _only_constant(function) -> str | None:
    """The key of the constant that is all of a function without arguments."""
    if len(function.node_def) == 1 and not function.signature.input_arg and function.node_def[0].op == "Const":
        return _key(function.node_def[0])
    return None


def _key(node) -> str:
    return hashlib.sha256(node.attr["value"].SerializeToString(deterministic=True)).hexdigest()


def _constant_function(name: str, constant):
    function = function_pb2.FunctionDef()
    function.signature.name = name
    function.signature.output_arg.add(name="value", type=constant.attr["dtype"].type)
    node = function.node_def.add(name="constant", op="Const")
    for key in ("dtype", "value"):
        node.attr[key].CopyFrom(constant.attr[key])
    function.ret["value"] = "constant:output:0"
    return function


def _call_instead(node, function: str) -> None:
    dtype = node.attr["dtype"].type
    shape = node.attr["value"].tensor.tensor_shape
    called = type(node)(name=node.name, op="PartitionedCall", device=node.device, input=node.input)
    called.attr["Tin"].list.SetInParent()
    called.attr["Tout"].list.type.append(dtype)
    called.attr["_output_shapes"].list.shape.add().CopyFrom(shape)
    called.attr["f"].func.name = function
    for key in ("config", "config_proto", "executor_type"):
        called.attr[key].s = b""
    node.CopyFrom(called)
