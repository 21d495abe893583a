"""Engines inside the functions that a graph still calls once it is converted: the bodies of loops and branches, and what
may not be inlined. Each body is converted as a graph of its own, by its own parameters where it is marked as TF-TRT's
functions were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import function_pb2
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

from .constants import BRANCHES, LOOPS
from .nodes import ENGINE_OP, functions_in, node_of, unused_name
from .params import TrtConversionParams

MARK = "_tftrt_convert_function"

# Marks of a function, besides MARK, that are fields of TrtConversionParams: the value's kind, and the field.
_PARAMS = {
    "_tftrt_max_workspace_size_bytes": ("i", "max_workspace_size_bytes"),
    "_tftrt_precision_mode": ("s", "precision_mode"),
    "_tftrt_minimum_segment_size": ("i", "minimum_segment_size"),
    "_tftrt_max_cached_engines": ("i", "maximum_cached_engines"),
    "_tftrt_use_calibration": ("b", "use_calibration"),
}
# And those that are options of the conversion.
_OPTIONS = {
    "_tftrt_is_dyn_op": ("b", "is_dynamic_op"),
    "_tftrt_max_batch_size": ("i", "max_batch_size"),
    "_tftrt_profile_strategy": ("s", "profile_strategy"),
    "_tftrt_allow_build_at_runtime": ("b", "allow_build_at_runtime"),
}
# These compile their functions themselves.
_NOT_OURS = ("_XlaMustCompile", "_tf_data_function")

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")

# (body, outputs, parameters, options, the function's name) to the converted body.
Convert = Callable[[tf.compat.v1.GraphDef, list, TrtConversionParams, dict, str], tf.compat.v1.GraphDef]


def convert_bodies(
    graph_def: tf.compat.v1.GraphDef, params: TrtConversionParams, options: dict[str, Any], convert: Convert
) -> None:
    """Puts engines into the functions that the nodes of `graph_def` call, and into those that these call.

    Functions that get engines are new functions beside the old ones; the nodes call those.
    """
    _Bodies(graph_def, params, options, convert).run()


class _Bodies:
    def __init__(self, graph_def, params: TrtConversionParams, options: dict[str, Any], convert: Convert) -> None:
        self._graph_def, self._params, self._options, self._convert = graph_def, params, options, convert
        self._library = {function.signature.name: function for function in graph_def.library.function}
        self._calls_of = _count_calls(graph_def)
        self._made: dict[str, str] = {}

    def run(self) -> None:
        if not self._visit(self._graph_def):
            return
        functions = self._graph_def.library.function
        known = {function.signature.name for function in functions}
        called = _called_from(self._graph_def.node, self._library)
        for i in reversed(range(len(functions))):
            name = functions[i].signature.name
            if self._made.get(name, name) != name and name not in called:
                del functions[i]
        functions.extend(function for name, function in self._library.items() if name not in known)

    def _visit(self, graph_def) -> bool:
        """Whether a node of the graph calls another function now."""
        calls = [node for node in graph_def.node if any(self._wanted(name) for name, _ in _callees(node))]
        if not calls:
            return False
        shapes = _shapes_of_inputs(graph_def, calls, self._library)
        constants = _constants_of(graph_def)
        changed = False
        for node in calls:
            known = self._known_arguments(node, constants)
            for name, reference in _callees(node):
                if not self._wanted(name):
                    continue
                new = self._made.get(name) or self._converted(name, shapes[node.name], known)
                changed |= new != name
                reference(new)
        return changed

    def _wanted(self, name: str) -> bool:
        function = self._library.get(name)
        if function is None or not function.signature.input_arg:
            return False
        if any(function.attr[mark].b for mark in _NOT_OURS if mark in function.attr):
            return False
        # Attributes that each call gives other values make another function of it each time.
        return not any(value.placeholder for node in function.node_def for value in node.attr.values())

    def _known_arguments(self, node, constants: dict) -> dict[int, Any]:
        """Constants that the node passes, by argument: what a loop hands on unchanged, and what only this node passes."""
        callees = [name for name, _ in _callees(node)]
        if any(self._calls_of.get(name, 0) != 1 for name in callees):
            return {}
        inputs = [node_of(name) for name in node.input if not name.startswith("^")]
        if node.op in BRANCHES:
            inputs = inputs[1:]
        known = {i: constants[name] for i, name in enumerate(inputs) if name in constants}
        if node.op in LOOPS:
            unchanged = _unchanged(self._library[node.attr["body"].func.name])
            known = {i: constant for i, constant in known.items() if i in unchanged}
        return known

    def _converted(self, name: str, shapes: list, known: dict[int, Any]) -> str:
        """The name of the function with engines, or the same name where none came."""
        self._made[name] = name  # calls of it in its own body are left alone
        function = self._library[name]
        params, options = self._marks(function)
        idle = _idle_controls(function)
        called = [self._library[callee] for callee in _called_from(function.node_def, self._library)]
        body, flat = _as_graph(function, shapes, called)
        body.versions.CopyFrom(self._graph_def.versions)
        _put_constants(body, function, known)
        unchanged = _unchanged(function)
        returns = {
            arg.name: flat[function.ret[arg.name]]
            for i, arg in enumerate(function.signature.output_arg)
            if i not in unchanged
        }
        outputs = [*returns.values(), *(f"^{node}" for key, node in function.control_ret.items() if key not in idle)]
        converted = self._convert(body, outputs, params, options, name)
        for inner in converted.library.function:
            self._library.setdefault(inner.signature.name, inner)
        engines = [node.name for node in converted.node if node.op == ENGINE_OP]
        if not self._visit(converted) and not engines:
            return name
        new = function_pb2.FunctionDef()
        new.CopyFrom(function)
        for key in idle:
            del new.control_ret[key]
            new.signature.control_output.remove(key)
        new.signature.name = unused_name(f"{name}_with_engines", self._library)
        _replace_nodes(new, converted, returns, self._library)
        self._library[new.signature.name] = new
        self._made[name] = new.signature.name
        return new.signature.name

    def _marks(self, function) -> tuple[TrtConversionParams, dict[str, Any]]:
        if MARK not in function.attr or not function.attr[MARK].b:
            return self._params, dict(self._options)
        params = self._params
        if params.minimum_segment_size == -1:
            params = params._replace(minimum_segment_size=TrtConversionParams().minimum_segment_size)
        params = params._replace(**_read(function, _PARAMS))
        options = {**self._options, **_read(function, _OPTIONS)}
        if "_tftrt_use_implicit_batch" in function.attr:
            options["use_dynamic_shape"] = not function.attr["_tftrt_use_implicit_batch"].b
        return params, options


def _as_graph(function, shapes: list, called: list) -> tuple[tf.compat.v1.GraphDef, dict[str, str]]:
    """The function's body as a graph with a placeholder for each argument, and what its tensors are called there."""
    library = tf.compat.v1.GraphDef()
    library.library.function.extend(called)
    with tf.Graph().as_default():  # where TensorFlow looks for what the function calls
        tf.graph_util.import_graph_def(library, name="")
        graph_def, names = function_def_to_graph_def(function, shapes)
    graph_def.library.CopyFrom(library.library)
    return graph_def, names


