// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/backend.h"

#include <algorithm>

#include <fmt/core.h>

#include "backends/onednn/attention.h"
#include "backends/onednn/concat.h"
#include "backends/onednn/conv.h"
#include "backends/onednn/counters.h"
#include "backends/onednn/dnnl_errors.h"
#include "backends/onednn/dnnl_kernel.h"
#include "backends/onednn/eltwise.h"
#include "backends/onednn/fused_elementwise.h"
#include "backends/onednn/indices.h"
#include "backends/onednn/layout.h"
#include "backends/onednn/lists.h"
#include "backends/onednn/matmul.h"
#include "backends/onednn/moves.h"
#include "backends/onednn/normalize.h"
#include "backends/onednn/pool.h"
#include "backends/onednn/quantize.h"
#include "backends/onednn/resample.h"
#include "backends/onednn/typed.h"
#include "backends/onednn/volume.h"
#include "base/code_pages.h"
#include "ops/fused_elementwise.h"

namespace tfengine::onednn {

namespace {

struct Lowering {
  const char* op;
  Tactics (*tactics)(const StepSpec&);
  bool int8;            // has an INT8 form
  bool strided_input;   // reads channel slices at input 0 (elementwise: at every full-sized input)
  bool strided_output;  // writes channel slices
};

// Elementwise unary and binary ops are found by is_unary and is_binary.
constexpr Lowering kLowerings[] = {
    {"Conv2D", conv_tactics, true, false, false},
    {"DepthwiseConv2dNative", conv_tactics, true, false, false},
    {"MatMul", matmul_tactics, true, false, false},
    {"BatchMatMulV2", batch_matmul_tactics, false, false, false},
    {"MaxPool", pool_tactics, true, true, true},
    {"AvgPool", pool_tactics, true, true, true},
    {"Mean", reduce_tactics, true, false, false},
    {"Sum", reduce_tactics, false, false, false},
    {"Max", reduce_tactics, false, false, false},
    {"Min", reduce_tactics, false, false, false},
    {"Prod", reduce_tactics, false, false, false},
    {"BatchNormAffine", affine_tactics, true, true, true},
    {"Softmax", softmax_tactics, false, true, true},
    {"LogSoftmax", softmax_tactics, false, true, true},
    {"LayerNorm", layer_norm_tactics, false, true, true},
    {"Attention", attention_tactics, false, false, false},
    {"Quantize", convert_tactics, true, true, true},
    {"Dequantize", convert_tactics, true, true, true},
    {"Requantize", convert_tactics, true, true, true},
    {"Cast", cast_tactics, false, true, true},
    {"ConcatV2", concat_tactics, true, true, true},
    {"Reshape", reshape_tactics, true, false, false},
    {"Squeeze", reshape_tactics, true, false, false},
    {"ExpandDims", reshape_tactics, true, false, false},
    {"Transpose", transpose_tactics, true, false, false},
    {"Pad", pad_tactics, true, false, false},
    {"PadV2", pad_tactics, false, false, false},
    {"Slice", slice_tactics, true, false, false},
    {"StridedSlice", slice_tactics, true, false, false},
    {"Split", split_tactics, true, false, false},
    {"SplitV", split_tactics, true, false, false},
    {"ResizeNearestNeighbor", resize_tactics, true, true, true},
    {"ResizeBilinear", resize_tactics, false, true, true},
    {"ListReserve", list_reserve_tactics, false, false, false},
    {"ListSetItem", list_set_item_tactics, false, false, false},
    {"AddN", add_n_tactics, false, false, false},
    {ops::kFusedElementwise, fused_elementwise_tactics, false, true, true},
    {"Conv3D", conv3d_tactics, false, false, false},
    {"Conv2DBackpropInput", transposed_tactics, false, false, false},
    {"Conv3DBackpropInputV2", transposed_tactics, false, false, false},
    {"MaxPool3D", pool3d_tactics, false, false, false},
    {"AvgPool3D", pool3d_tactics, false, false, false},
    {"Tile", tile_tactics, true, false, false},
    {"BroadcastTo", broadcast_to_tactics, true, false, false},
    {"ReverseV2", slice_tactics, true, false, false},
    {"Roll", roll_tactics, true, false, false},
    {"Pack", pack_tactics, true, false, false},
    {"Unpack", split_tactics, true, false, false},
    {"MirrorPad", mirror_pad_tactics, true, false, false},
    {"DepthToSpace", depth_space_tactics, true, false, false},
    {"SpaceToDepth", depth_space_tactics, true, false, false},
    {"SpaceToBatchND", space_batch_tactics, true, false, false},
    {"BatchToSpaceND", space_batch_tactics, true, false, false},
    {"GatherV2", gather_tactics, true, false, false},
    {"Gather", gather_tactics, true, false, false},
    {"RFFT", rfft_tactics, false, false, false},
    {"ComplexAbs", complex_abs_tactics, false, false, false},
    {"GatherNd", gather_nd_tactics, true, false, false},
    {"MatrixBandPart", band_tactics, true, false, false},
    {"ExtractImagePatches", patches_tactics, true, false, false},
    {"LRN", lrn_tactics, false, false, false},
    {"L2Loss", l2_loss_tactics, false, false, false},
    {"ResizeBicubic", smooth_resize_tactics, false, false, false},
    {"ResizeArea", smooth_resize_tactics, false, false, false},
    {"CropAndResize", crop_and_resize_tactics, false, false, false},
    {"OneHot", one_hot_tactics, false, false, false},
    {"Cumsum", cumulative_tactics, false, false, false},
    {"Cumprod", cumulative_tactics, false, false, false},
    {"ArgMax", arg_tactics, false, false, false},
    {"ArgMin", arg_tactics, false, false, false},
    {"TopKV2", top_k_tactics, false, false, false},
    {"All", typed_reduce_tactics, false, false, false},
    {"Any", typed_reduce_tactics, false, false, false},
};

// Plain numbers of 8 bits are no INT8: they have no scale.
bool plain_bytes(const StepSpec& spec) {
  const auto scaled = [](const TensorDesc& desc) { return desc.quant.defined(); };
  return std::none_of(spec.inputs.begin(), spec.inputs.end(), scaled) &&
         std::none_of(spec.outputs.begin(), spec.outputs.end(), scaled);
}

// Forms for numbers that a lowering does not take: of other types than float32, or of 16 bits.
Tactics lower(const Lowering& lowering, const StepSpec& spec) {
  const std::string& op = spec.node->op;
  if (better_as_chain(spec)) return chain_of_one_tactics(spec);
  if (is_typed(op) && has_plain_numbers(spec)) return typed_tactics(spec);
  Tactics found = lowering.tactics(spec);
  if (std::holds_alternative<std::vector<Tactic>>(found)) return found;
  Tactics other = found;
  if (op == "Cast")
    other = typed_cast_tactics(spec);
  else if (is_typed(op))
    other = typed_tactics(spec);
  else if (lowering.tactics == reduce_tactics)
    other = typed_reduce_tactics(spec);
  if (std::holds_alternative<Refusal>(other) && touches_short_floats(spec)) {
    other = through_f32(spec, op == "Cast" ? typed_cast_tactics : lowering.tactics);
  }
  return std::holds_alternative<Refusal>(other) ? found : other;
}

const Lowering* find(const std::string& op) {
  static constexpr Lowering kUnary{"", unary_tactics, true, true, true};
  static constexpr Lowering kBinary{"", binary_tactics, true, true, true};
  static constexpr Lowering kMath{"", math_tactics, false, false, false};
  static constexpr Lowering kTyped{"", typed_tactics, false, false, false};
  const auto* found =
      std::find_if(std::begin(kLowerings), std::end(kLowerings), [&](const Lowering& row) { return op == row.op; });
  if (found != std::end(kLowerings)) return found;
  if (is_unary(op)) return &kUnary;
  if (is_binary(op)) return &kBinary;
  if (is_typed(op)) return &kTyped;
  if (is_math(op)) return &kMath;
  return nullptr;
}

// Convolutions take channel slices only through our own kernels: oneDNN's fall back to plain loops on them.
bool own_convolution(const StepSpec& spec) {
  if (spec.node->op == "DepthwiseConv2dNative") return true;
  return spec.node->op == "Conv2D" && is_int8(spec.inputs[0].dtype) && !int8_is_exact();
}

bool touches_int8(const StepSpec& spec) {
  const auto int8 = [](const TensorDesc& desc) { return is_int8(desc.dtype); };
  return std::any_of(spec.inputs.begin(), spec.inputs.end(), int8) ||
         std::any_of(spec.outputs.begin(), spec.outputs.end(), int8);
}

class OnednnBackend : public plan::Backend {
 public:
  std::string name() const override { return "onednn"; }

