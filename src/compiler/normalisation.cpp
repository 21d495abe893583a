// SPDX-License-Identifier: Apache-2.0
#include "compiler/normalisation.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/check.h"
#include "ops/op.h"

namespace tfengine::detail {

namespace {

// Half of the channels further off than this, in deviations. On the networks of examples/, the data of training are 0.1 off at
// most, and images of noise or with inverted brightness 0.2 to 0.4; in [-1, 1] in place of [0, 1] it is 0.3 to 1.9, with the
// mean taken off and divided by the deviation 0.7 to 1.9, and in [0, 255] 2.5 and more.
constexpr double kFarOff = 0.45;

using Floats = std::vector<float>;

std::optional<Floats> floats(const ir::Graph& graph, ir::ValueId id) {
  // Constants stand behind reshapes to [1, 1, 1, channels].
  while (graph.value(id).producer != ir::kNone) {
    const ir::Node& node = graph.node(graph.value(id).producer);
    if (node.op != "Reshape" && node.op != "Identity" && node.op != "ExpandDims") return std::nullopt;
    id = node.inputs[0];
  }
  const Tensor& constant = graph.value(id).constant;
  if (!constant.defined() || constant.dtype() != DType::F32) return std::nullopt;
  return Floats(constant.as<float>(), constant.as<float>() + constant.elements());
}

const ir::Node* producer(const ir::Graph& graph, ir::ValueId id, std::string_view op) {
  const ir::NodeId node = graph.value(id).producer;
  return node != ir::kNone && graph.node(node).op == op ? &graph.node(node) : nullptr;
}

bool reads(const ir::Node* node, ir::ValueId id) {
  return node != nullptr && std::find(node->inputs.begin(), node->inputs.end(), id) != node->inputs.end();
}

struct Normalisation {
  Floats scale, offset;
};

// The factor rsqrt(variance + epsilon) * scale; without a scale it is the root itself.
std::optional<Floats> scale_of_factor(const ir::Graph& graph, ir::ValueId factor, size_t channels) {
  if (producer(graph, factor, "Rsqrt") != nullptr) return Floats(channels, 1.0f);
  const ir::Node* product = producer(graph, factor, "Mul");
  if (product == nullptr) return std::nullopt;
  for (const size_t root : {size_t{0}, size_t{1}}) {
    if (producer(graph, product->inputs[root], "Rsqrt") != nullptr) return floats(graph, product->inputs[1 - root]);
  }
  return std::nullopt;
}

// x * factor + (offset - mean * factor).
std::optional<Normalisation> of_sum(const ir::Graph& graph, const ir::Node& sum) {
  for (const size_t side : {size_t{0}, size_t{1}}) {
    const ir::Node* product = producer(graph, sum.inputs[side], "Mul");
    const ir::Node* rest = producer(graph, sum.inputs[1 - side], "Sub");
    const ir::Node* moved = rest == nullptr ? nullptr : producer(graph, rest->inputs[1], "Mul");
    if (product == nullptr || moved == nullptr) continue;
    const auto offset = floats(graph, rest->inputs[0]);
    for (const ir::ValueId factor : product->inputs) {
      if (!offset || !reads(moved, factor)) continue;
      if (const auto scale = scale_of_factor(graph, factor, offset->size())) return Normalisation{*scale, *offset};
    }
  }
  return std::nullopt;
}

std::optional<Normalisation> normalisation_of(const ir::Graph& graph, const ir::Node& node) {
  if (node.op == "Add" && node.inputs.size() == 2) return of_sum(graph, node);
  if (node.op != "FusedBatchNormV3" || node.attr_or<bool>("is_training", true)) return std::nullopt;
  const auto scale = floats(graph, node.inputs[1]), offset = floats(graph, node.inputs[2]);
  if (!scale || !offset) return std::nullopt;
  return Normalisation{*scale, *offset};
}

// Of what the activation makes of values that are normal in front of it; by the midpoints of equally wide steps.
float mean_behind(const Act& act, float offset, float scale) {
  constexpr int kSteps = 80;
  constexpr double kReach = 4.0;  // deviations
  double sum = 0.0, weights = 0.0;
  for (int i = 0; i < kSteps; ++i) {
    const double z = kReach * (2.0 * (i + 0.5) / kSteps - 1.0), weight = std::exp(-z * z / 2);
    const float x = offset + scale * static_cast<float>(z);
    sum += weight * static_cast<double>(ops::apply_activation(act, x));
    weights += weight;
  }
  return static_cast<float>(sum / weights);
}

// An untrained network's says nothing.
bool is_plain(const Normalisation& norm) {
  return std::all_of(norm.scale.begin(), norm.scale.end(), [](float x) { return x == 1.0f; }) &&
         std::all_of(norm.offset.begin(), norm.offset.end(), [](float x) { return x == 0.0f; });
}

}  // namespace

std::vector<NormalisedTensor> normalised_tensors(const ir::Graph& imported) {
  std::vector<NormalisedTensor> tensors;
  for (const ir::NodeId id : imported.order()) {
    const ir::Node& node = imported.node(id);
    const auto norm = normalisation_of(imported, node);
    if (!norm || norm->scale.size() != norm->offset.size() || is_plain(*norm)) continue;
    ir::ValueId output = node.outputs[0];
    Act act;
    const ir::NodeId user = imported.single_user(output);
    const auto following = user == ir::kNone ? std::nullopt : ops::activation_of(imported.node(user));
    if (following && imported.node(user).inputs.size() == 1) {
      act = *following;
      output = imported.node(user).outputs[0];
    }
    tensors.push_back({imported.value(output).name, node.name, norm->offset, norm->scale, act});
  }
  return tensors;
}

std::string judge_normalisation(const std::vector<NormalisedTensor>& expected, const quantize::HistogramSet& seen) {
  for (const NormalisedTensor& tensor : expected) {
    const auto sums = seen.channel_sums.find(tensor.tensor);
    if (sums == seen.channel_sums.end() || sums->second.channels() != tensor.scale.size()) continue;
    const std::vector<float> means = sums->second.means();
    std::vector<double> off;
    for (size_t c = 0; c < means.size(); ++c) {
      const float scale = std::abs(tensor.scale[c]);
      if (scale == 0.0f) continue;
      off.push_back(static_cast<double>(std::abs(means[c] - mean_behind(tensor.act, tensor.offset[c], scale)) / scale));
    }
    if (off.empty()) continue;
    const auto middle = off.begin() + static_cast<std::ptrdiff_t>(off.size() / 2);
    std::nth_element(off.begin(), middle, off.end());
    if (*middle < kFarOff) return "";
    return fmt::format(
        "behind '{}', channels lie {:.1f} deviations (the median) from where they lay in training: are the inputs "
        "normalised as they were then?",
        tensor.node, *middle);
  }
  return "";
}

}  // namespace tfengine::detail
