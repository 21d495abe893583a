// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/saved_model.h"

#include <algorithm>

#include "tfgraph/dtype.h"

namespace tfengine::tfgraph {

namespace {

TensorInfo read_tensor_info(std::string_view message) {
  TensorInfo info;
  Reader proto = reader(message);
  while (proto.next()) {
    switch (proto.tag_and_type()) {
      case bytes(1):
        info.tensor = get_view(proto);
        break;
      case varint(2):
        info.dtype = dtype_from_proto(proto.get_uint64());
        break;
      case bytes(3):
        info.shape = read_shape(get_view(proto));
        break;
      default:
        proto.skip();
    }
  }
  return info;
}

SignatureDef read_signature_def(std::string_view message) {
  SignatureDef signature;
  Reader proto = reader(message);
  while (proto.next()) {
    const uint32_t field = proto.tag_and_type();
    if (field == bytes(1) || field == bytes(2)) {
      const MapEntry entry = map_entry(get_view(proto));
      auto& side = field == bytes(1) ? signature.inputs : signature.outputs;
      side[std::string(entry.key)] = read_tensor_info(entry.value);
    } else {
      proto.skip();
    }
  }
  return signature;
}

std::vector<std::string> read_tags(std::string_view meta_info) {
  std::vector<std::string> tags;
  Reader proto = reader(meta_info);
  while (proto.next()) {
    if (proto.tag_and_type() == bytes(4))
      tags.emplace_back(get_view(proto));
    else
      proto.skip();
  }
  std::sort(tags.begin(), tags.end());
  return tags;
}

std::string_view read_restore_op(std::string_view saver) {
  std::string_view name;
  Reader proto = reader(saver);
  while (proto.next()) {
    if (proto.tag_and_type() == bytes(3))
      name = get_view(proto);
    else
      proto.skip();
  }
  return name;
}

MetaGraph read_meta_graph(std::string_view message) {
  MetaGraph meta;
  Reader proto = reader(message);
  while (proto.next()) {
    switch (proto.tag_and_type()) {
      case bytes(1):
        meta.tags = read_tags(get_view(proto));
        break;
      case bytes(2):
        meta.graph_def = get_view(proto);
        break;
      case bytes(3):
        meta.restore_op = read_restore_op(get_view(proto));
        break;
      case bytes(5): {
        const MapEntry entry = map_entry(get_view(proto));
        meta.signatures[std::string(entry.key)] = read_signature_def(entry.value);
        break;
      }
      default:
        proto.skip();
    }
  }
  return meta;
}

}  // namespace

std::vector<MetaGraph> read_saved_model(std::string_view message) {
  std::vector<MetaGraph> graphs;
  Reader proto = reader(message);
  while (proto.next()) {
    if (proto.tag_and_type() == bytes(2))
      graphs.push_back(read_meta_graph(get_view(proto)));
    else
      proto.skip();
  }
  if (graphs.empty()) fail<InvalidModel>("this is no SavedModel: it has no MetaGraph");
  return graphs;
}

const MetaGraph& choose_meta_graph(const std::vector<MetaGraph>& graphs, std::vector<std::string> tags) {
  std::sort(tags.begin(), tags.end());
  std::string there;
  for (const MetaGraph& graph : graphs) {
    if (graph.tags == tags) return graph;
    there += fmt::format("{}{{{}}}", there.empty() ? "" : ", ", fmt::join(graph.tags, ", "));
  }
  fail<InvalidArgument>("no MetaGraph with tags {{{}}}, expected one of {}", fmt::join(tags, ", "), there);
}

}  // namespace tfengine::tfgraph
