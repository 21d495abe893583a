// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/numbers.h"

#include <algorithm>
#include <array>

#include "backends/cuda/kernels/numbers.h"

namespace tfengine::cuda {

namespace {

struct Row {
  const char* name;
  NumberOp op;
  bool always;  // whatever the tensors are
};

constexpr Row kRows[] = {
    {"SelectV2", NumberOp::Select, true}, {"Select", NumberOp::Select, true},
    {"Less", NumberOp::Less, true},       {"LessEqual", NumberOp::LessEqual, true},
    {"Greater", NumberOp::Greater, true}, {"GreaterEqual", NumberOp::GreaterEqual, true},
    {"Equal", NumberOp::Equal, true},     {"NotEqual", NumberOp::NotEqual, true},
    {"LogicalAnd", NumberOp::And, true},  {"LogicalOr", NumberOp::Or, true},
    {"LogicalNot", NumberOp::Not, true},  {"Cast", NumberOp::Cast, false},
    {"Add", NumberOp::Add, false},        {"Sub", NumberOp::Sub, false},
    {"Mul", NumberOp::Mul, false},        {"Maximum", NumberOp::Max, false},
    {"Minimum", NumberOp::Min, false},    {"Neg", NumberOp::Neg, false},
};

const Row* find(const std::string& name) {
  const auto* found =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& row) { return name == row.name; });
  return found == std::end(kRows) ? nullptr : found;
}

std::optional<Number> number_of(const TensorDesc& desc) {
  if (desc.quant.defined()) return std::nullopt;
  switch (desc.dtype) {
    case DType::F32:
      return Number::F32;
    case DType::F16:
      return Number::F16;
    case DType::S32:
      return Number::S32;
    case DType::S64:
      return Number::S64;
    case DType::Bool:
      return Number::Bool;
    default:
      return std::nullopt;
  }
}

bool is_real(Number number) { return number == Number::F32 || number == Number::F16; }

// Elements between neighbours along each of dst's axes; 0 where the operand is broadcast.
void strides_into(const TensorDesc& operand, const Shape& dst, int64_t* out) {
  const size_t rank = dst.rank(), own = operand.shape.rank();
  int64_t pitch = 1;
  for (size_t i = rank; i-- > 0;) {
    const bool missing = i + own < rank;
    const int64_t dim = missing ? 1 : operand.shape[i + own - rank];
    out[i] = dim == 1 ? 0 : pitch;
    if (!missing) pitch = i + 1 == rank ? operand.pixel_stride : pitch * dim;
  }
}

// The condition of Select may stand for whole rows, which no broadcasting gives.
bool is_broadcast(const StepSpec& spec) {
  const Shape &condition = spec.inputs[0].shape, &dst = spec.outputs[0].shape;
  return spec.node->op != "Select" || condition.rank() == 0 || condition.rank() == dst.rank();
}

NumberStep step_of(const StepSpec& spec, NumberOp op) {
  const TensorDesc& dst = spec.outputs[0];
  NumberStep step;
  step.op = op;
  step.rank = static_cast<int>(dst.shape.rank());
  for (size_t i = 0; i < spec.inputs.size(); ++i) strides_into(spec.inputs[i], dst.shape, step.strides[i]);
  int64_t pitch = 1;
  for (size_t i = dst.shape.rank(); i-- > 0;) {
    const bool last = i + 1 == dst.shape.rank();
    step.dims[i] = last ? dst.pixel_stride : dst.shape[i];
    step.dst_strides[i] = pitch;
    pitch *= step.dims[i];
  }
  if (step.rank > 0) step.last = dst.shape.back();
  return step;
}

// What the kernel takes: the numbers of choices may be stored in two types, those of the rest are of one.
bool types_fit(NumberOp op, std::span<const Number> operands, Number dst) {
  switch (op) {
    case NumberOp::Select:
      return operands[0] == Number::Bool && is_real(operands[1]) == is_real(dst) &&
             is_real(operands[2]) == is_real(dst);
    case NumberOp::Cast:
      return true;
    case NumberOp::Less:
    case NumberOp::LessEqual:
    case NumberOp::Greater:
    case NumberOp::GreaterEqual:
    case NumberOp::Equal:
    case NumberOp::NotEqual:
      return dst == Number::Bool && is_real(operands[0]) == is_real(operands[1]);
    case NumberOp::And:
    case NumberOp::Or:
    case NumberOp::Not:
      return dst == Number::Bool;
    default:
      return !is_real(dst) && dst != Number::Bool;
  }
}

}  // namespace

bool is_number_op(const std::string& op) {
  const Row* row = find(op);
  return row != nullptr && row->always;
}

bool has_other_numbers(const StepSpec& spec) {
  const auto other = [](const TensorDesc& desc) {
    return desc.dtype == DType::S32 || desc.dtype == DType::S64 || desc.dtype == DType::Bool;
  };
  return std::any_of(spec.inputs.begin(), spec.inputs.end(), other) ||
         std::any_of(spec.outputs.begin(), spec.outputs.end(), other);
}

Tactics number_tactics(const StepSpec& spec) {
  const Row* row = find(spec.node->op);
  const auto dst = number_of(spec.outputs[0]);
  std::vector<Number> types;
  for (const TensorDesc& desc : spec.inputs) {
    if (const auto type = number_of(desc)) types.push_back(*type);
  }
  const size_t count = spec.inputs.size();
  if (row == nullptr || !dst || types.size() != count || count == 0 || count > NumberStep::kOperands ||
      !types_fit(row->op, types, *dst) || !spec.node->epilogue.empty()) {
    return Refusal{"only float32, int32, int64 and bool are lowered"};
  }
  if (spec.outputs[0].shape.rank() > static_cast<size_t>(NumberStep::kRank) || !is_broadcast(spec)) {
    return Refusal{"only ranks up to 6 and broadcasting are lowered"};
  }
  const NumberStep step = step_of(spec, row->op);
  return std::vector<Tactic>{
      gpu_tactic("own:numbers", spec, [=, constants = spec.constants](PackedStore& store) -> Run {
        std::array<std::shared_ptr<const void>, NumberStep::kOperands> packed;
        for (size_t i = 0; i < count; ++i) {
          if (constants[i].defined()) packed[i] = pack_bytes(store, constants[i]);
        }
        return [=](const StepArgs& args) {
          NumberView operands[NumberStep::kOperands];
          for (size_t i = 0; i < count; ++i) operands[i] = {packed[i] ? packed[i].get() : args.src[i], types[i]};
          number_step(stream_of(args), step, operands, args.dst[0], *dst);
        };
      })};
}

Tactics fill_tactics(const StepSpec& spec) {
  const TensorDesc &value = spec.inputs[1], &dst = spec.outputs[0];
  if (dst.dtype != value.dtype || !dst.dense() || dtype_bytes(dst.dtype) == 0 || dst.quant.defined()) {
    return Refusal{"only dense numbers of the value's own type are lowered"};
  }
  StridedCopy copy;
  copy.rank = 1;
  copy.dims[0] = dst.shape.elements();
  copy.dst_strides[0] = 1;
  copy.element_bytes = static_cast<int>(dtype_bytes(dst.dtype));
  return std::vector<Tactic>{gpu_tactic("own:fill", spec, [copy, value = spec.constants[1]](PackedStore& store) -> Run {
    const std::shared_ptr<const void> packed = value.defined() ? pack_bytes(store, value) : nullptr;
    return [=](const StepArgs& args) {
      strided_copy(stream_of(args), copy, packed != nullptr ? packed.get() : args.src[1], args.dst[0]);
    };
  })};
}

}  // namespace tfengine::cuda
