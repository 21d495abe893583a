// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/volume.h"

#include <algorithm>

#include <fmt/core.h>

#include "backends/onednn/dnnl_kernel.h"
#include "ops/geometry.h"
#include "ops/volume.h"

namespace tfengine::onednn {

namespace {

using dnnl::memory;
using From = DnnlArg::From;

bool plain_float(const StepSpec& spec) {
  for (const auto* list : {&spec.inputs, &spec.outputs}) {
    for (const TensorDesc& desc : *list) {
      if (desc.dtype != DType::S32 && (desc.dtype != DType::F32 || !desc.dense())) return false;
    }
  }
  return spec.node->epilogue.empty() && spec.outputs[0].dtype == DType::F32;
}

Refusal only_float() { return Refusal{"only float tensors without anything fused are lowered"}; }

// Channels last in memory, second in oneDNN's logical order.
memory::desc channels_last(const Shape& shape) {
  memory::dims dims = {shape[0], shape.back()}, strides;
  for (size_t i = 1; i + 1 < shape.rank(); ++i) dims.push_back(shape[i]);
  int64_t pitch = shape.back();
  std::vector<int64_t> spatial(shape.rank() - 2);
  for (size_t i = shape.rank() - 1; i-- > 1;) {
    spatial[i - 1] = pitch;
    pitch *= shape[i];
  }
  strides = {pitch, 1};
  strides.insert(strides.end(), spatial.begin(), spatial.end());
  return memory::desc(dims, memory::data_type::f32, strides);
}

// TensorFlow's [spatial..., a, b] as oneDNN's [output, input, spatial...]; `out_last`: b is the output's axis.
memory::desc filter_desc(const Shape& filter, bool out_last) {
  const size_t rank = filter.rank();
  const int64_t a = filter[rank - 2], b = filter[rank - 1];
  memory::dims dims = out_last ? memory::dims{b, a} : memory::dims{a, b};
  memory::dims strides = out_last ? memory::dims{1, b} : memory::dims{b, 1};
  std::vector<int64_t> spatial(rank - 2);
  int64_t pitch = a * b;
  for (size_t i = rank - 2; i-- > 0;) {
    spatial[i] = pitch;
    pitch *= filter[i];
  }
  for (size_t i = 0; i + 2 < rank; ++i) {
    dims.push_back(filter[i]);
    strides.push_back(spatial[i]);
  }
  return memory::desc(dims, memory::data_type::f32, strides);
}

// oneDNN's terms of a window: it counts dilations from 0.
struct Spatial {
  memory::dims kernel, stride, dilation, before, after;
};

void add_axis(Spatial& s, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t dilation, int64_t before) {
  s.kernel.push_back(kernel);
  s.stride.push_back(stride);
  s.dilation.push_back(dilation - 1);
  s.before.push_back(before);
  // What the last window needs behind the input.
  s.after.push_back(std::max<int64_t>((out - 1) * stride + (kernel - 1) * dilation + 1 - in - before, 0));
}

Spatial spatial_of(const ops::VolumeWindow& w, const Shape& in) {
  Spatial s;
  for (size_t i = 0; i < 3; ++i)
    add_axis(s, in[i + 1], w.out[i], w.kernel[i], w.stride[i], w.dilation[i], w.pad_before[i]);
  return s;
}

Spatial spatial_of(const ops::Window& w, const Shape& in) {
  Spatial s;
  add_axis(s, in[1], w.out_h, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top);
  add_axis(s, in[2], w.out_w, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left);
  return s;
}

memory::desc any_layout(const memory::desc& given) {
  return memory::desc(given.get_dims(), memory::data_type::f32, memory::format_tag::any);
}

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

// One tactic of a primitive with the source at `source` and packed weights.
template <typename Primitive, typename Desc>
Tactics weighted_tactic(const char* kind, const Desc& pd, const StepSpec& spec, int source, const memory::desc& given) {
  Tactic tactic;
  tactic.name = fmt::format("dnnl:{}:{}", kind, pd.impl_info_str());
  tactic.workspace_bytes = pd.scratchpad_desc().get_size();
  tactic.prepare = [pd, source, given, weights = spec.constants[1]](PackedStore& store) {
    return dnnl_kernel(Primitive(pd), {{DNNL_ARG_SRC, From::Src, source, pd.src_desc(), nullptr},
                                       {DNNL_ARG_WEIGHTS, From::Block, 0, pd.weights_desc(),
                                        packed_weights(store, weights, given, pd.weights_desc())},
                                       {DNNL_ARG_DST, From::Dst, 0, pd.dst_desc(), nullptr},
                                       {DNNL_ARG_SCRATCHPAD, From::Workspace, 0, pd.scratchpad_desc(), nullptr}});
  };
  return std::vector<Tactic>{std::move(tactic)};
}

}  // namespace

Tactics conv3d_tactics(const StepSpec& spec) {
  if (!plain_float(spec)) return only_float();
  if (!spec.constants[1].defined()) return Refusal{"its filter is no constant"};
  const Shape &in = spec.inputs[0].shape, &filter = spec.inputs[1].shape;
  if (filter[3] != in[4]) return Refusal{"grouped convolutions of volumes have no fast form here"};
  const Spatial s =
      spatial_of(ops::volume_window(*spec.node, {in[1], in[2], in[3]}, {filter[0], filter[1], filter[2]}), in);
  const memory::desc given = filter_desc(filter, true);
  const dnnl::convolution_forward::primitive_desc pd(cpu_engine(), dnnl::prop_kind::forward_inference,
                                                     dnnl::algorithm::convolution_direct, channels_last(in),
                                                     any_layout(given), channels_last(spec.outputs[0].shape), s.stride,
                                                     s.dilation, s.before, s.after, user_scratchpad(), true);
  if (!pd) return Refusal{"oneDNN has no convolution for these shapes"};
  return weighted_tactic<dnnl::convolution_forward>("conv3d", pd, spec, 0, given);
}

Tactics transposed_tactics(const StepSpec& spec) {
  if (!plain_float(spec)) return only_float();
  if (!spec.constants[1].defined()) return Refusal{"its filter is no constant"};
  const Shape &filter = spec.inputs[1].shape, &out = spec.outputs[0].shape;
  const Spatial s =
      out.rank() == 5
          ? spatial_of(ops::volume_window(*spec.node, {out[1], out[2], out[3]}, {filter[0], filter[1], filter[2]}), out)
          : spatial_of(ops::conv_window(*spec.node, out[1], out[2], filter[0], filter[1]), out);
  const memory::desc given = filter_desc(filter, false);
  const dnnl::deconvolution_forward::primitive_desc pd(
      cpu_engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::deconvolution_direct,
      channels_last(spec.inputs[2].shape), any_layout(given), channels_last(out), s.stride, s.dilation, s.before,
      s.after, user_scratchpad(), true);
  if (!pd) return Refusal{"oneDNN has no transposed convolution for these shapes"};
  return weighted_tactic<dnnl::deconvolution_forward>("deconv", pd, spec, 2, given);
}

Tactics pool3d_tactics(const StepSpec& spec) {
  if (!plain_float(spec)) return only_float();
  const auto kernel = spec.node->attr<std::vector<int64_t>>("ksize");
  const Shape& in = spec.inputs[0].shape;
  const Spatial s =
      spatial_of(ops::volume_window(*spec.node, {in[1], in[2], in[3]}, {kernel[1], kernel[2], kernel[3]}), in);
  const auto algorithm =
      spec.node->op == "MaxPool3D" ? dnnl::algorithm::pooling_max : dnnl::algorithm::pooling_avg_exclude_padding;
  const dnnl::pooling_forward::primitive_desc pd(cpu_engine(), dnnl::prop_kind::forward_inference, algorithm,
                                                 channels_last(in), channels_last(spec.outputs[0].shape), s.stride,
                                                 s.kernel, s.dilation, s.before, s.after, user_scratchpad(), true);
  if (!pd) return Refusal{"oneDNN has no pooling for these shapes"};
  Tactic tactic;
  tactic.name = fmt::format("dnnl:pool3d:{}", pd.impl_info_str());
  tactic.workspace_bytes = pd.scratchpad_desc().get_size();
  tactic.prepare = [pd](PackedStore&) {
    return dnnl_kernel(dnnl::pooling_forward(pd),
                       {{DNNL_ARG_SRC, From::Src, 0, pd.src_desc(), nullptr},
                        {DNNL_ARG_DST, From::Dst, 0, pd.dst_desc(), nullptr},
                        {DNNL_ARG_SCRATCHPAD, From::Workspace, 0, pd.scratchpad_desc(), nullptr}});
  };
  return std::vector<Tactic>{std::move(tactic)};
}

}  // namespace tfengine::onednn