def _read(function, table: dict[str, tuple[str, str]]) -> dict[str, Any]:
    found = {}
    for mark, (kind, field) in table.items():
        if mark in function.attr:
            value = getattr(function.attr[mark], kind)
            found[field] = value.decode() if isinstance(value, bytes) else value
    return found


def _callees(node) -> list[tuple[str, Callable[[str], None]]]:
    """The functions that a node runs, each with what makes it run another."""
    if node.op in LOOPS:
        functions = [node.attr["cond"].func, node.attr["body"].func]
    elif node.op in ("If", "StatelessIf"):
        functions = [node.attr["then_branch"].func, node.attr["else_branch"].func]
    elif node.op in ("Case", "StatelessCase"):
        functions = list(node.attr["branches"].list.func)
    elif node.op in _CALLS:
        functions = [node.attr["f"].func]
    else:
        return []
    return [(function.name, lambda new, function=function: setattr(function, "name", new)) for function in functions]


def _functions_in(node) -> Iterator[str]:
    """Names of all functions that the node's attributes hold, and of the one that it is a call of."""
    yield node.op
    for function in functions_in(node):
        yield function.name


def _called_from(nodes: Iterable, library: dict) -> set[str]:
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        for name in _functions_in(waiting.pop()):
            if name in library and name not in found:
                found.add(name)
                waiting.extend(library[name].node_def)
    return found


def _count_calls(graph_def) -> dict[str, int]:
    counts: dict[str, int] = {}
    for nodes in [graph_def.node, *(function.node_def for function in graph_def.library.function)]:
        for node in nodes:
            for name in _functions_in(node):
                counts[name] = counts.get(name, 0) + 1
    return counts


