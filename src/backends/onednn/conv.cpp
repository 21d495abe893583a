// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/conv.h"

#include "backends/onednn/dnnl_kernel.h"
#include "backends/onednn/int8_conv.h"
#include "backends/onednn/matmul.h"

#include <fmt/core.h>

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

memory::desc any_layout(const memory::desc& given, memory::data_type type) {
  return memory::desc(given.get_dims(), type, memory::format_tag::any);
}

std::shared_ptr<const plan::Kernel> prepare_dnnl(const dnnl::convolution_forward::primitive_desc& pd,
                                                 const StepSpec& spec, const memory::desc& given, bool int8,
                                                 PackedStore& store) {
  using From = DnnlArg::From;
  std::vector<DnnlArg> args;
  args.push_back({DNNL_ARG_SRC, From::Src, 0, pd.src_desc(), nullptr});
  args.push_back({DNNL_ARG_WEIGHTS, From::Block, 0, pd.weights_desc(),
                  packed_weights(store, spec.constants[1], given, pd.weights_desc())});
  const int bias = spec.node->epilogue.bias;
  if (bias != ir::kNone) args.push_back({DNNL_ARG_BIAS, From::Src, bias, pd.bias_desc(), nullptr});
  args.push_back({DNNL_ARG_DST, From::Dst, 0, pd.dst_desc(), nullptr});
  args.push_back({DNNL_ARG_SCRATCHPAD, From::Workspace, 0, pd.scratchpad_desc(), nullptr});
  if (int8) {
    const auto scale = [&](int arg, const std::vector<float>& values) {
      const memory::desc desc({static_cast<int64_t>(values.size())}, memory::data_type::f32, memory::format_tag::x);
      args.push_back({DNNL_ARG_ATTR_SCALES | arg, From::Block, 0, desc, packed_floats(store, values)});
    };
    scale(DNNL_ARG_SRC, {scale_of(spec.inputs[0])});
    scale(DNNL_ARG_WEIGHTS, spec.inputs[1].quant.scales);
    if (is_int8(spec.outputs[0].dtype)) scale(DNNL_ARG_DST, {scale_of(spec.outputs[0])});
  }
  return dnnl_kernel(dnnl::convolution_forward(pd), std::move(args));
}

// Every implementation that oneDNN lists for the problem.
void add_dnnl_tactics(const StepSpec& spec, const ConvProblem& p, std::vector<Tactic>& tactics) {
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
  int listed = 0;
  do {
    const std::string name = pd.impl_info_str();
    // oneDNN 3.2's SSE4.1 depthwise kernel reads bias with aligned loads whatever its address, and crashes.
    if (name.find("sse41") != std::string::npos) continue;
    if (int8 && !is_exact_int8(name)) continue;
    // The library's plain loops are hundreds of times slower than the rest: only when there is nothing else.
    if (name.starts_with("ref") && !tactics.empty()) break;
    Tactic tactic;
    tactic.name = fmt::format("dnnl:{}{}", name, listed == 0 ? "" : fmt::format("#{}", listed));
    tactic.workspace_bytes = pd.scratchpad_desc().get_size();
    if (fusion.sum) tactic.inplace_input = spec.node->epilogue.residual;
    tactic.prepare = [pd = detached(pd), spec, given, int8](PackedStore& store) {
      return prepare_dnnl(pd, spec, given, int8, store);
    };
    tactics.push_back(std::move(tactic));
  } while (++listed < kMaxImplementations && pd.next_impl());
}

