// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/write.h"

#include <algorithm>

#include "tfgraph/dtype.h"
#include "tfgraph/message.h"

namespace tfengine::tfgraph {

namespace {

protozero::data_view view(std::string_view text) { return {text.data(), text.size()}; }

std::string shape_message(const Shape& shape) {
  return message([&](Writer& proto) {
    if (!shape.ranked()) return proto.add_bool(3, true);
    for (const int64_t size : shape.dims()) {
      proto.add_message(2, message([size](Writer& dim) { dim.add_int64(1, size); }));
    }
  });
}

void add_map_entry(Writer& proto, uint32_t field, std::string_view key, std::string_view value) {
  Writer entry(proto, field);
  entry.add_bytes(1, view(key));
  entry.add_bytes(2, view(value));
}

template <typename F>
std::string list_attr(F&& fill) {
  return message([&](Writer& attr) { attr.add_message(1, message(fill)); });
}

std::string arg_message(const FunctionArg& arg) {
  return message([&](Writer& proto) {
    proto.add_bytes(1, view(arg.name));
    proto.add_enum(3, static_cast<int32_t>(arg.type));
  });
}

}  // namespace

uint64_t proto_from_dtype(DType dtype) {
  // The first number that stands for the type: plain integers come before quantized ones.
  for (uint64_t type = 1; type < 100; ++type) {
    if (dtype != DType::Invalid && dtype_from_proto(type) == dtype) return type;
  }
  return 0;
}

std::string string_attr(std::string_view value) {
  return message([&](Writer& attr) { attr.add_bytes(2, view(value)); });
}
std::string int_attr(int64_t value) {
  return message([&](Writer& attr) { attr.add_int64(3, value); });
}
std::string float_attr(float value) {
  return message([&](Writer& attr) { attr.add_float(4, value); });
}
std::string bool_attr(bool value) {
  return message([&](Writer& attr) { attr.add_bool(5, value); });
}
std::string type_attr(uint64_t type) {
  return message([&](Writer& attr) { attr.add_uint64(6, type); });
}
std::string shape_attr(const Shape& shape) {
  return message([&](Writer& attr) { attr.add_message(7, shape_message(shape)); });
}
std::string types_attr(const std::vector<uint64_t>& types) {
  return list_attr([&](Writer& list) { list.add_packed_uint64(6, types.begin(), types.end()); });
}
std::string shapes_attr(const std::vector<Shape>& shapes) {
  return list_attr([&](Writer& list) {
    for (const Shape& shape : shapes) list.add_message(7, shape_message(shape));
  });
}
std::string ints_attr(const std::vector<int64_t>& values) {
  return list_attr([&](Writer& list) { list.add_packed_int64(3, values.begin(), values.end()); });
}
std::string tensor_attr(const Tensor& tensor) {
  const uint64_t type = proto_from_dtype(tensor.dtype());
  if (type == 0) fail<InvalidArgument>("TensorFlow has no type {}", dtype_name(tensor.dtype()));
  return message([&](Writer& attr) {
    attr.add_message(8, message([&](Writer& proto) {
                       proto.add_enum(1, static_cast<int32_t>(type));
                       proto.add_message(2, shape_message(tensor.shape()));
                       proto.add_bytes(4, static_cast<const char*>(tensor.data()), tensor.bytes());
                     }));
  });
}
std::string strings_attr(const std::vector<std::string_view>& values) {
  return list_attr([&](Writer& list) {
    for (const std::string_view value : values) list.add_bytes(2, view(value));
  });
}
std::string function_attr(std::string_view function) {
  return message(
      [&](Writer& attr) { attr.add_message(10, message([&](Writer& named) { named.add_bytes(1, view(function)); })); });
}

std::string node_message(std::string_view name, std::string_view op, const std::vector<std::string>& inputs,
                         std::string_view device, const std::vector<AttrMessage>& attrs) {
  return message([&](Writer& proto) {
    proto.add_bytes(1, view(name));
    proto.add_bytes(2, view(op));
    for (const std::string& input : inputs) proto.add_bytes(3, view(input));
    if (!device.empty()) proto.add_bytes(4, view(device));
    for (const auto& [key, value] : attrs) add_map_entry(proto, 5, key, value);
  });
}

std::string changed_node(const NodeDef& node, const NodeChange& change) {
  std::string result;
  Writer writer(result);
  writer.add_bytes(1, view(change.name.empty() ? node.name : change.name));
  writer.add_bytes(2, view(node.op));
  if (change.inputs != nullptr) {
    for (const std::string& input : *change.inputs) writer.add_bytes(3, view(input));
  }
  if (!change.device.empty()) writer.add_bytes(4, view(change.device));
  const auto replaced = [&](std::string_view key) {
    return std::any_of(change.attrs.begin(), change.attrs.end(),
                       [key](const AttrMessage& a) { return a.first == key; });
  };
  Reader proto = reader(node.message);
  for (const char* field = node.message.data(); proto.next(); field = proto.data().data()) {
    const uint32_t tag = proto.tag_and_type();
    const std::string_view value = proto.wire_type() == protozero::pbf_wire_type::length_delimited
                                       ? get_view(proto)
                                       : (proto.skip(), std::string_view());
    if (tag == bytes(1) || tag == bytes(2)) continue;
    if (tag == bytes(3) && change.inputs != nullptr) continue;
    if (tag == bytes(4) && !change.device.empty()) continue;
    if (tag == bytes(5) && replaced(map_entry(value).key)) continue;
    result.append(field, static_cast<size_t>(proto.data().data() - field));
  }
  for (const auto& [key, value] : change.attrs) {
    if (!value.empty()) add_map_entry(writer, 5, key, value);
  }
  return result;
}

std::string function_message(const FunctionText& function) {
  return message([&](Writer& proto) {
    proto.add_message(1, message([&](Writer& signature) {
                        signature.add_bytes(1, view(function.name));
                        for (const FunctionArg& arg : function.args) signature.add_message(2, arg_message(arg));
                        for (const FunctionArg& arg : function.outputs) signature.add_message(3, arg_message(arg));
                        for (const std::string& node : function.control_nodes) signature.add_bytes(20, view(node));
                      }));
    for (const std::string& node : function.nodes) proto.add_message(3, node);
    for (size_t i = 0; i < function.outputs.size(); ++i) {
      add_map_entry(proto, 4, function.outputs[i].name, function.returns[i]);
    }
    for (const auto& [key, value] : function.attrs) add_map_entry(proto, 5, key, value);
    for (const std::string& node : function.control_nodes) add_map_entry(proto, 6, node, node);
  });
}

std::string library_without(std::string_view library, const std::set<const char*>& dropped) {
  std::string result;
  Reader proto = reader(library);
  for (const char* field = library.data(); proto.next(); field = proto.data().data()) {
    const bool function = proto.tag_and_type() == bytes(1);
    const std::string_view value = function ? get_view(proto) : (proto.skip(), std::string_view());
    if (function && dropped.count(value.data()) > 0) continue;
    result.append(field, static_cast<size_t>(proto.data().data() - field));
  }
  return result;
}

std::string graph_message(const GraphDef& source, const std::vector<std::string_view>& nodes,
                          const std::vector<std::string>& functions) {
  std::string bytes;
  size_t total = 0;
  for (const std::string_view node : nodes) total += node.size() + 8;
  for (const std::string_view library : source.libraries) total += library.size();
  for (const std::string& function : functions) total += function.size() + 8;
  bytes.reserve(total + 64);
  Writer proto(bytes);
  for (const std::string_view node : nodes) proto.add_message(1, view(node));
  if (!source.libraries.empty() || !functions.empty()) {
    Writer library(proto, 2);
    for (const std::string_view text : source.libraries) {
      // A message appended to another merges with it: the functions of both are there.
      Reader fields = reader(text);
      while (fields.next()) {
        const uint32_t field = fields.tag();
        if (fields.wire_type() == protozero::pbf_wire_type::length_delimited)
          library.add_bytes(field, view(get_view(fields)));
        else
          fields.skip();
      }
    }
    for (const std::string& function : functions) library.add_message(1, function);
  }
  for (const std::string_view field : source.others) bytes.append(field);
  if (bytes.size() > kMaxMessageBytes) {
    fail<InvalidArgument>("the graph would have {} bytes, expected at most {}, which is what protocol buffers can hold",
                          bytes.size(), kMaxMessageBytes);
  }
  return bytes;
}

}  // namespace tfengine::tfgraph
