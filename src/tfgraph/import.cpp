// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/import.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ops/op.h"
#include "tfgraph/dtype.h"
#include "tfgraph/flatten.h"
#include "tfgraph/layout.h"
#include "tfgraph/limits.h"
#include "tfgraph/op_outputs.h"
#include "tfgraph/tensor_lists.h"
#include "tfgraph/variables.h"

namespace tfengine::tfgraph {

namespace {

constexpr const char* kNchwToNhwc = "/to_nhwc";

// "node" for "node:0".
std::string canonical(const std::string& tensor) {
  return tensor.size() > 2 && tensor.compare(tensor.size() - 2, 2, ":0") == 0 ? tensor.substr(0, tensor.size() - 2)
                                                                              : tensor;
}

// What the main graph and all regions have in common.
struct Shared {
  std::unordered_set<std::string> names;
  std::unordered_set<std::string> unknown_ops;
  std::unordered_map<int, Tensor> variables;  // by flat node of the main graph
};

bool is_loop(std::string_view op) { return op == "While" || op == "StatelessWhile"; }
bool is_branch(std::string_view op) {
  return op == "If" || op == "StatelessIf" || op == "Case" || op == "StatelessCase";
}

class Importer {
 public:
  Importer(const ImportJob& job, ConstantBudget& budget, ImportReport& report)
      : job_(job), budget_(budget), report_(report), flat_(job.graph), root_(this), shared_(&own_shared_) {}

  // An argument of a function that a region is made of: a tensor, or what has none.
  struct Argument {
    enum class Kind : uint8_t { Value, Variable, Handle };
    Kind kind = Kind::Value;
    int variable = -1;  // flat node of the main graph
  };
  // `prefix` goes before the names of the function's nodes.
  Importer(Importer& caller, const FunctionDef& function, std::vector<Argument> arguments, std::string prefix)
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
      if (outer->function_ == &function || ++depth > kMaxCallDepth) {
        fail<InvalidModel>("function '{}' runs itself (at '{}'); recursive functions are not supported", function.name,
                           prefix_);
      }
    }
    if (function.args.size() != arguments_.size()) {
      fail<InvalidModel>("'{}' passes {} arguments to function '{}', expected {}", prefix_, arguments_.size(),
                         function.name, function.args.size());
    }
  }

  // Whether the function returns its argument of the same index.
  bool passes_on(size_t index) {
    return index < function_->outputs.size() && flat_.returned(index) == Ref{static_cast<int>(index), 0};
  }

  // The function as a graph of these arguments and outputs.
  ir::Graph run_region(std::string name, const std::vector<size_t>& inputs, const std::vector<size_t>& outputs) {
    graph_.name = std::move(name);
    std::vector<Ref> returned;
    for (const size_t output : outputs) returned.push_back(flat_.returned(output));
    const std::vector<int> order = flat_.order(returned);
    count_uses(order, returned);
    for (const size_t input : inputs) {
      const ir::ValueId value = graph_.add_input(unique(prefix_ + std::string(function_->args[input])), DType::Invalid,
                                                 Shape::unknown_rank());
      values_.emplace(key({static_cast<int>(input), 0}), value);
    }
    for (const int id : order) add(id);
    for (size_t i = 0; i < outputs.size(); ++i) {
      graph_.outputs.push_back({std::string(function_->outputs[outputs[i]]), value_of(returned[i], graph_.name)});
    }
    report_.functions_inlined += flat_.functions_inlined();
    return std::move(graph_);
  }

