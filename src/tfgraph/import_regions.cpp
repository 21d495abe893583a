// SPDX-License-Identifier: Apache-2.0
#include "ir/verifier.h"
#include "tfgraph/importer.h"
#include "tfgraph/limits.h"
#include "tfgraph/tensor_lists.h"

namespace tfengine::tfgraph {

bool is_loop_op(std::string_view op) { return op == "While" || op == "StatelessWhile"; }
bool is_branch_op(std::string_view op) {
  return op == "If" || op == "StatelessIf" || op == "Case" || op == "StatelessCase";
}

Importer::Importer(Importer& caller, const FunctionDef& function, std::vector<Argument> arguments, std::string prefix)
    : job_(caller.job_),
      budget_(caller.budget_),
      report_(caller.report_),
      flat_(caller.job_.graph, function),
      root_(caller.root_),
      shared_(caller.shared_),
      caller_(&caller),
      function_(&function),
      arguments_(std::move(arguments)),
      prefix_(function.whole_names ? std::string() : std::move(prefix) + "/") {
  int depth = 0;
  for (const Importer* outer = caller_; outer != nullptr; outer = outer->caller_) {
    if (outer->function_ == &function) {
      fail<InvalidModel>("function '{}' runs itself (at '{}'); recursive functions are not supported", function.name,
                         prefix_);
    }
    if (++depth > ir::kMaxRegionDepth) {
      fail<InvalidModel>("loops and branches are nested more than {} deep (at '{}')", ir::kMaxRegionDepth, prefix_);
    }
  }
  shared_->nodes += static_cast<size_t>(flat_.node_count());
  if (shared_->nodes > kMaxNodes) {
    fail<InvalidModel>("the graphs of loops and branches have more than {} nodes together", kMaxNodes);
  }
  if (function.args.size() != arguments_.size()) {
    fail<InvalidModel>("'{}' passes {} arguments to function '{}', expected {}", prefix_, arguments_.size(),
                       function.name, function.args.size());
  }
}

bool Importer::passes_on(size_t index) {
  return index < function_->outputs.size() && flat_.returned(index) == Ref{static_cast<int>(index), 0};
}

ir::Graph Importer::run_region(std::string name, const std::vector<size_t>& inputs,
                               const std::vector<size_t>& outputs) {
  graph_.name = std::move(name);
  std::vector<Ref> returned;
  for (const size_t output : outputs) returned.push_back(flat_.returned(output));
  const std::vector<int> order = flat_.order(returned);
  count_uses(order, returned);
  for (const size_t input : inputs) {
    const ir::ValueId value =
        graph_.add_input(unique(prefix_ + std::string(function_->args[input])), DType::Invalid, Shape::unknown_rank());
    values_.emplace(key({static_cast<int>(input), 0}), value);
  }
  for (const int id : order) add(id);
  for (size_t i = 0; i < outputs.size(); ++i) {
    graph_.outputs.push_back({std::string(function_->outputs[outputs[i]]), value_of(returned[i], graph_.name)});
  }
  report_.functions_inlined += flat_.functions_inlined();
  return std::move(graph_);
}

Importer::Argument Importer::binding(Ref ref) {
  while (!flat_.is_cut(ref)) {
    const NodeDef& def = *flat_.node(ref.node).def;
    const auto index = static_cast<size_t>(ref.node);
    if (function_ != nullptr && index < arguments_.size()) return arguments_[index];
    if (makes_handle(def, ref.output)) return {Argument::Kind::Handle, -1, handle_grows(def, budget_)};
    if (is_variable_op(def.op) && caller_ == nullptr) return {Argument::Kind::Variable, ref.node};
    const std::vector<Ref>& inputs = flat_.node(ref.node).inputs;
    if (!is_loop_op(def.op) || static_cast<size_t>(ref.output) >= inputs.size()) break;
    ref = inputs[static_cast<size_t>(ref.output)];  // loops hand handles through
  }
  return {};
}

bool Importer::add_list_op(int id, const NodeDef& def) {
  if (def.op.find("Tensor") == std::string_view::npos) return false;
  const std::string name = unique(full_name(id));
  const ListContext context{
      graph_,
      flat_,
      id,
      name,
      [&](size_t input) { return value_of(flat_.node(id).inputs[input], fmt::format("{} '{}'", def.op, def.name)); },
      [&](size_t input) { return binding(flat_.node(id).inputs[input]).grows; },
      [&](std::string wanted) { return unique(std::move(wanted)); },
      budget_};
  const auto outputs = lower_list_op(context);
  if (!outputs) {
    shared_->names.erase(name);
    return false;
  }
  for (size_t i = 0; i < outputs->size(); ++i) {
    if ((*outputs)[i] != ir::kNone) values_.emplace(key({id, static_cast<int>(i)}), (*outputs)[i]);
  }
  return true;
}

const FunctionDef& Importer::function_of(const NodeDef& def, std::string_view name) const {
  const auto found = job_.graph.functions.find(name);
  if (found == job_.graph.functions.end()) {
    fail<InvalidModel>("{} '{}' runs function '{}', which the model does not define", def.op, def.name, name);
  }
  return found->second;
}

std::vector<Importer::Argument> Importer::arguments_of(const std::vector<Ref>& inputs, size_t first) {
  std::vector<Argument> arguments;
  for (size_t i = first; i < inputs.size(); ++i) arguments.push_back(binding(inputs[i]));
  return arguments;
}

void Importer::add_loop(int id, const NodeDef& def) {
  const std::vector<Ref> inputs = flat_.node(id).inputs;
  const std::vector<Argument> arguments = arguments_of(inputs, 0);
  const std::string name = unique(full_name(id));
  Importer body(*this, function_of(def, attr_function(def, "body")), arguments, name);
  Importer condition(*this, function_of(def, attr_function(def, "cond")), arguments, name);
  if (body.function_->outputs.size() != inputs.size() || condition.function_->outputs.size() != 1) {
    fail<InvalidModel>("{} '{}' has {} inputs, its body {} outputs and its condition {}; expected as many and one",
                       def.op, def.name, inputs.size(), body.function_->outputs.size(),
                       condition.function_->outputs.size());
  }
  std::vector<size_t> states, taken;
  for (const bool state : {true, false}) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (arguments[i].kind != Argument::Kind::Value || body.passes_on(i) == state) continue;
      taken.push_back(i);
      if (state) states.push_back(i);
    }
  }
  std::vector<ir::ValueId> values;
  for (const size_t i : taken) values.push_back(value_of(inputs[i], fmt::format("{} '{}'", def.op, def.name)));
  for (size_t i = states.size(); i < taken.size(); ++i) {
    values_.emplace(key({id, static_cast<int>(taken[i])}), values[i]);
  }
  if (states.empty()) return;
  std::vector<ir::Graph> regions;
  regions.push_back(condition.run_region("cond", taken, {0}));
  regions.push_back(body.run_region("body", taken, states));
  const ir::NodeId node = graph_.add_node("While", name, std::move(values), {}, static_cast<int>(states.size()));
  graph_.node(node).regions = std::move(regions);
  for (size_t i = 0; i < states.size(); ++i) {
    values_.emplace(key({id, static_cast<int>(states[i])}), graph_.output(node, static_cast<int>(i)));
  }
}

