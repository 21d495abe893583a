// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/flatten.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "tfgraph/limits.h"
#include "tfgraph/op_outputs.h"

namespace tfengine::tfgraph {

namespace {

// Output i is input i, in inference: what they check or mark matters in training or debugging only.
constexpr std::array<std::string_view, 11> kAliases = {
    "CheckNumerics",       "CheckNumericsV2",        "DebugIdentity",   "EnsureShape", "Identity",    "IdentityN",
    "OptimizationBarrier", "PlaceholderWithDefault", "PreventGradient", "Snapshot",    "StopGradient"};

bool is_control(std::string_view input) { return !input.empty() && input[0] == '^'; }

std::vector<std::string_view> data_inputs(const NodeDef& def) {
  std::vector<std::string_view> inputs;
  std::copy_if(def.inputs.begin(), def.inputs.end(), std::back_inserter(inputs),
               [](std::string_view input) { return !is_control(input); });
  return inputs;
}

// "node:3" -> 3; false when the part behind the last colon is no number.
bool split_index(std::string_view text, std::string_view& head, int& index) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end != digits.data() + digits.size() || index < 0) return false;
  head = text.substr(0, colon);
  return true;
}

bool is_pass_through(const NodeDef& def) {
  return std::find(kAliases.begin(), kAliases.end(), def.op) != kAliases.end();
}

// Names that TensorFlow's exporters give to calls: they say nothing about the model.
bool is_generated_call(const NodeDef& call) {
  const std::string_view name =
      call.name.substr(call.name.rfind('/') == std::string_view::npos ? 0 : call.name.rfind('/') + 1);
  return name.substr(0, 23) == "StatefulPartitionedCall" || name.substr(0, 15) == "PartitionedCall";
}

}  // namespace

Flattener::Flattener(const GraphDef& graph, Choices choices) : graph_(graph), choices_(std::move(choices)) {
  scopes_.emplace_back();
  add_nodes(0, graph.nodes);
}

Flattener::Flattener(const GraphDef& graph, const FunctionDef& function) : graph_(graph) {
  scopes_.emplace_back();
  scopes_[0].function = &function;
  for (const std::string_view name : function.args) {
    NodeDef argument;
    argument.name = name;
    argument.op = "_Arg";
    arguments_.push_back(std::move(argument));
  }
  add_nodes(0, arguments_);
  add_nodes(0, function.nodes);
}

Ref Flattener::returned(size_t index) {
  const FunctionDef& function = *scopes_[0].function;
  const auto found = function.returns.find(function.outputs[index]);
  if (found == function.returns.end()) {
    fail<InvalidModel>("function '{}' does not say what its output '{}' is", function.name, function.outputs[index]);
  }
  return resolve(resolve_input(0, found->second));
}

void Flattener::add_nodes(int scope, const std::vector<NodeDef>& nodes) {
  if (nodes_.size() + nodes.size() > kMaxNodes) {
    fail<InvalidModel>("the graph has more than {} nodes after inlining its functions", kMaxNodes);
  }
  for (const NodeDef& def : nodes) {
    const int id = static_cast<int>(nodes_.size());
    if (!scopes_[static_cast<size_t>(scope)].nodes.emplace(def.name, id).second) {
      fail<InvalidModel>("two nodes are named '{}'", def.name);
    }
    nodes_.push_back({&def, scope, -1, {}});
  }
}

std::string Flattener::full_name(int id) const {
  std::string name(node(id).def->name);
  for (int scope = node(id).scope; scope != 0;) {
    const FlatNode& call = node(scopes_[static_cast<size_t>(scope)].call);
    if (!is_generated_call(*call.def)) name = fmt::format("{}/{}", call.def->name, name);
    scope = call.scope;
  }
  return name;
}

std::string Flattener::where(int id) const {
  const FunctionDef* function = scopes_[static_cast<size_t>(node(id).scope)].function;
  return fmt::format("{} '{}'{}", node(id).def->op, node(id).def->name,
                     function == nullptr ? std::string() : fmt::format(" of function '{}'", function->name));
}

const FunctionDef* Flattener::called_function(const NodeDef& def) const {
  if (choices_.keeps_call && choices_.keeps_call(def)) return nullptr;
  const bool indirect = def.op == "PartitionedCall" || def.op == "StatefulPartitionedCall";
  const std::string_view name = indirect ? attr_function(def, "f") : def.op;
  const auto found = graph_.functions.find(name);
  if (found != graph_.functions.end()) return &found->second;
  if (indirect)
    fail<InvalidModel>("{} '{}' calls function '{}', which the model does not define", def.op, def.name, name);
  return nullptr;
}

