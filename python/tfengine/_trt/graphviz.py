"""Pictures of converted graphs for Graphviz's `dot`."""

from __future__ import annotations

import os

from .nodes import ENGINE_OP, node_of

_PATH = "TF_TRT_EXPORT_GRAPH_VIZ_PATH"


def export_graph(graph_def) -> None:
    """Writes the graph to the file that the environment's TF_TRT_EXPORT_GRAPH_VIZ_PATH names, if it names one."""
    path = os.environ.get(_PATH)
    if path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(as_dot(graph_def))


def as_dot(graph_def) -> str:
    """The main graph without its constants, engines in colour, and which functions it calls in the nodes."""
    hidden = {node.name for node in graph_def.node if node.op == "Const"}
    lines = ["digraph converted {", "  node [shape=box];"]
    for node in graph_def.node:
        if node.name in hidden:
            continue
        label = f"{node.name}\\n{node.op}".replace('"', "'")
        colour = ' style=filled fillcolor="palegreen"' if node.op == ENGINE_OP else ""
        lines.append(f'  "{node.name}" [label="{label}"{colour}];')
    for node in graph_def.node:
        for name in node.input:
            if node_of(name) not in hidden and node.name not in hidden:
                style = " [style=dashed]" if name.startswith("^") else ""
                lines.append(f'  "{node_of(name)}" -> "{node.name}"{style};')
    return "\n".join([*lines, "}", ""])