  ir::Graph run() {
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

 private:
  static uint64_t key(Ref ref) { return static_cast<uint64_t>(ref.node) << 32 | static_cast<uint32_t>(ref.output); }

  Ref find(const Endpoint& endpoint, const char* what) const {
    const Ref ref = flat_.find(endpoint.tensor);
    if (ref.node < 0) fail<InvalidArgument>("{} '{}' is not a tensor of the model", what, endpoint.tensor);
    return ref;
  }

  void find_inputs() {
    for (const Endpoint& input : job_.inputs) {
      input_refs_.push_back(find(input, "input"));
      flat_.cut(input_refs_.back());
    }
  }

  // How many outputs of each node are used, and which inputs of the graph.
  void count_uses(const std::vector<int>& order, const std::vector<Ref>& outputs) {
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

  // Values' names are unique; TensorFlow's own where possible.
  std::string unique(std::string name) {
    std::string candidate = name;
    for (int suffix = 1; !shared_->names.insert(candidate).second; ++suffix) candidate = fmt::format("{}_{}", name, suffix);
    return candidate;
  }

  void add_inputs() {
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

  void add_output(const Endpoint& output, Ref ref) {
    const std::string name = canonical(output.name);
    for (const ir::GraphOutput& other : graph_.outputs) {
      if (other.name == name) fail<InvalidArgument>("output '{}' is named twice", name);
    }
    graph_.outputs.push_back({name, value_of(ref, "the graph's output")});
  }

  std::string full_name(int id) const { return prefix_ + flat_.full_name(id); }

  // What a reference is: most are tensors.
  Argument binding(Ref ref) const {
    const NodeDef& def = *flat_.node(ref.node).def;
    if (flat_.is_cut(ref)) return {};
    if (function_ != nullptr && def.op == "_Arg") return arguments_[static_cast<size_t>(ref.node)];
    if (makes_handle(def, ref.output)) return {Argument::Kind::Handle};
    if (is_variable_op(def.op) && caller_ == nullptr) return {Argument::Kind::Variable, ref.node};
    const std::vector<Ref>& inputs = flat_.node(ref.node).inputs;
    if (is_loop(def.op) && static_cast<size_t>(ref.output) < inputs.size()) {
      return binding(inputs[static_cast<size_t>(ref.output)]);
    }
    return {};
  }

  ir::ValueId value_of(Ref ref, std::string_view user) {
    if (const auto found = values_.find(key(ref)); found != values_.end()) return found->second;
    const NodeDef& def = *flat_.node(ref.node).def;
    if (const Argument argument = binding(ref); argument.kind == Argument::Kind::Variable) {
      fail<InvalidModel>("{} uses the variable '{}' other than by reading it; expected a graph for inference", user,
                         root_->variables_->name(argument.variable));
    }
    fail<InvalidModel>("{} uses output {} of {} '{}', which has no such output", user, ref.output, def.op, def.name);
  }

  // An input that cuts the graph here stays.
  void define(int id, ir::ValueId value) { values_.emplace(key({id, 0}), value); }

  void add(int id) {
    const NodeDef& def = *flat_.node(id).def;
    if (def.op == "Const") return add_constant(id, def);
    if (def.op == "Placeholder" || def.op == "PlaceholderV2") {
      fail<InvalidArgument>("placeholder '{}' is needed for the outputs and is not among the inputs", def.name);
    }
    if (function_ != nullptr && def.op == "_Arg") return;
    if (def.op == "VarHandleOp") return;  // its readers become constants
    if (is_variable_op(def.op)) return define(id, variable_value(id));
    if (def.op == "ReadVariableOp") return add_read(id, def);
    if (is_loop(def.op)) return add_loop(id, def);
    if (is_branch(def.op)) return add_branch(id, def);
    if (!add_list_op(id, def)) add_node(id, def);
  }

  bool add_list_op(int id, const NodeDef& def) {
    if (def.op.substr(0, 6) != "Tensor") return false;
    const std::string name = unique(full_name(id));
    const ListContext context{
        graph_,
        flat_,
        id,
        name,
        [&](size_t input) { return value_of(flat_.node(id).inputs[input], fmt::format("{} '{}'", def.op, def.name)); },
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

  const FunctionDef& function_of(const NodeDef& def, std::string_view name) const {
    const auto found = job_.graph.functions.find(name);
    if (found == job_.graph.functions.end()) {
      fail<InvalidModel>("{} '{}' runs function '{}', which the model does not define", def.op, def.name, name);
    }
    return found->second;
  }

  std::vector<Argument> arguments_of(const std::vector<Ref>& inputs, size_t first) const {
    std::vector<Argument> arguments;
    for (size_t i = first; i < inputs.size(); ++i) arguments.push_back(binding(inputs[i]));
    return arguments;
  }

  // TensorFlow's loop hands everything through; the IR's has states, which change, before what stays.
  void add_loop(int id, const NodeDef& def) {
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

  void add_branch(int id, const NodeDef& def) {
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
      regions.push_back(Importer(*this, function, arguments, name + "/" + branch).run_region(branch, taken, outputs));
    }
    const ir::NodeId node =
        graph_.add_node(two ? "If" : "Case", name, std::move(values), {}, static_cast<int>(count));
    graph_.node(node).regions = std::move(regions);
    for (int i = 0; i < static_cast<int>(count); ++i) values_.emplace(key({id, i}), graph_.output(node, i));
  }

  void add_constant(int id, const NodeDef& def) {
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

  // `variable`: flat node of the main graph.
  ir::ValueId variable_value(int variable) {
    const auto [found, fresh] = variable_values_.emplace(variable, ir::kNone);
    if (fresh) {
      Variables& variables = *root_->variables_;
      const auto [loaded, first] = shared_->variables.try_emplace(variable);
      if (first) loaded->second = variables.load(variable, budget_);
      found->second = graph_.add_constant(unique(variables.name(variable)), loaded->second);
    }
    return found->second;
  }

  void add_read(int id, const NodeDef& def) {
    const std::vector<Ref>& inputs = flat_.node(id).inputs;
    if (inputs.size() != 1)
      fail<InvalidModel>("ReadVariableOp '{}' has {} inputs, expected 1", def.name, inputs.size());
    const Argument read = binding(inputs[0]);
    // A reader of anything else is what freezing left of one.
    define(id, read.kind == Argument::Kind::Variable
                   ? variable_value(read.variable)
                   : value_of(inputs[0], fmt::format("ReadVariableOp '{}'", def.name)));
  }

  // Older ops that differ from newer ones in their inputs alone.
  std::string modernize(int id, const NodeDef& def, std::vector<ir::ValueId>& inputs, const std::string& name) {
    std::string op = modern_op(
        def.op, inputs, [&] { return graph_.add_constant(unique(name + "/axis"), Tensor(DType::S32, Shape{})); });
    if (const ops::Op* known = ops::find_op(op)) return known->name;
    report_unknown(id, op);
    return op;
  }

  void report_unknown(int id, const std::string& op) {
    if (shared_->unknown_ops.insert(op).second) {
      report_.notes.push_back(
          fmt::format("{} '{}': tfengine does not know this op; what needs it cannot run", op, full_name(id)));
    }
  }

  std::vector<ir::ValueId> input_values(int id, const NodeDef& def) {
    std::vector<ir::ValueId> inputs;
    for (const Ref ref : flat_.node(id).inputs) {
      const Argument read = binding(ref);
      const bool gathered =
          def.op == "ResourceGather" && inputs.empty() && read.kind == Argument::Kind::Variable;
      inputs.push_back(gathered ? variable_value(read.variable)
                                : value_of(ref, fmt::format("{} '{}'", def.op, def.name)));
    }
    return inputs;
  }

  bool is_matmul(const std::vector<ir::ValueId>& inputs) const {
    const ir::NodeId producer = inputs.empty() ? ir::kNone : graph_.value(inputs[0]).producer;
    return producer != ir::kNone && graph_.node(producer).op == "MatMul";
  }

  void add_node(int id, const NodeDef& def) {
    const std::string name = unique(full_name(id));
    std::vector<ir::ValueId> inputs = input_values(id, def);
    std::string op = modernize(id, def, inputs, name);
    ir::Attrs attrs = read_attrs(def, budget_);
    // A matrix has its channels last in either format.
    const bool matrix = op == "BiasAdd" && is_nchw(def.op, attrs) && is_matmul(inputs);
    if (matrix) attrs["data_format"] = std::string("NHWC");
    const bool nchw = is_nchw(def.op, attrs) && !inputs.empty();
    if (nchw) {
      to_nhwc(def.name, attrs);
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

  void report_removed() {
    std::unordered_set<std::string_view> kept;
    ir::for_each_graph(graph_, [&](const ir::Graph& graph) {
      for (ir::NodeId id = 0; id < graph.node_count(); ++id) kept.insert(graph.node(id).name);
    });
    for (int id = 0; id < flat_.node_count(); ++id) {
      std::string name = flat_.full_name(id);
      if (kept.count(name) == 0) report_.removed.emplace(std::move(name), flat_.node(id).def->op);
    }
  }

  const ImportJob& job_;
  ConstantBudget& budget_;
  ImportReport& report_;
  Flattener flat_;
  Importer* root_;
  Shared own_shared_;
  Shared* shared_;
  Importer* caller_ = nullptr;
  const FunctionDef* function_ = nullptr;  // of a region
  std::vector<Argument> arguments_;
  std::string prefix_;
  std::optional<Variables> variables_;  // of the main graph
  ir::Graph graph_;
  std::vector<Ref> input_refs_;
  std::unordered_set<uint64_t> cuts_used_;
  std::unordered_map<int, int> outputs_used_;
  std::unordered_map<uint64_t, ir::ValueId> values_;
  std::unordered_map<int, ir::ValueId> variable_values_;
};

}  // namespace

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
  return std::string(op);
}

ir::Graph import_graph(const ImportJob& job, ConstantBudget& budget, ImportReport& report) {
  return Importer(job, budget, report).run();
}

}  // namespace tfengine::tfgraph
