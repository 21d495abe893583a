// SPDX-License-Identifier: Apache-2.0
// ResizeNearestNeighbor and ResizeBilinear with TensorFlow's three ways to place pixels: corners aligned, half-pixel
// centres, and the old one that aligns upper left corners.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

template <bool kFloatResult>
std::vector<TypeInfo> infer_resize(const InferContext& context) {
  require_inputs(context, 2);
  return {{kFloatResult ? DType::F32 : context.inputs[0].dtype, resized_shape(context)}};
}

// Source positions along one axis, in float as TensorFlow computes them.
struct Placement {
  Placement(const ir::Node& node, int64_t in_size, int64_t out_size)
      : in(in_size),
        align_corners(node.attr_or<bool>("align_corners", false)),
        half_pixel(node.attr_or<bool>("half_pixel_centers", false)),
        scale(align_corners && out_size > 1 ? static_cast<float>(in_size - 1) / static_cast<float>(out_size - 1)
                                            : static_cast<float>(in_size) / static_cast<float>(out_size)) {}

  int64_t nearest(int64_t i) const {
    const float position = half_pixel ? (static_cast<float>(i) + 0.5f) * scale : static_cast<float>(i) * scale;
    const float index = align_corners ? std::round(position) : std::floor(position);
    return std::clamp<int64_t>(static_cast<int64_t>(index), 0, in - 1);
  }

  struct Mix {
    int64_t low, high;
    float weight;
  };
  Mix linear(int64_t i) const {
    const float position = half_pixel ? (static_cast<float>(i) + 0.5f) * scale - 0.5f : static_cast<float>(i) * scale;
    const float floor = std::floor(position);
    return {std::clamp<int64_t>(static_cast<int64_t>(floor), 0, in - 1),
            std::clamp<int64_t>(static_cast<int64_t>(std::ceil(position)), 0, in - 1), position - floor};
  }

  int64_t in;
  bool align_corners, half_pixel;
  float scale;
};

std::vector<Tensor> evaluate_nearest(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_resize<false>, node, inputs);
  const Shape& in = inputs[0].shape();
  const Shape& out = output.shape();
  const Placement rows(node, in[1], out[1]), columns(node, in[2], out[2]);
  const size_t pixel = static_cast<size_t>(in[3]) * dtype_bytes(output.dtype());
  auto* to = output.mutable_as<std::byte>();
  for (int64_t n = 0; n < out[0]; ++n) {
    for (int64_t y = 0; y < out[1]; ++y) {
      for (int64_t x = 0; x < out[2]; ++x) {
        const int64_t source = (n * in[1] + rows.nearest(y)) * in[2] + columns.nearest(x);
        to = std::copy_n(inputs[0].as<std::byte>() + static_cast<size_t>(source) * pixel, pixel, to);
      }
    }
  }
  return {output};
}

std::vector<Tensor> evaluate_bilinear(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_resize<true>, node, inputs);
  const Tensor input = as_f32(inputs[0]);
  const Shape& in = input.shape();
  const Shape& out = output.shape();
  const Placement rows(node, in[1], out[1]), columns(node, in[2], out[2]);
  float* to = output.mutable_as<float>();
  for (int64_t n = 0; n < out[0]; ++n) {
    for (int64_t y = 0; y < out[1]; ++y) {
      const auto v = rows.linear(y);
      for (int64_t x = 0; x < out[2]; ++x) {
        const auto h = columns.linear(x);
        const auto at = [&](int64_t row, int64_t column) {
          return input.as<float>() + ((n * in[1] + row) * in[2] + column) * in[3];
        };
        const float *top_left = at(v.low, h.low), *top_right = at(v.low, h.high);
        const float *bottom_left = at(v.high, h.low), *bottom_right = at(v.high, h.high);
        for (int64_t c = 0; c < in[3]; ++c) {
          const float top = top_left[c] + (top_right[c] - top_left[c]) * h.weight;
          const float bottom = bottom_left[c] + (bottom_right[c] - bottom_left[c]) * h.weight;
          *to++ = top + (bottom - top) * v.weight;
        }
      }
    }
  }
  return {output};
}

}  // namespace

std::vector<Op> resize_ops() {
  return {
      {.name = "ResizeNearestNeighbor",
       .infer = infer_resize<false>,
       .evaluate = evaluate_nearest,
       .int8 = {.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll}},
      {.name = "ResizeBilinear",
       .infer = infer_resize<true>,
       .evaluate = evaluate_bilinear,
       .int8 = {.kind = Int8Kind::Average, .sign = Sign::NonNegativeIfAll}},
  };
}

}  // namespace tfengine::ops
