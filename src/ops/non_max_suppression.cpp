// SPDX-License-Identifier: Apache-2.0
// NonMaxSuppression, V2 to V5 and WithOverlaps: one class. How many boxes are left depends on data, except where V4 and
// V5 are asked to fill up with zeros.
#include "ops/non_max_suppression.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

float box_overlap(const float* a, const float* b) {
  const auto sides = [](const float* box) {
    return std::array<float, 4>{std::min(box[0], box[2]), std::min(box[1], box[3]), std::max(box[0], box[2]),
                                std::max(box[1], box[3])};
  };
  const auto x = sides(a), y = sides(b);
  const float area_a = (x[2] - x[0]) * (x[3] - x[1]), area_b = (y[2] - y[0]) * (y[3] - y[1]);
  if (area_a <= 0 || area_b <= 0) return 0.0f;
  const float height = std::max(std::min(x[2], y[2]) - std::max(x[0], y[0]), 0.0f);
  const float width = std::max(std::min(x[3], y[3]) - std::max(x[1], y[1]), 0.0f);
  return height * width / (area_a + area_b - height * width);
}

namespace {

struct Candidate {
  int64_t index;
  float score;
  size_t compared;  // with as many of the chosen boxes
  bool operator<(const Candidate& other) const {
    return score < other.score || (score == other.score && index > other.index);
  }
};

}  // namespace

std::vector<ChosenBox> choose_boxes(const std::vector<float>& scores, const Suppression& rule,
                                    const std::function<float(int64_t, int64_t)>& overlap) {
  std::priority_queue<Candidate> candidates;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > rule.score_threshold) candidates.push({static_cast<int64_t>(i), scores[i], 0});
  }
  const bool soft = rule.soft_sigma > 0.0f;
  const float decay = soft ? -0.5f / rule.soft_sigma : 0.0f;
  std::vector<ChosenBox> chosen;
  while (static_cast<int64_t>(chosen.size()) < rule.max_boxes && !candidates.empty()) {
    Candidate next = candidates.top();
    candidates.pop();
    const float before = next.score;
    bool suppressed = false;
    for (size_t j = chosen.size(); j > next.compared && !suppressed; --j) {
      const float shared = overlap(next.index, chosen[j - 1].index);
      suppressed = !soft && shared > rule.overlap_threshold;
      if (soft)
        next.score *= std::exp(decay * shared * shared);
      else if (suppressed)
        next.score = 0.0f;
      if (next.score <= rule.score_threshold) break;
    }
    next.compared = chosen.size();
    if (suppressed) continue;
    // A score that fell may stand behind another candidate's now.
    if (next.score == before)
      chosen.push_back({next.index, next.score});
    else if (next.score > rule.score_threshold)
      candidates.push(next);
  }
  return chosen;
}

namespace {

bool with_overlaps(const ir::Node& node) { return node.op == "NonMaxSuppressionWithOverlaps"; }
bool with_scores(const ir::Node& node) { return node.op == "NonMaxSuppressionV5"; }
bool pads(const ir::Node& node) { return node.attr_or<bool>("pad_to_max_output_size", false); }

float float_input(const ir::Node& node, std::span<const Tensor> inputs, size_t i, float fallback) {
  if (i >= inputs.size()) return fallback;
  if (inputs[i].elements() != 1) bad_node(node, "input {} has shape {}, expected a scalar", i, inputs[i].shape().str());
  return *as_f32(inputs[i]).as<float>();
}

std::vector<ChosenBox> chosen_boxes(const ir::Node& node, std::span<const Tensor> inputs) {
  const Tensor boxes = as_f32(inputs[0]), scores = as_f32(inputs[1]);
  const int64_t count = scores.elements();
  if (boxes.elements() != count * (with_overlaps(node) ? count : 4)) {
    bad_node(node, "has boxes of shape {} for {} scores", boxes.shape().str(), count);
  }
  Suppression rule;
  rule.max_boxes = std::min(as_ints(inputs[2]).at(0), count);
  rule.overlap_threshold = float_input(node, inputs, 3, node.attr_or<float>("iou_threshold", 0.5f));
  rule.score_threshold = float_input(node, inputs, 4, std::numeric_limits<float>::lowest());
  rule.soft_sigma = float_input(node, inputs, 5, 0.0f);
  const float* box = boxes.as<float>();
  return choose_boxes({scores.as<float>(), scores.as<float>() + count}, rule, [&](int64_t i, int64_t j) {
    return with_overlaps(node) ? box[i * count + j] : box_overlap(box + 4 * i, box + 4 * j);
  });
}

std::vector<TypeInfo> infer_suppression(const InferContext& context) {
  require_inputs(context, 3);
  has_rank(context, 0, 2);
  has_rank(context, 1, 1);
  const auto most = known_int(context, 2);
  if (most && *most < 0) bad_node(context.node, "max_output_size is {}, expected 0 or more", *most);
  int64_t count = -1;
  const bool known = std::all_of(context.constants.begin(), context.constants.end(),
                                 [](const Tensor& tensor) { return tensor.defined(); });
  if (pads(context.node))
    count = most.value_or(-1);
  else if (known && context.constants.size() == context.inputs.size())
    count = static_cast<int64_t>(chosen_boxes(context.node, context.constants).size());
  std::vector<TypeInfo> types = {{DType::S32, {count}}};
  if (with_scores(context.node)) types.push_back({context.inputs[1].dtype, {count}});
  types.push_back({DType::S32, Shape{}});
  return types;
}

std::vector<Tensor> evaluate_suppression(const ir::Node& node, std::span<const Tensor> inputs) {
  const std::vector<TypeInfo> types = infer_exact(infer_suppression, node, inputs);
  const std::vector<ChosenBox> chosen = chosen_boxes(node, inputs);
  Tensor indices(DType::S32, types[0].shape), scores(DType::F32, types[0].shape);
  for (size_t i = 0; i < chosen.size(); ++i) {
    indices.mutable_as<int32_t>()[i] = static_cast<int32_t>(chosen[i].index);
    scores.mutable_as<float>()[i] = chosen[i].score;
  }
  const Tensor count = from_ints(DType::S32, {}, {static_cast<int64_t>(chosen.size())});
  if (!with_scores(node)) return {indices, count};
  return {indices, cast_tensor(scores, inputs[1].dtype()), count};
}

}  // namespace

std::vector<Op> non_max_suppression_ops() {
  const auto suppression = [](const char* name, std::vector<std::string> aliases = {}) {
    return Op{
        .name = name, .aliases = std::move(aliases), .infer = infer_suppression, .evaluate = evaluate_suppression};
  };
  return {
      suppression("NonMaxSuppressionV4", {"NonMaxSuppression", "NonMaxSuppressionV2", "NonMaxSuppressionV3"}),
      suppression("NonMaxSuppressionV5"),
      suppression("NonMaxSuppressionWithOverlaps"),
  };
}

}  // namespace tfengine::ops
