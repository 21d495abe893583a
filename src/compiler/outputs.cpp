// SPDX-License-Identifier: Apache-2.0
#include "compiler/outputs.h"

namespace tfengine::detail {

OutputBuffers make_outputs(const plan::Plan& plan) {
  OutputBuffers buffers;
  for (const ir::GraphOutput& out : plan.graph.outputs) {
    const plan::TensorDesc& desc = plan.descs[static_cast<size_t>(out.value)];
    buffers.tensors.push_back({out.name, Tensor(desc.dtype, desc.shape)});
    buffers.addresses.push_back(buffers.tensors.back().tensor.mutable_data());
  }
  return buffers;
}

}  // namespace tfengine::detail
