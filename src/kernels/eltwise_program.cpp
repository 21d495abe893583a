// SPDX-License-Identifier: Apache-2.0
// Chains of elementwise operations, evaluated block by block: the registers of one block stay in the first-level cache, so
// a chain costs one pass over its inputs and its output.
#include <algorithm>
#include <cstring>

#include "kernels/eltwise.h"
#include "kernels/eltwise_block.h"
#include "kernels/parallel.h"

namespace tfengine::kernels {
namespace {

// 16 registers of 256 floats are 16 KiB, half of the smallest first-level data cache.
constexpr int64_t kBlock = 256;

// The result is cut into blocks of whole pixels, or of channels of one pixel if a pixel is longer than a block.
struct Blocks {
  int64_t pixels_per_block;  // whole pixels, 0 if a block is a part of a pixel
  int64_t blocks_per_image;
  int64_t parts_per_pixel;

  explicit Blocks(const EltwiseShape& s) {
    parts_per_pixel = (s.channels + kBlock - 1) / kBlock;
    pixels_per_block = parts_per_pixel > 1 ? 0 : std::max<int64_t>(kBlock / std::max<int64_t>(s.channels, 1), 1);
    blocks_per_image =
        parts_per_pixel > 1 ? s.pixels * parts_per_pixel : (s.pixels + pixels_per_block - 1) / pixels_per_block;
  }
};

struct Place {
  int64_t image, pixel, channel;  // of the first value
  int64_t pixels, channels;       // extent of the block
  int64_t count() const { return pixels * channels; }
};

Place place_of(const EltwiseShape& s, const Blocks& blocks, int64_t index) {
  Place p;
  p.image = index / blocks.blocks_per_image;
  index %= blocks.blocks_per_image;
  if (blocks.pixels_per_block == 0) {
    p.pixel = index / blocks.parts_per_pixel;
    p.channel = index % blocks.parts_per_pixel * kBlock;
    p.pixels = 1;
    p.channels = std::min(kBlock, s.channels - p.channel);
  } else {
    p.pixel = index * blocks.pixels_per_block;
    p.channel = 0;
    p.pixels = std::min(blocks.pixels_per_block, s.pixels - p.pixel);
    p.channels = s.channels;
  }
  return p;
}

// Same-shape tensors without gaps, and scalars, need no pixels: one long row has the fewest and fullest blocks.
EltwiseShape flatten(const EltwiseProgram& program, const EltwiseShape& s) {
  bool flat = s.dst_pixel_stride == s.channels;
  for (int i = 0; i < program.num_inputs; ++i) {
    const EltwiseInput& in = program.inputs[i];
    flat = flat &&
           (in.broadcast == Broadcast::Scalar || (in.broadcast == Broadcast::None && in.pixel_stride == s.channels));
  }
  const int64_t n = s.batch * s.pixels * s.channels;
  return flat ? EltwiseShape{1, 1, n, n} : s;
}

// The registers of one thread. A register that is an input may point into the tensor itself.
struct Registers {
  alignas(64) float storage[EltwiseProgram::kMaxRegisters][kBlock];
  const float* at[EltwiseProgram::kMaxRegisters];
  // What a register holds that other blocks can use again: a broadcast operand in the shape of a block.
  bool reusable[EltwiseProgram::kMaxRegisters] = {};
  int64_t reusable_image = -1;
};

void repeat_row(float* row, int64_t channels, int64_t pixels) {
  for (int64_t p = 1; p < pixels; ++p) {
    std::memcpy(row + p * channels, row, static_cast<size_t>(channels) * sizeof(float));
  }
}

void load_input(const EltwiseShape& s, const Blocks& blocks, const EltwiseInput& in, const void* data, const Place& p,
                int i, Registers& r) {
  float* own = r.storage[i];
  r.at[i] = own;
  const auto direct = [&](int64_t first) {
    r.at[i] = static_cast<const float*>(data) + first;
    return in.elem == Elem::F32;
  };
  const auto load = [&](int64_t n, int64_t from, float* to) {
    block_load(in.elem, n, offset(in.elem, data, from), in.scale, in.zero, to);
  };
  // A full block's pattern serves shorter blocks too.
  const int64_t most_pixels = std::max<int64_t>(blocks.pixels_per_block, 1);
  switch (in.broadcast) {
    case Broadcast::None: {
      const int64_t first = (p.image * s.pixels + p.pixel) * in.pixel_stride + p.channel;
      if (p.pixels == 1 || in.pixel_stride == p.channels) {
        if (direct(first)) return;
        r.at[i] = own;
        return load(p.count(), first, own);
      }
      for (int64_t q = 0; q < p.pixels; ++q) load(p.channels, first + q * in.pixel_stride, own + q * p.channels);
      return;
    }
    case Broadcast::Channel:
    case Broadcast::ImageChannel: {
      const int64_t first = (in.broadcast == Broadcast::Channel ? 0 : p.image * s.channels) + p.channel;
      if (p.pixels == 1 && blocks.pixels_per_block <= 1 && direct(first)) return;
      r.at[i] = own;
      if (r.reusable[i]) return;
      load(p.channels, first, own);
      repeat_row(own, p.channels, most_pixels);
      r.reusable[i] = blocks.pixels_per_block > 0;
      return;
    }
    case Broadcast::Pixel: {
      const int64_t first = p.image * s.pixels + p.pixel;
      for (int64_t q = 0; q < p.pixels; ++q) {
        float value;
        load(1, first + q, &value);
        std::fill_n(own + q * p.channels, p.channels, value);
      }
      return;
    }
    case Broadcast::Scalar:
      if (r.reusable[i]) return;
      load(1, 0, own);
      std::fill_n(own + 1, kBlock - 1, own[0]);
      r.reusable[i] = true;
      return;
  }
}

void store_result(const EltwiseProgram& program, const EltwiseShape& s, const Place& p, const float* result,
                  void* dst) {
  const Elem elem = program.output.elem;
  const float inv_scale = program.output.inv_scale, zero = program.output.zero;
  const int64_t first = (p.image * s.pixels + p.pixel) * s.dst_pixel_stride + p.channel;
  if (p.pixels == 1 || s.dst_pixel_stride == p.channels) {
    block_store(elem, p.count(), result, inv_scale, zero, offset(elem, dst, first));
    return;
  }
  for (int64_t q = 0; q < p.pixels; ++q) {
    block_store(elem, p.channels, result + q * p.channels, inv_scale, zero,
                offset(elem, dst, first + q * s.dst_pixel_stride));
  }
}

void run_blocks(const EltwiseProgram& program, const EltwiseShape& s, const Blocks& blocks, const void* const* inputs,
                void* dst, int64_t begin, int64_t end) {
  Registers r;
  for (int64_t i = begin; i < end; ++i) {
    const Place p = place_of(s, blocks, i);
    if (p.image != r.reusable_image) {
      r.reusable_image = p.image;
      for (int k = 0; k < program.num_inputs; ++k) {
        if (program.inputs[k].broadcast == Broadcast::ImageChannel) r.reusable[k] = false;
      }
    }
    for (int k = 0; k < program.num_inputs; ++k) load_input(s, blocks, program.inputs[k], inputs[k], p, k, r);
    const int64_t n = p.count();
    // A float result without gaps is written where it belongs by the last step.
    const int64_t first = (p.image * s.pixels + p.pixel) * s.dst_pixel_stride + p.channel;
    const bool in_place = program.output.elem == Elem::F32 && (p.pixels == 1 || s.dst_pixel_stride == p.channels);
    float* last = in_place ? static_cast<float*>(dst) + first : r.storage[EltwiseProgram::kMaxRegisters - 1];
    if (program.num_steps == 0) std::memmove(last, r.at[0], static_cast<size_t>(n) * sizeof(float));
    for (int k = 0; k < program.num_steps; ++k) {
      const EltwiseStep& step = program.steps[k];
      float* to = k + 1 < program.num_steps ? r.storage[step.dst] : last;
      block_op(step.op, n, r.at[step.a], is_binary(step.op) ? r.at[step.b] : nullptr, step.alpha, step.beta, to);
      r.at[step.dst] = to;
    }
    block_act(program.output.act, n, last);
    if (!in_place) store_result(program, s, p, last, dst);
  }
}

}  // namespace

const char* eltwise_program_error(const EltwiseProgram& program) {
  if (program.num_inputs < 1 || program.num_inputs > EltwiseProgram::kMaxInputs)
    return "the number of inputs is not 1 to 8";
  if (program.num_steps < 0 || program.num_steps > EltwiseProgram::kMaxSteps)
    return "the number of steps is not 0 to 32";
  bool written[EltwiseProgram::kMaxRegisters] = {};
  for (int i = 0; i < program.num_inputs; ++i) written[i] = true;
  for (int i = 0; i < program.num_steps; ++i) {
    const EltwiseStep& step = program.steps[i];
    if (step.op > EltwiseOp::SquaredDifference) return "a step has no known operation";
    if (step.dst >= EltwiseProgram::kMaxRegisters || step.a >= EltwiseProgram::kMaxRegisters)
      return "a register is above 15";
    if (step.dst < program.num_inputs) return "a step writes an input";
    if (!written[step.a]) return "a register is read before it is written";
    if (is_binary(step.op) && (step.b >= EltwiseProgram::kMaxRegisters || !written[step.b])) {
      return "a second register is above 15 or read before it is written";
    }
    written[step.dst] = true;
  }
  return nullptr;
}

void eltwise_run(const EltwiseProgram& program, const EltwiseShape& shape, const void* const* inputs, void* dst,
                 int threads) {
  const EltwiseShape s = flatten(program, shape);
  const Blocks blocks(s);
  const int64_t units = s.batch * blocks.blocks_per_image;
  if (s.batch * s.pixels * s.channels == 0) return;
  double ns = 0.3;
  for (int i = 0; i < program.num_steps; ++i) ns += eltwise_ns(program.steps[i].op);
  ns *= static_cast<double>(s.batch * s.pixels * s.channels);
  parallel_ranges(units, useful_threads(threads, ns, units),
                  [&](int64_t begin, int64_t end, int) { run_blocks(program, s, blocks, inputs, dst, begin, end); });
}

}  // namespace tfengine::kernels
