// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/simple.h"

#include <algorithm>

#include "backends/cuda/numbers.h"
#include "ops/geometry.h"

namespace tfengine::cuda {

namespace {

using Operands = std::vector<Operand>;

// What most of these steps have: one operand, one result, an activation at most.
struct Plain {
  Operand src;
  Target dst;
  Act act;
};

std::optional<Plain> plain(const StepSpec& spec) {
  const auto src = Operand::make(spec, 0);
  const auto dst = target_of(spec.outputs[0]);
  const auto act = only_activation(spec.node->epilogue);
  if (!src || !dst || !act) return std::nullopt;
  return Plain{*src, *dst, *act};
}

Target at(Target target, const StepArgs& args) {
  target.data = args.dst[0];
  return target;
}

bool float_or_s8(Elem elem) { return elem != Elem::S32; }

}  // namespace

Tactics convert_tactics(const StepSpec& spec) {
  if (spec.node->op == "Cast" && has_other_numbers(spec)) return number_tactics(spec);
  const auto step = plain(spec);
  if (!step || step->act.kind != ActKind::None) return Refusal{"only float and INT8 tensors are lowered"};
  const bool cast = spec.node->op == "Cast";
  const bool integers = !float_or_s8(step->dst.elem) || spec.inputs[0].dtype == DType::S32;
  // A cast to integers truncates; numbers of many digits do not fit in floats.
  if (cast && (integers || step->dst.elem == Elem::S8 || spec.inputs[0].dtype == DType::S8)) {
    return Refusal{"only casts between floats are lowered"};
  }
  if (spec.inputs[0].dtype == spec.outputs[0].dtype && spec.outputs[0].dtype != DType::S8 && !step->src.constant() &&
      spec.inputs[0].dense() && spec.outputs[0].dense()) {
    // Nothing changes: the value is kept as it is, and quantized by the one who reads it.
    const size_t bytes = spec.outputs[0].storage_bytes();
    Tactic tactic = gpu_tactic("own:view", spec, [bytes](PackedStore&) {
      return Run([bytes](const StepArgs& args) { args.queue->copy(args.dst[0], args.src[0], bytes); });
    });
    tactic.alias = true;
    return std::vector<Tactic>{std::move(tactic)};
  }
  const int64_t rows = pixels_of(spec.outputs[0]), channels = channels_of(spec.outputs[0]);
  return std::vector<Tactic>{gpu_tactic("own:convert", spec, {step->src},
                                        [=, dst = step->dst](const StepArgs& args, const Operands& operands) {
                                          convert(stream_of(args), operands[0].at(args), at(dst, args), rows, channels);
                                        })};
}

Tactics pool_tactics(const StepSpec& spec) {
  const auto step = plain(spec);
  const Shape& src = spec.inputs[0].shape;
  if (!step || src.rank() != 4 || !float_or_s8(step->dst.elem) || spec.inputs[0].dtype == DType::S32) {
    return Refusal{"only float and INT8 images are lowered"};
  }
  const ConvShape shape = window_shape(src, ops::pool_window(*spec.node, src[1], src[2]), src[3]);
  const PoolKind kind = spec.node->op == "MaxPool" ? PoolKind::Max : PoolKind::Average;
  return std::vector<Tactic>{
      gpu_tactic(kind == PoolKind::Max ? "own:max_pool" : "own:avg_pool", spec, {step->src},
                 [=, act = step->act, dst = step->dst](const StepArgs& args, const Operands& operands) {
                   pool(stream_of(args), kind, shape, operands[0].at(args), act, at(dst, args));
                 })};
}

namespace {

std::optional<ReduceKind> kind_of(const std::string& op) {
  if (op == "Mean") return ReduceKind::Mean;
  if (op == "Sum") return ReduceKind::Sum;
  if (op == "Max") return ReduceKind::Max;
  if (op == "Min") return ReduceKind::Min;
  if (op == "Prod") return ReduceKind::Prod;
  return std::nullopt;
}

// Axes, sorted, that lie together; nullopt otherwise.
std::optional<std::pair<int64_t, int64_t>> run_of_axes(std::vector<int64_t> axes, int64_t rank) {
  if (axes.empty()) return std::nullopt;
  for (int64_t& axis : axes) axis = (axis + rank) % rank;
  std::sort(axes.begin(), axes.end());
  for (size_t i = 1; i < axes.size(); ++i) {
    if (axes[i] != axes[i - 1] + 1) return std::nullopt;
  }
  return std::pair(axes.front(), axes.back());
}

}  // namespace

Tactics reduce_tactics(const StepSpec& spec) {
  const auto axes = constant_ints(spec, 1);
  const auto step = plain(spec);
  const auto kind = kind_of(spec.node->op);
  const TensorDesc& src = spec.inputs[0];
  const auto rank = static_cast<int64_t>(src.shape.rank());
  if (!axes || !step || !kind || src.dtype == DType::S32 || !float_or_s8(step->dst.elem) || rank == 0) {
    return Refusal{"only float and INT8 tensors and constant axes are lowered"};
  }
  const auto run = run_of_axes(*axes, rank);
  if (!run) return Refusal{"its axes do not lie together"};
  int64_t outer = 1, inner = 1, stride = 1;
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t dim = src.shape[static_cast<size_t>(i)];
    (i < run->first ? outer : i <= run->second ? inner : stride) *= dim;
  }
  if (*kind == ReduceKind::Mean && rank >= 3 && run->second == rank - 2) {
    const int64_t channels = src.shape.back();
    return std::vector<Tactic>{
        gpu_tactic("own:global_mean", spec, {step->src},
                   [=, act = step->act, dst = step->dst](const StepArgs& args, const Operands& operands) {
                     global_mean(stream_of(args), static_cast<int>(outer), static_cast<int>(inner),
                                 static_cast<int>(channels), operands[0].at(args), act, at(dst, args));
                   })};
  }
  const bool floats = elem_of(src.dtype) != Elem::S8 && step->dst.elem == *elem_of(src.dtype);
  if (!floats || !spec.node->epilogue.empty() || !src.dense() || !spec.outputs[0].dense()) {
    return Refusal{"only the mean over an image is lowered in INT8 or with an activation"};
  }
  const Elem elem = *elem_of(src.dtype);
  return std::vector<Tactic>{
      gpu_tactic("own:reduce", spec, {step->src}, [=, kind = *kind](const StepArgs& args, const Operands& operands) {
        reduce(stream_of(args), kind, operands[0].at(args).data, elem, outer, inner, stride, args.dst[0]);
      })};
}

