// SPDX-License-Identifier: Apache-2.0
// Images sampled anew: by weighted rows and columns (bicubic, by area), and cut out of boxes.
#pragma once

#include <cstdint>
#include <vector>

namespace tfengine::kernels {

// Of each result along one axis: which source positions, and how much of each. `first[i]` to `first[i + 1]` are those of
// result i.
struct AxisWeights {
  std::vector<int64_t> first = {0};
  std::vector<int64_t> index;
  std::vector<float> weight;
};

struct ResampleShape {
  int64_t batch = 1, in_h = 1, in_w = 1, channels = 1, out_h = 1, out_w = 1;
};
// `workspace`: in_w * channels floats per thread.
void resample_f32(const ResampleShape& shape, const AxisWeights& rows, const AxisWeights& columns, const float* src,
                  float* dst, float* workspace, int threads);

struct CropShape {
  int64_t images = 1, in_h = 1, in_w = 1, channels = 1, boxes = 0, out_h = 1, out_w = 1;
  bool nearest = false;
  float outside = 0.0f;
};
// boxes [boxes][4] as y1, x1, y2, x2 from 0 (first pixel) to 1 (last pixel); owners: each box's image, in range.
void crop_and_resize_f32(const CropShape& shape, const float* src, const float* boxes, const int32_t* owners,
                         float* dst, int threads);

}  // namespace tfengine::kernels
