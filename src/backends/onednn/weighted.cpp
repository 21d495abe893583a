// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/weighted.h"

namespace tfengine::onednn {

using dnnl::memory;
using From = DnnlArg::From;

std::vector<DnnlArg> weighted_args(const dnnl::primitive_desc_base& pd, const StepSpec& spec, const memory::desc& given,
                                   PackedStore& store) {
  const auto desc = [&](dnnl::query what, int index = 0) { return pd.query_md(what, index); };
  const Tensor& weights = spec.constants[1];
  const memory::desc packed = desc(dnnl::query::weights_md);
  std::vector<DnnlArg> args;
  args.push_back({DNNL_ARG_SRC, From::Src, 0, desc(dnnl::query::src_md), nullptr});
  args.push_back({DNNL_ARG_WEIGHTS, From::Block, 0, packed, packed_weights(store, weights, given, packed)});
  const int bias = spec.node->epilogue.bias;
  if (bias != ir::kNone) args.push_back({DNNL_ARG_BIAS, From::Src, bias, desc(dnnl::query::weights_md, 1), nullptr});
  args.push_back({DNNL_ARG_DST, From::Dst, 0, desc(dnnl::query::dst_md), nullptr});
  args.push_back({DNNL_ARG_SCRATCHPAD, From::Workspace, 0, desc(dnnl::query::scratchpad_md), nullptr});
  if (is_int8(spec.inputs[0].dtype)) {
    const auto scale = [&](int arg, const std::vector<float>& values) {
      const memory::desc vector({static_cast<int64_t>(values.size())}, memory::data_type::f32, memory::format_tag::x);
      args.push_back({DNNL_ARG_ATTR_SCALES | arg, From::Block, 0, vector, packed_floats(store, values)});
    };
    scale(DNNL_ARG_SRC, {scale_of(spec.inputs[0])});
    scale(DNNL_ARG_WEIGHTS, spec.inputs[1].quant.scales);
    if (is_int8(spec.outputs[0].dtype)) scale(DNNL_ARG_DST, {scale_of(spec.outputs[0])});
  }
  return args;
}

}  // namespace tfengine::onednn
