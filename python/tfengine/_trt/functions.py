"""Signatures of loaded SavedModels: frozen, rebuilt from a converted graph, compared, and what they hold on to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from .function_bodies import MARK
from .nodes import node_of, rename_functions, rename_functions_with_engines


class FrozenSignature(NamedTuple):
    """A signature whose variables are constants, and whose function calls are inlined."""

    graph_def: tf.compat.v1.GraphDef
    inputs: list[str]
    """Tensor names, in the order of the signature's flat inputs."""
    outputs: list[str]
    captures: dict[str, Any]
    """Placeholder name to what it stands for: resources that are no variables, such as lookup tables."""
    input_signature: Any
    structured_outputs: Any


def freeze(function) -> FrozenSignature:
    with _marked_functions_stay(function.graph):
        frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    graph_def = frozen.graph.as_graph_def()
    # The devices of the machine that the model was trained on.
    for node in graph_def.node:
        node.device = ""
    inputs = [tensor.name for tensor in frozen.inputs]
    left = {node_of(name) for name in inputs}
    captures = {node_of(inner.name): outer for outer, inner in function.graph.captures if node_of(inner.name) in left}
    return FrozenSignature(
        graph_def,
        [name for name in inputs if node_of(name) not in captures],
        [tensor.name for tensor in frozen.outputs],
        captures,
        function.structured_input_signature,
        function.structured_outputs,
    )


@contextlib.contextmanager
def _marked_functions_stay(graph: tf.Graph) -> Iterator[None]:
    """While it lasts, the graph says of functions that are to be converted by themselves that they may not be inlined."""
    original = graph.as_graph_def

    def as_graph_def(*arguments, **keywords):
        graph_def = original(*arguments, **keywords)
        for function in graph_def.library.function:
            if MARK in function.attr and function.attr[MARK].b:
                function.attr["_noinline"].b = True
        return graph_def

    graph.as_graph_def = as_graph_def
    try:
        yield
    finally:
        del graph.as_graph_def


def build(graph_def: tf.compat.v1.GraphDef, like: FrozenSignature):
    """A function that runs `graph_def`, with the arguments, result structure and resources of a signature.

    Functions in `graph_def` that hold engines get other names.
    """
    rename_functions_with_engines(graph_def)

    def imported() -> None:
        tf.graph_util.import_graph_def(graph_def, name="")
        graph = tf.compat.v1.get_default_graph()
        for name, resource in like.captures.items():
            graph.add_capture(resource, graph.get_tensor_by_name(f"{name}:0"))

    wrapped = tf.compat.v1.wrap_function(imported, [])
    tensor = wrapped.graph.get_tensor_by_name
    outputs = tf.nest.pack_sequence_as(like.structured_outputs, [tensor(name) for name in like.outputs])
    function = wrapped.prune([tensor(name) for name in like.inputs], outputs, input_signature=like.input_signature)
    # As signatures of loaded SavedModels: the inputs may also be given in order.
    names = argument_names(like)
    function._arg_keywords, function._num_positional_args = names, len(names)
    return function


def registered(graph_def: tf.compat.v1.GraphDef) -> tf.compat.v1.GraphDef:
    """The graph, whose functions TensorFlow's eager context knows: a copy if names of these were taken."""
    known = context.context()
    taken = {
        function.signature.name
        for function in graph_def.library.function
        if known.has_function(function.signature.name) and known.get_function_def(function.signature.name) != function
    }
    if taken:
        graph_def = type(graph_def).FromString(graph_def.SerializeToString())
        rename_functions(graph_def, taken)
    for function in graph_def.library.function:
        if not known.has_function(function.signature.name):
            known.add_function_def(function)
    return graph_def


def argument_names(signature: FrozenSignature) -> list[str]:
    """In the order of the flat inputs."""
    _, keywords = signature.input_signature
    return sorted(keywords)


def same(first, second) -> bool:
    """Whether two signatures of one SavedModel are one function under two names."""
    return _identity(first) == _identity(second)


def _identity(function) -> tuple:
    nodes = []
    for node in function.graph.as_graph_def().node:
        node.attr.pop("_user_specified_name", None)  # of a captured input: a number
        nodes.append(node.SerializeToString(deterministic=True))
    captured = [id(outer) for outer, _ in function.graph.captures]
    return nodes, captured, function.structured_input_signature, function.structured_outputs


def owners_of(captures: list, root) -> list:
    """The variables and tables under `root` that own the captured resources. What a SavedModel's functions read must
    hang on its root object."""
    wanted = {id(resource) for resource in captures}
    found = []
    for item in tf.train.TrackableView(root).descendants():
        handle = item.handle if isinstance(item, tf.Variable) else getattr(item, "resource_handle", None)
        if id(handle) in wanted:
            found.append(item)
    return found
