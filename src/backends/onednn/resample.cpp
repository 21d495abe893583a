// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/resample.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/lrn.h"
#include "kernels/resample.h"
#include "ops/resize_weights.h"

namespace tfengine::onednn {

namespace {

bool plain_float(const StepSpec& spec) {
  const TensorDesc &src = spec.inputs[0], &dst = spec.outputs[0];
  return src.dtype == DType::F32 && dst.dtype == DType::F32 && src.dense() && dst.dense() &&
         spec.node->epilogue.empty();
}

Refusal only_float() { return Refusal{"only float images are lowered"}; }

kernels::AxisWeights axis_weights(const ir::Node& node, int64_t in, int64_t out) {
  kernels::AxisWeights weights;
  for (int64_t i = 0; i < out; ++i) {
    for (const ops::ResizeTerm& term : ops::resize_terms(node, in, out, i)) {
      weights.index.push_back(term.index);
      weights.weight.push_back(term.weight);
    }
    weights.first.push_back(static_cast<int64_t>(weights.index.size()));
  }
  return weights;
}

}  // namespace

Tactics smooth_resize_tactics(const StepSpec& spec) {
  if (!plain_float(spec)) return only_float();
  const Shape &in = spec.inputs[0].shape, &out = spec.outputs[0].shape;
  const kernels::ResampleShape shape{in[0], in[1], in[2], in[3], out[1], out[2]};
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic(
      "own:resample",
      [=, rows = axis_weights(*spec.node, in[1], out[1]),
       columns = axis_weights(*spec.node, in[2], out[2])](const StepArgs& args) {
        kernels::resample_f32(shape, rows, columns, static_cast<const float*>(args.src[0]),
                              static_cast<float*>(args.dst[0]), static_cast<float*>(args.workspace), threads);
      },
      static_cast<size_t>(in[2] * in[3] * threads) * sizeof(float))};
}

Tactics crop_and_resize_tactics(const StepSpec& spec) {
  if (!plain_float(spec) || spec.inputs[1].dtype != DType::F32 || spec.inputs[2].dtype != DType::S32)
    return only_float();
  const Shape &in = spec.inputs[0].shape, &out = spec.outputs[0].shape;
  const std::string method = spec.node->attr_or<std::string>("method", "bilinear");
  if (method != "bilinear" && method != "nearest") return Refusal{"its method is neither bilinear nor nearest"};
  const kernels::CropShape shape{in[0],
                                 in[1],
                                 in[2],
                                 in[3],
                                 out[0],
                                 out[1],
                                 out[2],
                                 method == "nearest",
                                 spec.node->attr_or<float>("extrapolation_value", 0.0f)};
  const int threads = spec.threads;
  const std::string where = spec.node->op + " '" + spec.node->name + "'";
  return std::vector<Tactic>{plain_tactic("own:crop_and_resize", [=](const StepArgs& args) {
    const auto* owners = static_cast<const int32_t*>(args.src[2]);
    for (int64_t i = 0; i < shape.boxes; ++i) {
      if (owners[i] >= 0 && owners[i] < shape.images) continue;
      fail<InvalidModel>("{}: box {} is of image {}, expected 0 to {}", where, i, owners[i], shape.images - 1);
    }
    kernels::crop_and_resize_f32(shape, static_cast<const float*>(args.src[0]), static_cast<const float*>(args.src[1]),
                                 owners, static_cast<float*>(args.dst[0]), threads);
  })};
}

Tactics lrn_tactics(const StepSpec& spec) {
  if (!plain_float(spec)) return only_float();
  const ir::Node& node = *spec.node;
  const int64_t channels = spec.inputs[0].shape.back();
  const kernels::LrnShape shape{spec.inputs[0].shape.elements() / channels,
                                channels,
                                std::clamp<int64_t>(node.attr_or<int64_t>("depth_radius", 5), 0, channels),
                                node.attr_or<float>("bias", 1.0f),
                                node.attr_or<float>("alpha", 1.0f),
                                node.attr_or<float>("beta", 0.5f)};
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic("own:lrn", [=](const StepArgs& args) {
    kernels::lrn_f32(shape, static_cast<const float*>(args.src[0]), static_cast<float*>(args.dst[0]), threads);
  })};
}

Tactics l2_loss_tactics(const StepSpec& spec) {
  if (!plain_float(spec)) return only_float();
  const int64_t count = spec.inputs[0].shape.elements();
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic(
      "own:l2_loss",
      [=](const StepArgs& args) {
        const double sum = kernels::square_sum(count, static_cast<const float*>(args.src[0]),
                                               static_cast<double*>(args.workspace), threads);
        *static_cast<float*>(args.dst[0]) = static_cast<float>(sum / 2);
      },
      static_cast<size_t>(kernels::square_sum_partials(count)) * sizeof(double))};
}

}  // namespace tfengine::onednn
