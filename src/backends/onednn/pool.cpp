// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/pool.h"

#include <algorithm>

#include "kernels/pool.h"
#include "kernels/reduce.h"
#include "ops/geometry.h"

namespace tfengine::onednn {

namespace {

std::optional<kernels::PoolEpilogue> epilogue_of(const StepSpec& spec) {
  const ir::Epilogue& fused = spec.node->epilogue;
  const auto src = elem_of(spec.inputs[0].dtype);
  const auto dst = elem_of(spec.outputs[0].dtype);
  if (!src || !dst || fused.bias != ir::kNone || fused.residual != ir::kNone) return std::nullopt;
  if (fused.before_add.kind != ActKind::None && fused.after_add.kind != ActKind::None) return std::nullopt;
  kernels::PoolEpilogue epilogue;
  epilogue.src_elem = *src;
  epilogue.src_scale = scale_of(spec.inputs[0]);
  epilogue.act = fused.before_add.kind != ActKind::None ? fused.before_add : fused.after_add;
  epilogue.dst_elem = *dst;
  epilogue.dst_inv_scale = 1.0f / scale_of(spec.outputs[0]);
  epilogue.src_zero = zero_of(spec.inputs[0]);
  epilogue.dst_zero = zero_of(spec.outputs[0]);
  return epilogue;
}

// Mean over exactly the two spatial axes of an image.
bool is_global(const Shape& src, const std::vector<int64_t>& axes) {
  if (src.rank() != 4 || axes.size() != 2) return false;
  const int64_t low = std::min((axes[0] + 4) % 4, (axes[1] + 4) % 4);
  const int64_t high = std::max((axes[0] + 4) % 4, (axes[1] + 4) % 4);
  return low == 1 && high == 2;
}

}  // namespace

std::optional<kernels::ReduceKind> reduce_kind(const std::string& op) {
  using kernels::ReduceKind;
  if (op == "Mean") return ReduceKind::Mean;
  if (op == "Sum") return ReduceKind::Sum;
  if (op == "Max") return ReduceKind::Max;
  if (op == "Min") return ReduceKind::Min;
  if (op == "Prod") return ReduceKind::Prod;
  return std::nullopt;
}

Tactics pool_tactics(const StepSpec& spec) {
  const auto epilogue = epilogue_of(spec);
  const Shape& src = spec.inputs[0].shape;
  if (!epilogue || src.rank() != 4) return Refusal{"only float and INT8 images are lowered"};
  const ops::Window window = ops::pool_window(*spec.node, src[1], src[2]);
  auto shape = windowed_shape<kernels::PoolShape>(spec, window);
  shape.channels = src[3];
  shape.window_h = window.kernel_h;
  shape.window_w = window.kernel_w;
  const bool max = spec.node->op == "MaxPool";
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic(max ? "own:max_pool" : "own:avg_pool", [=](const StepArgs& args) {
    (max ? kernels::max_pool : kernels::avg_pool)(shape, *epilogue, args.src[0], args.dst[0], threads);
  })};
}

Tactics reduce_tactics(const StepSpec& spec) {
  const auto axes = constant_ints(spec, 1);
  const auto epilogue = epilogue_of(spec);
  const auto kind = reduce_kind(spec.node->op);
  if (!axes || !epilogue || !kind) return Refusal{"only float and INT8 tensors and constant axes are lowered"};
  const TensorDesc& src = spec.inputs[0];
  const int threads = spec.threads;
  if (*kind == kernels::ReduceKind::Mean && is_global(src.shape, *axes)) {
    const kernels::GlobalPoolShape shape{src.shape[0], src.shape[1] * src.shape[2], src.shape[3], src.pixel_stride,
                                         src.shape[3]};
    return std::vector<Tactic>{plain_tactic("own:global_mean", [=](const StepArgs& args) {
      kernels::global_avg_pool(shape, *epilogue, args.src[0], args.dst[0], threads);
    })};
  }
  const bool plain = src.dtype == DType::F32 && spec.outputs[0].dtype == DType::F32 && spec.node->epilogue.empty() &&
                     src.dense() && src.shape.rank() <= 8;
  if (!plain) return Refusal{"only the mean over an image is lowered in INT8 or with an activation"};
  kernels::ReduceShape shape;
  shape.rank = static_cast<int>(src.shape.rank());
  for (int i = 0; i < shape.rank; ++i) shape.dims[i] = src.shape[static_cast<size_t>(i)];
  for (const int64_t axis : *axes) shape.reduced[(axis + shape.rank) % shape.rank] = true;
  return std::vector<Tactic>{plain_tactic("own:reduce", [=](const StepArgs& args) {
    kernels::reduce_f32(*kind, shape, static_cast<const float*>(args.src[0]), static_cast<float*>(args.dst[0]),
                        threads);
  })};
}

}  // namespace tfengine::onednn
