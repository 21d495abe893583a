// SPDX-License-Identifier: Apache-2.0
// MaxPool and AvgPool, NHWC. Padding takes no part: it neither wins a maximum nor counts in an average.
#include <algorithm>
#include <limits>

#include "ops/families.h"
#include "ops/geometry.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_pool(const InferContext& context) {
  require_inputs(context, 1);
  const DType dtype = context.inputs[0].dtype;
  if (!has_rank(context, 0, 4)) return {{dtype, unknown_dims(4)}};
  const Shape& in = context.inputs[0].shape;
  const Window w = pool_window(context.node, in[1], in[2]);
  return {{dtype, {in[0], w.out_h, w.out_w, in[3]}}};
}

struct MaxOf {
  double value = -std::numeric_limits<double>::infinity();
  void add(double x) { value = std::max(value, x); }
  double result(int64_t) const { return value; }
};

struct MeanOf {
  double sum = 0.0;
  void add(double x) { sum += x; }
  double result(int64_t count) const { return count > 0 ? sum / static_cast<double>(count) : 0.0; }
};

// Calls cell(y, x) for the cells of the window at (oy, ox) that lie inside the input.
template <typename Cell>
void for_each_cell(const Window& w, const Shape& in, int64_t oy, int64_t ox, Cell&& cell) {
  const int64_t top = oy * w.stride_h - w.pad_top, left = ox * w.stride_w - w.pad_left;
  for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + w.kernel_h, in[1]); ++y) {
    for (int64_t x = std::max<int64_t>(left, 0); x < std::min(left + w.kernel_w, in[2]); ++x) cell(y, x);
  }
}

template <typename Accumulator>
std::vector<Tensor> evaluate_pool(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_pool, node, inputs)[0];
  const Tensor input = as_f32(inputs[0]);
  const Shape& in = input.shape();
  const Shape& out = type.shape;
  const Window w = pool_window(node, in[1], in[2]);
  Tensor output(DType::F32, out);
  float* y = output.mutable_as<float>();
  std::vector<Accumulator> channels;
  for (int64_t n = 0; n < out[0]; ++n) {
    for (int64_t oy = 0; oy < out[1]; ++oy) {
      for (int64_t ox = 0; ox < out[2]; ++ox) {
        channels.assign(static_cast<size_t>(in[3]), Accumulator{});
        int64_t cells = 0;
        for_each_cell(w, in, oy, ox, [&](int64_t iy, int64_t ix) {
          const float* x = input.as<float>() + ((n * in[1] + iy) * in[2] + ix) * in[3];
          for (Accumulator& channel : channels) channel.add(*x++);
          ++cells;
        });
        for (const Accumulator& channel : channels) *y++ = static_cast<float>(channel.result(cells));
      }
    }
  }
  return {cast_tensor(output, type.dtype)};
}

}  // namespace

std::vector<Op> pool_ops() {
  return {
      {.name = "MaxPool",
       .infer = infer_pool,
       .evaluate = evaluate_pool<MaxOf>,
       .int8 = {.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll}},
      {.name = "AvgPool",
       .infer = infer_pool,
       .evaluate = evaluate_pool<MeanOf>,
       .int8 = {.kind = Int8Kind::Average, .sign = Sign::NonNegativeIfAll}},
  };
}

}  // namespace tfengine::ops