  std::variant<std::vector<Tactic>, Refusal> tactics(const StepSpec& spec) const override {
    const Lowering* lowering = find(spec.node->op);
    if (spec.node->denylisted) return Refusal{"it is in nodes_denylist"};
    if (auto counter = counter_tactic(spec)) return std::vector<Tactic>{std::move(*counter)};
    if (lowering == nullptr) return Refusal{fmt::format("{} has no fast form here", spec.node->op)};
    if (spec.outputs[0].shape.elements() == 0) return Refusal{"its output is empty"};
    if (touches_int8(spec) && !lowering->int8 && !plain_bytes(spec)) {
      return Refusal{fmt::format("{} has no fast form here for tensors of 8-bit integers", spec.node->op)};
    }
    auto answer = translated([&] { return lower(*lowering, spec); });
    if (auto* tactics = std::get_if<std::vector<Tactic>>(&answer)) {
      for (Tactic& tactic : *tactics) {
        tactic.prepare = [prepare = std::move(tactic.prepare)](PackedStore& store) {
          return translated([&] { return prepare(store); });
        };
      }
    }
    return answer;
  }

  std::optional<Refusal> refuses(const ir::Graph&, const ir::Node& node) const override {
    if (node.denylisted) return Refusal{"it is in nodes_denylist"};
    if (find(node.op) == nullptr) return Refusal{fmt::format("{} has no fast form here", node.op)};
    return std::nullopt;
  }

