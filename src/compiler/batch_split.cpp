// SPDX-License-Identifier: Apache-2.0
#include "compiler/batch_split.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string_view>

#include "ops/op.h"

namespace tfengine::detail {

namespace {

// Ops that treat each image, row or vector behind the first dimension alone, whatever their other inputs.
bool by_sample(std::string_view op) {
  static const std::set<std::string_view> kOps = {"AvgPool",
                                                  "BatchNormAffine",
                                                  "BiasAdd",
                                                  "Cast",
                                                  "Conv2D",
                                                  "Dequantize",
                                                  "LRN",
                                                  "MaxPool",
                                                  "DepthToSpace",
                                                  "DepthwiseConv2dNative",
                                                  "Quantize",
                                                  "Requantize",
                                                  "ResizeBilinear",
                                                  "SpaceToDepth",
                                                  "ResizeNearestNeighbor",
                                                  "Identity"};
  return kOps.count(op) > 0;
}
bool is_reduction(std::string_view op) {
  static const std::set<std::string_view> kOps = {"All",  "Any", "ArgMax", "ArgMin", "Max",
                                                  "Mean", "Min", "Prod",   "Sum"};
  return kOps.count(op) > 0;
}
bool along_last_axis(std::string_view op) { return op == "Softmax" || op == "LogSoftmax" || op == "LayerNorm"; }
bool keeps_order(std::string_view op) { return op == "Reshape" || op == "Squeeze" || op == "ExpandDims"; }

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.data() == b.data() || a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
}

std::optional<int64_t> constant_int(const ir::Value& value, int64_t index = 0) {
  const Tensor& tensor = value.constant;
  if (!tensor.defined() || index >= tensor.elements()) return std::nullopt;
  if (tensor.dtype() == DType::S32) return tensor.as<int32_t>()[index];
  if (tensor.dtype() == DType::S64) return tensor.as<int64_t>()[index];
  return std::nullopt;
}

bool same_but_first(const Shape& a, const Shape& b) {
  if (a.rank() != b.rank()) return false;
  for (size_t i = 1; i < a.rank(); ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

class Splitter {
 public:
  Splitter(const ir::Graph& whole, const ir::Graph& part)
      : whole_(whole), part_(part), rows_(static_cast<size_t>(whole.value_count()), 0) {}

  std::optional<Refusal> run() {
    if (whole_.inputs.empty()) return Refusal{"it has no inputs"};
    for (const ir::ValueId id : whole_.inputs) {
      const Shape& shape = whole_.value(id).shape;
      if (shape.rank() == 0) return Refusal{fmt::format("input '{}' has no first dimension", whole_.value(id).name)};
      if (samples_ == 0) samples_ = shape[0];
      if (shape[0] != samples_) {
        return Refusal{
            fmt::format("input '{}' has {} samples, another one {}", whole_.value(id).name, shape[0], samples_)};
      }
      rows_[static_cast<size_t>(id)] = 1;
    }
    for (const ir::NodeId id : whole_.order()) {
      if (auto refusal = visit(whole_.node(id))) return refusal;
    }
    for (const ir::GraphOutput& out : whole_.outputs) {
      const Shape& shape = whole_.value(out.value).shape;
      if (rows_of(out.value) != 1 || shape[0] != samples_)
        return Refusal{fmt::format("output '{}' has no first dimension of {} samples", out.name, samples_)};
    }
    return same_arithmetic();
  }

 private:
  int64_t rows_of(ir::ValueId id) const { return rows_[static_cast<size_t>(id)]; }
  bool batched(ir::ValueId id) const { return rows_of(id) > 0; }

  static Refusal refuse(const ir::Node& node, std::string_view why) {
    return Refusal{fmt::format("{} '{}' {}", node.op, node.name, why)};
  }

  // The chunk's graph differs in shapes only: nothing was computed of the number of samples but shapes.
  std::optional<Refusal> same_arithmetic() const {
    const std::vector<ir::NodeId> order = whole_.order(), part_order = part_.order();
    if (order.size() != part_order.size()) return Refusal{"it has other steps for a chunk than for the batch"};
    for (size_t i = 0; i < order.size(); ++i) {
      const ir::Node &node = whole_.node(order[i]), &other = part_.node(part_order[i]);
      if (node.name != other.name || node.op != other.op || node.inputs.size() != other.inputs.size())
        return refuse(node, "is another step for a chunk than for the batch");
      for (size_t input = 0; input < node.inputs.size(); ++input) {
        const Tensor& constant = whole_.value(node.inputs[input]).constant;
        const Tensor& chunk = part_.value(other.inputs[input]).constant;
        if (constant.defined() != chunk.defined())
          return refuse(node, "is another step for a chunk than for the batch");
        const bool is_shape = node.op == "Reshape" && input == 1;
        if (constant.defined() && !is_shape && !same_bytes(constant, chunk))
          return refuse(node, "reads a constant that depends on the number of samples");
      }
      for (size_t out = 0; out < node.outputs.size(); ++out) {
        if (!same_but_first(whole_.value(node.outputs[out]).shape, part_.value(other.outputs[out]).shape))
          return refuse(node, "has another shape for a chunk than for the batch");
      }
    }
    return std::nullopt;
  }

  std::optional<Refusal> visit(const ir::Node& node) {
    const bool any = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId id) { return batched(id); });
    if (!any) return std::nullopt;  // the same for every sample
    if (auto refusal = meets_samples(node)) return refusal;
    int64_t rows = 0;
    for (const ir::ValueId id : node.inputs) {
      if (rows > 0 && batched(id) && rows_of(id) != rows) return sums(node);
      rows = std::max(rows, rows_of(id));
    }
    for (const ir::ValueId id : node.outputs) {
      const Shape& shape = whole_.value(id).shape;
      const bool apart = shape.rank() > 0 && samples_ > 0 &&
                         (keeps_order(node.op) ? shape[0] % samples_ == 0 : shape[0] == samples_ * rows);
      if (!apart || shape[0] == 0) return refuse(node, "does not keep the samples apart");
      rows_[static_cast<size_t>(id)] = shape[0] / samples_;
    }
    return std::nullopt;
  }

  std::optional<Refusal> meets_samples(const ir::Node& node) const {
    const ops::Op* op = ops::find_op(node.op);
    const auto first = [&](int input) { return batched(node.inputs[static_cast<size_t>(input)]); };
    if (auto refusal = broadcasts(node)) return refusal;
    if (op != nullptr && op->elementwise) return std::nullopt;
    if (by_sample(node.op)) return first(0) && only_data_is_batched(node) ? std::nullopt : sums(node);
    if (keeps_order(node.op)) return std::nullopt;  // the first dimension is looked at by visit()
    if (along_last_axis(node.op)) {
      return first(0) && only_data_is_batched(node) && rank(node, 0) >= 2 ? std::nullopt : sums(node);
    }
    if (is_reduction(node.op)) return first(0) && leaves_axis_0(node, 1) ? std::nullopt : sums(node);
    if (node.op == "MatMul") {
      const bool rows = first(0) && !node.attr_or<bool>("transpose_a", false) && !first(1);
      return rows ? std::nullopt : sums(node);
    }
    if (node.op == "BatchMatMulV2") {
      return whole_.value(node.outputs[0]).shape.rank() >= 3 ? std::nullopt : sums(node);
    }
    if (node.op == "Attention") return attends_apart(node) ? std::nullopt : sums(node);
    if (node.op == "Transpose") return first_is_zero(node, 1);
    if (node.op == "Pad" || node.op == "PadV2" || node.op == "MirrorPad") {
      const ir::Value& pads = whole_.input_value(node, 1);
      return constant_int(pads, 0) == 0 && constant_int(pads, 1) == 0 ? std::nullopt : sums(node);
    }
    return moves(node);
  }

  std::optional<Refusal> moves(const ir::Node& node) const {
    const auto axis_apart = [&](int input) { return leaves_axis_0(node, input) ? std::nullopt : sums(node); };
    if (node.op == "ConcatV2") {
      const bool all =
          std::all_of(node.inputs.begin(), node.inputs.end() - 1, [&](ir::ValueId id) { return batched(id); });
      return all ? axis_apart(static_cast<int>(node.inputs.size()) - 1) : sums(node);
    }
    if (node.op == "GatherV2") return looks_up(node) ? std::nullopt : sums(node);
    if (node.op == "Split") return axis_apart(0);
    if (node.op == "SplitV") return axis_apart(2);
    if (node.op == "Slice") return std::nullopt;  // of all samples: visit() looks at that
    if (node.op == "StridedSlice") {
      const bool plain = node.attr_or<int64_t>("new_axis_mask", 0) == 0 &&
                         node.attr_or<int64_t>("shrink_axis_mask", 0) % 2 == 0 &&
                         (node.attr_or<int64_t>("ellipsis_mask", 0) % 2 == 1 ||
                          constant_int(whole_.input_value(node, 3)).value_or(0) == 1);
      return plain ? std::nullopt : sums(node);
    }
    return refuse(node, "is not known to keep the samples of a batch apart");
  }

  // Operands that are the same for all samples must not have the samples' dimension for something else.
  std::optional<Refusal> broadcasts(const ir::Node& node) const {
    const ops::Op* op = ops::find_op(node.op);
    const size_t out_rank = whole_.value(node.outputs[0]).shape.rank();
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Shape& shape = whole_.value(node.inputs[i]).shape;
      const int index = static_cast<int>(i);
      const bool operand =
          (op != nullptr && op->elementwise) || node.op == "BatchMatMulV2" || index == node.epilogue.residual;
      if (!operand) continue;
      if (batched(node.inputs[i])) {
        if (shape.rank() != out_rank) return refuse(node, "broadcasts a tensor along the samples");
      } else if (shape.rank() == out_rank && out_rank > 0 && shape[0] != 1 && index != node.epilogue.bias) {
        return refuse(node, "has an operand with a value for each sample");
      }
    }
    return std::nullopt;
  }

