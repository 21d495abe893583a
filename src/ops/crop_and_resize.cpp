// SPDX-License-Identifier: Apache-2.0
// CropAndResize: boxes cut out of images, in coordinates from 0 (first pixel) to 1 (last pixel), and sampled to one size.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

// Inputs: images [n,h,w,c], boxes [m,4] as y1, x1, y2, x2, each box's image [m], crop size [2].
std::vector<TypeInfo> infer_crop(const InferContext& context) {
  require_inputs(context, 4);
  const bool images = has_rank(context, 0, 4), boxes = has_rank(context, 1, 2);
  has_rank(context, 2, 1);
  Shape out = unknown_dims(4);
  if (images) out[3] = context.inputs[0].shape[3];
  if (boxes) {
    out[0] = context.inputs[1].shape[0];
    merge_dims(context.node, 4, context.inputs[1].shape[1], "the number of a box's coordinates");
  }
  if (context.inputs[2].shape.ranked()) {
    out[0] = merge_dims(context.node, out[0], context.inputs[2].shape[0], "the number of box indices");
  }
  if (const auto size = partial_ints(context, 3)) {
    if (size->size() != 2) bad_node(context.node, "its crop size has {} elements, expected 2", size->size());
    for (size_t i = 0; i < 2; ++i) {
      if ((*size)[i] <= 0 && (*size)[i] != kUnknownElement)
        bad_node(context.node, "its crop size is {}, expected a positive number", (*size)[i]);
      out[i + 1] = std::max<int64_t>((*size)[i], -1);
    }
  }
  return {{DType::F32, out}};
}

// Where sample i of `count` lies along an axis of `size` pixels; in float, as TensorFlow computes it.
float position(float from, float to, int64_t size, int64_t i, int64_t count) {
  const auto last = static_cast<float>(size - 1);
  if (count <= 1) return 0.5f * (from + to) * last;
  const float step = (to - from) * last / static_cast<float>(count - 1);
  return from * last + static_cast<float>(i) * step;
}

std::vector<Tensor> evaluate_crop(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_crop, node, inputs);
  const Tensor images = as_f32(inputs[0]), boxes = as_f32(inputs[1]);
  const std::vector<int64_t> owner = as_ints(inputs[2]);
  const Shape& in = images.shape();
  const Shape& out = output.shape();
  const std::string method = node.attr_or<std::string>("method", "bilinear");
  if (method != "bilinear" && method != "nearest")
    bad_node(node, "method is '{}', expected bilinear or nearest", method);
  const float outside = node.attr_or<float>("extrapolation_value", 0.0f);
  float* to = output.mutable_as<float>();
  for (int64_t m = 0; m < out[0]; ++m) {
    const int64_t image = owner[static_cast<size_t>(m)];
    if (image < 0 || image >= in[0]) bad_node(node, "box {} is of image {}, expected 0 to {}", m, image, in[0] - 1);
    const float* box = boxes.as<float>() + 4 * m;
    const auto pixel = [&](float y, float x) {
      const auto at = static_cast<int64_t>(y) * in[2] + static_cast<int64_t>(x);
      return images.as<float>() + (image * in[1] * in[2] + at) * in[3];
    };
    for (int64_t i = 0; i < out[1] * out[2]; ++i) {
      const float y = position(box[0], box[2], in[1], i / out[2], out[1]);
      const float x = position(box[1], box[3], in[2], i % out[2], out[2]);
      // Written so that a coordinate that is not a number lies outside.
      if (!(y >= 0 && y <= static_cast<float>(in[1] - 1) && x >= 0 && x <= static_cast<float>(in[2] - 1))) {
        to = std::fill_n(to, in[3], outside);
      } else if (method == "nearest") {
        to = std::copy_n(pixel(std::round(y), std::round(x)), in[3], to);
      } else {
        const float top = std::floor(y), bottom = std::ceil(y), left = std::floor(x), right = std::ceil(x);
        const float *a = pixel(top, left), *b = pixel(top, right), *c = pixel(bottom, left), *d = pixel(bottom, right);
        for (int64_t k = 0; k < in[3]; ++k) {
          const float upper = a[k] + (b[k] - a[k]) * (x - left), lower = c[k] + (d[k] - c[k]) * (x - left);
          *to++ = upper + (lower - upper) * (y - top);
        }
      }
    }
  }
  return {output};
}

}  // namespace

std::vector<Op> crop_and_resize_ops() {
  return {{.name = "CropAndResize", .infer = infer_crop, .evaluate = evaluate_crop}};
}

}  // namespace tfengine::ops
