// SPDX-License-Identifier: Apache-2.0
#include "compiler/outputs.h"

#include "base/host_memory.h"

namespace tfengine::detail {

OutputBuffers make_outputs(const plan::Plan& plan, int64_t samples) {
  const UnclearedTensors written_by_the_run;
  OutputBuffers buffers;
  for (const ir::GraphOutput& out : plan.graph.outputs) {
    const plan::TensorDesc& desc = plan.descs[static_cast<size_t>(out.value)];
    Shape shape = desc.shape;
    if (samples != 0 && shape.rank() > 0) shape[0] = samples;
    buffers.tensors.push_back({out.name, Tensor(desc.dtype, shape)});
    buffers.addresses.push_back(buffers.tensors.back().tensor.mutable_data());
  }
  return buffers;
}

}  // namespace tfengine::detail