Tactics softmax_tactics(const StepSpec& spec) {
  const auto step = plain(spec);
  if (!step || step->act.kind != ActKind::None || spec.inputs[0].dtype == DType::S32) {
    return Refusal{"only float and INT8 tensors are lowered"};
  }
  const bool log = spec.node->op == "LogSoftmax";
  const int64_t rows = pixels_of(spec.inputs[0]), channels = channels_of(spec.inputs[0]);
  Tactic tactic = gpu_tactic("own:softmax", spec, {step->src},
                             [=, dst = step->dst](const StepArgs& args, const Operands& operands) {
                               softmax(stream_of(args), operands[0].at(args), at(dst, args), rows, channels, log);
                             });
  tactic.may_overwrite = spec.inputs[0].dtype == spec.outputs[0].dtype ? 1 : 0;
  return std::vector<Tactic>{std::move(tactic)};
}

Tactics layer_norm_tactics(const StepSpec& spec) {
  const auto step = plain(spec);
  const auto gamma = Operand::make(spec, 1), beta = Operand::make(spec, 2);
  const bool floats = gamma && beta && spec.inputs[1].dtype == DType::F32 && spec.inputs[2].dtype == DType::F32;
  if (!step || !floats || step->act.kind != ActKind::None || spec.inputs[0].dtype == DType::S32) {
    return Refusal{"only float and INT8 tensors are lowered"};
  }
  const float epsilon = spec.node->attr_or<float>("epsilon", 1e-3f);
  const int64_t rows = pixels_of(spec.inputs[0]), channels = channels_of(spec.inputs[0]);
  return std::vector<Tactic>{gpu_tactic(
      "own:layer_norm", spec, {step->src, *gamma, *beta},
      [=, dst = step->dst](const StepArgs& args, const Operands& operands) {
        layer_norm(stream_of(args), operands[0].at(args), static_cast<const float*>(operands[1].at(args).data),
                   static_cast<const float*>(operands[2].at(args).data), epsilon, at(dst, args), rows, channels);
      })};
}

