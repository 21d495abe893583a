// SPDX-License-Identifier: Apache-2.0
#include "compiler/chunks.h"

#include <algorithm>

#include "base/check.h"

namespace tfengine::detail {

std::vector<Shape> with_samples(std::vector<Shape> shapes, int64_t samples) {
  for (Shape& shape : shapes) {
    if (shape.rank() > 0) shape[0] = samples;
  }
  return shapes;
}

std::vector<Shape> planned_shapes(const std::vector<Shape>& shapes, int64_t chunk) {
  const bool larger =
      chunk > 0 && !shapes.empty() && std::all_of(shapes.begin(), shapes.end(), [&](const Shape& shape) {
        return shape.rank() > 0 && shape[0] == shapes[0][0] && shape[0] > chunk;
      });
  return larger ? with_samples(shapes, chunk) : shapes;
}

namespace {

void run_chunks(runtime::EngineCore& core, runtime::ShapeEntry& entry, const BoundInputs& inputs,
                std::span<void* const> outputs) {
  const plan::Plan& plan = entry.plan();
  const int64_t samples = inputs.shapes[0][0], chunk = entry.shapes()[0][0];
  const auto bytes_of_sample = [&](ir::ValueId id) {
    const plan::TensorDesc& desc = plan.descs[static_cast<size_t>(id)];
    if (desc.shape.rank() == 0 || desc.shape[0] != chunk) {
      fail<InvalidModel>("'{}' has shape {}, expected a first dimension of {} to run a batch of {} in chunks",
                         plan.graph.value(id).name, desc.shape.str(), chunk, samples);
    }
    return desc.bytes() / static_cast<size_t>(chunk);
  };
  std::vector<size_t> input_bytes, output_bytes;
  for (const ir::ValueId id : plan.graph.inputs) input_bytes.push_back(bytes_of_sample(id));
  for (const ir::GraphOutput& out : plan.graph.outputs) output_bytes.push_back(bytes_of_sample(out.value));
  std::vector<const void*> from(input_bytes.size());
  std::vector<void*> to(output_bytes.size());
  const auto lease = core.lease(entry);
  for (int64_t done = 0; done < samples; done += chunk) {
    const auto first = static_cast<size_t>(std::min(done, samples - chunk));
    for (size_t i = 0; i < from.size(); ++i)
      from[i] = static_cast<const std::byte*>(inputs.addresses[i]) + first * input_bytes[i];
    for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<std::byte*>(outputs[i]) + first * output_bytes[i];
    lease->run(from, to);
  }
}

}  // namespace

int64_t chunks_of(const runtime::ShapeEntry& entry, const std::vector<Shape>& shapes) {
  if (entry.shapes() == shapes) return 1;
  const int64_t samples = shapes[0][0], chunk = entry.shapes()[0][0];
  return (samples + chunk - 1) / chunk;
}

void run_entry(runtime::EngineCore& core, runtime::ShapeEntry& entry, const BoundInputs& inputs,
               std::span<void* const> outputs) {
  if (entry.shapes() != inputs.shapes) return run_chunks(core, entry, inputs, outputs);
  core.lease(entry)->run(inputs.addresses, outputs);
}

}  // namespace tfengine::detail
