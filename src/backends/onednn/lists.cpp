// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/lists.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/gather.h"

namespace tfengine::onednn {

namespace {

int64_t index_at(const TensorDesc& desc, const void* data) {
  return desc.dtype == DType::S64 ? *static_cast<const int64_t*>(data) : *static_cast<const int32_t*>(data);
}

bool is_index(DType dtype) { return dtype == DType::S32 || dtype == DType::S64; }

}  // namespace

Tactics list_reserve_tactics(const StepSpec& spec) {
  const size_t bytes = spec.outputs[0].bytes();
  return std::vector<Tactic>{
      plain_tactic("own:zeros", [bytes](const StepArgs& args) { std::memset(args.dst[0], 0, bytes); })};
}

Tactics list_set_item_tactics(const StepSpec& spec) {
  if (!is_index(spec.inputs[1].dtype) || !spec.outputs[0].dense() || !spec.inputs[2].dense()) {
    return Refusal{"its index is no int32 or int64, or its item is a slice"};
  }
  const int64_t length = spec.outputs[0].shape[0];
  const size_t bytes = spec.outputs[0].bytes() / static_cast<size_t>(length);
  Tactic tactic = plain_tactic(
      "own:set row", [bytes, length, index = spec.inputs[1], name = spec.node->name](const StepArgs& args) {
        const int64_t row = index_at(index, args.src[1]);
        if (row < 0 || row >= length) {
          fail<InvalidModel>("ListSetItem '{}': index {} is out of range for a list of {}", name, row, length);
        }
        std::memcpy(static_cast<std::byte*>(args.dst[0]) + static_cast<size_t>(row) * bytes, args.src[2], bytes);
      });
  tactic.inplace_input = 0;
  return std::vector<Tactic>{std::move(tactic)};
}

Tactics gather_tactics(const StepSpec& spec) {
  const TensorDesc& src = spec.inputs[0];
  const auto axis = spec.inputs.size() > 2 ? constant_ints(spec, 2) : std::vector<int64_t>{0};
  if (!axis || axis->size() != 1) return Refusal{"its axis is computed at run time; it must be constant"};
  if (spec.node->attr_or<int64_t>("batch_dims", 0) != 0) return Refusal{"batch_dims is not 0"};
  if (!is_index(spec.inputs[1].dtype) || !src.dense() || !spec.inputs[1].dense() || !spec.outputs[0].dense() ||
      dtype_bytes(src.dtype) == 0 || src.dtype != spec.outputs[0].dtype || !spec.node->epilogue.empty()) {
    return Refusal{"its operands are slices, or its indices no int32 or int64"};
  }
  const auto rank = static_cast<int64_t>(src.shape.rank());
  const int64_t at = (*axis)[0] < 0 ? (*axis)[0] + rank : (*axis)[0];
  kernels::GatherShape shape;
  for (int64_t i = 0; i < at; ++i) shape.outer *= src.shape[static_cast<size_t>(i)];
  shape.axis = src.shape[static_cast<size_t>(at)];
  shape.inner_bytes = static_cast<int64_t>(dtype_bytes(src.dtype));
  for (int64_t i = at + 1; i < rank; ++i) shape.inner_bytes *= src.shape[static_cast<size_t>(i)];
  shape.count = spec.inputs[1].shape.elements();
  const bool wide = spec.inputs[1].dtype == DType::S64;
  // A row of a list is not worth a team of threads.
  const bool small = shape.outer * shape.count * shape.inner_bytes < (int64_t{64} << 10);
  return std::vector<Tactic>{
      plain_tactic("own:gather", [shape, wide, threads = small ? 1 : spec.threads](const StepArgs& args) {
        if (wide)
          kernels::gather(shape, args.src[0], static_cast<const int64_t*>(args.src[1]), args.dst[0], threads);
        else
          kernels::gather(shape, args.src[0], static_cast<const int32_t*>(args.src[1]), args.dst[0], threads);
      })};
}

}  // namespace tfengine::onednn
