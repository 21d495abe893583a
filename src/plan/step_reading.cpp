// SPDX-License-Identifier: Apache-2.0
#include "plan/step_reading.h"

#include "ops/numeric.h"

namespace tfengine::plan {

float scale_of(const TensorDesc& desc) { return desc.quant.defined() ? desc.quant.scales[0] : 1.0f; }

int64_t channels_of(const TensorDesc& desc) { return desc.shape.rank() == 0 ? 1 : desc.shape.back(); }

int64_t pixels_of(const TensorDesc& desc) {
  const int64_t channels = channels_of(desc);
  return channels == 0 ? 0 : desc.shape.elements() / channels;
}

std::optional<Act> only_activation(const ir::Epilogue& epilogue) {
  if (epilogue.bias != ir::kNone || epilogue.residual != ir::kNone) return std::nullopt;
  if (epilogue.before_add.kind == ActKind::None) return epilogue.after_add;
  if (epilogue.after_add.kind == ActKind::None) return epilogue.before_add;
  return std::nullopt;
}

std::optional<std::vector<int64_t>> constant_ints(const StepSpec& spec, size_t input) {
  return input < spec.constants.size() ? ops::int_values(spec.constants[input]) : std::nullopt;
}

}  // namespace tfengine::plan
