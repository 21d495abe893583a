// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/graph_def.h"

#include "tfgraph/dtype.h"
#include "tfgraph/limits.h"

namespace tfengine::tfgraph {

namespace {

std::string_view checked_name(std::string_view name, const char* what) {
  if (name.size() > kMaxNameBytes)
    fail<InvalidModel>("{} has {} bytes, expected at most {}", what, name.size(), kMaxNameBytes);
  return name;
}

}  // namespace

NodeDef read_node_def(std::string_view message) {
  NodeDef node;
  node.message = message;
  Reader proto = reader(message);
  while (proto.next()) {
    switch (proto.tag_and_type()) {
      case bytes(1):
        node.name = checked_name(get_view(proto), "a node's name");
        break;
      case bytes(2):
        node.op = checked_name(get_view(proto), "a node's op");
        break;
      case bytes(3):
        node.inputs.push_back(checked_name(get_view(proto), "a node's input"));
        break;
      case bytes(4):
        node.device = checked_name(get_view(proto), "a node's device");
        break;
      case bytes(5):
        node.attrs.push_back(map_entry(get_view(proto)));
        break;
      default:
        proto.skip();
    }
  }
  if (node.name.empty()) fail<InvalidModel>("a node of op '{}' has no name", node.op);
  if (node.op.empty()) fail<InvalidModel>("node '{}' has no op", node.name);
  return node;
}

namespace {

std::string_view read_arg_name(std::string_view message) {
  std::string_view name;
  Reader proto = reader(message);
  while (proto.next()) {
    if (proto.tag_and_type() == bytes(1))
      name = get_view(proto);
    else
      proto.skip();
  }
  return name;
}

void read_signature(std::string_view message, FunctionDef& function) {
  Reader proto = reader(message);
  while (proto.next()) {
    switch (proto.tag_and_type()) {
      case bytes(1):
        function.name = checked_name(get_view(proto), "a function's name");
        break;
      case bytes(2):
        function.args.push_back(read_arg_name(get_view(proto)));
        break;
      case bytes(3):
        function.outputs.push_back(read_arg_name(get_view(proto)));
        break;
      default:
        proto.skip();
    }
  }
}

FunctionDef read_function(std::string_view message) {
  FunctionDef function;
  function.message = message;
  Reader proto = reader(message);
  while (proto.next()) {
    switch (proto.tag_and_type()) {
      case bytes(1):
        read_signature(get_view(proto), function);
        break;
      case bytes(3):
        function.nodes.push_back(read_node_def(get_view(proto)));
        break;
      case bytes(4): {
        const MapEntry entry = map_entry(get_view(proto));
        function.returns[entry.key] = entry.value;
        break;
      }
      case bytes(5):
        function.attrs.push_back(map_entry(get_view(proto)));
        break;
      case bytes(6):
        function.control_returns.push_back(map_entry(get_view(proto)).value);
        break;
      default:
        proto.skip();
    }
  }
  return function;
}

void read_library(std::string_view message, GraphDef& graph) {
  Reader proto = reader(message);
  while (proto.next()) {
    if (proto.tag_and_type() != bytes(1)) {
      proto.skip();
      continue;
    }
    FunctionDef function = read_function(get_view(proto));
    const std::string_view name = function.name;
    if (!graph.functions.emplace(name, std::move(function)).second)
      fail<InvalidModel>("function '{}' is defined twice", name);
  }
}

uint64_t read_producer(std::string_view message) {
  uint64_t producer = 0;
  Reader proto = reader(message);
  while (proto.next()) {
    if (proto.tag_and_type() == varint(1))
      producer = proto.get_uint64();
    else
      proto.skip();
  }
  return producer;
}

std::vector<Shape> read_shapes(const std::vector<std::string_view>& messages) {
  std::vector<Shape> shapes;
  for (const std::string_view message : messages) shapes.push_back(read_shape(message));
  return shapes;
}

// AttrValue.ListValue. Which kind of list an empty one is, is not written: it becomes one of integers.
std::optional<ir::Attr> read_list(std::string_view message) {
  std::vector<std::string> strings;
  std::vector<int64_t> ints;
  std::vector<float> floats;
  std::vector<uint64_t> types;
  std::vector<std::string_view> shapes;
  bool other = false;
  Reader proto = reader(message);
  while (proto.next()) {
    switch (proto.tag_and_type()) {
      case bytes(2):
        strings.emplace_back(get_view(proto));
        break;
      case bytes(3):
      case bytes(5):
        append_varints(get_view(proto), ints);
        break;
      case varint(3):
      case varint(5):
        ints.push_back(proto.get_int64());
        break;
      case bytes(4):
        append_fixed(get_view(proto), floats);
        break;
      case fixed32(4):
        floats.push_back(proto.get_float());
        break;
      case bytes(6):
        append_varints(get_view(proto), types);
        break;
      case varint(6):
        types.push_back(proto.get_uint64());
        break;
      case bytes(7):
        shapes.push_back(get_view(proto));
        break;
      default:
        other = true;
        proto.skip();
    }
  }
  if (!strings.empty()) return strings;
  if (!floats.empty()) return floats;
  if (!shapes.empty()) return read_shapes(shapes);
  if (!types.empty()) {
    std::vector<DType> dtypes;
    for (const uint64_t type : types) dtypes.push_back(dtype_from_proto(type));
    return dtypes;
  }
  if (other) return std::nullopt;
  return ints;
}

// The field of an AttrValue as a view or number.
template <typename T, typename F>
T find_field(const NodeDef& node, std::string_view key, uint32_t wanted, T fallback, F&& get) {
  const std::string_view* value = node.attr(key);
  if (value == nullptr) return fallback;
  Reader proto = reader(*value);
  while (proto.next()) {
    if (proto.tag_and_type() == wanted)
      fallback = get(proto);
    else
      proto.skip();
  }
  return fallback;
}

Reader attr_list(const NodeDef& node, std::string_view key) {
  return reader(find_field(node, key, bytes(1), std::string_view(), get_view));
}

// The strings or messages of a list.
std::vector<std::string_view> list_messages(Reader list, uint32_t field) {
  std::vector<std::string_view> messages;
  while (list.next()) {
    if (list.tag_and_type() == bytes(field))
      messages.push_back(get_view(list));
    else
      list.skip();
  }
  return messages;
}

}  // namespace

const std::string_view* NodeDef::attr(std::string_view key) const {
  for (const MapEntry& entry : attrs) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

GraphDef read_graph_def(std::string_view message) {
  GraphDef graph;
  Reader proto = reader(message);
  const char* field = message.data();
  for (; proto.next(); field = proto.data().data()) {
    switch (proto.tag_and_type()) {
      case bytes(1):
        if (graph.nodes.size() == kMaxNodes) fail<InvalidModel>("the graph has more than {} nodes", kMaxNodes);
        graph.nodes.push_back(read_node_def(get_view(proto)));
        continue;
      case bytes(2):
        graph.libraries.push_back(get_view(proto));
        read_library(graph.libraries.back(), graph);
        continue;
      case bytes(4):
        graph.producer_version = read_producer(get_view(proto));
        break;
      default:
        proto.skip();
    }
    graph.others.emplace_back(field, static_cast<size_t>(proto.data().data() - field));
  }
  return graph;
}

std::optional<ir::Attr> read_attr(std::string_view attr_value, ConstantBudget& budget) {
  std::optional<ir::Attr> attr;
  Reader proto = reader(attr_value);
  while (proto.next()) {
    switch (proto.tag_and_type()) {
      case bytes(1):
        attr = read_list(get_view(proto));
        break;
      case bytes(2):
        attr = std::string(get_view(proto));
        break;
      case varint(3):
        attr = proto.get_int64();
        break;
      case fixed32(4):
        attr = proto.get_float();
        break;
      case varint(5):
        attr = get_flag(proto);
        break;
      case varint(6):
        attr = dtype_from_proto(proto.get_uint64());
        break;
      case bytes(7):
        attr = read_shape(get_view(proto));
        break;
      case bytes(8):
        attr = read_tensor(get_view(proto), budget);
        break;
      default:
        proto.skip();
    }
  }
  return attr;
}

std::string_view attr_string(const NodeDef& node, std::string_view key) {
  return find_field(node, key, bytes(2), std::string_view(), get_view);
}
uint64_t attr_type(const NodeDef& node, std::string_view key) {
  return find_field(node, key, varint(6), uint64_t{0}, [](Reader& proto) { return proto.get_uint64(); });
}
int64_t attr_int(const NodeDef& node, std::string_view key, int64_t fallback) {
  return find_field(node, key, varint(3), fallback, [](Reader& proto) { return proto.get_int64(); });
}
std::vector<uint64_t> attr_types(const NodeDef& node, std::string_view key) {
  std::vector<uint64_t> types;
  Reader list = attr_list(node, key);
  while (list.next()) {
    if (list.tag_and_type() == bytes(6))
      append_varints(get_view(list), types);
    else if (list.tag_and_type() == varint(6))
      types.push_back(list.get_uint64());
    else
      list.skip();
  }
  return types;
}
std::vector<std::string_view> attr_strings(const NodeDef& node, std::string_view key) {
  return list_messages(attr_list(node, key), 2);
}
std::vector<Shape> attr_shapes(const NodeDef& node, std::string_view key) {
  return read_shapes(list_messages(attr_list(node, key), 7));
}
std::string_view attr_function(const NodeDef& node, std::string_view key) {
  // NameAttrList { name = 1 }
  const std::string_view function = find_field(node, key, bytes(10), std::string_view(), get_view);
  return read_arg_name(function);
}
std::vector<std::string_view> functions_of(const NodeDef& node) {
  std::vector<std::string_view> names;
  for (const MapEntry& attr : node.attrs) {
    Reader proto = reader(attr.value);
    while (proto.next()) {
      if (proto.tag_and_type() == bytes(10))
        names.push_back(read_arg_name(get_view(proto)));
      else if (proto.tag_and_type() == bytes(1))
        for (const std::string_view function : list_messages(reader(get_view(proto)), 9))
          names.push_back(read_arg_name(function));
      else
        proto.skip();
    }
  }
  return names;
}
bool attr_bool(std::string_view attr_value) {
  bool value = false;
  Reader proto = reader(attr_value);
  while (proto.next()) {
    if (proto.tag_and_type() == varint(5))
      value = get_flag(proto);
    else
      proto.skip();
  }
  return value;
}
bool is_attr_placeholder(std::string_view attr_value) {
  Reader proto = reader(attr_value);
  while (proto.next()) {
    if (proto.tag_and_type() == bytes(9)) return true;
    proto.skip();
  }
  return false;
}
std::optional<std::string_view> attr_tensor(const NodeDef& node, std::string_view key) {
  return find_field(node, key, bytes(8), std::optional<std::string_view>(), get_view);
}
std::optional<std::string_view> attr_shape(const NodeDef& node, std::string_view key) {
  return find_field(node, key, bytes(7), std::optional<std::string_view>(), get_view);
}

}  // namespace tfengine::tfgraph
