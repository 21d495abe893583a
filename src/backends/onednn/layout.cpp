// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/layout.h"

#include <cstring>
#include <numeric>

#include "kernels/copy.h"
#include "kernels/resize.h"
#include "kernels/transpose.h"
#include "ops/op.h"

namespace tfengine::onednn {

namespace {

bool moves_bytes(const StepSpec& spec) {
  const TensorDesc &src = spec.inputs[0], &dst = spec.outputs[0];
  return src.dtype == dst.dtype && dtype_bytes(src.dtype) > 0 && src.quant == dst.quant && spec.node->epilogue.empty();
}

// Where the elements of each output lie in input 0, found by evaluating the op on an array of element numbers: right for
// every op that only picks elements at regular distances. nullopt when an operand is not constant.
std::optional<std::vector<kernels::CopyShape>> picked_boxes(const StepSpec& spec, size_t data_input,
                                                            std::vector<int64_t>& bases) {
  const Shape& shape = spec.inputs[data_input].shape;
  if (shape.elements() > INT32_MAX || shape.rank() > 8) return std::nullopt;
  Tensor numbers(DType::S32, shape);
  std::iota(numbers.mutable_as<int32_t>(), numbers.mutable_as<int32_t>() + shape.elements(), 0);
  std::vector<Tensor> inputs = spec.constants;
  inputs[data_input] = numbers;
  for (const Tensor& input : inputs) {
    if (!input.defined()) return std::nullopt;
  }
  const std::vector<Tensor> outputs = ops::require_op(*spec.node).evaluate(*spec.node, inputs);
  std::vector<kernels::CopyShape> boxes;
  for (const Tensor& output : outputs) {
    kernels::CopyShape box;
    box.rank = static_cast<int>(output.shape().rank());
    const int32_t* picked = output.as<int32_t>();
    bases.push_back(output.elements() == 0 ? 0 : picked[0]);
    int64_t pitch = 1;
    for (int i = box.rank - 1; i >= 0; --i) {
      box.dims[i] = output.shape()[static_cast<size_t>(i)];
      box.dst_strides[i] = pitch;
      box.src_strides[i] = box.dims[i] > 1 && output.elements() > 0 ? picked[pitch] - picked[0] : 0;
      pitch *= box.dims[i];
    }
    boxes.push_back(box);
  }
  return boxes;
}

// The part as a view of the input: one dense piece, or rows of the innermost axis at equal distances.
std::optional<plan::View> view_of(const kernels::CopyShape& box, size_t input, int64_t first) {
  plan::View view{static_cast<int>(input), first, box.rank == 0 ? 1 : box.dims[box.rank - 1]};
  const auto matches = [&](int64_t pixel_stride) {
    int64_t pixels = 1;
    for (int i = box.rank - 2; i >= 0; --i) {
      if (box.dims[i] > 1 && box.src_strides[i] != pixels * pixel_stride) return false;
      pixels *= box.dims[i];
    }
    return true;
  };
  if (box.rank > 0 && box.dims[box.rank - 1] > 1 && box.src_strides[box.rank - 1] != 1) return std::nullopt;
  if (matches(view.pixel_stride)) return view;
  for (int i = box.rank - 2; i >= 0; --i) {
    if (box.dims[i] == 1) continue;
    view.pixel_stride = box.src_strides[i];
    return view.pixel_stride > 0 && matches(view.pixel_stride) ? std::optional(view) : std::nullopt;
  }
  return std::nullopt;
}

// Boxes that are neighbouring columns of rows, one element of each row: then the rows and their distance.
std::optional<std::pair<int64_t, int64_t>> columns_of(const std::vector<kernels::CopyShape>& boxes,
                                                      const std::vector<int64_t>& bases) {
  std::optional<std::pair<int64_t, int64_t>> rows;
  for (size_t i = 0; i < boxes.size(); ++i) {
    std::pair<int64_t, int64_t> own{1, 0};
    for (int k = 0; k < boxes[i].rank; ++k) {
      if (boxes[i].dims[k] == 1) continue;
      // Several axes of rows at one distance are one.
      if (own.first > 1 && own.second != boxes[i].dims[k] * boxes[i].src_strides[k]) return std::nullopt;
      own = {own.first * boxes[i].dims[k], boxes[i].src_strides[k]};
    }
    if (rows && *rows != own) return std::nullopt;
    if (bases[i] != bases[0] + static_cast<int64_t>(i)) return std::nullopt;
    rows = own;
  }
  const bool apart = rows && boxes.size() > 1 && rows->second >= static_cast<int64_t>(boxes.size());
  return apart ? rows : std::nullopt;
}

Tactics pick(const StepSpec& spec, size_t data_input, const char* name) {
  std::vector<int64_t> bases;
  const TensorDesc& src = spec.inputs[data_input];
  if (!src.dense() || dtype_bytes(src.dtype) == 0 || !spec.node->epilogue.empty())
    return Refusal{"its input is a slice"};
  const auto boxes = picked_boxes(spec, data_input, bases);
  if (!boxes) return Refusal{"its bounds are computed at run time; they must be constant"};
  const auto bytes = static_cast<int64_t>(dtype_bytes(src.dtype));
  const int threads = spec.threads;
  const auto columns = columns_of(*boxes, bases);
  Tactic tactic = plain_tactic(name, [=, boxes = *boxes](const StepArgs& args) {
    if (columns) {
      const auto* from = static_cast<const std::byte*>(args.src[data_input]) + bases[0] * bytes;
      return kernels::take_columns(bytes, columns->first, static_cast<int64_t>(boxes.size()), columns->second, from,
                                   args.dst.data(), threads);
    }
    for (size_t i = 0; i < boxes.size(); ++i) {
      const auto* from = static_cast<const std::byte*>(args.src[data_input]) + bases[i] * bytes;
      kernels::copy_strided(bytes, boxes[i], from, args.dst[i], threads);
    }
  });
  for (size_t i = 0; i < boxes->size(); ++i) {
    const auto view = view_of((*boxes)[i], data_input, bases[i]);
    if (!view) break;
    tactic.views.push_back(*view);
  }
  if (tactic.views.size() < boxes->size()) tactic.views.clear();
  return std::vector<Tactic>{std::move(tactic)};
}

}  // namespace

Tactics reshape_tactics(const StepSpec& spec) {
  if (!moves_bytes(spec) || !spec.inputs[0].dense()) return Refusal{"its input is a slice"};
  const size_t bytes = spec.outputs[0].bytes();
  Tactic tactic = plain_tactic("own:view", [bytes](const StepArgs& args) {
    if (args.src[0] != args.dst[0]) std::memcpy(args.dst[0], args.src[0], bytes);
  });
  tactic.alias = true;
  return std::vector<Tactic>{std::move(tactic)};
}

Tactics transpose_tactics(const StepSpec& spec) {
  const auto perm = constant_ints(spec, 1);
  if (!perm || !moves_bytes(spec) || perm->size() > 8) return Refusal{"its permutation is computed at run time"};
  kernels::TransposeShape shape;
  shape.rank = static_cast<int>(perm->size());
  for (size_t i = 0; i < perm->size(); ++i) {
    shape.dims[i] = spec.inputs[0].shape[i];
    shape.perm[i] = static_cast<int>((*perm)[i] < 0 ? (*perm)[i] + shape.rank : (*perm)[i]);
  }
  const auto bytes = static_cast<int64_t>(dtype_bytes(spec.inputs[0].dtype));
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic("own:transpose", [=](const StepArgs& args) {
    kernels::transpose(bytes, shape, args.src[0], args.dst[0], threads);
  })};
}

