// SPDX-License-Identifier: Apache-2.0
#include "ops/fused_nodes.h"

#include <algorithm>
#include <array>

#include "ops/families.h"
#include "ops/geometry.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

using ir::ValueId;

constexpr std::string_view kCudnnConv = "FusedConv2DBiasActivation";
constexpr std::string_view kConv = "_FusedConv2D";
constexpr std::string_view kMatMul = "_FusedMatMul";

// What an entry of `fused_ops` without arguments is in plain ops.
struct Activation {
  std::string_view fused, op;
  bool approximate = false;
};
constexpr std::array<Activation, 8> kActivations = {{{"Relu", "Relu"},
                                                     {"Relu6", "Relu6"},
                                                     {"Elu", "Elu"},
                                                     {"LeakyRelu", "LeakyRelu"},
                                                     {"Tanh", "Tanh"},
                                                     {"Sigmoid", "Sigmoid"},
                                                     {"GeluExact", "Gelu", false},
                                                     {"GeluApproximate", "Gelu", true}}};

class Parts {
 public:
  Parts(const ir::Node& node, std::span<const Tensor> constants) : node_(node), constants_(constants) {
    graph_.name = node.name;
    type_ = node.attr_or<DType>("T", DType::F32);
    nchw_ = format("data_format", "NHWC", "NCHW");
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      graph_.add_input(fmt::format("{}/input_{}", node.name, i), DType::Invalid, Shape::unknown_rank());
    }
  }

  // Scaled sums of the convolution and a side input of the result's shape, which may be anything where its scale is 0.
  ir::Graph cudnn_convolution() {
    constexpr int kSideInput = 3, kConvScale = 4, kSideScale = 5;
    require_inputs(6);
    ValueId value = scaled(convolution(), kConvScale);
    if (known_scale(kSideScale) != 0.0f) {
      value = add("AddV2", "sum", {value, scaled(to_nhwc(kSideInput, "side"), kSideScale)});
    }
    value = add("BiasAdd", "biased", {value, of_type(2)});
    const auto mode = node_.attr_or<std::string>("activation_mode", "Relu");
    if (mode == "Relu")
      value = add("Relu", "active", {value});
    else if (mode != "None")
      bad_node(node_, "activation_mode is '{}', expected Relu or None", mode);
    return finish(value);
  }

  ir::Graph grappler() {
    require_inputs(2);
    ValueId value = node_.op == kMatMul ? product() : convolution();
    size_t next = 2;
    for (const std::string& op : node_.attr_or<std::vector<std::string>>("fused_ops", {}))
      value = follow(op, value, next);
    if (next != node_.inputs.size()) {
      bad_node(node_, "has {} inputs, and its fused_ops take {}", node_.inputs.size(), next);
    }
    return finish(value);
  }

 private:
  void require_inputs(size_t least) const {
    if (node_.inputs.size() < least) bad_node(node_, "has {} inputs, expected {}", node_.inputs.size(), least);
  }

  // Whether an attribute that names a layout has its second value; nothing but the two is known.
  bool format(std::string_view key, std::string_view first, std::string_view second) const {
    const auto value = node_.attr_or<std::string>(key, std::string(first));
    if (value != first && value != second) bad_node(node_, "{} is '{}', expected {} or {}", key, value, first, second);
    return value == second;
  }

  ValueId input(int i) const { return graph_.inputs[static_cast<size_t>(i)]; }

  ValueId add(const std::string& op, std::string_view part, std::vector<ValueId> inputs, ir::Attrs attrs = {}) {
    return graph_.output(graph_.add_node(op, graph_.unique_name(fmt::format("{}/{}", node_.name, part)),
                                         std::move(inputs), std::move(attrs)));
  }

  ValueId transposed(ValueId value, const std::vector<int32_t>& order, std::string_view part) {
    const ValueId perm = graph_.add_constant(graph_.unique_name(fmt::format("{}/{}/perm", node_.name, part)),
                                             Tensor::of(DType::S32, {static_cast<int64_t>(order.size())}, order));
    return add("Transpose", part, {value, perm}, {{"Tperm", DType::S32}});
  }

  ValueId to_nhwc(int i, std::string_view part) { return nchw_ ? transposed(input(i), {0, 2, 3, 1}, part) : input(i); }

  // Biases and scales may be of another type than the images.
  ValueId of_type(int i) { return add("Cast", "as_type", {input(i)}, {{"DstT", type_}}); }

  ValueId product() {
    return add("MatMul", "product", {input(0), input(1)},
               {{"transpose_a", node_.attr_or<bool>("transpose_a", false)},
                {"transpose_b", node_.attr_or<bool>("transpose_b", false)}});
  }

  ValueId convolution() {
    ir::Attrs attrs;
    for (const char* key : {"strides", "dilations", "padding", "explicit_paddings"}) {
      if (const auto found = node_.attrs.find(key); found != node_.attrs.end()) attrs.emplace(*found);
    }
    if (nchw_) ops::to_nhwc(node_.name, attrs);
    ValueId filter = input(1);
    if (format("filter_format", "HWIO", "OIHW")) filter = transposed(filter, {2, 3, 1, 0}, "filter");
    return add("Conv2D", "product", {to_nhwc(0, "image"), filter}, std::move(attrs));
  }

  std::optional<float> known_scale(int i) const {
    const auto index = static_cast<size_t>(i);
    if (index >= constants_.size() || !constants_[index].defined()) return std::nullopt;
    if (constants_[index].elements() != 1) {
      bad_node(node_, "input {} has {} elements, expected a scale", i, constants_[index].elements());
    }
    return as_f32(constants_[index]).as<float>()[0];
  }

  ValueId scaled(ValueId value, int scale) {
    return known_scale(scale) == 1.0f ? value : add("Mul", "scaled", {value, of_type(scale)});
  }

  // One of `fused_ops`, which takes its arguments from the node's inputs.
  ValueId follow(const std::string& op, ValueId value, size_t& next) {
    const auto take = [&] {
      if (next >= node_.inputs.size()) bad_node(node_, "has {} inputs, too few for its fused_ops", next);
      return static_cast<int>(next++);
    };
    if (op == "BiasAdd") return add("BiasAdd", "biased", {value, input(take())});
    if (op == "Add") return add("AddV2", "sum", {value, to_nhwc(take(), "side")});
    if (op == "FusedBatchNorm") {
      std::vector<ValueId> inputs = {value};
      for (int i = 0; i < 4; ++i) inputs.push_back(input(take()));
      return add("FusedBatchNormV3", "normal", std::move(inputs),
                 {{"epsilon", node_.attr_or<float>("epsilon", 1e-4f)}, {"is_training", false}});
    }
    const auto* found = std::find_if(kActivations.begin(), kActivations.end(),
                                     [&](const Activation& activation) { return activation.fused == op; });
    if (found == kActivations.end()) {
      bad_node(node_, "fuses '{}', expected BiasAdd, Add, FusedBatchNorm, or an activation such as Relu", op);
    }
    ir::Attrs attrs;
    if (op == "LeakyRelu") attrs.emplace("alpha", node_.attr_or<float>("leakyrelu_alpha", 0.2f));
    if (found->op == "Gelu") attrs.emplace("approximate", found->approximate);
    return add(std::string(found->op), "active", {value}, std::move(attrs));
  }

  ir::Graph finish(ValueId value) {
    if (nchw_) value = transposed(value, {0, 3, 1, 2}, "to_nchw");
    graph_.outputs.push_back({node_.name, value});
    return std::move(graph_);
  }

  const ir::Node& node_;
  std::span<const Tensor> constants_;
  ir::Graph graph_;
  DType type_ = DType::F32;
  bool nchw_ = false;
};

