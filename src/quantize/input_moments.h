// SPDX-License-Identifier: Apache-2.0
// Second moments of what a layer's weights are multiplied with, from samples of its input: by them optimal_rounding.h
// knows which rounding errors of weights cancel in the layer's result. Memory is bounded: for layers with many input
// channels, moments between far-apart channels are not kept.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ops/geometry.h"
#include "quantize/weight_layout.h"

namespace tfengine::quantize {

// The input of one sample: `height` x `width` pixels of `channels` floats, `pixel_stride` apart. A matrix is a column of
// pixels, a row each.
struct InputView {
  const float* data = nullptr;
  int64_t height = 1, width = 1;
  int64_t pixel_stride = 0;
};

class InputMoments {
 public:
  // The largest matrix of moments: 5 MiB.
  static constexpr int64_t kMaxOrder = 1152;
  // Results of a sample that are looked at: their input patches differ enough between samples.
  static constexpr int64_t kPositionsPerSample = 64;
  // matrix[i * n + j] += sum of rows[r * n + i] * rows[r * n + j] at least for j <= i; matrices are row-major.
  using AddOuter = std::function<void(const float* rows, int64_t count, int64_t n, float* matrix)>;

  explicit InputMoments(const WeightLayout& layout);

  // `window`: of the convolution at this input size; for a matrix product 1 x 1 over the view's pixels.
  void add_sample(const InputView& view, const ops::Window& window, const AddOuter& add_outer);

  // Input channels first .. first + inputs of a group, all taps: one matrix.
  struct Block {
    int64_t group = 0, first = 0, inputs = 0;
    std::vector<float> sums;    // order x order, the lower triangle
    std::vector<double> means;  // sums of the rows, by order
  };
  // The rows of a block in the weights are t * layout.inputs + first + i; in its matrix t * inputs + i.
  int64_t order(const Block& block) const { return layout_.taps() * block.inputs; }
  const std::vector<Block>& blocks() const { return blocks_; }
  const WeightLayout& layout() const { return layout_; }
  uint64_t count() const { return count_; }
  // Bytes of the matrices of a layer with this layout.
  static uint64_t bytes(const WeightLayout& layout);

 private:
  void gather(const InputView& view, const ops::Window& window, std::span<const int64_t> positions, const Block& block);

  WeightLayout layout_;
  std::vector<Block> blocks_;
  std::vector<float> patches_;  // of one block and sample
  uint64_t count_ = 0;
};

}  // namespace tfengine::quantize
