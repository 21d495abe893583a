// SPDX-License-Identifier: Apache-2.0
#include "ir/graph.h"

#include <algorithm>
#include <queue>
#include <unordered_set>

#include "base/check.h"

namespace tfengine::ir {

template <typename T>
const T& Node::attr(std::string_view key) const {
  const auto found = attrs.find(key);
  if (found == attrs.end()) fail<InvalidModel>("{} '{}': attribute '{}' is missing", op, name, key);
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) fail<InvalidModel>("{} '{}': attribute '{}' has an unexpected type", op, name, key);
  return *value;
}

template <typename T>
T Node::attr_or(std::string_view key, T fallback) const {
  return has(key) ? attr<T>(key) : std::move(fallback);
}

#define TFE_INSTANTIATE(T)                                 \
  template const T& Node::attr<T>(std::string_view) const; \
  template T Node::attr_or<T>(std::string_view, T) const;
TFE_INSTANTIATE(bool)
TFE_INSTANTIATE(int64_t)
TFE_INSTANTIATE(float)
TFE_INSTANTIATE(std::string)
TFE_INSTANTIATE(DType)
TFE_INSTANTIATE(Shape)
TFE_INSTANTIATE(Tensor)
TFE_INSTANTIATE(std::vector<int64_t>)
TFE_INSTANTIATE(std::vector<float>)
TFE_INSTANTIATE(std::vector<std::string>)
TFE_INSTANTIATE(std::vector<Shape>)
TFE_INSTANTIATE(std::vector<DType>)
#undef TFE_INSTANTIATE

ValueId Graph::add_value(std::string value_name, DType dtype, Shape shape) {
  Value value;
  value.name = std::move(value_name);
  value.dtype = dtype;
  value.shape = std::move(shape);
  values_.push_back(std::move(value));
  return value_count() - 1;
}

ValueId Graph::add_input(std::string value_name, DType dtype, Shape shape) {
  inputs.push_back(add_value(std::move(value_name), dtype, std::move(shape)));
  return inputs.back();
}

ValueId Graph::add_constant(std::string value_name, Tensor tensor) {
  const ValueId id = add_value(std::move(value_name), tensor.dtype(), tensor.shape());
  value(id).constant = std::move(tensor);
  return id;
}

NodeId Graph::add_node(std::string op, std::string node_name, std::vector<ValueId> node_inputs, Attrs attrs,
                       int output_count) {
  const NodeId id = node_count();
  Node node;
  node.op = std::move(op);
  node.inputs = std::move(node_inputs);
  node.attrs = std::move(attrs);
  for (int i = 0; i < output_count; ++i) {
    const ValueId out =
        add_value(i == 0 ? node_name : fmt::format("{}:{}", node_name, i), DType::Invalid, Shape::unknown_rank());
    value(out).producer = id;
    value(out).output_index = i;
    node.outputs.push_back(out);
  }
  node.name = std::move(node_name);
  for (const ValueId input : node.inputs) value(input).users.push_back(id);
  nodes_.push_back(std::move(node));
  return id;
}

bool Graph::is_output(ValueId id) const {
  return std::any_of(outputs.begin(), outputs.end(), [id](const GraphOutput& out) { return out.value == id; });
}

int Graph::use_count(ValueId id) const {
  const auto graph_uses =
      std::count_if(outputs.begin(), outputs.end(), [id](const GraphOutput& out) { return out.value == id; });
  return static_cast<int>(value(id).users.size()) + static_cast<int>(graph_uses);
}

NodeId Graph::single_user(ValueId id) const {
  return value(id).users.size() == 1 && !is_output(id) ? value(id).users[0] : kNone;
}

namespace {
void erase_one(std::vector<NodeId>& users, NodeId id) {
  const auto found = std::find(users.begin(), users.end(), id);
  check(found != users.end(), "use lists are out of step at node {}", id);
  users.erase(found);
}
}  // namespace

void Graph::set_input(NodeId id, int index, ValueId new_value) {
  ValueId& slot = node(id).inputs[static_cast<size_t>(index)];
  erase_one(value(slot).users, id);
  slot = new_value;
  value(slot).users.push_back(id);
}

int Graph::add_node_input(NodeId id, ValueId new_value) {
  node(id).inputs.push_back(new_value);
  value(new_value).users.push_back(id);
  return static_cast<int>(node(id).inputs.size()) - 1;
}

void Graph::set_inputs(NodeId id, std::vector<ValueId> new_inputs) {
  for (const ValueId input : node(id).inputs) erase_one(value(input).users, id);
  node(id).inputs = std::move(new_inputs);
  for (const ValueId input : node(id).inputs) value(input).users.push_back(id);
}

void Graph::replace_uses(ValueId from, ValueId to) {
  if (from == to) return;
  std::vector<NodeId> kept;
  for (const NodeId user : std::vector<NodeId>(value(from).users)) {
    if (user == value(to).producer) {
      kept.push_back(user);
      continue;
    }
    for (ValueId& slot : node(user).inputs) {
      if (slot != from) continue;
      slot = to;
      value(to).users.push_back(user);
      break;  // one entry in `users` per use
    }
  }
  value(from).users = std::move(kept);
  for (GraphOutput& out : outputs) {
    if (out.value == from) out.value = to;
  }
}

