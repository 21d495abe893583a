// SPDX-License-Identifier: Apache-2.0
// Conv2D, depthwise and transposed convolution, NHWC. Sums are accumulated in double: the oracle's rounding is then the
// final one to float, whatever the order of a backend's.
#include "ops/families.h"
#include "ops/geometry.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

void check_channels(const ir::Node& node, int64_t in, int64_t filter_in, int64_t filter_out) {
  if (in < 0 || filter_in < 0) return;
  if (filter_in == 0 || in % filter_in != 0) {
    bad_node(node, "the input has {} channels, expected a multiple of the filter's {}", in, filter_in);
  }
  const int64_t groups = in / filter_in;
  if (groups > 0 && filter_out >= 0 && filter_out % groups != 0) {
    bad_node(node, "the filter has {} output channels, expected a multiple of the {} groups", filter_out, groups);
  }
}

// `out_channels` answers for inputs and filters whose ranks are known.
template <typename OutChannels>
std::vector<TypeInfo> infer_window(const InferContext& context, OutChannels&& out_channels) {
  require_inputs(context, 2);
  require_nhwc(context.node);
  const bool input_ranked = has_rank(context, 0, 4);
  const bool filter_ranked = has_rank(context, 1, 4);
  const DType dtype = product_dtype(context);
  if (!input_ranked) return {{dtype, unknown_dims(4)}};
  const Shape& in = context.inputs[0].shape;
  if (!filter_ranked) return {{dtype, {in[0], -1, -1, -1}}};
  const Shape& filter = context.inputs[1].shape;
  const int64_t channels = out_channels(in, filter);
  if (filter[0] < 0 || filter[1] < 0) return {{dtype, {in[0], -1, -1, channels}}};
  const Window w = conv_window(context.node, in[1], in[2], filter[0], filter[1]);
  return {{dtype, {in[0], w.out_h, w.out_w, channels}}};
}

std::vector<TypeInfo> infer_conv(const InferContext& context) {
  return infer_window(context, [&](const Shape& in, const Shape& filter) {
    check_channels(context.node, in[3], filter[2], filter[3]);
    return filter[3];
  });
}

std::vector<TypeInfo> infer_depthwise(const InferContext& context) {
  return infer_window(context, [&](const Shape& in, const Shape& filter) {
    const int64_t channels = merge_dims(context.node, filter[2], in[3], "the input's channel count");
    return channels < 0 || filter[3] < 0 ? int64_t{-1} : channels * filter[3];
  });
}

// Calls tap(kernel_y, kernel_x, in_y, in_x) for the window's taps that lie inside the input.
template <typename Tap>
void for_each_tap(const Window& w, int64_t in_h, int64_t in_w, int64_t oy, int64_t ox, Tap&& tap) {
  for (int64_t ky = 0; ky < w.kernel_h; ++ky) {
    const int64_t iy = oy * w.stride_h - w.pad_top + ky * w.dilation_h;
    if (iy < 0 || iy >= in_h) continue;
    for (int64_t kx = 0; kx < w.kernel_w; ++kx) {
      const int64_t ix = ox * w.stride_w - w.pad_left + kx * w.dilation_w;
      if (ix >= 0 && ix < in_w) tap(ky, kx, iy, ix);
    }
  }
}

// Calls pixel(n, y, x, row_major_index) for every pixel of an NHWC shape.
template <typename Pixel>
void for_each_pixel(const Shape& shape, Pixel&& pixel) {
  int64_t index = 0;
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t y = 0; y < shape[1]; ++y) {
      for (int64_t x = 0; x < shape[2]; ++x) pixel(n, y, x, index++);
    }
  }
}

std::vector<Tensor> evaluate_conv(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_conv, node, inputs)[0];
  const Tensor input = as_f32(inputs[0]);
  const Tensor filter = as_f32(inputs[1]);
  const Shape& in = input.shape();
  const Shape& f = filter.shape();
  const Window w = conv_window(node, in[1], in[2], f[0], f[1]);
  const int64_t groups = in[3] / f[2];
  const int64_t group_out = groups > 0 ? f[3] / groups : 0;
  Tensor output(DType::F32, type.shape);
  std::vector<double> sums(static_cast<size_t>(f[3]));
  for_each_pixel(type.shape, [&](int64_t n, int64_t oy, int64_t ox, int64_t index) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for_each_tap(w, in[1], in[2], oy, ox, [&](int64_t ky, int64_t kx, int64_t iy, int64_t ix) {
      const float* x = input.as<float>() + ((n * in[1] + iy) * in[2] + ix) * in[3];
      const float* tap = filter.as<float>() + (ky * f[1] + kx) * f[2] * f[3];
      for (int64_t g = 0; g < groups; ++g) {
        double* sum = sums.data() + g * group_out;
        for (int64_t c = 0; c < f[2]; ++c) {
          const double value = x[g * f[2] + c];
          const float* weights = tap + c * f[3] + g * group_out;
          for (int64_t o = 0; o < group_out; ++o) sum[o] += value * weights[o];
        }
      }
    });
    std::copy(sums.begin(), sums.end(), output.mutable_as<float>() + index * f[3]);
  });
  return {cast_tensor(output, type.dtype)};
}

