// SPDX-License-Identifier: Apache-2.0
#include "ir/verifier.h"

#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "base/check.h"

namespace tfengine::ir {

namespace {

template <typename... Args>
[[noreturn]] void broken(fmt::format_string<Args...> format, Args&&... args) {
  fail<InternalError>("graph verifier: {}", fmt::format(format, std::forward<Args>(args)...));
}

class Verifier {
 public:
  using Names = std::unordered_map<std::string, std::string>;  // of inputs and results, with who has it
  Verifier(const Graph& graph, Names& names, int depth = 0)
      : graph_(graph), uses_(static_cast<size_t>(graph.value_count())), names_(names), depth_(depth) {}

  void run() {
    verify_inputs();
    for (NodeId id = 0; id < graph_.node_count(); ++id) {
      if (graph_.node(id).alive) verify_node(id);
    }
    verify_outputs();
    for (ValueId id = 0; id < graph_.value_count(); ++id) verify_value(id);
    verify_acyclic();
  }

 private:
  bool exists(ValueId id) const { return id >= 0 && id < graph_.value_count(); }
  bool is_input(ValueId id) const { return inputs_.count(id) > 0; }

  void claim_name(const std::string& name, const std::string& owner) {
    const auto [found, fresh] = names_.emplace(name, owner);
    if (!fresh) broken("{} and {} are both named '{}', expected unique names", found->second, owner, name);
  }

  void verify_inputs() {
    for (const ValueId id : graph_.inputs) {
      if (!exists(id)) broken("graph input is value {} of {}", id, graph_.value_count());
      const Value& input = graph_.value(id);
      if (!inputs_.insert(id).second) broken("'{}' is a graph input twice", input.name);
      if (input.producer != kNone) broken("graph input '{}' has a producer", input.name);
      if (input.is_constant()) broken("graph input '{}' is a constant", input.name);
      claim_name(input.name, "a graph input");
    }
  }

  void verify_node(NodeId id) {
    const Node& node = graph_.node(id);
    if (node.op.empty()) broken("node '{}' has no op", node.name);
    for (const ValueId input : node.inputs) {
      if (!exists(input)) broken("{} '{}' uses value {} of {}", node.op, node.name, input, graph_.value_count());
      verify_defined(input, fmt::format("{} '{}'", node.op, node.name));
      uses_[static_cast<size_t>(input)].push_back(id);
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (!exists(node.outputs[i]))
        broken("{} '{}' produces value {} of {}", node.op, node.name, node.outputs[i], graph_.value_count());
      const Value& out = graph_.value(node.outputs[i]);
      if (out.producer != id || out.output_index != static_cast<int>(i)) {
        broken("output {} of {} '{}' is '{}', which says it is output {} of node {}", i, node.op, node.name, out.name,
               out.output_index, out.producer);
      }
      if (out.is_constant()) broken("output {} of {} '{}' is a constant", i, node.op, node.name);
      claim_name(out.name, fmt::format("output {} of {} '{}'", i, node.op, node.name));
    }
    verify_epilogue(node);
    if (!node.regions.empty() && depth_ == kMaxRegionDepth) {
      broken("{} '{}' is nested in more than {} regions", node.op, node.name, kMaxRegionDepth);
    }
    for (const Graph& region : node.regions) Verifier(region, names_, depth_ + 1).run();
  }

  void verify_defined(ValueId id, const std::string& user) const {
    const Value& value = graph_.value(id);
    if (value.is_constant() || is_input(id)) return;
    if (value.producer == kNone) broken("{} uses '{}', which nothing defines", user, value.name);
    if (value.producer < 0 || value.producer >= graph_.node_count()) {
      broken("'{}' is produced by node {} of {}", value.name, value.producer, graph_.node_count());
    }
    const Node& producer = graph_.node(value.producer);
    if (!producer.alive) broken("{} uses '{}' of the removed {} '{}'", user, value.name, producer.op, producer.name);
    const auto index = static_cast<size_t>(value.output_index);
    if (index >= producer.outputs.size() || producer.outputs[index] != id) {
      broken("{} uses '{}', which is not output {} of {} '{}'", user, value.name, value.output_index, producer.op,
             producer.name);
    }
  }