kernels::DepthwiseShape depthwise_shape(const StepSpec& spec, const ConvProblem& p) {
  kernels::DepthwiseShape shape;
  const auto& w = p.window;
  const Shape& src = spec.inputs[0].shape;
  shape.batch = src[0];
  shape.in_h = src[1];
  shape.in_w = src[2];
  shape.channels = p.in_c;
  shape.multiplier = p.out_c / p.in_c;
  shape.out_h = w.out_h;
  shape.out_w = w.out_w;
  shape.kernel_h = w.kernel_h;
  shape.kernel_w = w.kernel_w;
  shape.stride_h = w.stride_h;
  shape.stride_w = w.stride_w;
  shape.dilation_h = w.dilation_h;
  shape.dilation_w = w.dilation_w;
  shape.pad_top = w.pad_top;
  shape.pad_left = w.pad_left;
  shape.src_pixel_stride = spec.inputs[0].pixel_stride;
  shape.dst_pixel_stride = spec.outputs[0].pixel_stride;
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
  const kernels::DepthwiseShape shape = depthwise_shape(spec, p);
  const int threads = spec.threads;
  Tactic tactic;
  tactic.name = int8 ? "own:depthwise_int8" : "own:depthwise_f32";
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
        {1});
  };
  tactics.push_back(std::move(tactic));
}

kernels::ConvShape conv_shape(const StepSpec& spec, const ConvProblem& p) {
  const auto& w = p.window;
  const Shape& src = spec.inputs[0].shape;
  kernels::ConvShape shape;
  shape.batch = src[0];
  shape.in_h = src[1];
  shape.in_w = src[2];
  shape.in_c = p.in_c;
  shape.out_h = w.out_h;
  shape.out_w = w.out_w;
  shape.out_c = p.out_c;
  shape.kernel_h = w.kernel_h;
  shape.kernel_w = w.kernel_w;
  shape.stride_h = w.stride_h;
  shape.stride_w = w.stride_w;
  shape.dilation_h = w.dilation_h;
  shape.dilation_w = w.dilation_w;
  shape.pad_top = w.pad_top;
  shape.pad_left = w.pad_left;
  shape.groups = p.groups;
  shape.src_pixel_stride = spec.inputs[0].pixel_stride;
  shape.dst_pixel_stride = spec.outputs[0].pixel_stride;
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
  tactic.workspace_bytes = kernels::conv_winograd_f32_workspace_bytes(shape, threads);
  tactic.prepare = [=, weights = spec.constants[1]](PackedStore& store) {
    FusedEpilogue epilogue = *fused;
    epilogue.pack(store);
    const auto packed = store.get(weights, "winograd_f32", kernels::conv_winograd_f32_packed_bytes(shape),
                                  [&](void* to) { kernels::conv_winograd_f32_pack(shape, weights.as<float>(), to); });
    return plan::function_kernel(
        [=](const StepArgs& args) {
          kernels::conv_winograd_f32_run(shape, static_cast<const float*>(args.src[0]), packed.get(),
                                         epilogue.bound(args), args.dst[0], args.workspace, threads);
        },
        {1});
  };
  tactics.push_back(std::move(tactic));
}

}  // namespace

Tactics conv_tactics(const StepSpec& spec) {
  if (!spec.constants[1].defined()) return Refusal{"its weights are computed at run time; they must be constant"};
  if (spec.inputs[0].shape.rank() != 4) return Refusal{"its input is not of rank 4"};
  if (spec.node->epilogue.bias != ir::kNone &&
      !spec.constants[static_cast<size_t>(spec.node->epilogue.bias)].defined()) {
    return Refusal{"its bias is computed at run time; it must be constant"};
  }
  const ConvProblem p = problem_of(spec);
  const bool int8 = is_int8(spec.inputs[0].dtype);
  std::vector<Tactic> tactics;
  if (p.depthwise) {
    add_own_depthwise(spec, p, tactics);
  } else if (int8) {
    add_int8_conv_tactics(spec, conv_shape(spec, p), spec.constants[1], products(spec), tactics);
  } else {
    add_own_winograd(spec, p, tactics);
  }
  const bool pointwise = !p.depthwise && p.groups == 1 && p.window.kernel_h == 1 && p.window.kernel_w == 1 &&
                         spec.inputs[0].shape[1] == 1 && spec.inputs[0].shape[2] == 1;
  if (pointwise) add_dnnl_matmul(spec, {pixels_of(spec.inputs[0]), p.in_c, p.out_c, false}, tactics);
  if (!int8 || int8_is_exact()) add_dnnl_tactics(spec, p, tactics);
  if (tactics.empty()) return Refusal{"no implementation takes this convolution"};
  return tactics;
}

}  // namespace tfengine::onednn
