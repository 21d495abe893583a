// SPDX-License-Identifier: Apache-2.0
// MaxPool3D and AvgPool3D, NDHWC. Padding takes no part.
#include <algorithm>
#include <limits>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/volume.h"

namespace tfengine::ops {

namespace {

using Size = std::array<int64_t, 3>;

VolumeWindow window_of(const ir::Node& node, const Shape& in) {
  const std::vector<int64_t> kernel = ints_attr(node, "ksize");
  if (kernel.size() != 5 || kernel[0] != 1 || kernel[4] != 1) {
    bad_node(node, "attribute 'ksize' is [{}], expected 5 entries, 1 for batch and channels", fmt::join(kernel, ","));
  }
  return volume_window(node, {in[1], in[2], in[3]}, {kernel[1], kernel[2], kernel[3]});
}

std::vector<TypeInfo> infer_pool3d(const InferContext& context) {
  require_inputs(context, 1);
  const DType dtype = context.inputs[0].dtype;
  if (!has_rank(context, 0, 5)) return {{dtype, unknown_dims(5)}};
  const Shape& in = context.inputs[0].shape;
  const VolumeWindow w = window_of(context.node, in);
  return {{dtype, {in[0], w.out[0], w.out[1], w.out[2], in[4]}}};
}

template <bool kMax>
std::vector<Tensor> evaluate_pool3d(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_pool3d, node, inputs)[0];
  const Tensor input = as_f32(inputs[0]);
  const Shape& in = input.shape();
  const VolumeWindow w = window_of(node, in);
  const Size size = {in[1], in[2], in[3]};
  const double start = kMax ? -std::numeric_limits<double>::infinity() : 0.0;
  Tensor output(DType::F32, type.shape);
  float* y = output.mutable_as<float>();
  std::vector<double> totals(static_cast<size_t>(in[4]));
  for (int64_t n = 0; n < in[0]; ++n) {
    for_each_place(w.out, [&](const Size& place, int64_t) {
      std::fill(totals.begin(), totals.end(), start);
      int64_t cells = 0;
      for_each_volume_tap(w, size, place, [&](int64_t, int64_t pixel) {
        const float* x = input.as<float>() + (n * size[0] * size[1] * size[2] + pixel) * in[4];
        for (double& total : totals) total = kMax ? std::max<double>(total, *x++) : total + *x++;
        ++cells;
      });
      for (const double total : totals) {
        *y++ = static_cast<float>(kMax || cells == 0 ? total : total / static_cast<double>(cells));
      }
    });
  }
  return {cast_tensor(output, type.dtype)};
}

}  // namespace

std::vector<Op> pool3d_ops() {
  return {
      {.name = "MaxPool3D",
       .infer = infer_pool3d,
       .evaluate = evaluate_pool3d<true>,
       .int8 = {.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll}},
      {.name = "AvgPool3D",
       .infer = infer_pool3d,
       .evaluate = evaluate_pool3d<false>,
       .int8 = {.kind = Int8Kind::Average, .sign = Sign::NonNegativeIfAll}},
  };
}

}  // namespace tfengine::ops
