// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/view.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_set>

#include "base/check.h"

namespace tfengine::graphdef {

namespace {

constexpr std::array<std::string_view, 5> kIdentities = {"Identity", "IdentityN", "PreventGradient", "Snapshot",
                                                         "StopGradient"};
// A node with more outputs would make us number them for nothing.
constexpr int kMaxOutputs = 65536;

bool is_back_edge(const tfgraph::NodeDef& from, const tfgraph::NodeDef& to) {
  const auto ends_with = [](std::string_view op, std::string_view tail) {
    return op.size() >= tail.size() && op.substr(op.size() - tail.size()) == tail;
  };
  return ends_with(from.op, "NextIteration") && ends_with(to.op, "Merge");
}

}  // namespace

bool is_identity(std::string_view op) {
  return std::find(kIdentities.begin(), kIdentities.end(), op) != kIdentities.end();
}

std::string_view node_name(std::string_view tensor) {
  if (!tensor.empty() && tensor[0] == '^') tensor.remove_prefix(1);
  return tensor.substr(0, tensor.find(':'));
}

GraphView::GraphView(const tfgraph::GraphDef& graph, const std::vector<std::string>& outputs,
                     const std::vector<std::string>& kept)
    : graph_(&graph), nodes_(graph.nodes.size()) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i].def = &graph.nodes[i];
    if (!index_.emplace(graph.nodes[i].name, static_cast<int>(i)).second) {
      fail<InvalidModel>("two nodes are named '{}'", graph.nodes[i].name);
    }
  }
  link();
  drop_idle_controls();
  mark_outputs(outputs);
  mark_needed();
  sort();
  mark_constants(kept);
}

std::string GraphView::where(int id) const { return fmt::format("{} '{}'", node(id).def->op, node(id).def->name); }

std::string GraphView::tensor_name(TensorRef ref) const {
  const std::string_view name = node(ref.node).def->name;
  return ref.output == 0 ? std::string(name) : fmt::format("{}:{}", name, ref.output);
}

std::vector<int> GraphView::waits_for(int id) const {
  std::vector<int> found, stack = {id};
  std::unordered_set<int> seen;
  while (!stack.empty()) {
    const ViewNode& current = node(stack.back());
    stack.pop_back();
    const auto visit = [&](int producer, bool control) {
      if (!seen.insert(producer * 2 + (control ? 1 : 0)).second) return;
      if (node(producer).constant)
        stack.push_back(producer);
      else if (control)
        found.push_back(producer);
    };
    for (const TensorRef input : current.inputs) visit(input.node, false);
    for (const int control : current.controls) visit(control, true);
  }
  std::sort(found.begin(), found.end());
  return found;
}

int GraphView::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? -1 : found->second;
}

TensorRef GraphView::parse(std::string_view text, int user) const {
  TensorRef ref{find(node_name(text)), 0};
  if (ref.node < 0) fail<InvalidModel>("{} uses '{}', which the graph does not define", where(user), text);
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || text[0] == '^') return ref;
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ref.output);
  if (error != std::errc() || end != digits.data() + digits.size() || ref.output < 0 || ref.output >= kMaxOutputs) {
    fail<InvalidModel>("{} uses '{}', expected a node's name, a colon and an output number below {}", where(user), text,
                       kMaxOutputs);
  }
  return ref;
}

void GraphView::link() {
  for (int id = 0; id < size(); ++id) {
    bool control = false;
    for (const std::string_view text : node(id).def->inputs) {
      const TensorRef ref = parse(text, id);
      if (text[0] == '^') {
        control = true;
        at(id).controls.push_back(ref.node);
        continue;
      }
      if (control) {
        fail<InvalidModel>("{} has the input '{}' behind a control input, expected control inputs last", where(id),
                           text);
      }
      at(id).inputs.push_back(ref);
    }
  }
}

