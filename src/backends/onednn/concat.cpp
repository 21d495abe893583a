// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/concat.h"

#include "kernels/concat.h"

namespace tfengine::onednn {

namespace {

struct Pieces {
  int64_t rows = 1;
  int64_t dst_stride = 0;
  std::vector<kernels::ConcatPiece> pieces;
  bool last_axis = false;
};

// Other dtypes of the same width are moved as they are.
std::optional<kernels::Elem> moved_as(DType dtype) {
  if (const auto elem = elem_of(dtype)) return elem;
  if (dtype == DType::S32 || dtype == DType::U32) return kernels::Elem::F32;
  return std::nullopt;
}

std::optional<Pieces> pieces_of(const StepSpec& spec, int64_t axis) {
  const TensorDesc& dst = spec.outputs[0];
  const size_t rank = dst.shape.rank();
  const size_t at = static_cast<size_t>((axis + static_cast<int64_t>(rank)) % static_cast<int64_t>(rank));
  Pieces result;
  result.last_axis = at + 1 == rank;
  int64_t inner = 1;
  for (size_t i = 0; i < at; ++i) result.rows *= dst.shape[i];
  for (size_t i = at + 1; i < rank; ++i) inner *= dst.shape[i];
  result.dst_stride = result.last_axis ? dst.pixel_stride : dst.shape[at] * inner;
  for (size_t i = 0; i + 1 < spec.inputs.size(); ++i) {
    const TensorDesc& src = spec.inputs[i];
    const auto elem = moved_as(src.dtype);
    if (!elem || (!result.last_axis && !src.dense())) return std::nullopt;
    kernels::ConcatPiece piece;
    piece.cols = src.shape[at] * inner;
    piece.src_stride = result.last_axis ? src.pixel_stride : piece.cols;
    piece.elem = *elem;
    piece.scale = scale_of(src);
    piece.zero = zero_of(src);
    result.pieces.push_back(piece);
  }
  return result;
}

}  // namespace

Tactics concat_tactics(const StepSpec& spec) {
  const auto axis = constant_ints(spec, spec.inputs.size() - 1);
  const auto dst_elem = moved_as(spec.outputs[0].dtype);
  if (!axis || axis->size() != 1 || !dst_elem || !spec.node->epilogue.empty()) {
    return Refusal{"only constant axes and elements of 1 or 4 bytes are lowered"};
  }
  const auto layout = pieces_of(spec, (*axis)[0]);
  if (!layout || (!layout->last_axis && !spec.outputs[0].dense())) return Refusal{"its tensors are slices"};
  const kernels::Format format{*dst_elem, scale_of(spec.outputs[0]), zero_of(spec.outputs[0])};
  const size_t elem_bytes = dtype_bytes(spec.outputs[0].dtype);
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic("own:concat", [=, pieces = *layout](const StepArgs& args) {
    auto* dst = static_cast<std::byte*>(args.dst[0]);
    for (size_t i = 0; i < pieces.pieces.size(); ++i) {
      kernels::ConcatPiece piece = pieces.pieces[i];
      piece.src = args.src[i];
      if (piece.src != dst) {
        kernels::concat_rows(pieces.rows, &piece, 1, format, dst, pieces.dst_stride, threads);
      }
      dst += static_cast<size_t>(piece.cols) * elem_bytes;
    }
  })};
}

}  // namespace tfengine::onednn
