// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/normalize.h"

#include "kernels/layer_norm.h"
#include "kernels/softmax.h"

namespace tfengine::onednn {

namespace {

bool plain_float(const StepSpec& spec) {
  return spec.inputs[0].dtype == DType::F32 && spec.outputs[0].dtype == DType::F32 && spec.node->epilogue.empty();
}

kernels::Rows last_axis(const StepSpec& spec) {
  return {pixels_of(spec.inputs[0]), channels_of(spec.inputs[0]), spec.inputs[0].pixel_stride,
          spec.outputs[0].pixel_stride};
}

}  // namespace

Tactics softmax_tactics(const StepSpec& spec) {
  if (!plain_float(spec)) return Refusal{"only float tensors are lowered"};
  const kernels::Rows rows = last_axis(spec);
  const bool log = spec.node->op == "LogSoftmax";
  const int threads = spec.threads;
  Tactic tactic = plain_tactic("own:softmax", [=](const StepArgs& args) {
    (log ? kernels::log_softmax_f32 : kernels::softmax_f32)(rows, static_cast<const float*>(args.src[0]),
                                                            static_cast<float*>(args.dst[0]), threads);
  });
  tactic.may_overwrite = 1;
  return std::vector<Tactic>{std::move(tactic)};
}

Tactics layer_norm_tactics(const StepSpec& spec) {
  if (!plain_float(spec)) return Refusal{"only float tensors are lowered"};
  const kernels::Rows rows = last_axis(spec);
  const float epsilon = spec.node->attr_or<float>("epsilon", 1e-3f);
  const int threads = spec.threads;
  Tactic tactic = plain_tactic("own:layer_norm", [=](const StepArgs& args) {
    kernels::layer_norm_f32(rows, static_cast<const float*>(args.src[0]), static_cast<const float*>(args.src[1]),
                            static_cast<const float*>(args.src[2]), epsilon, static_cast<float*>(args.dst[0]), threads);
  });
  tactic.may_overwrite = 1;
  return std::vector<Tactic>{std::move(tactic)};
}

}  // namespace tfengine::onednn
