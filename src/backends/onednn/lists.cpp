// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/lists.h"

#include <cstring>

#include "base/check.h"

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
  if (spec.inputs[0].shape != spec.outputs[0].shape || spec.outputs[0].shape.elements() == 0) {
    return Refusal{"its list changes its size, or has none"};
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

}  // namespace tfengine::onednn