void Importer::add_branch(int id, const NodeDef& def) {
  const bool two = def.op == "If" || def.op == "StatelessIf";
  const std::vector<Ref> inputs = flat_.node(id).inputs;
  std::vector<std::string_view> functions = functions_of(def);
  if (two) functions = {attr_function(def, "then_branch"), attr_function(def, "else_branch")};
  if (inputs.empty() || functions.empty()) {
    fail<InvalidModel>("{} '{}' has {} inputs and {} branches, expected one or more of each", def.op, def.name,
                       inputs.size(), functions.size());
  }
  const std::vector<Argument> arguments = arguments_of(inputs, 1);
  const std::string name = unique(full_name(id));
  const size_t count = function_of(def, functions[0]).outputs.size();
  std::vector<size_t> taken, outputs;
  for (size_t i = 0; i < count; ++i) outputs.push_back(i);
  std::vector<ir::ValueId> values = {value_of(inputs[0], fmt::format("{} '{}'", def.op, def.name))};
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].kind != Argument::Kind::Value) continue;
    taken.push_back(i);
    values.push_back(value_of(inputs[i + 1], fmt::format("{} '{}'", def.op, def.name)));
  }
  std::vector<ir::Graph> regions;
  for (size_t i = 0; i < functions.size(); ++i) {
    const FunctionDef& function = function_of(def, functions[i]);
    if (function.outputs.size() != count) {
      fail<InvalidModel>("{} '{}': its branches have {} and {} outputs, expected as many", def.op, def.name, count,
                         function.outputs.size());
    }
    const std::string branch = two ? (i == 0 ? "then" : "else") : fmt::format("branch{}", i);
    regions.push_back(
        Importer(*this, function, arguments, fmt::format("{}/{}", name, branch)).run_region(branch, taken, outputs));
  }
  const ir::NodeId node = graph_.add_node(two ? "If" : "Case", name, std::move(values), {}, static_cast<int>(count));
  graph_.node(node).regions = std::move(regions);
  for (int i = 0; i < static_cast<int>(count); ++i) values_.emplace(key({id, i}), graph_.output(node, i));
}

}  // namespace tfengine::tfgraph
