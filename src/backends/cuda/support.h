// SPDX-License-Identifier: Apache-2.0
// What the lowerings of this folder share: reading a StepSpec in the kernels' terms.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "backends/cuda/device.h"
#include "backends/cuda/kernels/kernels.h"
#include "ops/geometry.h"
#include "plan/step_reading.h"

namespace tfengine::cuda {

using Tactics = std::variant<std::vector<plan::Tactic>, Refusal>;
using plan::channels_of;
using plan::constant_ints;
using plan::only_activation;
using plan::PackedStore;
using plan::pixels_of;
using plan::scale_of;
using plan::StepArgs;
using plan::StepSpec;
using plan::Tactic;
using plan::TensorDesc;

// As the kernels name it; nullopt for other dtypes.
std::optional<Elem> elem_of(DType dtype);
cudaStream_t stream_of(const StepArgs& args);

// The tensor without its address; nullopt when the kernels do not know its dtype.
std::optional<View> view_of(const TensorDesc& desc);
std::optional<Target> target_of(const TensorDesc& desc);

// An input: a step's result, or a constant that is packed onto the device.
class Operand {
 public:
  // nullopt when the kernels do not know its dtype, or it has several scales.
  static std::optional<Operand> make(const StepSpec& spec, size_t input);
  void pack(PackedStore& store);
  View at(const StepArgs& args) const;
  const TensorDesc& desc() const { return desc_; }
  bool constant() const { return constant_.defined(); }

 private:
  size_t input_ = 0;
  TensorDesc desc_;
  View view_;
  Tensor constant_;
  std::shared_ptr<const void> packed_;
};

// A constant's bytes on the device.
std::shared_ptr<const void> pack_bytes(PackedStore& store, const Tensor& tensor);
// The same for numbers that are worked out here; `what` tells equal ones of different meaning apart.
std::shared_ptr<const float> pack_floats(PackedStore& store, const std::string& what, const std::vector<float>& values);

// A tactic that packs `operands` and then puts `run` into the queue, with the spec's GPU as the current one.
Tactic gpu_tactic(std::string name, const StepSpec& spec, std::vector<Operand> operands,
                  std::function<void(const StepArgs&, const std::vector<Operand>&)> run);
// The same with a function made once everything is packed.
using Run = std::function<void(const StepArgs&)>;
Tactic gpu_tactic(std::string name, const StepSpec& spec, std::function<Run(PackedStore&)> prepare);
// A window over images of shape `src`, with `out_c` channels behind it.
ConvShape window_shape(const Shape& src, const ops::Window& window, int64_t out_c);

// Of the spec's device, which is one of ours.
const Gpu& gpu_of(const StepSpec& spec);

}  // namespace tfengine::cuda
