// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/eltwise.h"

#include <algorithm>

#include "kernels/lut.h"

namespace tfengine::onednn {

namespace {

using kernels::Broadcast;
using kernels::EltwiseOp;

struct Row {
  const char* name;
  EltwiseOp op;
};

constexpr Row kUnary[] = {
    {"Abs", EltwiseOp::Abs},
    {"Neg", EltwiseOp::Neg},
    {"Square", EltwiseOp::Square},
    {"Sqrt", EltwiseOp::Sqrt},
    {"Rsqrt", EltwiseOp::Rsqrt},
    {"Exp", EltwiseOp::Exp},
    {"Log", EltwiseOp::Log},
    {"Sigmoid", EltwiseOp::Sigmoid},
    {"Tanh", EltwiseOp::Tanh},
    {"Erf", EltwiseOp::Erf},
    {"Erfc", EltwiseOp::Erfc},
    {"Relu", EltwiseOp::Relu},
    {"Relu6", EltwiseOp::Relu6},
    {"Clip", EltwiseOp::Clip},
    {"LeakyRelu", EltwiseOp::LeakyRelu},
    {"Elu", EltwiseOp::Elu},
    {"Selu", EltwiseOp::Selu},
    {"Softplus", EltwiseOp::Softplus},
    {"Softsign", EltwiseOp::Softsign},
    {"HardSwish", EltwiseOp::HardSwish},
    {"HardSigmoid", EltwiseOp::HardSigmoid},
    {"Swish", EltwiseOp::Swish},
    {"Gelu", EltwiseOp::GeluErf},
    {"Reciprocal", EltwiseOp::Reciprocal},
    {"Inv", EltwiseOp::Reciprocal},
    {"Floor", EltwiseOp::Floor},
    {"Ceil", EltwiseOp::Ceil},
    {"Round", EltwiseOp::Round},
    {"Rint", EltwiseOp::Round},
    {"Sign", EltwiseOp::Sign},
};

constexpr Row kBinary[] = {
    {"Add", EltwiseOp::Add},     {"BiasAdd", EltwiseOp::Add},
    {"Sub", EltwiseOp::Sub},     {"Mul", EltwiseOp::Mul},
    {"RealDiv", EltwiseOp::Div}, {"Maximum", EltwiseOp::Max},
    {"Minimum", EltwiseOp::Min}, {"SquaredDifference", EltwiseOp::SquaredDifference},
};

template <size_t N>
const Row* find(const Row (&rows)[N], const std::string& name) {
  const auto* found = std::find_if(rows, rows + N, [&](const Row& row) { return name == row.name; });
  return found == rows + N ? nullptr : found;
}

// The output as batch x pixels x channels; matrices are one image whose rows are pixels.
kernels::EltwiseShape shape_of(const TensorDesc& dst) {
  kernels::EltwiseShape shape;
  const size_t rank = dst.shape.rank();
  shape.channels = channels_of(dst);
  shape.batch = rank >= 3 ? dst.shape[0] : 1;
  shape.pixels = shape.batch == 0 ? 0 : pixels_of(dst) / shape.batch;
  shape.dst_pixel_stride = dst.pixel_stride;
  return shape;
}

// How an operand covers the output; nullopt for the general case.
std::optional<Broadcast> broadcast_of(const TensorDesc& operand, const TensorDesc& dst) {
  if (operand.shape == dst.shape) return Broadcast::None;
  if (!operand.dense()) return std::nullopt;
  if (operand.shape.elements() == 1) return Broadcast::Scalar;
  const size_t rank = dst.shape.rank();
  std::vector<int64_t> dims(rank, 1);
  std::copy(operand.shape.begin(), operand.shape.end(), dims.end() - static_cast<std::ptrdiff_t>(operand.shape.rank()));
  const auto ones = [&](size_t from, size_t to) {
    return std::all_of(dims.begin() + static_cast<std::ptrdiff_t>(from), dims.begin() + static_cast<std::ptrdiff_t>(to),
                       [](int64_t dim) { return dim == 1; });
  };
  const auto same = [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      if (dims[i] != dst.shape[i]) return false;
    }
    return true;
  };
  if (ones(0, rank - 1) && dims[rank - 1] == dst.shape[rank - 1]) return Broadcast::Channel;
  if (rank >= 3 && dims[0] == dst.shape[0] && ones(1, rank - 1) && dims[rank - 1] == dst.shape[rank - 1]) {
    return Broadcast::ImageChannel;
  }
  if (dims[rank - 1] == 1 && same(0, rank - 1)) return Broadcast::Pixel;
  return std::nullopt;
}

std::optional<kernels::EltwiseInput> input_of(const TensorDesc& operand, const TensorDesc& dst) {
  const auto elem = elem_of(operand.dtype);
  const auto broadcast = broadcast_of(operand, dst);
  if (!elem || !broadcast) return std::nullopt;
  return kernels::EltwiseInput{*elem, scale_of(operand), *broadcast, operand.pixel_stride, zero_of(operand)};
}

kernels::EltwiseOutput output_of(const TensorDesc& dst, kernels::Elem elem, const Act& act) {
  return {elem, 1.0f / scale_of(dst), act, zero_of(dst)};
}

kernels::StridedShape strided_shape(const TensorDesc& a, const TensorDesc& b, const TensorDesc& dst) {
  kernels::StridedShape shape;
  shape.rank = static_cast<int>(dst.shape.rank());
  const auto strides = [&](const Shape& operand, int64_t* out) {
    int64_t pitch = 1;
    for (int i = shape.rank - 1; i >= 0; --i) {
      const int own = i - (shape.rank - static_cast<int>(operand.rank()));
      const int64_t dim = own < 0 ? 1 : operand[static_cast<size_t>(own)];
      out[i] = dim == 1 ? 0 : pitch;
      pitch *= dim;
    }
  };
  for (int i = 0; i < shape.rank; ++i) shape.dims[i] = dst.shape[static_cast<size_t>(i)];
  strides(a.shape, shape.a_strides);
  strides(b.shape, shape.b_strides);
  return shape;
}

uint64_t overwrites(const StepSpec& spec, size_t count) {
  uint64_t bits = 0;
  for (size_t i = 0; i < count; ++i) {
    if (may_share_memory(spec.inputs[i], spec.outputs[0])) bits |= uint64_t{1} << i;
  }
  return bits;
}

Tactic table_tactic(const StepSpec& spec, const kernels::EltwiseStep& step) {
  const TensorDesc& src = spec.inputs[0];
  const TensorDesc& dst = spec.outputs[0];
  const kernels::Lut lut = kernels::make_lut(*format_of(src), *format_of(dst), step.op, step.alpha, step.beta);
  const kernels::Rows rows = rows_of(src, dst);
  const int threads = spec.threads;
  Tactic tactic = plain_tactic(
      "own:table", [=](const StepArgs& args) { kernels::lut_run(lut, rows, args.src[0], args.dst[0], threads); });
  tactic.may_overwrite = overwrites(spec, 1);
  return tactic;
}

Tactic program_tactic(const StepSpec& spec, const kernels::EltwiseProgram& program) {
  const kernels::EltwiseShape shape = shape_of(spec.outputs[0]);
  const int threads = spec.threads;
  Tactic tactic = plain_tactic("own:elementwise", [=](const StepArgs& args) {
    kernels::eltwise_run(program, shape, args.src.data(), args.dst[0], threads);
  });
  tactic.may_overwrite = overwrites(spec, 1);
  return tactic;
}

}  // namespace

