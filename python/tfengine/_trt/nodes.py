"""Looking at GraphDefs: TRTEngineOp nodes, names, and the nodes that nothing reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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


def canonical_name(node_name: str) -> str:
    """What the runtime calls an engine: importing under a prefix must not change it."""
    return node_name.rsplit("/", 1)[-1]


def node_of(tensor_name: str) -> str:
    """ "conv:0" and "^conv" to "conv"."""
    return tensor_name.removeprefix("^").split(":", 1)[0]


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
