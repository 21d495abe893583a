// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/storage.h"

#include <algorithm>
#include <set>
#include <string>

#include "backends/cuda/conv.h"

namespace tfengine::cuda {

namespace {

using plan::TensorDesc;

int64_t row_distance(DType dtype, const Shape& shape) {
  if (shape.rank() < 2) return shape.rank() == 0 ? 1 : shape.back();
  return padded_channels(dtype, shape.back());
}

// A quantized image that only a first layer reads, which quantizes it as well as a step of its own.
bool stays_float(const ir::Graph& graph, ir::ValueId id) {
  const ir::Value& value = graph.value(id);
  const ir::Node& producer = graph.node(value.producer);
  if (producer.op != "Quantize" || graph.input_value(producer, 0).dtype != DType::F32 ||
      graph.input_value(producer, 0).is_constant() || !producer.epilogue.empty()) {
    return false;
  }
  return !value.users.empty() && std::all_of(value.users.begin(), value.users.end(), [&](ir::NodeId user) {
    return graph.node(user).inputs[0] == id && quantizes_source(graph, graph.node(user));
  });
}

// Kernels that move bytes, or take one type alone.
bool keeps_type(const ir::Node& node) {
  static const std::set<std::string> kOps = {"ConcatV2", "ExpandDims", "GatherV2",     "Max",       "Min",    "Pad",
                                             "Prod",     "Reshape",    "Slice",        "Split",     "SplitV", "Squeeze",
                                             "Sum",      "Mean",       "StridedSlice", "Transpose", "Unpack"};
  return kOps.count(node.op) > 0 || !node.regions.empty();
}

bool is_float(const ir::Value& value) { return value.dtype == DType::F32 && !value.quant.defined(); }

bool only_steps_see(const ir::Graph& graph, ir::ValueId id) {
  const ir::Value& value = graph.value(id);
  return value.producer != ir::kNone && !graph.is_output(id) && value.shape.is_static();
}

// The floats that can be kept in half precision, by ValueId: a step that takes one type alone has all of its tensors in it,
// those of regions are the host's.
std::vector<bool> half_values(const ir::Graph& graph) {
  std::vector<bool> half(static_cast<size_t>(graph.value_count()));
  const auto at = [](ir::ValueId id) { return static_cast<size_t>(id); };
  for (ir::ValueId id = 0; id < graph.value_count(); ++id)
    half[at(id)] = is_float(graph.value(id)) && only_steps_see(graph, id);
  for (bool changed = true; changed;) {
    changed = false;
    for (const ir::NodeId id : graph.order()) {
      const ir::Node& node = graph.node(id);
      if (!keeps_type(node)) continue;
      std::vector<ir::ValueId> tensors = node.inputs;
      tensors.insert(tensors.end(), node.outputs.begin(), node.outputs.end());
      std::erase_if(tensors, [&](ir::ValueId value) { return !is_float(graph.value(value)); });
      const bool all = node.regions.empty() &&
                       std::all_of(tensors.begin(), tensors.end(), [&](ir::ValueId value) { return half[at(value)]; });
      if (all) continue;
      for (const ir::ValueId value : tensors) {
        changed = changed || half[at(value)];
        half[at(value)] = false;
      }
    }
  }
  return half;
}

}  // namespace

int64_t padded_channels(DType dtype, int64_t channels) {
  constexpr int64_t kFewChannels = 4;
  const auto up = [&](int64_t to) { return (channels + to - 1) / to * to; };
  if (dtype == DType::S8) return channels <= kFewChannels ? channels : up(16);
  if (dtype == DType::F16) return up(channels <= kFewChannels ? kFewChannels : 8);
  return channels;
}

void lay_out(const ir::Graph& graph, FloatStorage floats, std::vector<TensorDesc>& descs) {
  const std::vector<bool> half =
      floats == FloatStorage::Half ? half_values(graph) : std::vector<bool>(descs.size(), false);
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    if (!only_steps_see(graph, id)) continue;
    TensorDesc& desc = descs[static_cast<size_t>(id)];
    if (half[static_cast<size_t>(id)]) desc.dtype = DType::F16;
    if (stays_float(graph, id)) desc.dtype = DType::F32;
    desc.pixel_stride = row_distance(desc.dtype, desc.shape);
  }
}

}  // namespace tfengine::cuda
