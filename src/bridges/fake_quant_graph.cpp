// SPDX-License-Identifier: Apache-2.0
#include "bridges/fake_quant_graph.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/check.h"
#include "bridges/simulated.h"
#include "ops/op.h"
#include "tfgraph/write.h"

namespace tfengine::bridges {

namespace {

using tfgraph::AttrMessage;
using Inputs = std::vector<std::string>;

// Ops that are tfengine's own have no node in TensorFlow, and are written as formulas.
bool is_known(const ir::Node& node) {
  constexpr std::string_view kOwn[] = {"BatchNormAffine", "Clip",      "Gelu", "HardSigmoid",
                                       "HardSwish",       "LayerNorm", "Swish"};
  return ops::find_op(node.op) != nullptr && std::find(std::begin(kOwn), std::end(kOwn), node.op) == std::end(kOwn);
}

struct AttrOf {
  std::string operator()(bool value) const { return tfgraph::bool_attr(value); }
  std::string operator()(int64_t value) const { return tfgraph::int_attr(value); }
  std::string operator()(float value) const { return tfgraph::float_attr(value); }
  std::string operator()(const std::string& value) const { return tfgraph::string_attr(value); }
  std::string operator()(DType value) const { return tfgraph::type_attr(tfgraph::proto_from_dtype(value)); }
  std::string operator()(const Shape& value) const { return tfgraph::shape_attr(value); }
  std::string operator()(const Tensor& value) const { return tfgraph::tensor_attr(value); }
  std::string operator()(const std::vector<int64_t>& value) const { return tfgraph::ints_attr(value); }
  std::string operator()(const std::vector<Shape>& value) const { return tfgraph::shapes_attr(value); }
  std::string operator()(const std::vector<std::string>& value) const {
    return tfgraph::strings_attr({value.begin(), value.end()});
  }
  // Lists of other things are in no op that is written.
  template <typename Other>
  std::string operator()(const Other&) const {
    return {};
  }
};

class GraphWriter {
 public:
  explicit GraphWriter(const ir::Graph& graph) : graph_(graph), names_(static_cast<size_t>(graph.value_count())) {
    for (const ir::ValueId id : graph.inputs) used_.insert(legal(graph.value(id).name));
    for (const ir::GraphOutput& out : graph.outputs) used_.insert(legal(out.name));
  }

  std::string run() {
    for (const ir::ValueId id : graph_.inputs) {
      const ir::Value& value = graph_.value(id);
      names_[at(id)] = legal(value.name);
      emit(names_[at(id)], "Placeholder", {},
           {{"dtype", type_attr(value)}, {"shape", tfgraph::shape_attr(value.shape)}});
    }
    for (const ir::NodeId id : graph_.order()) write(graph_.node(id));
    for (const ir::GraphOutput& out : graph_.outputs) {
      emit(legal(out.name), "Identity", {read(out.value)}, {{"T", type_attr(graph_.value(out.value))}});
    }
    return tfgraph::graph_message({}, {nodes_.begin(), nodes_.end()}, {});
  }

 private:
  static size_t at(ir::ValueId id) { return static_cast<size_t>(id); }
  static std::string type_attr(const ir::Value& value) {
    return tfgraph::type_attr(tfgraph::proto_from_dtype(value.quant.defined() ? DType::F32 : value.dtype));
  }

  // Letters, digits and a few signs: TensorFlow refuses other names.
  static std::string legal(std::string name) {
    for (char& c : name) {
      const bool fine =
          std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-' || c == '/';
      if (!fine) c = '_';
    }
    if (name.empty() || (std::isalnum(static_cast<unsigned char>(name[0])) == 0 && name[0] != '.')) name = "x" + name;
    return name;
  }

  std::string fresh(const std::string& base) {
    const std::string name = legal(base);
    std::string result = name;
    for (int i = 1; !used_.insert(result).second; ++i) result = fmt::format("{}_{}", name, i);
    return result;
  }

  void emit(const std::string& name, std::string_view op, const Inputs& inputs, const std::vector<AttrMessage>& attrs) {
    nodes_.push_back(tfgraph::node_message(name, op, inputs, "", attrs));
  }

  std::string append(std::string_view op, const Inputs& inputs, const std::string& base,
                     std::vector<AttrMessage> attrs = {}) {
    attrs.emplace_back("T", tfgraph::type_attr(1));
    std::string name = fresh(base);
    emit(name, op, inputs, attrs);
    return name;
  }