  std::optional<Refusal> refuses_int8(const ir::Graph& graph, const ir::Node& node) const override {
    if (auto refusal = refuses(graph, node)) return refusal;
    if (!find(node.op)->int8) return Refusal{fmt::format("{} has no INT8 form here", node.op)};
    if (node.op == "Mean") return mean_refusal(graph, node);
    return std::nullopt;
  }

  // Padding of a depthwise convolution is filled with the zero point; other convolutions have no such filling.
  std::optional<Refusal> refuses_zero_point(const ir::Graph& graph, const ir::Node& node, int input) const override {
    if (node.op != "Conv2D" || input != 0) return std::nullopt;
    const Shape& weights = graph.input_value(node, 1).shape;
    const bool window = weights.rank() == 4 && (weights[0] != 1 || weights[1] != 1);
    const std::string padding = node.attr_or<std::string>("padding", "VALID");
    if (padding == "VALID" || (padding == "SAME" && !window)) return std::nullopt;
    return Refusal{"its padding would have to hold the zero point"};
  }

  bool fuses(const ir::Graph& graph, const ir::Node& node) const override { return can_fuse(graph, node); }

  bool fuses_reduction(const ir::Graph& graph, const ir::Node& node) const override {
    return can_end_chain(graph, node);
  }

  bool takes_strided_input(const StepSpec& spec, int input) const override {
    const Lowering* lowering = find(spec.node->op);
    if (lowering == nullptr || spec.node->denylisted) return false;
    if (own_convolution(spec)) return input == 0 || input == spec.node->epilogue.residual;
    if (!lowering->strided_input) return false;
    if (spec.node->op == "ConcatV2") return last_axis(spec);
    // A broadcast operand has to be dense.
    if (is_binary(spec.node->op) || ops::is_fused(*spec.node))
      return spec.inputs[static_cast<size_t>(input)].shape == spec.outputs[0].shape;
    return input == 0;
  }

  bool takes_strided_output(const StepSpec& spec) const override {
    const Lowering* lowering = find(spec.node->op);
    if (lowering == nullptr || spec.node->denylisted) return false;
    if (spec.node->op == "ConcatV2") return last_axis(spec);
    if (is_binary(spec.node->op)) return same_or_channel(spec);
    if (ops::is_fused(*spec.node)) return ops::final_reduction(spec.node->regions[0]) == ir::kNone;
    return own_convolution(spec) || lowering->strided_output;
  }

 private:
  static bool last_axis(const StepSpec& spec) {
    const auto axis = constant_ints(spec, spec.inputs.size() - 1);
    return axis && axis->size() == 1 &&
           ((*axis)[0] == -1 || (*axis)[0] + 1 == static_cast<int64_t>(spec.outputs[0].shape.rank()));
  }
  // Other broadcasts are lowered for dense outputs only.
  static bool same_or_channel(const StepSpec& spec) {
    return std::all_of(spec.inputs.begin(), spec.inputs.begin() + 2, [&](const TensorDesc& input) {
      return input.shape == spec.outputs[0].shape || input.shape.elements() == 1 ||
             input.shape.elements() == spec.outputs[0].shape.back();
    });
  }
  static std::optional<Refusal> mean_refusal(const ir::Graph& graph, const ir::Node& node) {
    const Tensor& axes = graph.input_value(node, 1).constant;
    const Shape& shape = graph.input_value(node, 0).shape;
    if (axes.defined() && axes.dtype() == DType::S32 && axes.elements() == 2 && shape.rank() == 4) {
      const auto at = [&](int i) { return (axes.as<int32_t>()[i] + 4) % 4; };
      if (std::min(at(0), at(1)) == 1 && std::max(at(0), at(1)) == 2) return std::nullopt;
    }
    return Refusal{"only the mean over the two axes of an image has an INT8 form here"};
  }
};

}  // namespace

const plan::Backend& onednn_backend() {
  static const OnednnBackend backend;
  return backend;
}

void drop_planning_code() noexcept { drop_code_pages(reinterpret_cast<const void*>(&dnnl_primitive_create)); }

}  // namespace tfengine::onednn