def _shapes_of_inputs(graph_def, calls: list, library: dict) -> dict[str, list]:
    """Of what each call passes, by the call's name; a loop's as far as they stay the same."""
    whole = tf.compat.v1.GraphDef()
    whole.CopyFrom(graph_def)
    known = {function.signature.name for function in whole.library.function}
    missing = _called_from(whole.node, library) - known
    whole.library.function.extend(library[name] for name in missing)
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(whole, name="")
    shapes = {}
    for node in calls:
        passed = [tensor.shape for tensor in graph.get_operation_by_name(node.name).inputs]
        if node.op in BRANCHES:
            passed = passed[1:]
        if node.op in LOOPS:
            declared = node.attr["output_shapes"].list.shape
            unknown = [tf.TensorShape(None)] * len(passed)
            passed = [tf.TensorShape(shape) for shape in declared] if len(declared) == len(passed) else unknown
        shapes[node.name] = passed
    return shapes


def _constants_of(graph_def) -> dict[str, Any]:
    """Const nodes by their name, and by the names of the Identities of them."""
    nodes = {node.name: node for node in graph_def.node}
    constants = {name: node for name, node in nodes.items() if node.op == "Const"}
    for name in nodes:
        path, current = [], name
        while current in nodes and nodes[current].op == "Identity" and current not in constants:
            path.append(current)
            current = node_of(nodes[current].input[0])
        if current in constants:
            constants.update(dict.fromkeys(path, constants[current]))
    return constants


def _unchanged(function) -> set[int]:
    """Outputs that are the argument of the same number: a loop hands it on."""
    nodes = {node.name: node for node in function.node_def}
    found = set()
    for i, (arg, output) in enumerate(zip(function.signature.input_arg, function.signature.output_arg)):
        source = function.ret[output.name]
        while source != arg.name and source.split(":")[0] in nodes and nodes[source.split(":")[0]].op == "Identity":
            source = nodes[source.split(":")[0]].input[0]
        if source == arg.name:
            found.add(i)
    return found


def _idle_controls(function) -> set[str]:
    """Control outputs, by key, that wait for nothing but constants and arguments: what reading variables was, before
    these were constants."""
    nodes = {node.name: node for node in function.node_def}
    known: dict[str, bool] = {arg.name: True for arg in function.signature.input_arg}

    def idle(name: str) -> bool:
        if name not in known:
            known[name] = False  # should it wait for itself
            inputs = [text.removeprefix("^").split(":")[0] for text in nodes[name].input]
            known[name] = nodes[name].op in ("Const", "Identity", "NoOp") and all(map(idle, inputs))
        return known[name]

    return {key for key, node in function.control_ret.items() if idle(node)}


def _put_constants(body, function, known: dict[int, Any]) -> None:
    """Nodes of the body read the constants themselves, in place of the arguments that pass them."""
    names = {}
    for i, constant in known.items():
        node = body.node.add()
        node.CopyFrom(constant)
        del node.input[:]
        arg = function.signature.input_arg[i].name
        node.name = names[arg] = unused_name(f"{arg}/constant", {other.name for other in body.node[:-1]})
    for node in body.node:
        for i, name in enumerate(node.input):
            if not name.startswith("^") and node_of(name) in names:
                node.input[i] = names[node_of(name)]


def _replace_nodes(function, graph_def, returns: dict[str, str], library: dict) -> None:
    """The nodes of the graph as the function's body; `returns` says which tensor each output is."""
    arguments = {arg.name for arg in function.signature.input_arg}
    nested = {f"{name}:0": name for name in arguments}
    for node in graph_def.node:
        if node.name in arguments:
            continue
        number = 0
        for arg in _op_def(node.op, library).output_arg:
            for i in range(_length(arg, node)):
                nested[f"{node.name}:{number}"] = f"{node.name}:{arg.name}:{i}"
                number += 1

    def inside(name: str) -> str:
        return name if name.startswith("^") else nested[name if ":" in name else f"{name}:0"]

    del function.node_def[:]
    for node in graph_def.node:
        if node.name not in arguments:
            added = function.node_def.add()
            added.CopyFrom(node)
            added.input[:] = [inside(name) for name in node.input]
    for output, tensor in returns.items():
        function.ret[output] = inside(tensor)
    for i, output in enumerate(function.signature.output_arg):
        if output.name not in returns:
            function.ret[output.name] = function.signature.input_arg[i].name


def _op_def(op: str, library: dict):
    return library[op].signature if op in library else tf.compat.v1.get_default_graph().op_def_for_type(op)


def _length(arg, node) -> int:
    """Of how many tensors an output argument consists."""
    if arg.number_attr:
        return node.attr[arg.number_attr].i
    if arg.type_list_attr:
        return len(node.attr[arg.type_list_attr].list.type)
    return 1
