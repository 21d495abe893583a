// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/conv.h"

#include "backends/onednn/banded.h"
#include "backends/onednn/int8_conv.h"
#include "backends/onednn/matmul.h"
#include "backends/onednn/weighted.h"
#include "kernels/conv_winograd_f32.h"
#include "kernels/depthwise.h"
#include "ops/geometry.h"

namespace tfengine::onednn {

namespace {

using dnnl::memory;

// Beyond this many of oneDNN's own best-first list the remaining ones were never the fastest in our measurements.
constexpr int kMaxImplementations = 4;

struct ConvProblem {
  ops::Window window;
  int64_t in_c = 0, out_c = 0, groups = 1;
  bool depthwise = false;
};

ConvProblem problem_of(const StepSpec& spec) {
  const Shape& src = spec.inputs[0].shape;
  const Shape& weights = spec.inputs[1].shape;
  ConvProblem problem;
  problem.depthwise = spec.node->op == "DepthwiseConv2dNative";
  problem.window = ops::conv_window(*spec.node, src[1], src[2], weights[0], weights[1]);
  problem.in_c = src[3];
  problem.out_c = spec.outputs[0].shape[3];
  problem.groups = problem.depthwise ? problem.in_c : problem.in_c / weights[2];
  return problem;
}

// TensorFlow's [kh, kw, ic/groups, oc] (or [kh, kw, c, multiplier]) in oneDNN's logical order.
memory::desc weights_desc(const ConvProblem& p, memory::data_type type) {
  const auto& w = p.window;
  const int64_t ic = p.depthwise ? 1 : p.in_c / p.groups;
  const int64_t tap = p.depthwise ? p.out_c : ic * p.out_c;
  if (p.groups == 1 && !p.depthwise) {
    return memory::desc({p.out_c, ic, w.kernel_h, w.kernel_w}, type, memory::dims{1, p.out_c, w.kernel_w * tap, tap});
  }
  const int64_t per_group = p.out_c / p.groups;
  return memory::desc({p.groups, per_group, ic, w.kernel_h, w.kernel_w}, type,
                      memory::dims{per_group, 1, p.out_c, w.kernel_w * tap, tap});
}

// The last window may end before the image does.
bool is_padded(const ops::Window& w, const Shape& src) {
  const int64_t rows = (w.out_h - 1) * w.stride_h + (w.kernel_h - 1) * w.dilation_h + 1;
  const int64_t cols = (w.out_w - 1) * w.stride_w + (w.kernel_w - 1) * w.dilation_w + 1;
  return w.pad_top > 0 || w.pad_left > 0 || rows > src[1] || cols > src[2];
}

memory::desc any_layout(const memory::desc& given, memory::data_type type) {
  return memory::desc(given.get_dims(), type, memory::format_tag::any);
}

// Every implementation that oneDNN lists for the problem.
void add_dnnl_tactics(const StepSpec& spec, const ConvProblem& p, std::vector<Tactic>& tactics) {
  if (has_zero_point(spec)) return;
  const bool int8 = is_int8(spec.inputs[0].dtype);
  const int per_channel = p.groups > 1 || p.depthwise ? 3 : 1;
  const DnnlFusion fusion = fuse(spec, int8, spec.inputs[1].quant.scales.size() > 1 ? per_channel : 0);
  if (fusion.refusal) return;
  const auto& w = p.window;
  const memory::desc src = image_desc(spec.inputs[0]);
  const memory::desc dst = image_desc(spec.outputs[0]);
  const memory::desc given = weights_desc(p, dnnl_type(spec.inputs[1].dtype));
  const auto weights_type = spec.inputs[0].dtype == DType::BF16 ? memory::data_type::bf16 : given.get_data_type();
  const memory::desc bias = spec.node->epilogue.bias == ir::kNone
                                ? memory::desc()
                                : memory::desc({p.out_c}, memory::data_type::f32, memory::format_tag::x);
  dnnl::convolution_forward::primitive_desc pd(
      cpu_engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, src,
      any_layout(given, weights_type), bias, dst, {w.stride_h, w.stride_w}, {w.dilation_h - 1, w.dilation_w - 1},
      {w.pad_top, w.pad_left}, {w.pad_bottom, w.pad_right}, fusion.attr, true);
  if (!pd) return;
  // oneDNN 3.2's SSE4.1 depthwise kernel reads bias with aligned loads whatever its address, and crashes.
  const WeightedListing listing{"dnnl:", given, fusion.sum, kMaxImplementations, "sse41"};
  add_weighted_tactics<dnnl::convolution_forward>(listing, std::move(pd), spec, tactics);
}

template <typename KernelShape>
KernelShape kernel_shape(const StepSpec& spec, const ConvProblem& p) {
  auto shape = windowed_shape<KernelShape>(spec, p.window);
  shape.kernel_h = p.window.kernel_h;
  shape.kernel_w = p.window.kernel_w;
  shape.dilation_h = p.window.dilation_h;
  shape.dilation_w = p.window.dilation_w;
  return shape;
}

kernels::DepthwiseShape depthwise_shape(const StepSpec& spec, const ConvProblem& p) {
  auto shape = kernel_shape<kernels::DepthwiseShape>(spec, p);
  shape.channels = p.in_c;
  shape.multiplier = p.out_c / p.in_c;
  shape.pad_value = spec.inputs[0].quant.zero_point;
  return shape;
}

std::vector<float> products(const StepSpec& spec) {
  std::vector<float> scales = spec.inputs[1].quant.scales;
  for (float& scale : scales) scale *= scale_of(spec.inputs[0]);
  return scales;
}

void add_own_depthwise(const StepSpec& spec, const ConvProblem& p, std::vector<Tactic>& tactics) {
  const bool int8 = is_int8(spec.inputs[0].dtype);
  if (!int8 && spec.inputs[0].dtype != DType::F32) return;
  auto fused = FusedEpilogue::make(spec, int8 ? products(spec) : std::vector<float>{}, p.out_c);
  if (!fused) return;
  if (int8) fused->remove_source_zero(spec, spec.constants[1]);
  const kernels::DepthwiseShape shape = depthwise_shape(spec, p);
  const int threads = spec.threads;
  Tactic tactic;
  tactic.name = int8 ? "own:depthwise_int8" : "own:depthwise_f32";
  tactic.may_overwrite = fused->overwrites_residual();
  tactic.workspace_bytes = int8 ? kernels::depthwise_int8_workspace_bytes(shape, threads)
                                : kernels::depthwise_f32_workspace_bytes(shape, threads);
  tactic.prepare = [=, weights = spec.constants[1], elem = *elem_of(spec.inputs[0].dtype)](PackedStore& store) {
    FusedEpilogue epilogue = *fused;
    epilogue.pack(store);
    const size_t bytes =
        int8 ? kernels::depthwise_int8_packed_bytes(shape) : kernels::depthwise_f32_packed_bytes(shape);
    const auto packed = store.get(weights, "depthwise", bytes, [&](void* to) {
      if (int8) {
        kernels::depthwise_int8_pack(shape, weights.as<int8_t>(), to);
      } else {
        kernels::depthwise_f32_pack(shape, weights.as<float>(), to);
      }
    });
    return plan::function_kernel(
        [=](const StepArgs& args) {
          if (int8) {
            kernels::depthwise_int8_run(shape, elem, args.src[0], packed.get(), epilogue.bound(args), args.dst[0],
                                        args.workspace, threads);
          } else {
            kernels::depthwise_f32_run(shape, static_cast<const float*>(args.src[0]), packed.get(),
                                       epilogue.bound(args), args.dst[0], args.workspace, threads);
          }
        },
        {1}, {static_cast<const std::byte*>(packed.get()), bytes});
  };
  tactics.push_back(std::move(tactic));
}

kernels::ConvShape conv_shape(const StepSpec& spec, const ConvProblem& p) {
  auto shape = kernel_shape<kernels::ConvShape>(spec, p);
  shape.in_c = p.in_c;
  shape.out_c = p.out_c;
  shape.groups = p.groups;
  return shape;
}

void add_own_winograd(const StepSpec& spec, const ConvProblem& p, std::vector<Tactic>& tactics) {
  const kernels::ConvShape shape = conv_shape(spec, p);
  if (spec.inputs[0].dtype != DType::F32 || !kernels::conv_winograd_f32_supports(shape)) return;
  const auto fused = FusedEpilogue::make(spec, {}, p.out_c);
  if (!fused) return;
  const int threads = spec.threads;
  Tactic tactic;
  tactic.name = "own:winograd_f32";
  tactic.may_overwrite = fused->overwrites_residual();
  tactic.workspace_bytes = kernels::conv_winograd_f32_workspace_bytes(shape, threads);
  tactic.prepare = [=, weights = spec.constants[1]](PackedStore& store) {
    FusedEpilogue epilogue = *fused;
    epilogue.pack(store);
    const size_t bytes = kernels::conv_winograd_f32_packed_bytes(shape);
    const auto packed = store.get(weights, "winograd_f32", bytes,
                                  [&](void* to) { kernels::conv_winograd_f32_pack(shape, weights.as<float>(), to); });
    return plan::function_kernel(
        [=](const StepArgs& args) {
          kernels::conv_winograd_f32_run(shape, static_cast<const float*>(args.src[0]), packed.get(),
                                         epilogue.bound(args), args.dst[0], args.workspace, threads);
        },
        {1}, {static_cast<const std::byte*>(packed.get()), bytes});
  };
  tactics.push_back(std::move(tactic));
}

// The best guess, where nothing is measured: our Winograd transforms its weights in every run, which few tiles of 4 x 4
// results do not pay for (ResNet-50 at batch 1, AVX-512: 16 tiles take 0.9 of oneDNN's time, 4 tiles twice).
bool winograd_is_likely(const Shape& output) { return output[0] * ((output[1] + 3) / 4) * ((output[2] + 3) / 4) >= 12; }

// oneDNN's float kernels take half of the time of ours (MobileNetV2, Zen 4), but they know neither channel slices nor
// several outputs for each input channel, and fall back to plain loops there.
bool dnnl_depthwise_is_likely(const StepSpec& spec, const ConvProblem& p) {
  return p.depthwise && spec.inputs[0].dtype == DType::F32 && p.in_c == p.out_c && spec.inputs[0].dense() &&
         spec.outputs[0].dense();
}

}  // namespace

Tactics conv_tactics(const StepSpec& spec) {
  if (!spec.constants[1].defined()) return Refusal{"its weights are computed at run time; they must be constant"};
  if (spec.inputs[0].shape.rank() != 4) return Refusal{"its input is not of rank 4"};
  if (spec.inputs[0].shape.elements() == 0 || spec.inputs[1].shape.elements() == 0) {
    return Refusal{"its input or its weights are empty"};
  }
  if (spec.node->epilogue.bias != ir::kNone &&
      !spec.constants[static_cast<size_t>(spec.node->epilogue.bias)].defined()) {
    return Refusal{"its bias is computed at run time; it must be constant"};
  }
  const ConvProblem p = problem_of(spec);
  const bool int8 = is_int8(spec.inputs[0].dtype);
  if (!p.depthwise && spec.inputs[0].quant.zero_point != 0 && is_padded(p.window, spec.inputs[0].shape)) {
    return Refusal{"its input has a zero point, and padding"};
  }
  std::vector<Tactic> tactics;
  const bool depthwise_last = dnnl_depthwise_is_likely(spec, p);
  bool winograd_last = false;
  if (p.depthwise) {
    if (!depthwise_last) add_own_depthwise(spec, p, tactics);
  } else if (int8) {
    add_int8_conv_tactics(spec, conv_shape(spec, p), spec.constants[1], products(spec), tactics);
  } else {
    winograd_last = !winograd_is_likely(spec.outputs[0].shape);
    if (!winograd_last) add_own_winograd(spec, p, tactics);
  }
  const bool pointwise = !p.depthwise && p.groups == 1 && p.window.kernel_h == 1 && p.window.kernel_w == 1 &&
                         spec.inputs[0].shape[1] == 1 && spec.inputs[0].shape[2] == 1;
  if (pointwise) add_dnnl_matmul(spec, {pixels_of(spec.inputs[0]), p.in_c, p.out_c, false}, tactics);
  if (!int8 || int8_is_exact()) add_dnnl_tactics(spec, p, tactics);
  if (winograd_last) add_own_winograd(spec, p, tactics);
  if (depthwise_last) add_own_depthwise(spec, p, tactics);
  if (p.depthwise) {
    const auto of_band = [&](const StepSpec& band, std::vector<Tactic>& list) {
      const ConvProblem part = problem_of(band);
      if (!depthwise_last) add_own_depthwise(band, part, list);
      if (!int8 || int8_is_exact()) add_dnnl_tactics(band, part, list);
      if (depthwise_last) add_own_depthwise(band, part, list);
    };
    add_banded(spec, p.window, of_band, tactics);
  }
  if (tactics.empty()) return Refusal{"no implementation takes this convolution"};
  return tactics;
}

}  // namespace tfengine::onednn
