// SPDX-License-Identifier: Apache-2.0
// Conv3D and its transposed form Conv3DBackpropInputV2, NDHWC. Sums are accumulated in double.
#include <algorithm>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/volume.h"

namespace tfengine::ops {

namespace {

using Size = std::array<int64_t, 3>;

Size inner(const Shape& shape) { return {shape[1], shape[2], shape[3]}; }
Size outer(const Shape& filter) { return {filter[0], filter[1], filter[2]}; }
int64_t volume(const Size& size) { return size[0] * size[1] * size[2]; }

std::vector<TypeInfo> infer_conv3d(const InferContext& context) {
  require_inputs(context, 2);
  const bool input_ranked = has_rank(context, 0, 5), filter_ranked = has_rank(context, 1, 5);
  const DType dtype = product_dtype(context);
  if (!input_ranked) return {{dtype, unknown_dims(5)}};
  const Shape& in = context.inputs[0].shape;
  if (!filter_ranked) return {{dtype, {in[0], -1, -1, -1, -1}}};
  const Shape& filter = context.inputs[1].shape;
  if (in[4] >= 0 && filter[3] >= 0 && (filter[3] == 0 || in[4] % filter[3] != 0)) {
    bad_node(context.node, "the input has {} channels, expected a multiple of the filter's {}", in[4], filter[3]);
  }
  if (std::any_of(filter.begin(), filter.begin() + 3, [](int64_t dim) { return dim < 0; })) {
    return {{dtype, {in[0], -1, -1, -1, filter[4]}}};
  }
  const VolumeWindow w = volume_window(context.node, inner(in), outer(filter));
  return {{dtype, {in[0], w.out[0], w.out[1], w.out[2], filter[4]}}};
}

std::vector<Tensor> evaluate_conv3d(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_conv3d, node, inputs)[0];
  const Tensor input = as_f32(inputs[0]), filter = as_f32(inputs[1]);
  const Shape& in = input.shape();
  const Shape& f = filter.shape();
  const VolumeWindow w = volume_window(node, inner(in), outer(f));
  const int64_t groups = in[4] / f[3], group_out = groups > 0 ? f[4] / groups : 0;
  Tensor output(DType::F32, type.shape);
  std::vector<double> sums(static_cast<size_t>(f[4]));
  for (int64_t n = 0; n < in[0]; ++n) {
    for_each_place(w.out, [&](const Size& place, int64_t index) {
      std::fill(sums.begin(), sums.end(), 0.0);
      for_each_volume_tap(w, inner(in), place, [&](int64_t tap, int64_t pixel) {
        const float* x = input.as<float>() + (n * volume(inner(in)) + pixel) * in[4];
        const float* weights = filter.as<float>() + tap * f[3] * f[4];
        for (int64_t c = 0; c < in[4]; ++c) {
          const int64_t group = c / f[3];
          for (int64_t o = group * group_out; o < (group + 1) * group_out; ++o) {
            sums[static_cast<size_t>(o)] += static_cast<double>(x[c]) * weights[c % f[3] * f[4] + o];
          }
        }
      });
      std::copy(sums.begin(), sums.end(), output.mutable_as<float>() + (n * volume(w.out) + index) * f[4]);
    });
  }
  return {cast_tensor(output, type.dtype)};
}

// Inputs: the output's shape [n,d,h,w,c], the filter [kd,kh,kw,c,k], the gradient [n,z,y,x,k].
std::vector<TypeInfo> infer_transposed3d(const InferContext& context) {
  require_inputs(context, 3);
  const DType dtype = context.inputs[2].dtype;
  Shape out = unknown_dims(5);
  if (const auto sizes = partial_ints(context, 0)) {
    if (sizes->size() != 5) bad_node(context.node, "input_sizes has {} elements, expected 5", sizes->size());
    for (size_t i = 0; i < 5; ++i) out[i] = std::max<int64_t>((*sizes)[i], -1);
  }
  const bool filter_ranked = has_rank(context, 1, 5), gradient_ranked = has_rank(context, 2, 5);
  if (filter_ranked) out[4] = merge_dims(context.node, out[4], context.inputs[1].shape[3], "the filter's axis 3");
  if (gradient_ranked) out[0] = merge_dims(context.node, out[0], context.inputs[2].shape[0], "the batch size");
  if (!filter_ranked || !gradient_ranked) return {{dtype, out}};
  const Shape& filter = context.inputs[1].shape;
  const Shape& gradient = context.inputs[2].shape;
  merge_dims(context.node, filter[4], gradient[4], "the input's channel count");
  if (std::all_of(filter.begin(), filter.begin() + 3, [](int64_t dim) { return dim > 0; })) {
    const VolumeWindow w = volume_window(context.node, inner(out), outer(filter));
    for (size_t i = 0; i < 3; ++i) merge_dims(context.node, w.out[i], gradient[i + 1], "the input's size");
  }
  return {{dtype, out}};
}

std::vector<Tensor> evaluate_transposed3d(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_transposed3d, node, inputs)[0];
  const Tensor filter = as_f32(inputs[1]), gradient = as_f32(inputs[2]);
  const Shape& f = filter.shape();
  const Shape& out = type.shape;
  const VolumeWindow w = volume_window(node, inner(out), outer(f));
  std::vector<double> sums(static_cast<size_t>(out.elements()), 0.0);
  for (int64_t n = 0; n < out[0]; ++n) {
    for_each_place(w.out, [&](const Size& place, int64_t index) {
      const float* g = gradient.as<float>() + (n * volume(w.out) + index) * f[4];
      for_each_volume_tap(w, inner(out), place, [&](int64_t tap, int64_t pixel) {
        double* sum = sums.data() + (n * volume(inner(out)) + pixel) * f[3];
        const float* weights = filter.as<float>() + tap * f[3] * f[4];
        for (int64_t c = 0; c < f[3]; ++c) {
          for (int64_t k = 0; k < f[4]; ++k) sum[c] += static_cast<double>(g[k]) * weights[c * f[4] + k];
        }
      });
    });
  }
  Tensor output(DType::F32, out);
  std::copy(sums.begin(), sums.end(), output.mutable_as<float>());
  return {cast_tensor(output, type.dtype)};
}

}  // namespace

std::vector<Op> conv3d_ops() {
  return {
      {.name = "Conv3D",
       .infer = infer_conv3d,
       .evaluate = evaluate_conv3d,
       .int8 = {.kind = Int8Kind::Compute, .weight_input = 1, .weight_axis = 4}},
      {.name = "Conv3DBackpropInputV2", .infer = infer_transposed3d, .evaluate = evaluate_transposed3d},
  };
}

}  // namespace tfengine::ops
