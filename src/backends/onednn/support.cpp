// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/support.h"

#include <algorithm>
#include <cstring>

#include <fmt/core.h>

namespace tfengine::onednn {

bool is_int8(DType dtype) { return dtype == DType::S8 || dtype == DType::U8; }

std::optional<kernels::Elem> elem_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return kernels::Elem::F32;
    case DType::S8:
      return kernels::Elem::S8;
    case DType::U8:
      return kernels::Elem::U8;
    default:
      return std::nullopt;
  }
}

float zero_of(const TensorDesc& desc) { return static_cast<float>(desc.quant.zero_point); }

bool may_share_memory(const TensorDesc& operand, const TensorDesc& result) {
  return operand.shape == result.shape && dtype_bytes(operand.dtype) == dtype_bytes(result.dtype);
}

bool has_zero_point(const StepSpec& spec) {
  const auto shifted = [](const TensorDesc& desc) { return desc.quant.zero_point != 0; };
  return std::any_of(spec.inputs.begin(), spec.inputs.end(), shifted) ||
         std::any_of(spec.outputs.begin(), spec.outputs.end(), shifted);
}

std::optional<kernels::Format> format_of(const TensorDesc& desc) {
  const auto elem = elem_of(desc.dtype);
  if (!elem) return std::nullopt;
  return kernels::Format{*elem, scale_of(desc), zero_of(desc)};
}

kernels::Rows rows_of(const TensorDesc& src, const TensorDesc& dst) {
  if (src.dense() && dst.dense()) {
    const int64_t all = src.shape.elements();
    return {1, all, all, all};
  }
  return {pixels_of(src), channels_of(src), src.pixel_stride, dst.pixel_stride};
}

std::optional<FusedEpilogue> FusedEpilogue::make(const StepSpec& spec, std::vector<float> acc_scales,
                                                 int64_t channels) {
  const ir::Epilogue& fused = spec.node->epilogue;
  const TensorDesc& dst = spec.outputs[0];
  const auto dst_elem = elem_of(dst.dtype);
  if (!dst_elem) return std::nullopt;
  FusedEpilogue epilogue;
  epilogue.channels_ = channels;
  if (acc_scales.size() == 1) acc_scales.assign(static_cast<size_t>(channels), acc_scales[0]);
  epilogue.scales_ = std::move(acc_scales);
  epilogue.plain_.before_add = fused.before_add;
  epilogue.plain_.after_add = fused.after_add;
  epilogue.plain_.dst_elem = *dst_elem;
  epilogue.plain_.dst_inv_scale = 1.0f / scale_of(dst);
  epilogue.plain_.dst_zero = zero_of(dst);
  if (fused.bias != ir::kNone) {
    epilogue.bias_ = spec.constants[static_cast<size_t>(fused.bias)];
    if (!epilogue.bias_.defined() || epilogue.bias_.dtype() != DType::F32 || epilogue.bias_.elements() != channels) {
      return std::nullopt;
    }
  }
  if (fused.residual != ir::kNone) {
    const TensorDesc& residual = spec.inputs[static_cast<size_t>(fused.residual)];
    const auto elem = elem_of(residual.dtype);
    if (!elem || residual.shape != dst.shape) return std::nullopt;
    epilogue.residual_input_ = fused.residual;
    epilogue.plain_.residual_elem = *elem;
    epilogue.plain_.residual_scale = scale_of(residual);
    epilogue.plain_.residual_zero = zero_of(residual);
    epilogue.plain_.residual_pixel_stride = residual.pixel_stride;
  }
  return epilogue;
}

void FusedEpilogue::remove_source_zero(const StepSpec& spec, const Tensor& weights) {
  const int zero_point = spec.inputs[0].quant.zero_point;
  if (zero_point == 0) return;
  const auto channels = static_cast<size_t>(channels_);
  std::vector<int64_t> sums(channels, 0);
  const int8_t* w = weights.as<int8_t>();
  for (int64_t i = 0; i < weights.elements(); ++i) sums[static_cast<size_t>(i) % channels] += w[i];
  Tensor shifted(DType::F32, Shape{channels_});
  for (size_t c = 0; c < channels; ++c) {
    const double bias = bias_.defined() ? static_cast<double>(bias_.as<float>()[c]) : 0.0;
    shifted.mutable_as<float>()[c] =
        static_cast<float>(bias - static_cast<double>(scales_[c]) * zero_point * static_cast<double>(sums[c]));
  }
  bias_ = std::move(shifted);
}

void FusedEpilogue::pack(PackedStore& packed) {
  const size_t bytes = static_cast<size_t>(channels_) * sizeof(float);
  const auto form = [&](const char* what, const float* values) {
    std::string text = fmt::format("{} {}:", what, channels_);
    text.append(reinterpret_cast<const char*>(values), bytes);
    return text;
  };
  const auto copy = [bytes](const float* values) {
    return [values, bytes](void* to) { std::memcpy(to, values, bytes); };
  };
  if (!scales_.empty()) {
    packed_scale_ = packed.get(Tensor(), form("scale", scales_.data()), bytes, copy(scales_.data()));
    plain_.scale = static_cast<const float*>(packed_scale_.get());
  }
  if (bias_.defined()) {
    packed_bias_ = packed.get(bias_, "bias", bytes, copy(bias_.as<float>()));
    plain_.bias = static_cast<const float*>(packed_bias_.get());
  }
}

kernels::Epilogue FusedEpilogue::bound(const StepArgs& args) const {
  kernels::Epilogue epilogue = plain_;
  if (residual_input_ != ir::kNone) epilogue.residual = args.src[static_cast<size_t>(residual_input_)];
  return epilogue;
}

Tactic plain_tactic(std::string name, std::function<void(const StepArgs&)> run, size_t workspace_bytes) {
  Tactic tactic;
  tactic.name = std::move(name);
  tactic.workspace_bytes = workspace_bytes;
  tactic.prepare = [run = std::move(run)](PackedStore&) { return plan::function_kernel(run); };
  return tactic;
}

}  // namespace tfengine::onednn
