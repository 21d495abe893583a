// SPDX-License-Identifier: Apache-2.0
#include "compiler/sample_inputs.h"

#include <algorithm>
#include <span>

namespace tfengine::detail {

namespace {

template <size_t N>
bool is_one_of(const std::string_view (&ops)[N], std::string_view op) {
  return std::find(std::begin(ops), std::end(ops), op) != std::end(ops);
}

// Whether each reader of the value shifts or scales it by constants, looking through what keeps its elements.
bool is_scaled(const ir::Graph& graph, ir::ValueId value, int depth = 6) {
  constexpr std::string_view kKeeps[] = {"Cast",      "Identity",   "Pad",           "Reshape",
                                         "Transpose", "ExpandDims", "ResizeBilinear"};
  constexpr std::string_view kScales[] = {"Add", "AddV2",   "Div", "FusedBatchNormV3", "FusedBatchNorm",
                                          "Mul", "RealDiv", "Sub"};
  const std::vector<ir::NodeId>& users = graph.value(value).users;
  if (depth == 0 || users.empty()) return false;
  return std::all_of(users.begin(), users.end(), [&](ir::NodeId id) {
    const ir::Node& node = graph.node(id);
    if (is_one_of(kScales, node.op)) {
      return std::all_of(node.inputs.begin(), node.inputs.end(),
                         [&](ir::ValueId input) { return input == value || graph.value(input).is_constant(); });
    }
    return is_one_of(kKeeps, node.op) && is_scaled(graph, node.outputs[0], depth - 1);
  });
}

// The part of an input that belongs to sample `n`.
std::span<const std::byte> part_of(const Tensor& tensor, int64_t n, int64_t samples) {
  const std::span<const std::byte> all(static_cast<const std::byte*>(tensor.data()), tensor.bytes());
  if (samples < 1 || tensor.shape().rank() == 0 || tensor.shape()[0] % samples != 0) return all;
  const size_t size = all.size() / static_cast<size_t>(samples);
  return all.subspan(static_cast<size_t>(n) * size, size);
}

uint64_t content_of(const BoundInputs& inputs, int64_t n, int64_t samples) {
  uint64_t content = quantize::kNoContent;
  for (const Tensor& tensor : inputs.keep) {
    const std::span<const std::byte> part = part_of(tensor, n, samples);
    content = quantize::content_hash(content, part.data(), part.size());
  }
  return content;
}

}  // namespace

SampleInputs::SampleInputs(const ModelImpl& model) {
  const ir::Graph& graph = model.imported;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const ir::Value& value = graph.value(graph.inputs[i]);
    if (value.dtype != DType::F32) continue;
    floats_.push_back(i);
    described_.push_back({value.name, is_scaled(graph, graph.inputs[i])});
  }
}

std::vector<uint64_t> SampleInputs::contents(const BoundInputs& inputs, int64_t samples) const {
  std::vector<uint64_t> contents;
  for (int64_t n = 0; n < samples; ++n) contents.push_back(content_of(inputs, n, samples));
  return contents;
}

quantize::SampleRecord SampleInputs::record(const BoundInputs& inputs, int64_t n, int64_t samples) const {
  quantize::SampleRecord record;
  record.content = content_of(inputs, n, samples);
  for (const size_t i : floats_) {
    const std::span<const std::byte> part = part_of(inputs.keep[i], n, samples);
    record.inputs.push_back(
        quantize::input_facts({reinterpret_cast<const float*>(part.data()), part.size() / sizeof(float)}));
  }
  return record;
}

}  // namespace tfengine::detail
