// SPDX-License-Identifier: Apache-2.0
// What the lowerings of this folder share: reading a StepSpec in the kernels' terms.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernels/copy.h"
#include "kernels/epilogue.h"
#include "kernels/quantize.h"
#include "ops/geometry.h"
#include "plan/step_reading.h"

namespace tfengine::onednn {

using Tactics = std::variant<std::vector<plan::Tactic>, Refusal>;
using plan::channels_of;
using plan::constant_ints;
using plan::PackedStore;
using plan::pixels_of;
using plan::scale_of;
using plan::StepArgs;
using plan::StepSpec;
using plan::Tactic;
using plan::TensorDesc;

bool is_int8(DType dtype);
// F32, S8 and U8 as the kernels name them; nullopt for other dtypes.
std::optional<kernels::Elem> elem_of(DType dtype);
float zero_of(const TensorDesc& desc);
// Whether a result of an elementwise step may lie where the operand did, as far as the two tell.
bool may_share_memory(const TensorDesc& operand, const TensorDesc& result);
bool has_zero_point(const StepSpec& spec);  // some input or output of the step
// nullopt for dtypes that are no Elem.
std::optional<kernels::Format> format_of(const TensorDesc& desc);

// One row when both sides are dense.
kernels::Rows rows_of(const TensorDesc& src, const TensorDesc& dst);

// What the kernels' shapes of convolutions and pooling have in common: batch, images, strides, padding, pixel pitches.
template <typename KernelShape>
KernelShape windowed_shape(const StepSpec& spec, const ops::Window& window) {
  KernelShape shape;
  const Shape& src = spec.inputs[0].shape;
  shape.batch = src[0];
  shape.in_h = src[1];
  shape.in_w = src[2];
  shape.out_h = window.out_h;
  shape.out_w = window.out_w;
  shape.stride_h = window.stride_h;
  shape.stride_w = window.stride_w;
  shape.pad_top = window.pad_top;
  shape.pad_left = window.pad_left;
  shape.src_pixel_stride = spec.inputs[0].pixel_stride;
  shape.dst_pixel_stride = spec.outputs[0].pixel_stride;
  return shape;
}

// The arrays behind a kernels::Epilogue, held in the engine's weights memory, and the run-time residual.
class FusedEpilogue {
 public:
  // nullopt when the epilogue holds what the kernels cannot take (a bias that is no constant).
  // acc_scales: per channel, or one for all, or empty for 1 (float).
  static std::optional<FusedEpilogue> make(const StepSpec& spec, std::vector<float> acc_scales, int64_t channels);
  // Takes the source's zero point out of the sums: `weights` are S8 with the output channel last (depthwise: channel and
  // multiplier). Every output has to see all of them, be it as padding that holds the zero point.
  void remove_source_zero(const StepSpec& spec, const Tensor& weights);
  // Puts scale and bias into the store.
  void pack(PackedStore& packed);
  kernels::Epilogue bound(const StepArgs& args) const;
  // Tactic::may_overwrite of kernels that read the residual where they write next.
  uint64_t overwrites_residual() const { return residual_input_ == ir::kNone ? 0 : uint64_t{1} << residual_input_; }

 private:
  kernels::Epilogue plain_;
  std::vector<float> scales_;
  Tensor bias_;
  int residual_input_ = ir::kNone;
  int64_t channels_ = 0;
  std::shared_ptr<const void> packed_scale_;
  std::shared_ptr<const void> packed_bias_;
};

// A tactic that runs `run` and packs nothing.
Tactic plain_tactic(std::string name, std::function<void(const StepArgs&)> run, size_t workspace_bytes = 0);

}  // namespace tfengine::onednn