  static void verify_epilogue(const Node& node) {
    const auto count = static_cast<int>(node.inputs.size());
    const auto valid = [count](int index) { return index == kNone || (index > 0 && index < count); };
    const Epilogue& epilogue = node.epilogue;
    if (!valid(epilogue.bias))
      broken("{} '{}': epilogue bias is input {}, expected 1..{}", node.op, node.name, epilogue.bias, count - 1);
    if (!valid(epilogue.residual)) {
      broken("{} '{}': epilogue residual is input {}, expected 1..{}", node.op, node.name, epilogue.residual,
             count - 1);
    }
    if (epilogue.bias != kNone && epilogue.bias == epilogue.residual) {
      broken("{} '{}': epilogue bias and residual are both input {}", node.op, node.name, epilogue.bias);
    }
    if (!epilogue.empty() && node.outputs.size() != 1) {
      broken("{} '{}' has an epilogue and {} outputs, expected 1", node.op, node.name, node.outputs.size());
    }
  }

  void verify_outputs() {
    std::unordered_set<std::string> output_names;
    for (const GraphOutput& out : graph_.outputs) {
      if (!exists(out.value)) broken("graph output '{}' is value {} of {}", out.name, out.value, graph_.value_count());
      verify_defined(out.value, fmt::format("graph output '{}'", out.name));
      if (!output_names.insert(out.name).second) broken("two graph outputs are named '{}'", out.name);
    }
  }

  void verify_value(ValueId id) {
    const Value& value = graph_.value(id);
    std::vector<NodeId> listed = value.users;
    std::sort(listed.begin(), listed.end());
    // Filled in order of node ids, hence sorted.
    if (const std::vector<NodeId>& real = uses_[static_cast<size_t>(id)]; listed != real) {
      broken("'{}' lists users [{}], expected [{}]", value.name, fmt::join(listed, ", "), fmt::join(real, ", "));
    }
    if (value.is_constant() && (value.constant.dtype() != value.dtype || value.constant.shape() != value.shape)) {
      broken("constant '{}' is {} {}, its value says {} {}", value.name, dtype_name(value.constant.dtype()),
             value.constant.shape().str(), dtype_name(value.dtype), value.shape.str());
    }
    if (value.quant.defined()) verify_quant(value);
    if (value.range && !(std::isfinite(value.range->max_abs) && value.range->max_abs >= 0)) {
      broken("'{}' has range max_abs {}, expected a finite number from 0", value.name, value.range->max_abs);
    }
  }

  static void verify_quant(const Value& value) {
    const Quant& quant = value.quant;
    if (value.dtype != DType::S8 && value.dtype != DType::U8 && value.dtype != DType::S32) {
      broken("'{}' is {} and quantized, expected int8, uint8 or int32", value.name, dtype_name(value.dtype));
    }
    for (const float scale : quant.scales) {
      if (!(std::isfinite(scale) && scale > 0))
        broken("'{}' has scale {}, expected a finite number above 0", value.name, scale);
    }
    if (quant.zero_point != 0) {
      if (value.dtype != DType::U8 || quant.axis >= 0 || quant.zero_point < 0 || quant.zero_point > 255) {
        broken("'{}' is {} with zero point {}, expected 0, or uint8 with one scale and a zero point up to 255",
               value.name, dtype_name(value.dtype), quant.zero_point);
      }
    }
    if (quant.axis < 0) {
      if (quant.scales.size() != 1)
        broken("'{}' has {} scales and no axis, expected 1", value.name, quant.scales.size());
      return;
    }
    if (!value.shape.ranked()) return;
    const auto axis = static_cast<size_t>(quant.axis);
    if (axis >= value.shape.rank())
      broken("'{}' of shape {} is quantized along axis {}", value.name, value.shape.str(), quant.axis);
    // A depthwise filter [kh, kw, channels, multiplier] has a scale per output channel: both last axes together.
    int64_t channels = value.shape[axis];
    if (axis == 2 && value.shape.rank() == 4 && channels > 0 && value.shape[3] > 0) channels *= value.shape[3];
    if (value.shape[axis] >= 0 && value.shape[axis] != static_cast<int64_t>(quant.scales.size()) &&
        channels != static_cast<int64_t>(quant.scales.size())) {
      broken("'{}' of shape {} has {} scales along axis {}, expected {}", value.name, value.shape.str(),
             quant.scales.size(), quant.axis, value.shape[axis]);
    }
  }

  void verify_acyclic() const {
    try {
      (void)graph_.order();
    } catch (const InvalidModel& cycle) {
      broken("{}", cycle.what());
    }
  }

  const Graph& graph_;
  std::vector<std::vector<NodeId>> uses_;
  std::unordered_set<ValueId> inputs_;
  Names& names_;
  int depth_;
};

}  // namespace

void verify(const Graph& graph) {
  Verifier::Names names;
  Verifier(graph, names).run();
}

}  // namespace tfengine::ir