Tactics resize_tactics(const StepSpec& spec) {
  const auto step = plain(spec);
  const Shape& src = spec.inputs[0].shape;
  const Shape& dst_shape = spec.outputs[0].shape;
  if (!step || step->act.kind != ActKind::None || src.rank() != 4 || spec.inputs[0].dtype == DType::S32) {
    return Refusal{"only float and INT8 images are lowered"};
  }
  const auto as_int = [](int64_t x) { return static_cast<int>(x); };
  ResizeShape shape;
  shape.batch = as_int(src[0]);
  shape.in_h = as_int(src[1]);
  shape.in_w = as_int(src[2]);
  shape.channels = as_int(src[3]);
  shape.out_h = as_int(dst_shape[1]);
  shape.out_w = as_int(dst_shape[2]);
  shape.align_corners = spec.node->attr_or<bool>("align_corners", false);
  shape.half_pixel_centers = spec.node->attr_or<bool>("half_pixel_centers", false);
  const auto scale = [&](int in, int out) {
    return shape.align_corners && out > 1 ? static_cast<float>(in - 1) / static_cast<float>(out - 1)
                                          : static_cast<float>(in) / static_cast<float>(out);
  };
  shape.scale_h = scale(shape.in_h, shape.out_h);
  shape.scale_w = scale(shape.in_w, shape.out_w);
  const bool nearest = spec.node->op == "ResizeNearestNeighbor";
  return std::vector<Tactic>{gpu_tactic(nearest ? "own:resize_nearest" : "own:resize_bilinear", spec, {step->src},
                                        [=, dst = step->dst](const StepArgs& args, const Operands& operands) {
                                          (nearest ? resize_nearest : resize_bilinear)(
                                              stream_of(args), shape, operands[0].at(args), at(dst, args));
                                        })};
}

Tactics gather_tactics(const StepSpec& spec) {
  const TensorDesc &table = spec.inputs[0], &indices = spec.inputs[1];
  const size_t index_bytes = dtype_bytes(indices.dtype);
  const bool integers = indices.dtype == DType::S32 || indices.dtype == DType::S64;
  const auto axis = spec.inputs.size() > 2 ? constant_ints(spec, 2) : std::vector<int64_t>{0};
  if (!integers || !axis || axis->size() != 1 || (*axis)[0] != 0 || spec.node->attr_or<int64_t>("batch_dims", 0) != 0 ||
      table.shape.rank() == 0 || !table.dense() || !indices.dense() || !spec.outputs[0].dense() ||
      table.dtype != spec.outputs[0].dtype || !(table.quant == spec.outputs[0].quant) || spec.constants[1].defined() ||
      !spec.node->epilogue.empty() || dtype_bytes(table.dtype) == 0) {
    return Refusal{"only rows along the first axis are lowered"};
  }
  const int64_t rows = table.shape[0];
  const int64_t row_bytes =
      rows == 0 ? 0 : table.shape.elements() / rows * static_cast<int64_t>(dtype_bytes(table.dtype));
  const int64_t count = indices.shape.elements();
  const Tensor constant = spec.constants[0];
  return std::vector<Tactic>{gpu_tactic("own:gather", spec, [=](PackedStore& store) -> Run {
    const std::shared_ptr<const void> packed = constant.defined() ? pack_bytes(store, constant) : nullptr;
    return [=](const StepArgs& args) {
      gather_rows(stream_of(args), packed != nullptr ? packed.get() : args.src[0], rows, args.src[1],
                  static_cast<int>(index_bytes), count, row_bytes, args.dst[0]);
    };
  })};
}

}  // namespace tfengine::cuda