std::vector<Tensor> evaluate_depthwise(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_depthwise, node, inputs)[0];
  const Tensor input = as_f32(inputs[0]);
  const Tensor filter = as_f32(inputs[1]);
  const Shape& in = input.shape();
  const Shape& f = filter.shape();
  const Window w = conv_window(node, in[1], in[2], f[0], f[1]);
  const int64_t channels = in[3], multiplier = f[3];
  Tensor output(DType::F32, type.shape);
  std::vector<double> sums(static_cast<size_t>(channels * multiplier));
  for_each_pixel(type.shape, [&](int64_t n, int64_t oy, int64_t ox, int64_t index) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for_each_tap(w, in[1], in[2], oy, ox, [&](int64_t ky, int64_t kx, int64_t iy, int64_t ix) {
      const float* x = input.as<float>() + ((n * in[1] + iy) * in[2] + ix) * channels;
      const float* weights = filter.as<float>() + (ky * f[1] + kx) * channels * multiplier;
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t m = 0; m < multiplier; ++m) {
          const int64_t o = c * multiplier + m;
          sums[static_cast<size_t>(o)] += static_cast<double>(x[c]) * weights[o];
        }
      }
    });
    std::copy(sums.begin(), sums.end(), output.mutable_as<float>() + index * channels * multiplier);
  });
  return {cast_tensor(output, type.dtype)};
}

// Inputs: the output's shape ([n,h,w,c], or only [h,w]), the filter [kh,kw,c,k], and the gradient [n,y,x,k].
std::vector<TypeInfo> infer_transposed(const InferContext& context) {
  require_inputs(context, 3);
  require_nhwc(context.node);
  const DType dtype = context.inputs[2].dtype;
  Shape out = unknown_dims(4);
  if (const auto sizes = partial_ints(context, 0)) {
    if (sizes->size() != 4 && sizes->size() != 2) {
      bad_node(context.node, "input_sizes has {} elements, expected 4", sizes->size());
    }
    const size_t first = sizes->size() == 4 ? 0 : 1;
    for (size_t i = 0; i < sizes->size(); ++i) out[first + i] = std::max<int64_t>((*sizes)[i], -1);
  }
  const bool filter_ranked = has_rank(context, 1, 4);
  const bool gradient_ranked = has_rank(context, 2, 4);
  if (filter_ranked) out[3] = merge_dims(context.node, out[3], context.inputs[1].shape[2], "the filter's axis 2");
  if (gradient_ranked) out[0] = merge_dims(context.node, out[0], context.inputs[2].shape[0], "the batch size");
  if (!filter_ranked || !gradient_ranked) return {{dtype, out}};
  const Shape& filter = context.inputs[1].shape;
  const Shape& gradient = context.inputs[2].shape;
  merge_dims(context.node, filter[3], gradient[3], "the input's channel count");
  if (filter[0] > 0 && filter[1] > 0) {
    const Window w = conv_window(context.node, out[1], out[2], filter[0], filter[1]);
    merge_dims(context.node, w.out_h, gradient[1], "the input's height");
    merge_dims(context.node, w.out_w, gradient[2], "the input's width");
  }
  return {{dtype, out}};
}

std::vector<Tensor> evaluate_transposed(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_transposed, node, inputs)[0];
  const Tensor filter = as_f32(inputs[1]);
  const Tensor gradient = as_f32(inputs[2]);
  const Shape& f = filter.shape();
  const Shape& out = type.shape;
  const Window w = conv_window(node, out[1], out[2], f[0], f[1]);
  std::vector<double> sums(static_cast<size_t>(out.elements()), 0.0);
  for_each_pixel(gradient.shape(), [&](int64_t n, int64_t gy, int64_t gx, int64_t index) {
    const float* g = gradient.as<float>() + index * f[3];
    for_each_tap(w, out[1], out[2], gy, gx, [&](int64_t ky, int64_t kx, int64_t y, int64_t x) {
      double* sum = sums.data() + ((n * out[1] + y) * out[2] + x) * f[2];
      const float* tap = filter.as<float>() + (ky * f[1] + kx) * f[2] * f[3];
      for (int64_t c = 0; c < f[2]; ++c) {
        for (int64_t k = 0; k < f[3]; ++k) sum[c] += static_cast<double>(g[k]) * tap[c * f[3] + k];
      }
    });
  });
  Tensor output(DType::F32, out);
  std::copy(sums.begin(), sums.end(), output.mutable_as<float>());
  return {cast_tensor(output, type.dtype)};
}

}  // namespace

std::vector<Op> conv_ops() {
  const auto compute = [](int axis) {
    return Int8Rule{.kind = Int8Kind::Compute, .weight_input = 1, .weight_axis = axis};
  };
  return {
      {.name = "Conv2D", .infer = infer_conv, .evaluate = evaluate_conv, .int8 = compute(3)},
      {.name = "DepthwiseConv2dNative", .infer = infer_depthwise, .evaluate = evaluate_depthwise, .int8 = compute(2)},
      {.name = "Conv2DBackpropInput", .infer = infer_transposed, .evaluate = evaluate_transposed},
  };
}

}  // namespace tfengine::ops
