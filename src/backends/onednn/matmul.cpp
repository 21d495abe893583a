// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/matmul.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "backends/onednn/int8_conv.h"
#include "backends/onednn/weighted.h"
#include "kernels/matmul_f32.h"

namespace tfengine::onednn {

namespace {

using dnnl::memory;
using From = DnnlArg::From;

constexpr int kMaxImplementations = 3;
constexpr int64_t kOwnLeastRows = 8;

memory::desc given_weights(const MatrixProblem& p, DType dtype) {
  return memory::desc({p.k, p.n}, dnnl_type(dtype), p.weights_transposed ? memory::dims{1, p.k} : memory::dims{p.n, 1});
}

MatrixProblem problem_of(const StepSpec& spec) {
  MatrixProblem p;
  p.weights_transposed = spec.node->attr_or<bool>("transpose_b", false);
  p.k = channels_of(spec.inputs[0]);
  p.m = pixels_of(spec.inputs[0]);
  p.n = channels_of(spec.outputs[0]);
  return p;
}

// Weights as [k, n], for kernels that take one order only.
Tensor untransposed(const Tensor& weights, const MatrixProblem& p) {
  if (!p.weights_transposed) return weights;
  Tensor turned(DType::S8, Shape{p.k, p.n});
  for (int64_t n = 0; n < p.n; ++n) {
    for (int64_t k = 0; k < p.k; ++k) turned.mutable_as<int8_t>()[k * p.n + n] = weights.as<int8_t>()[n * p.k + k];
  }
  return turned;
}

void add_own_int8(const StepSpec& spec, const MatrixProblem& p, std::vector<Tactic>& tactics) {
  kernels::ConvShape shape;
  shape.batch = p.m;
  shape.in_h = shape.in_w = shape.out_h = shape.out_w = 1;
  shape.kernel_h = shape.kernel_w = shape.stride_h = shape.stride_w = shape.dilation_h = shape.dilation_w = 1;
  shape.groups = 1;
  shape.in_c = p.k;
  shape.out_c = p.n;
  shape.src_pixel_stride = spec.inputs[0].pixel_stride;
  shape.dst_pixel_stride = spec.outputs[0].pixel_stride;
  std::vector<float> scales = spec.inputs[1].quant.scales;
  for (float& scale : scales) scale *= scale_of(spec.inputs[0]);
  add_int8_conv_tactics(spec, shape, untransposed(spec.constants[1], p), scales, tactics);
}

// A few rows have too little to do for each weight that is read: oneDNN has kernels for these. Few columns would be packed
// with as many zeros.
bool own_is_likely(const MatrixProblem& p) {
  const int64_t padded = kernels::matmul_f32_packed_columns(p.n);
  return p.m >= kOwnLeastRows && padded - p.n <= p.n / 8;
}

void add_own_f32(const StepSpec& spec, const MatrixProblem& p, std::vector<Tactic>& tactics) {
  const auto fused = FusedEpilogue::make(spec, {}, p.n);
  if (!fused || spec.inputs[0].dtype != DType::F32 || spec.inputs[1].dtype != DType::F32) return;
  const kernels::MatmulShape shape{p.m, p.n, p.k, spec.inputs[0].pixel_stride, spec.outputs[0].pixel_stride};
  const int threads = spec.threads;
  Tactic tactic;
  tactic.name = "own:matmul_f32";
  tactic.may_overwrite = fused->overwrites_residual();
  tactic.workspace_bytes = kernels::matmul_f32_workspace_bytes(threads);
  tactic.prepare = [=, weights = spec.constants[1], transposed = p.weights_transposed](PackedStore& store) {
    FusedEpilogue epilogue = *fused;
    epilogue.pack(store);
    const size_t bytes = kernels::matmul_f32_packed_bytes(shape);
    const auto packed = store.get(weights, transposed ? "matmul_f32:turned" : "matmul_f32", bytes, [&](void* to) {
      kernels::matmul_f32_pack(shape, weights.as<float>(), transposed, static_cast<float*>(to));
    });
    return plan::function_kernel(
        [=](const StepArgs& args) {
          kernels::matmul_f32_run(shape, static_cast<const float*>(args.src[0]),
                                  static_cast<const float*>(packed.get()), epilogue.bound(args), args.dst[0],
                                  args.workspace, threads,
                                  {args.ahead.data(), static_cast<int64_t>(args.ahead.size())});
        },
        {1}, {static_cast<const std::byte*>(packed.get()), bytes});
  };
  tactics.push_back(std::move(tactic));
}

// The plain float product of two run-time matrices, batched over leading dimensions that match or are 1.
memory::desc batched_desc(const Shape& shape, bool transposed, size_t rank) {
  memory::dims dims, strides;
  const size_t own = shape.rank();
  std::vector<int64_t> pitch(own, 1);
  for (size_t i = own - 1; i-- > 0;) pitch[i] = pitch[i + 1] * shape[i + 1];
  for (size_t i = 0; i < rank; ++i) {
    const bool missing = i + own < rank;
    dims.push_back(missing ? 1 : shape[i + own - rank]);
    strides.push_back(missing ? shape.elements() : pitch[i + own - rank]);
  }
  if (transposed) {
    std::swap(dims[rank - 1], dims[rank - 2]);
    std::swap(strides[rank - 1], strides[rank - 2]);
  }
  return memory::desc(dims, memory::data_type::f32, strides);
}

// Columns of float weights that oneDNN packs side by side. It takes 64 where nothing is said, and packs 28 columns, as the
// squeezing layers of EfficientNets have, as 64: narrower panels where the widest add more than an eighth.
memory::format_tag panels_of(const MatrixProblem& p, DType dtype) {
  using Tag = memory::format_tag;
  const auto padded = [&](int64_t columns) { return (p.n + columns - 1) / columns * columns; };
  if (dtype != DType::F32 || padded(64) - p.n <= p.n / 8) return Tag::any;
  const std::pair<int64_t, Tag> panels[] = {{48, Tag::BA16a48b}, {32, Tag::BA16a32b}, {16, Tag::BA16a16b}};
  const auto least = std::min_element(std::begin(panels), std::end(panels),
                                      [&](const auto& a, const auto& b) { return padded(a.first) < padded(b.first); });
  return least->second;
}

}  // namespace

void add_dnnl_matmul(const StepSpec& spec, const MatrixProblem& p, std::vector<Tactic>& tactics) {
  const bool int8 = is_int8(spec.inputs[0].dtype);
  if (int8 && (!int8_is_exact() || has_zero_point(spec))) return;
  const DnnlFusion fusion = fuse(spec, int8, spec.inputs[1].quant.scales.size() > 1 ? 2 : 0);
  if (fusion.refusal) return;
  const memory::desc given = given_weights(p, spec.inputs[1].dtype);
  const auto type = spec.inputs[0].dtype == DType::BF16 ? memory::data_type::bf16 : given.get_data_type();
  const memory::desc bias = spec.node->epilogue.bias == ir::kNone
                                ? memory::desc()
                                : memory::desc({1, p.n}, memory::data_type::f32, memory::format_tag::ab);
  const bool alone = better_alone(static_cast<double>(p.m) * static_cast<double>(p.k) * static_cast<double>(p.n));
  const Alone team(alone);
  const auto described = [&](memory::format_tag tag) {
    return dnnl::matmul::primitive_desc(cpu_engine(), matrix_desc(spec.inputs[0], p.m, p.k),
                                        memory::desc({p.k, p.n}, type, tag), bias,
                                        matrix_desc(spec.outputs[0], p.m, p.n), fusion.attr, true);
  };
  const memory::format_tag panels = panels_of(p, spec.inputs[0].dtype);
  if (panels != memory::format_tag::any) {
    // Only some of its kernels take given panels, and all of these want a workspace: they are beside the others.
    dnnl::matmul::primitive_desc narrow = described(panels);
    const WeightedListing listing{"dnnl:matmul_narrow:", given, fusion.sum, 1, "ref", alone};
    if (narrow) add_weighted_tactics<dnnl::matmul>(listing, std::move(narrow), spec, tactics);
  }
  dnnl::matmul::primitive_desc pd = described(memory::format_tag::any);
  if (!pd) return;
  const WeightedListing listing{"dnnl:matmul:", given, fusion.sum, kMaxImplementations, "", alone};
  add_weighted_tactics<dnnl::matmul>(listing, std::move(pd), spec, tactics);
}

Tactics matmul_tactics(const StepSpec& spec) {
  if (!spec.constants[1].defined()) return batch_matmul_tactics(spec);
  if (spec.node->attr_or<bool>("transpose_a", false)) return Refusal{"transpose_a with constant weights"};
  const MatrixProblem p = problem_of(spec);
  std::vector<Tactic> tactics;
  if (is_int8(spec.inputs[0].dtype)) add_own_int8(spec, p, tactics);
  add_dnnl_matmul(spec, p, tactics);
  if (own_is_likely(p)) add_own_f32(spec, p, tactics);
  if (tactics.empty()) return Refusal{"no implementation takes this matrix product"};
  return tactics;
}

Tactics batch_matmul_tactics(const StepSpec& spec) {
  const ir::Node& node = *spec.node;
  const size_t rank = spec.outputs[0].shape.rank();
  if (rank < 2 || rank > 6 || !node.epilogue.empty() || spec.inputs[0].dtype != DType::F32 ||
      spec.inputs[1].dtype != DType::F32 || !spec.inputs[0].dense() || !spec.inputs[1].dense()) {
    return Refusal{"only float products of run-time matrices of rank 2 to 6 are lowered"};
  }
  // oneDNN leaves results of empty sums as they were.
  if (spec.inputs[0].shape.elements() == 0 || spec.inputs[1].shape.elements() == 0) return Refusal{"it sums nothing"};
  const bool adj_x = node.attr_or<bool>("adj_x", node.attr_or<bool>("transpose_a", false));
  const bool adj_y = node.attr_or<bool>("adj_y", node.attr_or<bool>("transpose_b", false));
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const Shape& x = spec.inputs[0].shape;
  const bool alone = better_alone(static_cast<double>(spec.outputs[0].shape.elements()) *
                                  static_cast<double>(x[x.rank() - (adj_x ? 2 : 1)]));
  const Alone team(alone);
  dnnl::matmul::primitive_desc pd(cpu_engine(), batched_desc(spec.inputs[0].shape, adj_x, rank),
                                  batched_desc(spec.inputs[1].shape, adj_y, rank),
                                  batched_desc(spec.outputs[0].shape, false, rank), attr, true);
  if (!pd) return Refusal{"oneDNN has no product for these shapes"};
  Tactic tactic;
  tactic.name = fmt::format("dnnl:matmul:{}", pd.impl_info_str());
  tactic.workspace_bytes = pd.scratchpad_desc().get_size();
  tactic.prepare = [pd, alone](PackedStore&) {
    const Alone made_for(alone);
    return dnnl_kernel(dnnl::matmul(pd),
                       {{DNNL_ARG_SRC, From::Src, 0, pd.src_desc(), nullptr},
                        {DNNL_ARG_WEIGHTS, From::Src, 1, pd.weights_desc(), nullptr},
                        {DNNL_ARG_DST, From::Dst, 0, pd.dst_desc(), nullptr},
                        {DNNL_ARG_SCRATCHPAD, From::Workspace, 0, pd.scratchpad_desc(), nullptr}},
                       alone);
  };
  return std::vector<Tactic>{std::move(tactic)};
}

}  // namespace tfengine::onednn
