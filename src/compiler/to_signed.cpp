// SPDX-License-Identifier: Apache-2.0
#include "compiler/to_signed.h"

#include <algorithm>

#include "ops/op.h"

namespace tfengine::detail {

namespace {

int values_to_signed(ir::Graph& graph) {
  constexpr int kUnsignedSteps = 255;
  constexpr float kSignedSteps = 127.0f;
  int changed = 0;
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    ir::Value& value = graph.value(id);
    // A caller's own integers stay what they are.
    const bool border = value.producer == ir::kNone && !value.is_constant();
    if (value.dtype != DType::U8 || !value.quant.defined() || border || graph.is_output(id)) continue;
    const ir::Quant before = value.quant;
    const int largest = std::max(before.zero_point, kUnsignedSteps - before.zero_point);
    for (float& scale : value.quant.scales) scale *= static_cast<float>(largest) / kSignedSteps;
    value.quant.zero_point = 0;
    if (value.is_constant()) {
      value.constant = ops::quantize_tensor(ops::dequantize_tensor(value.constant, before), DType::S8, value.quant);
    }
    value.dtype = DType::S8;
    ++changed;
  }
  return changed;
}

}  // namespace

int to_signed(ir::Graph& graph) {
  int changed = 0;
  ir::for_each_graph(graph, [&](ir::Graph& each) { changed += values_to_signed(each); });
  return changed;
}

}  // namespace tfengine::detail
