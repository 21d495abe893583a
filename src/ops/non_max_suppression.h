// SPDX-License-Identifier: Apache-2.0
// Greedy choice of boxes that overlap little, as all of TensorFlow's non-maximum suppressions make it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace tfengine::ops {

// Share of two boxes' union that both cover; boxes are y1, x1, y2, x2 with corners in any order. 0 for empty boxes.
float box_overlap(const float* a, const float* b);

struct Suppression {
  int64_t max_boxes = 0;
  float overlap_threshold = 0.5f;
  float score_threshold = 0.0f;  // boxes of this score or less are no candidates
  float soft_sigma = 0.0f;       // above 0: overlapping boxes lose score instead (arXiv 1704.04503)
};

struct ChosenBox {
  int64_t index;
  float score;
};

// Highest score first, the lower index among equals. `overlap(i, j)` of two candidates.
std::vector<ChosenBox> choose_boxes(const std::vector<float>& scores, const Suppression& rule,
                                    const std::function<float(int64_t, int64_t)>& overlap);

}  // namespace tfengine::ops