  // A table that is the same for all samples, with rows for each of them.
  bool looks_up(const ir::Node& node) const {
    return !batched(node.inputs[0]) && batched(node.inputs[1]) && node.attr_or<int64_t>("batch_dims", 0) == 0 &&
           node.inputs.size() > 2 && constant_int(whole_.input_value(node, 2)) == 0;
  }

  // Each sample has its own queries, keys and values; a mask is of all of them, or has a part for each.
  bool attends_apart(const ir::Node& node) const {
    if (!std::all_of(node.inputs.begin(), node.inputs.begin() + 3, [&](ir::ValueId id) { return batched(id); }))
      return false;
    if (node.inputs.size() < 4) return true;
    return batched(node.inputs[3]) || whole_.input_value(node, 3).shape[0] == 1;
  }

  bool only_data_is_batched(const ir::Node& node) const {
    for (int i = 1; i < static_cast<int>(node.inputs.size()); ++i) {
      if (i != node.epilogue.residual && batched(node.inputs[static_cast<size_t>(i)])) return false;
    }
    return true;
  }
  static std::optional<Refusal> sums(const ir::Node& node) { return refuse(node, "mixes the samples of a batch"); }
  size_t rank(const ir::Node& node, int input) const { return whole_.input_value(node, input).shape.rank(); }

