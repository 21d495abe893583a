"""SavedModels in TensorFlow 1's manner: read with their variables made constants, and written with engines."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
from tensorflow.python.saved_model.loader_impl import get_asset_tensors

from .nodes import node_of

v1 = tf.compat.v1

_VARIABLE_COLLECTIONS = ("variables", "trainable_variables", "local_variables", "model_variables")
# Kept by other means: the first two by the signature of the initialisation, the last by the assets' constants.
_OWN_COLLECTIONS = ("saved_model_main_op", "legacy_init_op", "saved_model_assets", "asset_filepaths", "train_op")
_INIT_SIGNATURE = "__saved_model_init_op"


class FrozenSavedModel(NamedTuple):
    graph_def: v1.GraphDef
    meta_graph: v1.MetaGraphDef
    outputs: list[str]
    """Nodes that all the signatures read, and the initialisation."""
    init_op: str | None
    """The node that fills tables on loading."""
    assets: dict[str, bytes]
    """Tensor name to the path of the file that the tensor names."""


def freeze(folder: str, tags: list[str], signature_key: str, config: v1.ConfigProto | None) -> FrozenSavedModel:
    """Reads a SavedModel. ValueError if it lacks the signature."""
    with tf.Graph().as_default() as graph, v1.Session(graph=graph, config=config) as session:
        meta_graph = v1.saved_model.load(session, tags, folder)
        if signature_key not in meta_graph.signature_def:
            known = sorted(name for name in meta_graph.signature_def if not name.startswith("__"))
            raise ValueError(f"{folder}: no signature '{signature_key}', expected one of {known}")
        init_op = _init_op(meta_graph)
        outputs = {}
        for name, signature in meta_graph.signature_def.items():
            if not name.startswith("__"):
                for info in [*signature.inputs.values(), *signature.outputs.values()]:
                    outputs.update(dict.fromkeys(_tensors_of(info)))
        if init_op:
            outputs[init_op] = None
        graph_def = graph.as_graph_def()
        frozen = v1.graph_util.convert_variables_to_constants(
            session, graph_def, list(outputs), variable_names_blacklist=_file_name_variables(graph_def)
        )
    return FrozenSavedModel(frozen, meta_graph, list(outputs), init_op, get_asset_tensors(folder, meta_graph))


def _file_name_variables(graph_def: v1.GraphDef) -> list[str]:
    """TensorFlow 2 writes the names of assets as variables that the initialisation sets."""
    return [
        node.name
        for node in graph_def.node
        if node.op == "VarHandleOp" and node.attr["dtype"].type == tf.string.as_datatype_enum
    ]


def _tensors_of(info) -> list[str]:
    kind = info.WhichOneof("encoding")
    if kind == "name":
        return [node_of(info.name)]
    if kind == "coo_sparse":
        sparse = info.coo_sparse
        return [
            node_of(sparse.values_tensor_name),
            node_of(sparse.indices_tensor_name),
            node_of(sparse.dense_shape_tensor_name),
        ]
    return [name for part in info.composite_tensor.components for name in _tensors_of(part)]


def _init_op(meta_graph: v1.MetaGraphDef) -> str | None:
    if _INIT_SIGNATURE in meta_graph.signature_def:
        return node_of(next(iter(meta_graph.signature_def[_INIT_SIGNATURE].outputs.values())).name)
    for key in ("saved_model_main_op", "legacy_init_op"):
        names = meta_graph.collection_def[key].node_list.value if key in meta_graph.collection_def else []
        if names:
            return node_of(names[0])
    return None


def save(graph_def: v1.GraphDef, frozen: FrozenSavedModel, target: str, tags: list[str]) -> None:
    """Writes the converted graph as a SavedModel with the source's signatures, collections and assets."""
    graph_def = _with_asset_paths(graph_def, frozen.assets)
    builder = v1.saved_model.Builder(target)
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        tf.graph_util.import_graph_def(graph_def, name="")
        _restore_collections(graph, frozen.meta_graph)
        for name in frozen.assets:
            graph.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, graph.get_tensor_by_name(name))
        builder.add_meta_graph_and_variables(
            session,
            tags,
            signature_def_map={
                name: signature
                for name, signature in frozen.meta_graph.signature_def.items()
                if not name.startswith("__")
            },
            assets_collection=graph.get_collection(v1.GraphKeys.ASSET_FILEPATHS) or None,
            main_op=graph.get_operation_by_name(frozen.init_op) if frozen.init_op else None,
        )
    builder.save()


def _with_asset_paths(graph_def: v1.GraphDef, assets: dict[str, bytes]) -> v1.GraphDef:
    """Constants (in TensorFlow 2, placeholders) that name assets get the paths of the source's files."""
    paths = {node_of(name): path for name, path in assets.items()}
    changed = v1.GraphDef()
    changed.CopyFrom(graph_def)
    for node in changed.node:
        if node.name in paths:
            node.op = "Const"
            node.attr.clear()
            node.attr["dtype"].type = tf.string.as_datatype_enum
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(paths[node.name]))
    return changed


def _restore_collections(graph: tf.Graph, meta_graph: v1.MetaGraphDef) -> None:
    for key, collection in meta_graph.collection_def.items():
        if key in _VARIABLE_COLLECTIONS or key in _OWN_COLLECTIONS:
            continue
        kind = collection.WhichOneof("kind")
        if kind == "node_list":
            for name in collection.node_list.value:
                try:
                    graph.add_to_collection(key, graph.as_graph_element(name))
                except (KeyError, ValueError):
                    pass  # inside an engine now, or of the variables that are no more
        elif kind in ("int64_list", "float_list"):
            for value in getattr(collection, kind).value:
                graph.add_to_collection(key, value)
        # Serialised objects (queue runners, savers ...) belong to training.