bool is_unary(const std::string& op) { return find(kUnary, op) != nullptr; }
bool is_binary(const std::string& op) { return find(kBinary, op) != nullptr; }

std::optional<kernels::EltwiseStep> unary_step(const ir::Node& node) {
  const Row* row = find(kUnary, node.op);
  if (row == nullptr) return std::nullopt;
  kernels::EltwiseStep step;
  step.op = row->op;
  if (node.op == "Gelu" && node.attr_or<bool>("approximate", false)) step.op = EltwiseOp::GeluTanh;
  if (node.op == "Clip") {
    step.alpha = node.attr_or<float>("min", 0.0f);
    step.beta = node.attr_or<float>("max", 0.0f);
  }
  if (node.op == "LeakyRelu") step.alpha = node.attr_or<float>("alpha", 0.2f);
  if (node.op == "Elu") step.alpha = 1.0f;
  return step;
}

std::optional<EltwiseOp> binary_op(const std::string& op) {
  const Row* row = find(kBinary, op);
  return row == nullptr ? std::nullopt : std::optional(row->op);
}

Tactics unary_tactics(const StepSpec& spec) {
  const auto step = unary_step(*spec.node);
  const auto act = plan::only_activation(spec.node->epilogue);
  const auto src = elem_of(spec.inputs[0].dtype);
  const auto dst = elem_of(spec.outputs[0].dtype);
  if (!step || !act || !src || !dst) return Refusal{"only float and INT8 tensors are lowered"};
  if (*src != kernels::Elem::F32 && *dst != kernels::Elem::F32 && act->kind == ActKind::None) {
    return std::vector<Tactic>{table_tactic(spec, *step)};
  }
  const auto input = input_of(spec.inputs[0], spec.outputs[0]);
  if (!input) return Refusal{"its input has another shape than its output"};
  kernels::EltwiseProgram program;
  program.num_inputs = 1;
  program.inputs[0] = *input;
  program.num_steps = 1;
  program.steps[0] = *step;
  program.steps[0].dst = 1;
  program.output = output_of(spec.outputs[0], *dst, *act);
  return std::vector<Tactic>{program_tactic(spec, program)};
}