  // All of the axes at this input are other ones than the first.
  bool leaves_axis_0(const ir::Node& node, int input) const {
    if (input >= static_cast<int>(node.inputs.size())) return false;
    const ir::Value& axes = whole_.input_value(node, input);
    const auto dims = static_cast<int64_t>(whole_.value(node.inputs[node.op == "Split" ? 1 : 0]).shape.rank());
    if (!axes.is_constant() || axes.constant.elements() == 0) return false;
    for (int64_t i = 0; i < axes.constant.elements(); ++i) {
      const auto axis = constant_int(axes, i);
      if (!axis || (*axis < 0 ? *axis + dims : *axis) == 0) return false;
    }
    return true;
  }
  std::optional<Refusal> first_is_zero(const ir::Node& node, int input) const {
    return constant_int(whole_.input_value(node, input)) == 0 ? std::nullopt : sums(node);
  }

  const ir::Graph& whole_;
  const ir::Graph& part_;
  // By value: how many entries of the first dimension each sample has, one sample's behind the other's. 0: none, the value is
  // the same for all samples.
  std::vector<int64_t> rows_;
  int64_t samples_ = 0;
};

}  // namespace

std::optional<Refusal> splits_by_batch(const ir::Graph& whole, const ir::Graph& part) {
  return Splitter(whole, part).run();
}

}  // namespace tfengine::detail
