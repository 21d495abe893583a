// SPDX-License-Identifier: Apache-2.0
// Window arithmetic of three-dimensional convolutions and pooling, NDHWC.
#pragma once

#include <array>
#include <cstdint>

#include "ir/graph.h"

namespace tfengine::ops {

struct VolumeWindow {
  std::array<int64_t, 3> kernel, stride, dilation, pad_before, out;
};

// From attributes strides, dilations and padding ("SAME", "VALID") in NDHWC order; sizes of -1 are unknown.
VolumeWindow volume_window(const ir::Node& node, const std::array<int64_t, 3>& in,
                           const std::array<int64_t, 3>& kernel);

// Calls tap(kernel offset z*h*w, pixel of the input) for the taps of the window at `place` that lie inside the input.
template <typename Tap>
void for_each_volume_tap(const VolumeWindow& w, const std::array<int64_t, 3>& in, const std::array<int64_t, 3>& place,
                         Tap&& tap) {
  std::array<int64_t, 3> start{};
  for (size_t i = 0; i < 3; ++i) start[i] = place[i] * w.stride[i] - w.pad_before[i];
  for (int64_t kz = 0; kz < w.kernel[0]; ++kz) {
    const int64_t z = start[0] + kz * w.dilation[0];
    if (z < 0 || z >= in[0]) continue;
    for (int64_t ky = 0; ky < w.kernel[1]; ++ky) {
      const int64_t y = start[1] + ky * w.dilation[1];
      if (y < 0 || y >= in[1]) continue;
      for (int64_t kx = 0; kx < w.kernel[2]; ++kx) {
        const int64_t x = start[2] + kx * w.dilation[2];
        if (x >= 0 && x < in[2]) tap((kz * w.kernel[1] + ky) * w.kernel[2] + kx, (z * in[1] + y) * in[2] + x);
      }
    }
  }
}

// Calls cell(place, row_major_index) for every place of a volume.
template <typename Cell>
void for_each_place(const std::array<int64_t, 3>& size, Cell&& cell) {
  int64_t index = 0;
  for (int64_t z = 0; z < size[0]; ++z) {
    for (int64_t y = 0; y < size[1]; ++y) {
      for (int64_t x = 0; x < size[2]; ++x) cell(std::array<int64_t, 3>{z, y, x}, index++);
    }
  }
}

}  // namespace tfengine::ops