// Graphs that TensorFlow froze end in Identities that wait for the reading of what once were variables.
void GraphView::drop_idle_controls() {
  std::vector<size_t> waiting(nodes_.size(), 0);
  std::vector<std::vector<int>> users(nodes_.size());
  std::vector<int> done;
  for (int id = 0; id < size(); ++id) {
    const ViewNode& current = node(id);
    const std::string_view op = current.def->op;
    if (op != "Const" && op != "NoOp" && !is_identity(op)) continue;
    for (const TensorRef input : current.inputs) users[static_cast<size_t>(input.node)].push_back(id);
    for (const int control : current.controls) users[static_cast<size_t>(control)].push_back(id);
    waiting[static_cast<size_t>(id)] = current.inputs.size() + current.controls.size();
    if (waiting[static_cast<size_t>(id)] == 0) done.push_back(id);
  }
  while (!done.empty()) {
    const int id = done.back();
    done.pop_back();
    at(id).inert = true;
    for (const int user : users[static_cast<size_t>(id)]) {
      if (--waiting[static_cast<size_t>(user)] == 0) done.push_back(user);
    }
  }
  for (ViewNode& current : nodes_) {
    std::erase_if(current.controls, [&](int control) { return node(control).inert; });
  }
}

void GraphView::mark_outputs(const std::vector<std::string>& outputs) {
  for (const std::string& output : outputs) {
    const int id = find(node_name(output));
    if (id < 0) fail<InvalidArgument>("output '{}' is not a tensor of the graph", output);
    const TensorRef ref = parse(output, id);
    at(id).is_output = true;
    at(id).outputs_used = std::max(node(id).outputs_used, output[0] == '^' ? 0 : ref.output + 1);
  }
  if (!outputs.empty()) return;
  std::vector<bool> used(nodes_.size(), false);
  for (const ViewNode& user : nodes_) {
    for (const TensorRef input : user.inputs) used[static_cast<size_t>(input.node)] = true;
    for (const int id : user.controls) used[static_cast<size_t>(id)] = true;
  }
  for (int id = 0; id < size(); ++id) {
    if (!used[static_cast<size_t>(id)]) at(id).is_output = true;
  }
}

void GraphView::mark_needed() {
  std::vector<int> stack;
  const auto need = [&](int id) {
    if (node(id).needed) return;
    at(id).needed = true;
    stack.push_back(id);
  };
  for (int id = 0; id < size(); ++id) {
    if (node(id).is_output) need(id);
  }
  while (!stack.empty()) {
    const int id = stack.back();
    stack.pop_back();
    for (const TensorRef input : node(id).inputs) {
      at(input.node).outputs_used = std::max(node(input.node).outputs_used, input.output + 1);
      need(input.node);
    }
    for (const int control : node(id).controls) need(control);
  }
}

void GraphView::sort() {
  std::vector<std::vector<int>> users(nodes_.size());
  std::vector<int> waiting(nodes_.size(), 0);
  size_t needed = 0;
  for (int id = 0; id < size(); ++id) {
    if (!node(id).needed) continue;
    ++needed;
    const auto wait = [&](int producer) {
      if (is_back_edge(*node(producer).def, *node(id).def)) return;
      users[static_cast<size_t>(producer)].push_back(id);
      ++waiting[static_cast<size_t>(id)];
    };
    for (const TensorRef input : node(id).inputs) wait(input.node);
    for (const int control : node(id).controls) wait(control);
  }
  for (int id = 0; id < size(); ++id) {
    if (node(id).needed && waiting[static_cast<size_t>(id)] == 0) order_.push_back(id);
  }
  for (size_t done = 0; done < order_.size(); ++done) {
    for (const int user : users[static_cast<size_t>(order_[done])]) {
      if (--waiting[static_cast<size_t>(user)] == 0) order_.push_back(user);
    }
  }
  if (order_.size() == needed) return;
  for (int id = 0; id < size(); ++id) {
    if (node(id).needed && waiting[static_cast<size_t>(id)] > 0) {
      fail<InvalidModel>("{} is part of a cycle, or behind one", where(id));
    }
  }
}

void GraphView::mark_constants(const std::vector<std::string>& kept) {
  std::unordered_set<std::string_view> names;
  for (const std::string& name : kept) names.insert(node_name(name));
  for (const int id : order_) {
    const ViewNode& current = node(id);
    if (names.count(current.def->name) > 0) continue;
    if (current.def->op == "Const") at(id).constant = current.inputs.empty();
    if (!is_identity(current.def->op) || current.def->op == "IdentityN" || current.inputs.size() != 1) continue;
    at(id).constant = node(current.inputs[0].node).constant;
  }
}

}  // namespace tfengine::graphdef
