// SPDX-License-Identifier: Apache-2.0
#include "bridges/simulated.h"

#include <vector>

#include "base/check.h"
#include "ops/op.h"

namespace tfengine::bridges {

namespace {

size_t at(ir::ValueId id) { return static_cast<size_t>(id); }

class Simulation {
 public:
  explicit Simulation(const ir::Graph& source) : source_(source), copies_(at(source.value_count()), ir::kNone) {}

  ir::Graph run() {
    graph_.name = source_.name;
    for (const ir::ValueId id : source_.inputs) {
      const ir::Value& value = source_.value(id);
      copies_[at(id)] = graph_.add_input(value.name, value.dtype, value.shape);
    }
    for (const ir::NodeId id : source_.order()) add(source_.node(id));
    for (const ir::GraphOutput& out : source_.outputs) graph_.outputs.push_back({out.name, copy_of(out.value)});
    ops::infer_graph(graph_);
    return std::move(graph_);
  }

 private:
  // The value in the new graph that stands for the real numbers of `id`.
  ir::ValueId copy_of(ir::ValueId id) {
    const ir::Value& value = source_.value(id);
    if (value.dtype == DType::BF16) {
      fail<InvalidArgument>("[export] tensor '{}' is bfloat16; expected an engine of precision fp32 or int8",
                            value.name);
    }
    if (copies_[at(id)] == ir::kNone) {
      check(value.is_constant(), "value '{}' is read before it is made", value.name);
      copies_[at(id)] = graph_.add_constant(graph_.unique_name(value.name), value.constant);
      graph_.value(copies_[at(id)]).quant = value.quant;
    }
    return copies_[at(id)];
  }

  std::vector<ir::ValueId> own_inputs(const ir::Node& node) {
    std::vector<ir::ValueId> inputs;
    for (int i = 0; i < ops::own_input_count(node); ++i) inputs.push_back(copy_of(node.inputs[static_cast<size_t>(i)]));
    return inputs;
  }

  ir::ValueId append(const std::string& op, const std::string& name, std::vector<ir::ValueId> inputs,
                     ir::Attrs attrs = {}) {
    return graph_.output(graph_.add_node(op, graph_.unique_name(name), std::move(inputs), std::move(attrs)));
  }

  void add(const ir::Node& node) {
    if (node.op == "Quantize" || node.op == "Dequantize" || node.op == "Requantize") {
      copies_[at(node.outputs[0])] = rounded(copy_of(node.inputs[0]), source_.value(node.outputs[0]));
      return;
    }
    std::vector<ir::ValueId> inputs = own_inputs(node);
    const bool alone = node.epilogue.empty() && !source_.value(node.outputs[0]).quant.defined();
    const std::string name = graph_.unique_name(alone ? node.name : node.name + "/op");
    const ir::NodeId id =
        graph_.add_node(node.op, name, std::move(inputs), node.attrs, static_cast<int>(node.outputs.size()));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      ir::ValueId result = graph_.output(id, static_cast<int>(i));
      if (i == 0) result = with_epilogue(node, result);
      copies_[at(node.outputs[i])] = rounded(result, source_.value(node.outputs[i]));
    }
  }

  ir::ValueId with_epilogue(const ir::Node& node, ir::ValueId result) {
    const ir::Epilogue& epilogue = node.epilogue;
    const auto input = [&](int index) { return copy_of(node.inputs[static_cast<size_t>(index)]); };
    if (epilogue.bias != ir::kNone) result = append("BiasAdd", node.name + "/bias_add", {result, input(epilogue.bias)});
    result = activated(node, result, epilogue.before_add, "/before_add");
    if (epilogue.residual != ir::kNone) {
      result = append("AddV2", node.name + "/add", {result, input(epilogue.residual)});
    }
    return activated(node, result, epilogue.after_add, "/activation");
  }

  ir::ValueId activated(const ir::Node& node, ir::ValueId value, const Act& act, const char* suffix) {
    const std::string name = node.name + suffix;
    const auto plain = [&](const char* op) { return append(op, name, {value}); };
    switch (act.kind) {
      case ActKind::None:
        return value;
      case ActKind::Relu:
        return plain("Relu");
      case ActKind::Clip:
        if (act.alpha == 0.0f && act.beta == 6.0f) return plain("Relu6");
        return append("Clip", name, {value}, {{"min", act.alpha}, {"max", act.beta}});
      case ActKind::LeakyRelu:
        return append("LeakyRelu", name, {value}, {{"alpha", act.alpha}});
      case ActKind::Elu:
        check(act.alpha == 1.0f, "Elu of scale {}", act.alpha);
        return plain("Elu");
      case ActKind::Sigmoid:
        return plain("Sigmoid");
      case ActKind::Tanh:
        return plain("Tanh");
      case ActKind::Swish:
        return plain("Swish");
      case ActKind::HardSwish:
        return plain("HardSwish");
      case ActKind::HardSigmoid:
        return plain("HardSigmoid");
      case ActKind::GeluErf:
      case ActKind::GeluTanh:
        return append("Gelu", name, {value}, {{"approximate", act.kind == ActKind::GeluTanh}});
      case ActKind::Softplus:
        return plain("Softplus");
    }
    fail<InternalError>("activation {} is unknown", static_cast<int>(act.kind));
  }

  // `value` on the grid of `original`, if that has one.
  ir::ValueId rounded(ir::ValueId value, const ir::Value& original) {
    if (!original.quant.defined()) return value;
    check(original.quant.scales.size() == 1, "tensor '{}' has {} scales", original.name, original.quant.scales.size());
    const float scale = original.quant.scales[0];
    const bool is_unsigned = original.dtype == DType::U8;
    const int zero = original.quant.zero_point;
    const auto real = [&](int integer) { return static_cast<float>(integer - zero) * scale; };
    return append("FakeQuantWithMinMaxArgs", original.name, {value},
                  {{"min", real(is_unsigned ? 0 : -128)},
                   {"max", real(is_unsigned ? 255 : 127)},
                   {"num_bits", int64_t{8}},
                   {"narrow_range", false},
                   {kScale, scale},
                   {kZeroPoint, int64_t{zero}},
                   {kUnsigned, is_unsigned}});
  }

  const ir::Graph& source_;
  std::vector<ir::ValueId> copies_;  // by ValueId of the source
  ir::Graph graph_;
};

}  // namespace

ir::Graph simulated(const ir::Graph& graph) { return Simulation(graph).run(); }

}  // namespace tfengine::bridges
