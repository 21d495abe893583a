// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/layout.h"

#include <numeric>

#include "ops/op.h"

namespace tfengine::cuda {

namespace {

// Evaluating an op on element numbers takes as many numbers as the tensor has elements.
constexpr int64_t kMostElements = int64_t{1} << 28;

bool moves_bytes(const StepSpec& spec, size_t input) {
  const TensorDesc &src = spec.inputs[input], &dst = spec.outputs[0];
  return src.dtype == dst.dtype && dtype_bytes(src.dtype) > 0 && src.quant == dst.quant &&
         spec.node->epilogue.empty() && !spec.constants[input].defined();
}

// Distances between neighbours along each axis of a tensor as it is stored.
std::vector<int64_t> stored_strides(const TensorDesc& desc) {
  const size_t rank = desc.shape.rank();
  std::vector<int64_t> strides(rank, 1);
  if (rank < 2) return strides;
  strides[rank - 2] = desc.pixel_stride;
  for (size_t i = rank - 2; i-- > 0;) strides[i] = strides[i + 1] * desc.shape[i + 1];
  return strides;
}

struct Piece {
  StridedCopy copy;
  int64_t src_offset = 0, dst_offset = 0;  // in elements
  int output = 0;
};

StridedCopy copy_of(const Shape& dims, const std::vector<int64_t>& src, const std::vector<int64_t>& dst, DType dtype) {
  StridedCopy copy;
  copy.rank = static_cast<int>(dims.rank());
  copy.element_bytes = static_cast<int>(dtype_bytes(dtype));
  for (size_t i = 0; i < dims.rank(); ++i) {
    copy.dims[i] = dims[i];
    copy.src_strides[i] = src[i];
    copy.dst_strides[i] = dst[i];
  }
  return copy;
}

Tactic copies(const char* name, const StepSpec& spec, size_t input, std::vector<Piece> pieces) {
  const auto bytes = static_cast<int64_t>(dtype_bytes(spec.outputs[0].dtype));
  return gpu_tactic(name, spec, [=, pieces = std::move(pieces)](PackedStore&) {
    return Run([=](const StepArgs& args) {
      for (const Piece& piece : pieces) {
        strided_copy(stream_of(args), piece.copy,
                     static_cast<const std::byte*>(args.src[input]) + piece.src_offset * bytes,
                     static_cast<std::byte*>(args.dst[static_cast<size_t>(piece.output)]) + piece.dst_offset * bytes);
      }
    });
  });
}

// Where the elements of each output lie in the input as it is stored: found by evaluating the op on an array of those places,
// and right for every op that only picks elements at regular distances. nullopt where an operand is not constant, or the
// distances are not regular.
std::optional<std::vector<Piece>> picked(const StepSpec& spec, size_t input) {
  const TensorDesc& src = spec.inputs[input];
  if (src.shape.elements() > kMostElements || src.shape.elements() == 0) return std::nullopt;
  const int64_t channels = channels_of(src);
  Tensor places(DType::S32, src.shape);
  auto* place = places.mutable_as<int32_t>();
  for (int64_t i = 0; i < src.shape.elements(); ++i) {
    place[i] = static_cast<int32_t>(i / channels * src.pixel_stride + i % channels);
  }
  std::vector<Tensor> inputs = spec.constants;
  inputs[input] = places;
  for (const Tensor& tensor : inputs) {
    if (!tensor.defined()) return std::nullopt;
  }
  const std::vector<Tensor> outputs = ops::require_op(*spec.node).evaluate(*spec.node, inputs);
  std::vector<Piece> pieces;
  for (size_t o = 0; o < spec.outputs.size(); ++o) {
    const Shape& shape = outputs[o].shape();
    const auto* from = outputs[o].as<int32_t>();
    if (shape.rank() > kMaxDims) return std::nullopt;
    if (shape.elements() == 0) continue;
    std::vector<int64_t> strides(shape.rank(), 0);
    int64_t pitch = 1;
    for (size_t i = shape.rank(); i-- > 0;) {
      strides[i] = shape[i] > 1 ? from[pitch] - from[0] : 0;
      pitch *= shape[i];
    }
    for (int64_t i = 0; i < shape.elements(); ++i) {
      int64_t rest = i, at = from[0];
      for (size_t d = shape.rank(); d-- > 0;) {
        at += rest % shape[d] * strides[d];
        rest /= shape[d];
      }
      if (at != from[i]) return std::nullopt;
    }
    pieces.push_back(
        {copy_of(shape, strides, stored_strides(spec.outputs[o]), src.dtype), from[0], 0, static_cast<int>(o)});
  }
  return pieces;
}

}  // namespace

Tactics reshape_tactics(const StepSpec& spec) {
  if (!moves_bytes(spec, 0)) return Refusal{"its output has another type"};
  const TensorDesc &src = spec.inputs[0], &dst = spec.outputs[0];
  if (src.dense() && dst.dense()) {
    Piece piece;
    piece.copy = copy_of({src.shape.elements()}, {1}, {1}, src.dtype);
    Tactic tactic = copies("own:view", spec, 0, {piece});
    tactic.alias = true;
    return std::vector<Tactic>{std::move(tactic)};
  }
  // Rows of one side are whole pieces of the other's.
  const int64_t from = channels_of(src), to = channels_of(dst);
  if (from == 0 || to == 0 || (from % to != 0 && to % from != 0)) return Refusal{"its rows do not fit into each other"};
  const int64_t inner = std::min(from, to), outer = std::max(from, to);
  const int64_t parts = outer / inner, rows = src.shape.elements() / outer;
  const auto strides = [&](const TensorDesc& desc) {
    return channels_of(desc) == outer ? std::vector<int64_t>{desc.pixel_stride, inner, 1}
                                      : std::vector<int64_t>{parts * desc.pixel_stride, desc.pixel_stride, 1};
  };
  Piece piece;
  piece.copy = copy_of({rows, parts, inner}, strides(src), strides(dst), src.dtype);
  return std::vector<Tactic>{copies("own:reshape", spec, 0, {piece})};
}

Tactics pick_tactics(const StepSpec& spec) {
  const size_t input = spec.node->op == "Split" ? 1 : 0;
  if (!moves_bytes(spec, input)) return Refusal{"its output has another type"};
  auto pieces = picked(spec, input);
  if (!pieces) return Refusal{"its bounds are computed at run time, or its elements lie at irregular distances"};
  return std::vector<Tactic>{copies("own:pick", spec, input, std::move(*pieces))};
}

Tactics pad_tactics(const StepSpec& spec) {
  const auto pads = constant_ints(spec, 1);
  const TensorDesc &src = spec.inputs[0], &dst = spec.outputs[0];
  const size_t rank = src.shape.rank();
  if (!pads || !moves_bytes(spec, 0) || rank > kMaxDims || rank == 0 || pads->size() != 2 * rank ||
      spec.inputs.size() > 2) {
    return Refusal{"its paddings are computed at run time, or are not zero"};
  }
  Piece piece;
  const std::vector<int64_t> strides = stored_strides(dst);
  piece.copy = copy_of(src.shape, stored_strides(src), strides, src.dtype);
  for (size_t i = 0; i < rank; ++i) piece.dst_offset += (*pads)[2 * i] * strides[i];
  const size_t bytes = dst.storage_bytes();
  const auto offset = static_cast<int64_t>(dtype_bytes(src.dtype)) * piece.dst_offset;
  return std::vector<Tactic>{gpu_tactic("own:pad", spec, [=](PackedStore&) {
    return Run([=](const StepArgs& args) {
      args.queue->fill_zero(args.dst[0], bytes);
      strided_copy(stream_of(args), piece.copy, args.src[0], static_cast<std::byte*>(args.dst[0]) + offset);
    });
  })};
}

Tactics concat_tactics(const StepSpec& spec) {
  const auto axis = constant_ints(spec, spec.inputs.size() - 1);
  const TensorDesc& dst = spec.outputs[0];
  const auto rank = static_cast<int64_t>(dst.shape.rank());
  if (!axis || axis->size() != 1 || rank > kMaxDims || !spec.node->epilogue.empty()) {
    return Refusal{"its axis is computed at run time"};
  }
  const auto along = static_cast<size_t>(((*axis)[0] + rank) % rank);
  const std::vector<int64_t> strides = stored_strides(dst);
  std::vector<Piece> pieces;
  int64_t offset = 0;
  for (size_t i = 0; i + 1 < spec.inputs.size(); ++i) {
    if (!moves_bytes(spec, i)) return Refusal{"its operands are constants, or of other types or scales"};
    const TensorDesc& src = spec.inputs[i];
    pieces.push_back({copy_of(src.shape, stored_strides(src), strides, src.dtype), 0, offset, 0});
    offset += src.shape[along] * strides[along];
  }
  const auto bytes = static_cast<int64_t>(dtype_bytes(dst.dtype));
  return std::vector<Tactic>{gpu_tactic("own:concat", spec, [=](PackedStore&) {
    return Run([=](const StepArgs& args) {
      for (size_t i = 0; i < pieces.size(); ++i) {
        strided_copy(stream_of(args), pieces[i].copy, args.src[i],
                     static_cast<std::byte*>(args.dst[0]) + pieces[i].dst_offset * bytes);
      }
    });
  })};
}

}  // namespace tfengine::cuda
