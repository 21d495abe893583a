"""TrtGraphConverterV2.summary()."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence

import tensorflow as tf

from .nodes import engine_nodes

LEAST_LINE_LENGTH = 160

# Headings with the percentage of the line that each gets.
_COLUMNS = (
    ("TRTEngineOP Name", 20),
    ("Device", 9),
    ("# Nodes", 5),
    ("# Inputs", 9),
    ("# Outputs", 9),
    ("Input DTypes", 12),
    ("Output Dtypes", 12),
    ("Input Shapes", 12),
    ("Output Shapes", 12),
)


def print_summary(
    graph_def: tf.compat.v1.GraphDef, line_length: int, detailed: bool, print_fn: Callable[[str], None]
) -> None:
    if line_length < LEAST_LINE_LENGTH:
        raise ValueError(f"line_length: got {line_length}, expected at least {LEAST_LINE_LENGTH}")
    segments = {function.signature.name: function for function in graph_def.library.function}
    engines = sorted(engine_nodes(graph_def), key=lambda node: node.name)
    print_fn(_row([heading for heading, _ in _COLUMNS], line_length))
    print_fn("=" * line_length)
    converted = 0
    for node in engines:
        inside = collections.Counter(inner.op for inner in segments[node.attr["segment_func"].func.name].node_def)
        converted += inside.total()
        print_fn(_row(_fields(node, inside.total()), line_length))
        if detailed:
            for op, count in sorted(inside.items()):
                print_fn(f"\t- {op}: {count}x")
            print_fn("")
    total = converted + len(graph_def.node) - len(engines)
    print_fn("=" * line_length)
    print_fn(f"[*] Total number of TensorRT engines: {len(engines)}")
    print_fn(f"[*] % of OPs Converted: {100 * converted / max(total, 1):.2f}% [{converted}/{total}]")


def _fields(node, nodes: int) -> list[str]:
    def types(key: str) -> list[str]:
        return [tf.as_dtype(number).name for number in node.attr[key].list.type]

    def shapes(key: str) -> list:
        return [
            "unknown" if shape.unknown_rank else [dim.size for dim in shape.dim] for shape in node.attr[key].list.shape
        ]

    return [
        node.name,
        node.device.rpartition("/")[2],
        nodes,
        len(types("InT")),
        len(types("OutT")),
        types("InT"),
        types("OutT"),
        shapes("input_shapes"),
        shapes("_output_shapes"),
    ]


def _row(fields: Sequence, line_length: int) -> str:
    """Fields that are too long for their column end with dots."""
    cells = []
    for field, (_, percentage) in zip(fields, _COLUMNS):
        width = line_length * percentage // 100
        text = str(field)
        cells.append((text if len(text) < width else text[: width - 4] + "...").ljust(width))
    return "".join(cells).rstrip()
