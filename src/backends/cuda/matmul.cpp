// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/matmul.h"

#include <algorithm>

#include "ops/numeric.h"

namespace tfengine::cuda {

namespace {

using Operands = std::vector<Operand>;

// Elements between neighbours along each dimension of the batch; 0 where the operand is broadcast.
void batch_strides(const TensorDesc& operand, const Shape& dst, int64_t* out) {
  const size_t batch_rank = dst.rank() - 2, own = operand.shape.rank();
  int64_t pitch = operand.shape[own - 2] * operand.pixel_stride;
  for (size_t i = batch_rank; i-- > 0;) {
    const bool missing = i + own < dst.rank();
    const int64_t dim = missing ? 1 : operand.shape[i + own - dst.rank()];
    out[i] = dim == 1 ? 0 : pitch;
    pitch *= dim;
  }
}

bool flag(const ir::Node& node, const char* matmul, const char* batch_matmul) {
  return node.attr_or<bool>(matmul, node.attr_or<bool>(batch_matmul, false));
}

MatmulShape shape_of(const StepSpec& spec) {
  const Shape &a = spec.inputs[0].shape, &dst = spec.outputs[0].shape;
  MatmulShape s;
  s.a_transposed = flag(*spec.node, "transpose_a", "adj_x");
  s.b_transposed = flag(*spec.node, "transpose_b", "adj_y");
  s.m = dst[dst.rank() - 2];
  s.n = dst.back();
  s.k = a[a.rank() - (s.a_transposed ? 2 : 1)];
  s.batch_rank = static_cast<int>(dst.rank()) - 2;
  std::copy_n(dst.begin(), dst.rank() - 2, s.batch_dims);
  batch_strides(spec.inputs[0], dst, s.a_batch_strides);
  batch_strides(spec.inputs[1], dst, s.b_batch_strides);
  return s;
}

bool is_matrix(const TensorDesc& desc) {
  return desc.shape.rank() >= 2 && desc.shape.rank() <= static_cast<size_t>(kMaxDims) && desc.shape.elements() > 0;
}

// What is fused behind the product: bias and residual as the kernel takes them, the activations.
struct Fused {
  Tensor bias;
  int residual_input = ir::kNone;
  ConvEpilogue epilogue;
};

std::optional<Fused> fused_of(const StepSpec& spec) {
  const ir::Epilogue& own = spec.node->epilogue;
  Fused fused;
  fused.epilogue.before = own.before_add;
  fused.epilogue.after = own.after_add;
  if (own.bias != ir::kNone) {
    fused.bias = spec.constants[static_cast<size_t>(own.bias)];
    if (!fused.bias.defined() || fused.bias.elements() != channels_of(spec.outputs[0])) return std::nullopt;
  }
  if (own.residual != ir::kNone) {
    const auto input = static_cast<size_t>(own.residual);
    const auto residual = view_of(spec.inputs[input]);
    if (!residual || spec.constants[input].defined() || spec.inputs[input].shape != spec.outputs[0].shape) {
      return std::nullopt;
    }
    fused.residual_input = own.residual;
    fused.epilogue.residual = *residual;
  }
  return fused;
}

bool integers(const TensorDesc& desc) { return desc.dtype == DType::S32; }

}  // namespace

Tactics matmul_tactics(const StepSpec& spec, FloatStorage floats) {
  auto a = Operand::make(spec, 0), b = Operand::make(spec, 1);
  const auto dst = target_of(spec.outputs[0]);
  if (!a || !b || !dst || integers(spec.inputs[0]) || integers(spec.inputs[1]) || integers(spec.outputs[0])) {
    return Refusal{"only products of float and INT8 matrices with one scale each are lowered"};
  }
  if (!is_matrix(spec.inputs[0]) || !is_matrix(spec.inputs[1]) || !is_matrix(spec.outputs[0])) {
    return Refusal{"only products of matrices that are not empty, of rank 2 to 6, are lowered"};
  }
  const auto fused = fused_of(spec);
  if (!fused) return Refusal{"its bias or residual is not of a form that is fused into the product"};
  const bool int8 = spec.inputs[0].dtype == DType::S8 && spec.inputs[1].dtype == DType::S8;
  const bool halves = floats == FloatStorage::Half || int8;
  const MatmulShape shape = shape_of(spec);
  return std::vector<Tactic>{
      gpu_tactic(halves ? "own:matmul_f16" : "own:matmul_tf32", spec,
                 [=, a = *a, b = *b, fused = *fused, dst = *dst](PackedStore& store) -> Run {
                   Operand left = a, right = b;
                   left.pack(store);
                   right.pack(store);
                   std::shared_ptr<const float> bias;
                   if (fused.bias.defined()) {
                     const Tensor values = ops::as_f32(fused.bias);
                     bias = pack_floats(store, "bias", {values.as<float>(), values.as<float>() + values.elements()});
                   }
                   return [=](const StepArgs& args) {
                     ConvEpilogue epilogue = fused.epilogue;
                     epilogue.bias = bias.get();
                     if (fused.residual_input != ir::kNone) {
                       epilogue.residual.data = args.src[static_cast<size_t>(fused.residual_input)];
                     }
                     Target to = dst;
                     to.data = args.dst[0];
                     matmul(stream_of(args), shape, left.at(args), right.at(args), halves, epilogue, to);
                   };
                 })};
}

}  // namespace tfengine::cuda