int Flattener::enter(int call, const FunctionDef& function) {
  FlatNode& node = nodes_[static_cast<size_t>(call)];
  if (node.body >= 0) return node.body;
  for (int scope = node.scope; scope != 0;
       scope = nodes_[static_cast<size_t>(scopes_[static_cast<size_t>(scope)].call)].scope) {
    if (scopes_[static_cast<size_t>(scope)].function == &function) {
      fail<InvalidModel>("function '{}' calls itself (at {}); recursive functions are not supported", function.name,
                         where(call));
    }
  }
  Scope body;
  body.function = &function;
  body.call = call;
  body.depth = scopes_[static_cast<size_t>(node.scope)].depth + 1;
  if (body.depth > kMaxCallDepth)
    fail<InvalidModel>("{} is nested in more than {} function calls", where(call), kMaxCallDepth);
  body.passed = data_inputs(*node.def);
  if (body.passed.size() != function.args.size()) {
    fail<InvalidModel>("{} passes {} arguments to function '{}', expected {}", where(call), body.passed.size(),
                       function.name, function.args.size());
  }
  for (size_t i = 0; i < function.args.size(); ++i) body.args.emplace(function.args[i], i);
  node.body = static_cast<int>(scopes_.size());
  const int scope = node.body;
  scopes_.push_back(std::move(body));
  add_nodes(scope, function.nodes);
  return scope;
}

bool Flattener::is_alias(const NodeDef& def) const { return !choices_.keep_identities && is_pass_through(def); }

Ref Flattener::find(std::string_view tensor) const {
  std::string_view name = tensor;
  int index = 0;
  split_index(tensor, name, index);
  const auto found = scopes_[0].nodes.find(name);
  return found == scopes_[0].nodes.end() ? Ref{} : Ref{found->second, index};
}

bool Flattener::parse(int scope_id, std::string_view text, Ref& ref, size_t& arg) const {
  const Scope& scope = scopes_[static_cast<size_t>(scope_id)];
  std::string_view name = text;
  int index = 0;
  split_index(text, name, index);
  if (scope.function != nullptr) {
    if (const auto found = scope.args.find(name); found != scope.args.end()) {
      arg = found->second;
      return false;
    }
    // "node:output:0"; also "node:0" and "node" are seen.
    const size_t colon = name.find(':');
    const std::string_view output = colon == std::string_view::npos ? std::string_view() : name.substr(colon + 1);
    name = name.substr(0, colon);
    const auto inner = scope.nodes.find(name);
    if (inner == scope.nodes.end())
      fail<InvalidModel>("function '{}' uses '{}', which it does not define", scope.function->name, text);
    const NodeDef& def = *node(inner->second).def;
    const FunctionDef* callee = called_function(def);
    if (callee != nullptr && def.op == callee->name && !output.empty()) {
      const auto named = std::find(callee->outputs.begin(), callee->outputs.end(), output);
      if (named == callee->outputs.end()) fail<InvalidModel>("function '{}' has no output '{}'", callee->name, output);
      index += static_cast<int>(named - callee->outputs.begin());
    } else if (!output.empty()) {
      index += output_offset(def.op, output);
    }
    ref = {inner->second, index};
    return true;
  }
  const auto found = scope.nodes.find(name);
  if (found == scope.nodes.end()) fail<InvalidModel>("the graph uses '{}', which it does not define", text);
  ref = {found->second, index};
  return true;
}

Ref Flattener::resolve_input(int scope, std::string_view text) {
  Ref ref;
  size_t arg = 0;
  while (!parse(scope, text, ref, arg)) {  // ends in the main graph, which has no arguments
    const Scope& body = scopes_[static_cast<size_t>(scope)];
    text = body.passed[arg];
    scope = node(body.call).scope;
  }
  return ref;
}

// One step towards the producer; false when `ref` is one.
bool Flattener::step(Ref& ref) {
  if (is_cut(ref)) return false;
  const NodeDef& def = *node(ref.node).def;
  const int scope = node(ref.node).scope;
  if (is_alias(def)) {
    const std::vector<std::string_view> inputs = data_inputs(def);
    const auto index = static_cast<size_t>(ref.output);
    if (index >= inputs.size() || (index > 0 && def.op != "IdentityN")) {
      fail<InvalidModel>("{} has {} inputs; its output {} is used", where(ref.node), inputs.size(), ref.output);
    }
    ref = resolve_input(scope, inputs[index]);
    return true;
  }
  const FunctionDef* function = called_function(def);
  if (function == nullptr) return false;
  const auto index = static_cast<size_t>(ref.output);
  if (index >= function->outputs.size()) {
    fail<InvalidModel>("{} has {} outputs; its output {} is used", where(ref.node), function->outputs.size(),
                       ref.output);
  }
  const auto found = function->returns.find(function->outputs[index]);
  if (found == function->returns.end()) {
    fail<InvalidModel>("function '{}' does not say what its output '{}' is", function->name, function->outputs[index]);
  }
  ref = resolve_input(enter(ref.node, *function), found->second);
  return true;
}