  std::string constant(const std::string& base, const Tensor& tensor) {
    std::string name = fresh(base);
    emit(name, "Const", {},
         {{"dtype", tfgraph::type_attr(tfgraph::proto_from_dtype(tensor.dtype()))},
          {"value", tfgraph::tensor_attr(tensor)}});
    return name;
  }

  std::string scalar(const std::string& base, float value) {
    return constant(base, Tensor::of<float>(DType::F32, Shape{}, {value}));
  }

  const std::string& read(ir::ValueId id) {
    std::string& name = names_[at(id)];
    const ir::Value& value = graph_.value(id);
    if (name.empty()) {
      check(value.is_constant(), "tensor '{}' is read before it is written", value.name);
      name = constant(value.name,
                      value.quant.defined() ? ops::dequantize_tensor(value.constant, value.quant) : value.constant);
    }
    return name;
  }

  void write(const ir::Node& node) {
    if (!node.regions.empty()) {
      fail<InvalidArgument>("[export] {} '{}' cannot be written for TensorFlow: it runs graphs of its own", node.op,
                            node.name);
    }
    if (!is_known(node)) {
      names_[at(node.outputs[0])] = formula(node, read(node.inputs[0]));
      return;
    }
    Inputs inputs;
    for (const ir::ValueId input : node.inputs) inputs.push_back(read(input));
    const bool pads =
        node.op.find("Conv") != std::string::npos && node.attr_or<std::string>("padding", "") == "EXPLICIT";
    if (pads) inputs[0] = padded(node, inputs[0]);
    const std::string name = fresh(node.name);
    std::vector<AttrMessage> attrs = type_attrs(node);
    for (const auto& [key, attr] : node.attrs) {
      std::string text = std::visit(AttrOf(), attr);
      const bool left_out =
          key.rfind("tfengine_", 0) == 0 || (pads && (key == "padding" || key == "explicit_paddings"));
      if (!left_out && !text.empty()) attrs.emplace_back(key, std::move(text));
    }
    if (pads) attrs.emplace_back("padding", tfgraph::string_attr("VALID"));
    emit(name, node.op, inputs, attrs);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      names_[at(node.outputs[i])] = i == 0 ? name : fmt::format("{}:{}", name, i);
    }
  }

  // TensorFlow 2.21 aborts when it optimises a depthwise convolution with paddings of its own on the CPU.
  std::string padded(const ir::Node& node, const std::string& x) {
    const auto& pads = node.attr<std::vector<int64_t>>("explicit_paddings");
    const std::vector<int32_t> narrow(pads.begin(), pads.end());
    const auto axes = static_cast<int64_t>(narrow.size() / 2);
    const std::string paddings =
        constant(node.name + "/paddings", Tensor::of<int32_t>(DType::S32, Shape{axes, 2}, narrow));
    return append("Pad", {x, paddings}, node.name + "/padded");
  }

  // Attributes of types and counts, which the engine's graph does not keep. Those of indices are given where the default,
  // int32, is not what the node reads.
  std::vector<AttrMessage> type_attrs(const ir::Node& node) const {
    const auto type = [&](size_t input) { return type_attr(graph_.value(node.inputs.at(input))); };
    const std::string& op = node.op;
    if (op == "FakeQuantWithMinMaxArgs") return {};
    if (op == "Cast") return {{"SrcT", type(0)}};
    if (op == "GatherV2") return {{"Tparams", type(0)}, {"Tindices", type(1)}, {"Taxis", type(2)}};
    if (op == "Gather") return {{"Tparams", type(0)}, {"Tindices", type(1)}};
    if (op == "ConcatV2") {
      const size_t count = node.inputs.size() - 1;
      return {{"T", type(0)}, {"N", tfgraph::int_attr(static_cast<int64_t>(count))}, {"Tidx", type(count)}};
    }
    if (op == "Pack") return {{"T", type(0)}, {"N", tfgraph::int_attr(static_cast<int64_t>(node.inputs.size()))}};
    if (op == "Split") return {{"T", type(1)}};
    if (op == "SplitV") return {{"T", type(0)}, {"Tlen", type(1)}};
    if (op == "StridedSlice" || op == "Slice") return {{"T", type(0)}, {"Index", type(1)}};
    constexpr std::pair<std::string_view, const char*> kSecond[] = {
        {"ExpandDims", "Tdim"}, {"Max", "Tidx"},        {"Mean", "Tidx"},      {"Min", "Tidx"},
        {"Pad", "Tpaddings"},   {"PadV2", "Tpaddings"}, {"Prod", "Tidx"},      {"Reshape", "Tshape"},
        {"Sum", "Tidx"},        {"Tile", "Tmultiples"}, {"Transpose", "Tperm"}};
    std::vector<AttrMessage> attrs = {{"T", type(0)}};
    for (const auto& [name, attr] : kSecond) {
      if (op == name) attrs.emplace_back(attr, type(1));
    }
    return attrs;
  }

