// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/quantize.h"

#include "kernels/quantize.h"

namespace tfengine::onednn {

Tactics convert_tactics(const StepSpec& spec) {
  const auto src = format_of(spec.inputs[0]);
  const auto dst = format_of(spec.outputs[0]);
  if (!src || !dst || spec.inputs[0].quant.scales.size() > 1 || spec.outputs[0].quant.scales.size() > 1) {
    return Refusal{"only float and per-tensor INT8 tensors are lowered"};
  }
  const kernels::Rows rows = rows_of(spec.inputs[0], spec.outputs[0]);
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic("own:convert", [=](const StepArgs& args) {
    kernels::convert_elem(rows, *src, args.src[0], *dst, args.dst[0], threads);
  })};
}

Tactics cast_tactics(const StepSpec& spec) {
  const DType from = spec.inputs[0].dtype, to = spec.outputs[0].dtype;
  const kernels::Rows rows = rows_of(spec.inputs[0], spec.outputs[0]);
  const int threads = spec.threads;
  if (from == DType::F32 && to == DType::BF16) {
    return std::vector<Tactic>{plain_tactic("own:to_bf16", [=](const StepArgs& args) {
      kernels::f32_to_bf16(rows, static_cast<const float*>(args.src[0]), static_cast<uint16_t*>(args.dst[0]), threads);
    })};
  }
  if (from == DType::BF16 && to == DType::F32) {
    return std::vector<Tactic>{plain_tactic("own:from_bf16", [=](const StepArgs& args) {
      kernels::bf16_to_f32(rows, static_cast<const uint16_t*>(args.src[0]), static_cast<float*>(args.dst[0]), threads);
    })};
  }
  return Refusal{"only casts between float32 and bfloat16 are lowered"};
}

}  // namespace tfengine::onednn
