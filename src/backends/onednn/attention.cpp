// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/attention.h"

#include <algorithm>

#include "kernels/attention.h"

namespace tfengine::onednn {

namespace {

bool is_float(const TensorDesc& desc) { return desc.dtype == DType::F32 && desc.shape.rank() == 4 && desc.dense(); }

// The mask's distances, 0 along axes that it broadcasts.
void set_mask_strides(const Shape& mask, kernels::AttentionShape& shape) {
  shape.mask_row_stride = mask[2] == 1 ? 0 : mask[3];
  shape.mask_head_stride = mask[1] == 1 ? 0 : mask[2] * mask[3];
  shape.mask_batch_stride = mask[0] == 1 ? 0 : mask[1] * mask[2] * mask[3];
}

}  // namespace

Tactics attention_tactics(const StepSpec& spec) {
  const bool floats = std::all_of(spec.inputs.begin(), spec.inputs.end(), is_float) && is_float(spec.outputs[0]);
  if (!floats || !spec.node->epilogue.empty()) return Refusal{"only dense float tensors are lowered"};
  kernels::AttentionShape shape;
  const Shape &q = spec.inputs[0].shape, &v = spec.inputs[2].shape;
  shape.batch = q[0];
  shape.rows = q[1];
  shape.heads = q[2];
  shape.depth = q[3];
  shape.columns = v[1];
  shape.width = v[3];
  shape.scale = spec.node->attr_or<float>("scale", 1.0f);
  shape.q_stride = shape.k_stride = shape.heads * shape.depth;
  shape.v_stride = shape.dst_stride = shape.heads * shape.width;
  if (shape.columns == 0) return Refusal{"it attends to nothing"};
  const bool masked = spec.inputs.size() == 4;
  if (masked) {
    if (spec.inputs[3].shape[3] != shape.columns) return Refusal{"its mask is the same for all columns"};
    set_mask_strides(spec.inputs[3].shape, shape);
  }
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic(
      "own:attention",
      [=](const StepArgs& args) {
        const auto source = [&](size_t i) { return static_cast<const float*>(args.src[i]); };
        kernels::attention_f32(shape, source(0), source(1), source(2), masked ? source(3) : nullptr,
                               static_cast<float*>(args.dst[0]), args.workspace, threads);
      },
      kernels::attention_workspace_bytes(shape, threads))};
}

}  // namespace tfengine::onednn
