// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/import.h"

#include <algorithm>
#include <unordered_set>

#include "ops/geometry.h"
#include "ops/op.h"
#include "tfgraph/dtype.h"
#include "tfgraph/importer.h"
#include "tfgraph/layout.h"
#include "tfgraph/op_outputs.h"

namespace tfengine::tfgraph {

namespace {

constexpr const char* kNchwToNhwc = "/to_nhwc";

// "node" for "node:0".
std::string canonical(const std::string& tensor) {
  return tensor.size() > 2 && tensor.compare(tensor.size() - 2, 2, ":0") == 0 ? tensor.substr(0, tensor.size() - 2)
                                                                              : tensor;
}

}  // namespace

ir::Graph Importer::run() {
  find_inputs();
  std::vector<Ref> outputs;
  for (const Endpoint& output : job_.outputs) outputs.push_back(flat_.resolve(find(output, "output")));
  const std::vector<int> order = flat_.order(outputs);
  variables_.emplace(flat_, job_.bundle, job_.restore_op);
  count_uses(order, outputs);
  add_inputs();
  for (const int id : order) add(id);
  for (size_t i = 0; i < outputs.size(); ++i) add_output(job_.outputs[i], outputs[i]);
  report_.nodes_read = static_cast<int>(job_.graph.nodes.size());
  report_.functions_inlined += flat_.functions_inlined();
  report_removed();
  return std::move(graph_);
}

Ref Importer::find(const Endpoint& endpoint, const char* what) const {
  const Ref ref = flat_.find(endpoint.tensor);
  if (ref.node < 0) fail<InvalidArgument>("{} '{}' is not a tensor of the model", what, endpoint.tensor);
  return ref;
}

void Importer::find_inputs() {
  for (const Endpoint& input : job_.inputs) {
    input_refs_.push_back(find(input, "input"));
    flat_.cut(input_refs_.back());
  }
}

void Importer::count_uses(const std::vector<int>& order, const std::vector<Ref>& outputs) {
  const auto use = [&](Ref ref) {
    int& used = outputs_used_[ref.node];
    used = std::max(used, ref.output + 1);
    if (flat_.is_cut(ref)) cuts_used_.insert(key(ref));
  };
  for (const int id : order) {
    for (const Ref input : flat_.node(id).inputs) use(input);
  }
  for (const Ref output : outputs) use(output);
}

std::string Importer::unique(std::string name) {
  std::string candidate = name;
  for (int suffix = 1; !shared_->names.insert(candidate).second; ++suffix)
    candidate = fmt::format("{}_{}", name, suffix);
  return candidate;
}

void Importer::add_inputs() {
  for (size_t i = 0; i < job_.inputs.size(); ++i) {
    const Endpoint& input = job_.inputs[i];
    if (job_.drop_unused_inputs && cuts_used_.count(key(input_refs_[i])) == 0) continue;
    const DType declared = placeholder_dtype(job_.graph, input.tensor);
    const auto shape = input.shape ? input.shape : placeholder_shape(job_.graph, input.tensor);
    const ir::ValueId value =
        graph_.add_input(unique(canonical(input.name)), input.dtype != DType::Invalid ? input.dtype : declared,
                         shape.value_or(Shape::unknown_rank()));
    if (!values_.emplace(key(input_refs_[i]), value).second)
      fail<InvalidArgument>("input '{}' is named twice", input.tensor);
  }
}

void Importer::add_output(const Endpoint& output, Ref ref) {
  const std::string name = canonical(output.name);
  for (const ir::GraphOutput& other : graph_.outputs) {
    if (other.name == name) fail<InvalidArgument>("output '{}' is named twice", name);
  }
  graph_.outputs.push_back({name, value_of(ref, "the graph's output")});
}

ir::ValueId Importer::value_of(Ref ref, std::string_view user) {
  if (const auto found = values_.find(key(ref)); found != values_.end()) return found->second;
  const NodeDef& def = *flat_.node(ref.node).def;
  if (const Argument argument = binding(ref); argument.kind == Argument::Kind::Variable) {
    fail<InvalidModel>("{} uses the variable '{}' other than by reading it; expected a graph for inference", user,
                       root_->variables_->name(argument.variable));
  }
  fail<InvalidModel>("{} uses output {} of {} '{}', which has no such output", user, ref.output, def.op, def.name);
}

void Importer::add(int id) {
  const NodeDef& def = *flat_.node(id).def;
  if (def.op == "Const") return add_constant(id, def);
  if (def.op == "Placeholder" || def.op == "PlaceholderV2") {
    fail<InvalidArgument>("placeholder '{}' is needed for the outputs and is not among the inputs", def.name);
  }
  if (static_cast<size_t>(id) < arguments_.size()) return;  // of the function
  if (def.op == "VarHandleOp") return;                      // its readers become constants
  if (is_variable_op(def.op)) return define(id, variable_value(id));
  if (def.op == "ReadVariableOp") return add_read(id, def);
  if (is_loop_op(def.op)) return add_loop(id, def);
  if (is_branch_op(def.op)) return add_branch(id, def);
  if (!add_list_op(id, def)) add_node(id, def);
}

void Importer::add_constant(int id, const NodeDef& def) {
  const auto message = attr_tensor(def, "value");
  if (!message) fail<InvalidModel>("Const '{}' has no value", def.name);
  Tensor tensor;
  try {
    tensor = read_tensor(*message, budget_);
  } catch (const InvalidModel& error) {
    fail<InvalidModel>("Const '{}': {}", def.name, error.what());
  }
  const uint64_t declared = attr_type(def, "dtype");
  if (declared != 0 && dtype_from_proto(declared) != tensor.dtype()) {
    fail<InvalidModel>("Const '{}' is declared {} and holds {}", def.name, proto_dtype_name(declared),
                       dtype_name(tensor.dtype()));
  }
  define(id, graph_.add_constant(unique(full_name(id)), std::move(tensor)));
}

ir::ValueId Importer::variable_value(int variable) {
  const auto [found, fresh] = variable_values_.emplace(variable, ir::kNone);
  if (fresh) {
    Variables& variables = *root_->variables_;
    const auto [loaded, first] = shared_->variables.try_emplace(variable);
    if (first) loaded->second = variables.load(variable, budget_);
    found->second = graph_.add_constant(unique(variables.name(variable)), loaded->second);
  }
  return found->second;
}

void Importer::add_read(int id, const NodeDef& def) {
  const std::vector<Ref>& inputs = flat_.node(id).inputs;
  if (inputs.size() != 1) fail<InvalidModel>("ReadVariableOp '{}' has {} inputs, expected 1", def.name, inputs.size());
  const Argument read = binding(inputs[0]);
  // A reader of anything else is what freezing left of one.
  define(id, read.kind == Argument::Kind::Variable ? variable_value(read.variable)
                                                   : value_of(inputs[0], fmt::format("ReadVariableOp '{}'", def.name)));
}

std::string Importer::modernize(int id, const NodeDef& def, std::vector<ir::ValueId>& inputs, const std::string& name) {
  std::string op = modern_op(def.op, inputs,
                             [&] { return graph_.add_constant(unique(name + "/axis"), Tensor(DType::S32, Shape{})); });
  if (const ops::Op* known = ops::find_op(op)) return known->name;
  report_unknown(id, op);
  return op;
}

void Importer::report_unknown(int id, const std::string& op) {
  if (shared_->unknown_ops.insert(op).second) {
    report_.notes.push_back(
        fmt::format("{} '{}': tfengine does not know this op; what needs it cannot run", op, full_name(id)));
  }
}

std::vector<ir::ValueId> Importer::input_values(int id, const NodeDef& def) {
  std::vector<ir::ValueId> inputs;
  for (const Ref ref : flat_.node(id).inputs) {
    const Argument read = binding(ref);
    const bool gathered = def.op == "ResourceGather" && inputs.empty() && read.kind == Argument::Kind::Variable;
    inputs.push_back(gathered ? variable_value(read.variable)
                              : value_of(ref, fmt::format("{} '{}'", def.op, def.name)));
  }
  return inputs;
}

bool Importer::is_matmul(const std::vector<ir::ValueId>& inputs) const {
  const ir::NodeId producer = inputs.empty() ? ir::kNone : graph_.value(inputs[0]).producer;
  return producer != ir::kNone && graph_.node(producer).op == "MatMul";
}

void Importer::add_node(int id, const NodeDef& def) {
  const std::string name = unique(full_name(id));
  std::vector<ir::ValueId> inputs = input_values(id, def);
  std::string op = modernize(id, def, inputs, name);
  ir::Attrs attrs = read_attrs(def, budget_);
  // A matrix has its channels last in either format.
  const bool matrix = op == "BiasAdd" && is_nchw(def.op, attrs) && is_matmul(inputs);
  if (matrix) attrs["data_format"] = std::string("NHWC");
  const bool nchw = is_nchw(def.op, attrs) && !inputs.empty();
  if (nchw) {
    ops::to_nhwc(def.name, attrs);
    inputs[0] = add_transpose(graph_, inputs[0], {0, 2, 3, 1}, unique(name + kNchwToNhwc));
  }
  const int count = std::max(minimum_outputs(def), outputs_used_[id]);
  if (count > 65536)
    fail<InvalidModel>("output {} of {} '{}' is used, expected at most 65536", count - 1, def.op, def.name);
  const ir::NodeId node = graph_.add_node(std::move(op), name, std::move(inputs), std::move(attrs), count);
  for (int i = nchw ? 1 : 0; i < count; ++i) values_.emplace(key({id, i}), graph_.output(node, i));
  if (!nchw) return;
  // The node keeps its name, and so does the tensor that TensorFlow knows by it.
  graph_.value(graph_.output(node)).name = unique(name + "/nhwc");
  const ir::ValueId back = add_transpose(graph_, graph_.output(node), {0, 3, 1, 2}, unique(name + "/to_nchw"));
  graph_.value(back).name = name;
  define(id, back);
}

void Importer::report_removed() {
  std::unordered_set<std::string_view> kept;
  ir::for_each_graph(graph_, [&](const ir::Graph& graph) {
    for (ir::NodeId id = 0; id < graph.node_count(); ++id) kept.insert(graph.node(id).name);
  });
  for (int id = 0; id < flat_.node_count(); ++id) {
    std::string name = flat_.full_name(id);
    if (kept.count(name) == 0) report_.removed.emplace(std::move(name), flat_.node(id).def->op);
  }
}

ir::Attrs read_attrs(const NodeDef& node, ConstantBudget& budget) {
  ir::Attrs attrs;
  for (const MapEntry& entry : node.attrs) {
    if (!entry.key.empty() && entry.key[0] == '_') continue;  // notes of TensorFlow to itself
    try {
      if (auto attr = read_attr(entry.value, budget)) attrs.emplace(entry.key, std::move(*attr));
    } catch (const InvalidModel& error) {
      fail<InvalidModel>("{} '{}': attribute '{}': {}", node.op, node.name, entry.key, error.what());
    }
  }
  return attrs;
}

std::string modern_op(std::string_view op, std::vector<ir::ValueId>& inputs, const std::function<ir::ValueId()>& zero) {
  if (op == "Concat" && inputs.size() > 1) {
    std::rotate(inputs.begin(), inputs.begin() + 1, inputs.end());
    return "ConcatV2";
  }
  if ((op == "Gather" || op == "ResourceGather") && inputs.size() == 2) {
    inputs.push_back(zero());
    return "GatherV2";
  }
  // This library's own steps of these names are others.
  if (op == "Dequantize" || op == "Requantize") return std::string(op) + "Range";
  return std::string(op);
}

ir::Graph import_graph(const ImportJob& job, ConstantBudget& budget, ImportReport& report) {
  return Importer(job, budget, report).run();
}

}  // namespace tfengine::tfgraph