std::vector<TypeInfo> infer_fused_node(const InferContext& context) {
  ir::Graph parts = parts_of_fused(context.node, context.constants);
  for (size_t i = 0; i < parts.inputs.size(); ++i) {
    parts.value(parts.inputs[i]).dtype = context.inputs[i].dtype;
    parts.value(parts.inputs[i]).shape = context.inputs[i].shape;
  }
  infer_graph(parts);
  const ir::Value& result = parts.value(parts.outputs[0].value);
  return {{result.dtype, result.shape}};
}

std::vector<Tensor> evaluate_fused_node(const ir::Node& node, std::span<const Tensor> inputs) {
  ir::Graph parts = parts_of_fused(node, inputs);
  for (size_t i = 0; i < parts.inputs.size(); ++i) parts.value(parts.inputs[i]).dtype = inputs[i].dtype();
  return evaluate_graph(parts, inputs);
}

}  // namespace

bool is_fused_node(const ir::Node& node) { return node.op == kCudnnConv || node.op == kConv || node.op == kMatMul; }

ir::Graph parts_of_fused(const ir::Node& node, std::span<const Tensor> constants) {
  Parts parts(node, constants);
  return node.op == kCudnnConv ? parts.cudnn_convolution() : parts.grappler();
}

std::vector<Op> fused_node_ops() {
  std::vector<Op> list;
  for (const std::string_view name : {kCudnnConv, kConv, kMatMul}) {
    list.push_back({.name = std::string(name), .infer = infer_fused_node, .evaluate = evaluate_fused_node});
  }
  return list;
}

}  // namespace tfengine::ops