void Graph::set_output(NodeId id, int index, ValueId new_value) {
  ValueId& slot = node(id).outputs[static_cast<size_t>(index)];
  check(slot == new_value || use_count(slot) == 0, "output {} of '{}' is still used", index, node(id).name);
  value(slot).producer = kNone;
  slot = new_value;
  value(slot).producer = id;
  value(slot).output_index = index;
}

void Graph::remove(NodeId id) {
  Node& dead = node(id);
  if (!dead.alive) return;
  for (const ValueId input : dead.inputs) erase_one(value(input).users, id);
  for (const ValueId out : dead.outputs) {
    if (value(out).producer == id) value(out).producer = kNone;
  }
  dead.inputs.clear();
  dead.alive = false;
}

int Graph::remove_dead() {
  int removed = 0;
  std::vector<NodeId> pending(nodes_.size());
  for (NodeId id = 0; id < node_count(); ++id) pending[static_cast<size_t>(id)] = id;
  std::unordered_set<ValueId> graph_outputs;
  for (const GraphOutput& out : outputs) graph_outputs.insert(out.value);
  while (!pending.empty()) {
    const NodeId id = pending.back();
    pending.pop_back();
    if (!node(id).alive) continue;
    const bool used = std::any_of(node(id).outputs.begin(), node(id).outputs.end(), [&](ValueId out) {
      return !value(out).users.empty() || graph_outputs.count(out) > 0;
    });
    if (used) continue;
    for (const ValueId input : node(id).inputs) {
      if (value(input).producer != kNone) pending.push_back(value(input).producer);
    }
    remove(id);
    ++removed;
  }
  return removed;
}

std::vector<NodeId> Graph::order() const {
  std::vector<int> missing(nodes_.size(), 0);
  std::priority_queue<NodeId, std::vector<NodeId>, std::greater<>> ready;
  size_t alive = 0;
  for (NodeId id = 0; id < node_count(); ++id) {
    const Node& current = node(id);
    if (!current.alive) continue;
    ++alive;
    for (const ValueId input : current.inputs) missing[static_cast<size_t>(id)] += value(input).producer != kNone;
    if (missing[static_cast<size_t>(id)] == 0) ready.push(id);
  }
  std::vector<NodeId> sorted;
  sorted.reserve(alive);
  while (!ready.empty()) {
    const NodeId id = ready.top();
    ready.pop();
    sorted.push_back(id);
    for (const ValueId out : node(id).outputs) {
      for (const NodeId user : value(out).users) {
        if (--missing[static_cast<size_t>(user)] == 0) ready.push(user);
      }
    }
  }
  if (sorted.size() != alive) {
    for (NodeId id = 0; id < node_count(); ++id) {
      if (node(id).alive && missing[static_cast<size_t>(id)] > 0) {
        fail<InvalidModel>("{} '{}' is part of or behind a cycle; expected an acyclic graph", node(id).op,
                           node(id).name);
      }
    }
  }
  return sorted;
}

std::string Graph::unique_name(std::string_view base) const {
  std::string candidate(base);
  for (int suffix = 1; find_value(candidate) != kNone; ++suffix) candidate = fmt::format("{}_{}", base, suffix);
  return candidate;
}

ValueId Graph::find_value(std::string_view value_name) const {
  for (ValueId id = 0; id < value_count(); ++id) {
    if (value(id).name == value_name) return id;
  }
  return kNone;
}

Graph Graph::compacted() const {
  Graph result;
  result.name = name;
  std::vector<ValueId> moved(values_.size(), kNone);
  const auto take = [&](ValueId id) {
    ValueId& target = moved[static_cast<size_t>(id)];
    if (target == kNone) {
      Value copy = value(id);
      copy.users.clear();
      copy.producer = kNone;
      result.values_.push_back(std::move(copy));
      target = result.value_count() - 1;
    }
    return target;
  };
  for (const ValueId id : inputs) result.inputs.push_back(take(id));
  for (const NodeId id : order()) {
    Node copy = node(id);
    for (ValueId& input : copy.inputs) input = take(input);
    for (ValueId& out : copy.outputs) out = take(out);
    for (Graph& region : copy.regions) region = region.compacted();
    const NodeId target = result.node_count();
    for (const ValueId input : copy.inputs) result.value(input).users.push_back(target);
    for (const ValueId out : copy.outputs) result.value(out).producer = target;
    result.nodes_.push_back(std::move(copy));
  }
  for (const GraphOutput& out : outputs) result.outputs.push_back({out.name, take(out.value)});
  return result;
}

void for_each_graph(const Graph& graph, const std::function<void(const Graph&)>& use) {
  use(graph);
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    if (!graph.node(id).alive) continue;
    for (const Graph& region : graph.node(id).regions) for_each_graph(region, use);
  }
}

void for_each_graph(Graph& graph, const std::function<void(Graph&)>& use) {
  use(graph);
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    if (!graph.node(id).alive) continue;
    for (Graph& region : graph.node(id).regions) for_each_graph(region, use);
  }
}

}  // namespace tfengine::ir