Ref Flattener::resolve(Ref ref) {
  std::vector<Ref> path;
  while (true) {
    if (const auto known = resolved_.find(key(ref)); known != resolved_.end()) {
      ref = known->second;
      break;
    }
    path.push_back(ref);
    if (path.size() > kMaxAliasSteps) fail<InvalidModel>("{} is part of a cycle", where(path[0].node));
    if (!step(ref)) break;
  }
  for (const Ref passed : path) resolved_[key(passed)] = ref;
  return ref;
}

std::vector<Ref> Flattener::inputs_of(int id) {
  const int scope = node(id).scope;
  std::vector<Ref> inputs;
  for (const std::string_view text : data_inputs(*node(id).def)) inputs.push_back(resolve(resolve_input(scope, text)));
  return inputs;
}

void Flattener::add_returns(int call, std::vector<int>& controls) {
  const FunctionDef* function = called_function(*node(call).def);
  if (function == nullptr) return controls.push_back(call);
  const int body = enter(call, *function);
  for (size_t i = 0; i < function->outputs.size(); ++i) {
    controls.push_back(resolve({call, static_cast<int>(i)}).node);
  }
  for (const std::string_view name : function->control_returns) {
    const auto found = scopes_[static_cast<size_t>(body)].nodes.find(name);
    if (found == scopes_[static_cast<size_t>(body)].nodes.end()) {
      fail<InvalidModel>("function '{}' uses '{}', which it does not define", function->name, name);
    }
    add_returns(found->second, controls);
  }
}

void Flattener::add_controls(int scope, const NodeDef& def, std::vector<int>& controls) {
  for (const std::string_view input : def.inputs) {
    if (!is_control(input)) continue;
    const Scope& own = scopes_[static_cast<size_t>(scope)];
    const std::string_view name = input.substr(1);
    if (const auto found = own.nodes.find(name); found != own.nodes.end()) {
      add_returns(found->second, controls);
    } else if (const auto arg = own.args.find(name); arg != own.args.end()) {
      controls.push_back(resolve(resolve_input(scope, name)).node);
    } else {
      fail<InvalidModel>("'{}' waits for '{}', which the graph does not define", def.name, name);
    }
  }
}

std::vector<int> Flattener::controls_of(int id) {
  std::vector<int> controls;
  add_controls(node(id).scope, *node(id).def, controls);
  int waiting = id;
  for (int scope = node(id).scope; scope != 0; scope = node(waiting).scope) {
    // Who takes something from its own body waits for the call already.
    const Scope& own = scopes_[static_cast<size_t>(scope)];
    const std::vector<std::string_view>& inputs = node(waiting).def->inputs;
    const bool first = std::all_of(inputs.begin(), inputs.end(), [&](std::string_view input) {
      return own.args.count(is_control(input) ? input.substr(1) : input) > 0;
    });
    if (!first) break;
    waiting = own.call;
    add_controls(node(waiting).scope, *node(waiting).def, controls);
  }
  std::sort(controls.begin(), controls.end());
  controls.erase(std::unique(controls.begin(), controls.end()), controls.end());
  return controls;
}

std::vector<int> Flattener::inline_call(int call) {
  std::vector<int> body;
  std::vector<int> calls = {call};
  while (!calls.empty()) {
    const int current = calls.back();
    calls.pop_back();
    const FunctionDef* function = called_function(*node(current).def);
    if (function == nullptr) continue;
    for (const auto& [name, id] : scopes_[static_cast<size_t>(enter(current, *function))].nodes) {
      body.push_back(id);
      calls.push_back(id);
    }
  }
  std::sort(body.begin(), body.end());
  return body;
}

std::vector<int> Flattener::order(const std::vector<Ref>& outputs) {
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> state;
  struct Frame {
    int node;
    size_t next_input;
  };
  std::vector<Frame> stack;
  std::vector<int> sorted;
  // Calls inlined on the way add nodes.
  const auto visit = [&](Ref ref) {
    if (is_cut(ref)) return;
    const int id = ref.node;
    state.resize(nodes_.size(), kNew);
    uint8_t& current = state[static_cast<size_t>(id)];
    if (current == kOpen) fail<InvalidModel>("{} is part of a cycle", where(id));
    if (current == kDone) return;
    current = kOpen;
    stack.push_back({id, 0});
    std::vector<Ref> inputs = inputs_of(id);
    nodes_[static_cast<size_t>(id)].inputs = std::move(inputs);
  };
  for (const Ref output : outputs) {
    visit(output);
    while (!stack.empty()) {
      Frame& top = stack.back();
      const FlatNode& current = node(top.node);
      if (top.next_input < current.inputs.size()) {
        visit(current.inputs[top.next_input++]);
      } else {
        state[static_cast<size_t>(top.node)] = kDone;
        sorted.push_back(top.node);
        stack.pop_back();
      }
    }
  }
  return sorted;
}

}  // namespace tfengine::tfgraph
