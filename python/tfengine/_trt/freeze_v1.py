"""SavedModels in TensorFlow 1's manner: read with their variables made constants, and written with engines."""

from __future__ import annotations

import os
from typing import NamedTuple

import tensorflow as tf

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
        frozen = v1.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(add_shapes=True), list(outputs), variable_names_denylist=None
        )
    return FrozenSavedModel(frozen, meta_graph, list(outputs), init_op)


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


def save(graph_def: v1.GraphDef, frozen: FrozenSavedModel, source: str, target: str, tags: list[str]) -> None:
    """Writes the converted graph as a SavedModel with the source's signatures, collections and assets."""
    graph_def = _with_asset_paths(graph_def, frozen.meta_graph, source)
    builder = v1.saved_model.Builder(target)
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        tf.graph_util.import_graph_def(graph_def, name="")
        _restore_collections(graph, frozen.meta_graph)
        for asset in frozen.meta_graph.asset_file_def:
            graph.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, graph.get_tensor_by_name(asset.tensor_info.name))
        builder.add_meta_graph_and_variables(
            session,
            tags,
            signature_def_map={
                name: signature
                for name, signature in frozen.meta_graph.signature_def.items()
                if not name.startswith("__")
            },
            assets_list=graph.get_collection(v1.GraphKeys.ASSET_FILEPATHS) or None,
            main_op=graph.get_operation_by_name(frozen.init_op) if frozen.init_op else None,
        )
    builder.save()


def _with_asset_paths(graph_def: v1.GraphDef, meta_graph: v1.MetaGraphDef, source: str) -> v1.GraphDef:
    """Constants that name assets hold only what the files were called when the source was written."""
    paths = {
        node_of(asset.tensor_info.name): os.path.join(source, "assets", asset.filename)
        for asset in meta_graph.asset_file_def
    }
    if not paths:
        return graph_def
    changed = v1.GraphDef()
    changed.CopyFrom(graph_def)
    for node in changed.node:
        if node.name in paths:
            node.attr["value"].tensor.string_val[:] = [paths[node.name].encode()]
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
