// SPDX-License-Identifier: Apache-2.0
#include "compiler/outputs.h"

#include <cstring>

#include "base/check.h"
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

std::vector<Shape> output_shapes(const runtime::ShapeEntry& entry) {
  if (entry.next() != nullptr) return entry.next()->stages().output_shapes;
  std::vector<Shape> shapes;
  for (const ir::GraphOutput& out : entry.plan().graph.outputs) {
    shapes.push_back(entry.plan().descs[static_cast<size_t>(out.value)].shape);
  }
  return shapes;
}

std::string data_dependence(const ops::Stages& stages) {
  const ir::Node& node = stages.between.node(stages.between.order().front());
  return fmt::format("the shape of what {} '{}' computes depends on data", node.op, node.name);
}

void require_fixed_outputs(const runtime::ShapeEntry& entry, const char* what) {
  const std::vector<Shape> shapes = output_shapes(entry);
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (shapes[i].is_static()) continue;
    fail<InvalidArgument>("{}: output {} has shape {}, because {}; run() gives outputs of the shapes that come", what,
                          i, shapes[i].str(), data_dependence(entry.next()->stages()));
  }
}

void copy_outputs(const std::vector<Tensor>& outputs, std::span<void* const> to) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].bytes() > 0) std::memcpy(to[i], outputs[i].data(), outputs[i].bytes());
  }
}

std::vector<NamedTensor> named(const ir::Graph& graph, std::vector<Tensor> outputs) {
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i < outputs.size(); ++i) tensors.push_back({graph.outputs[i].name, std::move(outputs[i])});
  return tensors;
}

}  // namespace tfengine::detail