  std::string formula(const ir::Node& node, const std::string& x) {
    const std::string& n = node.name;
    if (node.op == "Swish") return append("Mul", {x, append("Sigmoid", {x}, n + "/sigmoid")}, n);
    if (node.op == "HardSigmoid") return hard_sigmoid(node, x);
    if (node.op == "HardSwish") return append("Mul", {x, hard_sigmoid(node, x)}, n);
    if (node.op == "Gelu") return gelu(node, x);
    if (node.op == "LayerNorm") return layer_norm(node, x);
    if (node.op == "Clip") {
      const std::string above = append("Maximum", {x, scalar(n + "/min", node.attr<float>("min"))}, n + "/above");
      return append("Minimum", {above, scalar(n + "/max", node.attr<float>("max"))}, n);
    }
    fail<InvalidArgument>("[export] {} '{}' cannot be written as TensorFlow: the op has no counterpart here", node.op,
                          n);
  }

  std::string hard_sigmoid(const ir::Node& node, const std::string& x) {
    const std::string& n = node.name;
    const std::string clipped =
        append("Relu6", {append("AddV2", {x, scalar(n + "/three", 3.0f)}, n + "/shift")}, n + "/clip");
    return append("Mul", {clipped, scalar(n + "/sixth", 1.0f / 6)}, n + "/gate");
  }

  std::string gelu(const ir::Node& node, const std::string& x) {
    const std::string& n = node.name;
    const auto times = [&](const std::string& a, const std::string& b) { return append("Mul", {a, b}, n + "/mul"); };
    std::string inner;
    if (node.attr_or<bool>("approximate", false)) {
      const std::string cube = times(times(x, x), x);
      const std::string sum = append("AddV2", {x, times(cube, scalar(n + "/c", 0.044715f))}, n + "/sum");
      inner = append("Tanh", {times(sum, scalar(n + "/c", 0.7978845608f))}, n + "/tanh");
    } else {
      inner = append("Erf", {times(x, scalar(n + "/c", std::sqrt(0.5f)))}, n + "/erf");
    }
    const std::string factor =
        times(append("AddV2", {inner, scalar(n + "/one", 1.0f)}, n + "/add"), scalar(n + "/half", 0.5f));
    return append("Mul", {x, factor}, n);
  }

  std::string layer_norm(const ir::Node& node, const std::string& x) {
    const std::string& n = node.name;
    const std::string axis = constant(n + "/axis", Tensor::of<int32_t>(DType::S32, Shape{1}, {-1}));
    const auto mean = [&](const std::string& of, const char* name) {
      return append("Mean", {of, axis}, n + name, {{"keep_dims", tfgraph::bool_attr(true)}});
    };
    const std::string centred = append("Sub", {x, mean(x, "/mean")}, n + "/centred");
    const std::string variance = mean(append("Square", {centred}, n + "/square"), "/variance");
    const std::string shifted =
        append("AddV2", {variance, scalar(n + "/epsilon", node.attr<float>("epsilon"))}, n + "/shifted");
    const std::string normal = append("Mul", {centred, append("Rsqrt", {shifted}, n + "/rsqrt")}, n + "/normal");
    const std::string scaled = append("Mul", {normal, read(node.inputs[1])}, n + "/scaled");
    return append("AddV2", {scaled, read(node.inputs[2])}, n);
  }

  const ir::Graph& graph_;
  std::vector<std::string> names_;  // by ValueId
  std::set<std::string> used_;
  std::vector<std::string> nodes_;  // messages
};

}  // namespace

std::string write_fake_quant_graph(const ir::Graph& graph) {
  const ir::Graph float_graph = simulated(graph);
  return GraphWriter(float_graph).run();
}

}  // namespace tfengine::bridges
