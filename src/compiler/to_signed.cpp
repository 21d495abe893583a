// SPDX-License-Identifier: Apache-2.0
#include "compiler/to_signed.h"

#include "ops/op.h"

namespace tfengine::detail {

int to_signed(ir::Graph& graph) {
  constexpr float kUnsignedSteps = 255.0f, kSignedSteps = 127.0f;
  int changed = 0;
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    ir::Value& value = graph.value(id);
    // A caller's own integers stay what they are.
    const bool border = value.producer == ir::kNone && !value.is_constant();
    if (value.dtype != DType::U8 || !value.quant.defined() || border || graph.is_output(id)) continue;
    const ir::Quant before = value.quant;
    for (float& scale : value.quant.scales) scale *= kUnsignedSteps / kSignedSteps;
    if (value.is_constant()) {
      value.constant = ops::quantize_tensor(ops::dequantize_tensor(value.constant, before), DType::S8, value.quant);
    }
    value.dtype = DType::S8;
    ++changed;
  }
  return changed;
}

}  // namespace tfengine::detail
