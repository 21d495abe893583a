// SPDX-License-Identifier: Apache-2.0
// CombinedNonMaxSuppression: non-maximum suppression per image and class, the best of all classes kept, filled up with
// zeros to a size that follows from constants.
#include <algorithm>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/non_max_suppression.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

// Inputs: boxes [n, boxes, 1 or classes, 4], scores [n, boxes, classes], boxes per class, boxes in all, overlap and score
// thresholds. Outputs: boxes [n, kept, 4], scores and classes [n, kept], how many are valid [n].
std::vector<TypeInfo> infer_combined(const InferContext& context) {
  require_inputs(context, 6);
  int64_t batch = -1, classes = -1;
  if (has_rank(context, 0, 4)) {
    batch = context.inputs[0].shape[0];
    merge_dims(context.node, 4, context.inputs[0].shape[3], "the number of a box's coordinates");
  }
  if (has_rank(context, 1, 3)) {
    const Shape& scores = context.inputs[1].shape;
    batch = merge_dims(context.node, batch, scores[0], "the batch size");
    classes = scores[2];
    if (context.inputs[0].shape.ranked()) {
      merge_dims(context.node, context.inputs[0].shape[1], scores[1], "the number of scores");
      const int64_t sets = context.inputs[0].shape[2];
      if (sets >= 0 && sets != 1) merge_dims(context.node, sets, classes, "the number of classes");
    }
  }
  const auto per_class = known_int(context, 2), total = known_int(context, 3);
  int64_t kept = total.value_or(-1);
  if (context.node.attr_or<bool>("pad_per_class", false)) {
    kept = total && per_class && classes >= 0 ? std::min(*total, *per_class * classes) : -1;
  }
  if ((total && *total <= 0) || (per_class && *per_class <= 0)) {
    bad_node(context.node, "it keeps {} boxes per class and {} in all, expected positive numbers",
             per_class.value_or(1), total.value_or(1));
  }
  return {
      {DType::F32, {batch, kept, 4}}, {DType::F32, {batch, kept}}, {DType::F32, {batch, kept}}, {DType::S32, {batch}}};
}

struct Detection {
  const float* box;
  float score;
  int64_t label;
};

std::vector<Detection> detections(const float* boxes, const float* scores, const Shape& box_shape, int64_t classes,
                                  const Suppression& rule) {
  const int64_t count = box_shape[1], sets = box_shape[2];
  std::vector<Detection> found;
  std::vector<float> of_class(static_cast<size_t>(count));
  for (int64_t label = 0; label < classes; ++label) {
    for (int64_t i = 0; i < count; ++i) of_class[static_cast<size_t>(i)] = scores[i * classes + label];
    const auto box = [&](int64_t i) { return boxes + (i * sets + (sets > 1 ? label : 0)) * 4; };
    const auto overlap = [&](int64_t i, int64_t j) { return box_overlap(box(i), box(j)); };
    for (const ChosenBox& chosen : choose_boxes(of_class, rule, overlap)) {
      found.push_back({box(chosen.index), chosen.score, label});
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  return found;
}

std::vector<Tensor> evaluate_combined(const ir::Node& node, std::span<const Tensor> inputs) {
  const std::vector<TypeInfo> types = infer_exact(infer_combined, node, inputs);
  const Tensor boxes = as_f32(inputs[0]), scores = as_f32(inputs[1]);
  const int64_t batch = types[0].shape[0], kept = types[0].shape[1], classes = scores.shape()[2];
  const Suppression rule{std::min(as_ints(inputs[2])[0], boxes.shape()[1]), *as_f32(inputs[4]).as<float>(),
                         *as_f32(inputs[5]).as<float>()};
  const bool clip = node.attr_or<bool>("clip_boxes", true);
  std::vector<Tensor> out;
  for (const TypeInfo& type : types) out.emplace_back(type.dtype, type.shape);
  for (int64_t n = 0; n < batch; ++n) {
    const auto found = detections(boxes.as<float>() + n * boxes.shape()[1] * boxes.shape()[2] * 4,
                                  scores.as<float>() + n * boxes.shape()[1] * classes, boxes.shape(), classes, rule);
    const int64_t valid = std::min(static_cast<int64_t>(found.size()), kept);
    for (int64_t i = 0; i < valid; ++i) {
      const Detection& detection = found[static_cast<size_t>(i)];
      for (int64_t k = 0; k < 4; ++k) {
        out[0].mutable_as<float>()[(n * kept + i) * 4 + k] =
            clip ? std::clamp(detection.box[k], 0.0f, 1.0f) : detection.box[k];
      }
      out[1].mutable_as<float>()[n * kept + i] = detection.score;
      out[2].mutable_as<float>()[n * kept + i] = static_cast<float>(detection.label);
    }
    out[3].mutable_as<int32_t>()[n] = static_cast<int32_t>(valid);
  }
  return out;
}

}  // namespace

std::vector<Op> combined_suppression_ops() {
  return {{.name = "CombinedNonMaxSuppression", .infer = infer_combined, .evaluate = evaluate_combined}};
}

}  // namespace tfengine::ops