Tactics pad_tactics(const StepSpec& spec) {
  const auto pads = constant_ints(spec, 1);
  const size_t rank = spec.inputs[0].shape.rank();
  if (!pads || !moves_bytes(spec) || !spec.inputs[0].dense() || rank > 8 || pads->size() != 2 * rank) {
    return Refusal{"its paddings are computed at run time"};
  }
  kernels::PadShape shape;
  shape.rank = static_cast<int>(rank);
  for (size_t i = 0; i < rank; ++i) {
    shape.dims[i] = spec.inputs[0].shape[i];
    shape.before[i] = (*pads)[2 * i];
    shape.after[i] = (*pads)[2 * i + 1];
  }
  // Zero has the same bytes in every dtype, but for a zero point. PadV2's own value, quantized, would need its tensor's scale.
  const bool has_value = spec.inputs.size() > 2;
  if (has_value && is_int8(spec.inputs[0].dtype)) return Refusal{"a pad value in INT8"};
  const auto bytes = static_cast<int64_t>(dtype_bytes(spec.inputs[0].dtype));
  const int threads = spec.threads;
  return std::vector<Tactic>{
      plain_tactic("own:pad", [=, zero_point = spec.inputs[0].quant.zero_point](const StepArgs& args) {
        const int64_t zero = zero_point;
        kernels::pad_constant(bytes, shape, args.src[0], has_value ? args.src[2] : &zero, args.dst[0], threads);
      })};
}

Tactics slice_tactics(const StepSpec& spec) {
  if (!moves_bytes(spec)) return Refusal{"its output has another type"};
  return pick(spec, 0, "own:slice");
}

Tactics split_tactics(const StepSpec& spec) { return pick(spec, spec.node->op == "Split" ? 1 : 0, "own:split"); }

Tactics resize_tactics(const StepSpec& spec) {
  const bool nearest = spec.node->op == "ResizeNearestNeighbor";
  const TensorDesc &src = spec.inputs[0], &dst = spec.outputs[0];
  const bool plain = nearest ? moves_bytes(spec) && dtype_bytes(src.dtype) <= 4
                             : src.dtype == DType::F32 && dst.dtype == DType::F32 && spec.node->epilogue.empty();
  if (!plain || src.shape.rank() != 4) return Refusal{"only float images (any type for nearest) are lowered"};
  kernels::ResizeShape shape;
  shape.batch = src.shape[0];
  shape.in_h = src.shape[1];
  shape.in_w = src.shape[2];
  shape.channels = src.shape[3];
  shape.out_h = dst.shape[1];
  shape.out_w = dst.shape[2];
  shape.align_corners = spec.node->attr_or<bool>("align_corners", false);
  shape.half_pixel_centers = spec.node->attr_or<bool>("half_pixel_centers", false);
  shape.src_pixel_stride = src.pixel_stride;
  shape.dst_pixel_stride = dst.pixel_stride;
  const auto bytes = static_cast<int64_t>(dtype_bytes(src.dtype));
  const int threads = spec.threads;
  return std::vector<Tactic>{
      plain_tactic(nearest ? "own:resize_nearest" : "own:resize_bilinear", [=](const StepArgs& args) {
        if (nearest) {
          kernels::resize_nearest(bytes, shape, args.src[0], args.dst[0], threads);
        } else {
          kernels::resize_bilinear_f32(shape, static_cast<const float*>(args.src[0]), static_cast<float*>(args.dst[0]),
                                       threads);
        }
      })};
}

}  // namespace tfengine::onednn
