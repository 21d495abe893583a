// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/eltwise.h"

#include <algorithm>

#include "backends/cuda/numbers.h"
#include "ops/op.h"

namespace tfengine::cuda {

namespace {

using Operands = std::vector<Operand>;

struct Row {
  const char* name;
  EltOp op;
};

// Activations are found by ops::activation_of.
constexpr Row kUnary[] = {
    {"Abs", EltOp::Abs},
    {"Neg", EltOp::Neg},
    {"Square", EltOp::Square},
    {"Sqrt", EltOp::Sqrt},
    {"Rsqrt", EltOp::Rsqrt},
    {"Exp", EltOp::Exp},
    {"Log", EltOp::Log},
    {"Erf", EltOp::Erf},
    {"Erfc", EltOp::Erfc},
    {"Reciprocal", EltOp::Reciprocal},
    {"Inv", EltOp::Reciprocal},
    {"Floor", EltOp::Floor},
    {"Ceil", EltOp::Ceil},
    {"Round", EltOp::Round},
    {"Rint", EltOp::Round},
    {"Sign", EltOp::Sign},
    {"Selu", EltOp::Selu},
    {"Softsign", EltOp::Softsign},
    {"Relu", EltOp::Activation},
    {"Relu6", EltOp::Activation},
    {"Clip", EltOp::Activation},
    {"LeakyRelu", EltOp::Activation},
    {"Elu", EltOp::Activation},
    {"Sigmoid", EltOp::Activation},
    {"Tanh", EltOp::Activation},
    {"Swish", EltOp::Activation},
    {"Gelu", EltOp::Activation},
    {"HardSwish", EltOp::Activation},
    {"HardSigmoid", EltOp::Activation},
    {"Softplus", EltOp::Activation},
};

constexpr Row kBinary[] = {
    {"Add", EltOp::Add},
    {"Sub", EltOp::Sub},
    {"Mul", EltOp::Mul},
    {"RealDiv", EltOp::Div},
    {"Maximum", EltOp::Max},
    {"Minimum", EltOp::Min},
    {"SquaredDifference", EltOp::SquaredDifference},
};

template <size_t N>
const Row* find(const Row (&rows)[N], const std::string& name) {
  const auto* found = std::find_if(rows, rows + N, [&](const Row& row) { return name == row.name; });
  return found == rows + N ? nullptr : found;
}

// Elements between neighbours along each of dst's axes; 0 where the operand is broadcast.
void strides_into(const TensorDesc& operand, const Shape& dst, int64_t* out) {
  const size_t rank = dst.rank(), own = operand.shape.rank();
  int64_t pitch = 1;
  for (size_t i = rank; i-- > 0;) {
    const bool missing = i + own < rank;
    const int64_t dim = missing ? 1 : operand.shape[i + own - rank];
    out[i] = dim == 1 ? 0 : pitch;
    if (missing) continue;
    pitch = i + 1 == rank ? operand.pixel_stride : pitch * dim;
  }
}

std::optional<Eltwise> step_of(const StepSpec& spec, size_t operands) {
  const TensorDesc& dst = spec.outputs[0];
  const auto act = only_activation(spec.node->epilogue);
  if (!act || dst.shape.rank() > kMaxDims || dst.shape.elements() == 0) return std::nullopt;
  Eltwise step;
  step.act = *act;
  step.rank = static_cast<int>(dst.shape.rank());
  for (size_t i = 0; i < dst.shape.rank(); ++i) step.dims[i] = dst.shape[i];
  strides_into(dst, dst.shape, step.dst_strides);
  for (int i = 0; i < step.rank; ++i) {
    if (step.dims[i] == 1) step.dst_strides[i] = 0;
  }
  strides_into(spec.inputs[0], dst.shape, step.a_strides);
  if (operands > 1) strides_into(spec.inputs[1], dst.shape, step.b_strides);
  return step;
}

bool integer_tensors(const StepSpec& spec) {
  const auto integer = [](const TensorDesc& desc) { return desc.dtype == DType::S32; };
  return std::any_of(spec.inputs.begin(), spec.inputs.end(), integer) || integer(spec.outputs[0]);
}

uint64_t overwrites(const StepSpec& spec, size_t operands) {
  uint64_t bits = 0;
  for (size_t i = 0; i < operands; ++i) {
    if (spec.inputs[i].shape == spec.outputs[0].shape && spec.inputs[i].dtype == spec.outputs[0].dtype)
      bits |= uint64_t{1} << i;
  }
  return bits;
}

Tactics tactics_of(const StepSpec& spec, const Eltwise& step, Operands operands) {
  const auto dst = target_of(spec.outputs[0]);
  if (!dst) return Refusal{"only float and INT8 tensors are lowered"};
  const size_t count = operands.size();
  Tactic tactic = gpu_tactic(
      "own:elementwise", spec, std::move(operands), [=, dst = *dst](const StepArgs& args, const Operands& packed) {
        Target to = dst;
        to.data = args.dst[0];
        eltwise(stream_of(args), step, packed[0].at(args), count > 1 ? packed[1].at(args) : View{}, to);
      });
  tactic.may_overwrite = overwrites(spec, count);
  return std::vector<Tactic>{std::move(tactic)};
}

}  // namespace

bool is_unary(const std::string& op) { return find(kUnary, op) != nullptr; }
bool is_binary(const std::string& op) { return find(kBinary, op) != nullptr; }

Tactics unary_tactics(const StepSpec& spec) {
  if (has_other_numbers(spec)) return number_tactics(spec);
  const auto a = Operand::make(spec, 0);
  auto step = step_of(spec, 1);
  if (!a || !step || integer_tensors(spec)) return Refusal{"only float and INT8 tensors are lowered"};
  step->op = find(kUnary, spec.node->op)->op;
  if (step->op == EltOp::Activation) {
    const auto act = ops::activation_of(*spec.node);
    if (!act) return Refusal{"its activation is not known"};
    step->argument = *act;
  }
  return tactics_of(spec, *step, {*a});
}

Tactics binary_tactics(const StepSpec& spec) {
  if (has_other_numbers(spec)) return number_tactics(spec);
  const auto a = Operand::make(spec, 0), b = Operand::make(spec, 1);
  auto step = step_of(spec, 2);
  if (!a || !b || !step || integer_tensors(spec)) return Refusal{"only float and INT8 tensors are lowered"};
  step->op = find(kBinary, spec.node->op)->op;
  return tactics_of(spec, *step, {*a, *b});
}

Tactics affine_tactics(const StepSpec& spec) {
  const auto src = Operand::make(spec, 0), scale = Operand::make(spec, 1), offset = Operand::make(spec, 2);
  const auto act = only_activation(spec.node->epilogue);
  const auto dst = target_of(spec.outputs[0]);
  const bool floats = scale && offset && spec.inputs[1].dtype == DType::F32 && spec.inputs[2].dtype == DType::F32;
  if (!src || !floats || !act || !dst || integer_tensors(spec))
    return Refusal{"only float and INT8 tensors are lowered"};
  const int64_t rows = pixels_of(spec.outputs[0]), channels = channels_of(spec.outputs[0]);
  return std::vector<Tactic>{
      gpu_tactic("own:affine", spec, {*src, *scale, *offset},
                 [=, act = *act, dst = *dst](const StepArgs& args, const Operands& packed) {
                   Target to = dst;
                   to.data = args.dst[0];
                   affine(stream_of(args), packed[0].at(args), static_cast<const float*>(packed[1].at(args).data),
                          static_cast<const float*>(packed[2].at(args).data), act, to, rows, channels);
                 })};
}

}  // namespace tfengine::cuda
