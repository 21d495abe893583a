// SPDX-License-Identifier: Apache-2.0
#include "quantize/input_moments.h"

#include <algorithm>

namespace tfengine::quantize {

namespace {

// Input channels of a block: as many as fit, evenly spread over the blocks.
int64_t block_inputs(const WeightLayout& layout) {
  const int64_t most = std::max<int64_t>(1, InputMoments::kMaxOrder / layout.taps());
  const int64_t blocks = (layout.inputs + most - 1) / most;
  return (layout.inputs + blocks - 1) / blocks;
}

// Evenly spread positions, each at a place of its part that follows no pattern of the image's.
std::vector<int64_t> positions_of(int64_t results) {
  const int64_t count = std::min(results, InputMoments::kPositionsPerSample);
  std::vector<int64_t> positions(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = results * i / count, end = results * (i + 1) / count;
    const uint32_t mixed = static_cast<uint32_t>(i) * 0x9e3779b1u;  // 2^32 / golden ratio
    positions[static_cast<size_t>(i)] =
        begin + static_cast<int64_t>((uint64_t{mixed} * static_cast<uint64_t>(end - begin)) >> 32);
  }
  return positions;
}

}  // namespace

InputMoments::InputMoments(const WeightLayout& layout) : layout_(layout) {
  const int64_t size = block_inputs(layout);
  for (int64_t group = 0; group < layout.groups; ++group) {
    for (int64_t first = 0; first < layout.inputs; first += size) {
      Block block{group, first, std::min(size, layout.inputs - first), {}, {}};
      const auto n = static_cast<size_t>(order(block));
      block.sums.assign(n * n, 0.0f);
      block.means.assign(n, 0.0);
      blocks_.push_back(std::move(block));
    }
  }
}

uint64_t InputMoments::bytes(const WeightLayout& layout) {
  const int64_t order = layout.taps() * block_inputs(layout);
  const int64_t blocks = layout.groups * ((layout.inputs + block_inputs(layout) - 1) / block_inputs(layout));
  return static_cast<uint64_t>(order) * static_cast<uint64_t>(order) * sizeof(float) * static_cast<uint64_t>(blocks);
}

void InputMoments::gather(const InputView& view, const ops::Window& window, std::span<const int64_t> positions,
                          const Block& block) {
  const int64_t channel = block.group * layout_.inputs + block.first;
  patches_.resize(positions.size() * static_cast<size_t>(order(block)));
  float* to = patches_.data();
  for (const int64_t position : positions) {
    const int64_t top = position / window.out_w * window.stride_h - window.pad_top;
    const int64_t left = position % window.out_w * window.stride_w - window.pad_left;
    for (int64_t tap = 0; tap < layout_.taps(); ++tap, to += block.inputs) {
      const int64_t y = top + tap / layout_.taps_w * window.dilation_h;
      const int64_t x = left + tap % layout_.taps_w * window.dilation_w;
      if (y < 0 || y >= view.height || x < 0 || x >= view.width) {
        std::fill_n(to, block.inputs, 0.0f);
      } else {
        std::copy_n(view.data + (y * view.width + x) * view.pixel_stride + channel, block.inputs, to);
      }
    }
  }
}

void InputMoments::add_sample(const InputView& view, const ops::Window& window, const AddOuter& add_outer) {
  const std::vector<int64_t> positions = positions_of(window.out_h * window.out_w);
  const auto rows = static_cast<int64_t>(positions.size());
  for (Block& block : blocks_) {
    gather(view, window, positions, block);
    const int64_t n = order(block);
    add_outer(patches_.data(), rows, n, block.sums.data());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < n; ++i) {
        block.means[static_cast<size_t>(i)] += static_cast<double>(patches_[static_cast<size_t>(r * n + i)]);
      }
    }
  }
  count_ += static_cast<uint64_t>(rows);
}

}  // namespace tfengine::quantize