Tactics binary_tactics(const StepSpec& spec) {
  const Row* row = find(kBinary, spec.node->op);
  const auto act = plan::only_activation(spec.node->epilogue);
  const TensorDesc &a = spec.inputs[0], &b = spec.inputs[1], &dst = spec.outputs[0];
  const auto a_elem = elem_of(a.dtype), b_elem = elem_of(b.dtype), dst_elem = elem_of(dst.dtype);
  if (row == nullptr || !act || !a_elem || !b_elem || !dst_elem)
    return Refusal{"only float and INT8 tensors are lowered"};
  const kernels::EltwiseOutput output = output_of(dst, *dst_elem, *act);
  const EltwiseOp op = row->op;
  const int threads = spec.threads;
  const auto a_info = input_of(a, dst), b_info = input_of(b, dst);
  if (a_info && b_info) {
    const kernels::EltwiseShape shape = shape_of(dst);
    Tactic tactic = plain_tactic("own:elementwise", [=](const StepArgs& args) {
      kernels::eltwise_binary(op, shape, *a_info, args.src[0], *b_info, args.src[1], output, args.dst[0], threads);
    });
    tactic.may_overwrite = overwrites(spec, 2);
    return std::vector<Tactic>{std::move(tactic)};
  }
  if (dst.shape.rank() > 8 || !a.dense() || !b.dense() || !dst.dense()) return Refusal{"broadcast of rank above 8"};
  const kernels::StridedShape shape = strided_shape(a, b, dst);
  const kernels::EltwiseInput a_plain{*a_elem, scale_of(a), Broadcast::None, 1, zero_of(a)};
  const kernels::EltwiseInput b_plain{*b_elem, scale_of(b), Broadcast::None, 1, zero_of(b)};
  return std::vector<Tactic>{plain_tactic("own:broadcast", [=](const StepArgs& args) {
    kernels::eltwise_binary_strided(op, shape, a_plain, args.src[0], b_plain, args.src[1], output, args.dst[0],
                                    threads);
  })};
}

Tactics add_n_tactics(const StepSpec& spec) {
  const auto act = plan::only_activation(spec.node->epilogue);
  const size_t count = spec.inputs.size();
  if (!act || count < 2 || count > kernels::EltwiseProgram::kMaxInputs || spec.outputs[0].dtype != DType::F32) {
    return Refusal{"only sums of 2 to 8 float tensors are lowered"};
  }
  kernels::EltwiseProgram program;
  program.num_inputs = static_cast<int>(count);
  for (size_t i = 0; i < count; ++i) {
    const auto input = input_of(spec.inputs[i], spec.outputs[0]);
    if (!input || spec.inputs[i].dtype != DType::F32) return Refusal{"only sums of 2 to 8 float tensors are lowered"};
    program.inputs[i] = *input;
  }
  // Two registers in turn hold the sum so far.
  const auto free = static_cast<uint8_t>(count);
  for (size_t i = 1; i < count; ++i) {
    const auto dst = static_cast<uint8_t>(free + i % 2), sum = static_cast<uint8_t>(i == 1 ? 0 : free + (i - 1) % 2);
    program.steps[program.num_steps++] = {EltwiseOp::Add, dst, sum, static_cast<uint8_t>(i), 0, 0};
  }
  program.output = {kernels::Elem::F32, 1.0f, *act};
  return std::vector<Tactic>{program_tactic(spec, program)};
}

Tactics affine_tactics(const StepSpec& spec) {
  const auto act = plan::only_activation(spec.node->epilogue);
  const auto dst = elem_of(spec.outputs[0].dtype);
  kernels::EltwiseProgram program;
  program.num_inputs = 3;
  for (size_t i = 0; i < 3; ++i) {
    const auto input = input_of(spec.inputs[i], spec.outputs[0]);
    if (!act || !dst || !input) return Refusal{"only float and INT8 tensors are lowered"};
    program.inputs[i] = *input;
  }
  program.num_steps = 2;
  program.steps[0] = {EltwiseOp::Mul, 3, 0, 1, 0, 0};
  program.steps[1] = {EltwiseOp::Add, 4, 3, 2, 0, 0};
  program.output = output_of(spec.outputs[0], *dst, *act);
  return std::vector<Tactic>{program_tactic(spec, program)};
}

}  // namespace tfengine::onednn
