// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/typed.h"

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "kernels/lines.h"
#include "kernels/math_f32.h"
#include "kernels/rfft.h"
#include "kernels/typed.h"

namespace tfengine::onednn {

namespace {

using kernels::Num;
using kernels::TypedOp;

struct Row {
  const char* name;
  TypedOp op;
};

constexpr Row kRows[] = {
    {"Neg", TypedOp::Neg},
    {"Abs", TypedOp::Abs},
    {"Sign", TypedOp::Sign},
    {"Square", TypedOp::Square},
    {"LogicalNot", TypedOp::Not},
    {"Invert", TypedOp::Invert},
    {"IsNan", TypedOp::IsNan},
    {"IsInf", TypedOp::IsInf},
    {"IsFinite", TypedOp::IsFinite},
    {"Add", TypedOp::Add},
    {"Sub", TypedOp::Sub},
    {"Mul", TypedOp::Mul},
    {"RealDiv", TypedOp::Div},
    {"TruncateDiv", TypedOp::TruncateDiv},
    {"FloorDiv", TypedOp::FloorDiv},
    {"FloorMod", TypedOp::FloorMod},
    {"TruncateMod", TypedOp::TruncateMod},
    {"Maximum", TypedOp::Max},
    {"Minimum", TypedOp::Min},
    {"SquaredDifference", TypedOp::SquaredDifference},
    {"DivNoNan", TypedOp::DivNoNan},
    {"MulNoNan", TypedOp::MulNoNan},
    {"Xdivy", TypedOp::Xdivy},
    {"Pow", TypedOp::Pow},
    {"Atan2", TypedOp::Atan2},
    {"Xlogy", TypedOp::Xlogy},
    {"Xlog1py", TypedOp::Xlog1py},
    {"LogicalAnd", TypedOp::And},
    {"LogicalOr", TypedOp::Or},
    {"BitwiseAnd", TypedOp::And},
    {"BitwiseOr", TypedOp::Or},
    {"BitwiseXor", TypedOp::Xor},
    {"Equal", TypedOp::Equal},
    {"NotEqual", TypedOp::NotEqual},
    {"Greater", TypedOp::Greater},
    {"GreaterEqual", TypedOp::GreaterEqual},
    {"Less", TypedOp::Less},
    {"LessEqual", TypedOp::LessEqual},
    {"Select", TypedOp::Select},
    {"SelectV2", TypedOp::Select},
    {"ClipByValue", TypedOp::Clamp},
};

using kernels::MathOp;

constexpr std::pair<const char*, MathOp> kMath[] = {
    {"Sin", MathOp::Sin},     {"Cos", MathOp::Cos},      {"Tan", MathOp::Tan},     {"Asin", MathOp::Asin},
    {"Acos", MathOp::Acos},   {"Atan", MathOp::Atan},    {"Sinh", MathOp::Sinh},   {"Cosh", MathOp::Cosh},
    {"Asinh", MathOp::Asinh}, {"Acosh", MathOp::Acosh},  {"Atanh", MathOp::Atanh}, {"Expm1", MathOp::Expm1},
    {"Log1p", MathOp::Log1p}, {"Lgamma", MathOp::Lgamma}};

const std::pair<const char*, MathOp>* find_math(const std::string& op) {
  const auto* found =
      std::find_if(std::begin(kMath), std::end(kMath), [&](const auto& row) { return op == row.first; });
  return found == std::end(kMath) ? nullptr : found;
}

const Row* find(const std::string& op) {
  const auto* found = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& row) { return op == row.name; });
  return found == std::end(kRows) ? nullptr : found;
}

bool plain(const TensorDesc& desc) { return desc.dense() && !desc.quant.defined(); }

bool all_plain(const StepSpec& spec) {
  return std::all_of(spec.inputs.begin(), spec.inputs.end(), plain) &&
         std::all_of(spec.outputs.begin(), spec.outputs.end(), plain) && spec.node->epilogue.empty();
}

// Operands' shapes against the result's, those of lower rank filled up with ones in front, or behind for Select's rows.
std::optional<kernels::TypedShape> shape_of(const StepSpec& spec, int operands) {
  const Shape& out = spec.outputs[0].shape;
  if (out.rank() > 8) return std::nullopt;
  kernels::TypedShape shape;
  shape.rank = static_cast<int>(out.rank());
  for (size_t i = 0; i < out.rank(); ++i) shape.dims[i] = out[i];
  for (int k = 0; k < operands; ++k) {
    std::vector<int64_t> dims(spec.inputs[static_cast<size_t>(k)].shape.dims());
    if (k == 0 && spec.node->op == "Select" && dims.size() == 1) dims.resize(out.rank(), 1);
    if (dims.size() > out.rank()) return std::nullopt;
    dims.insert(dims.begin(), out.rank() - dims.size(), 1);
    int64_t pitch = 1;
    for (size_t i = out.rank(); i-- > 0;) {
      shape.strides[k][i] = dims[i] == 1 ? 0 : pitch;
      pitch *= dims[i];
    }
  }
  return shape;
}

struct Line {
  kernels::LineShape shape;
  Num type;
};

// Input 0 along a constant axis.
std::optional<Line> line_of(const StepSpec& spec, int64_t axis) {
  const Shape& in = spec.inputs[0].shape;
  const auto type = num_of(spec.inputs[0].dtype);
  if (!type || !all_plain(spec) || in.rank() == 0) return std::nullopt;
  if (axis < 0) axis += static_cast<int64_t>(in.rank());
  Line line{{}, *type};
  for (size_t i = 0; i < in.rank(); ++i) {
    const auto at = static_cast<int64_t>(i);
    (at < axis ? line.shape.outer : at == axis ? line.shape.size : line.shape.inner) *= in[i];
  }
  return line;
}

std::optional<int64_t> constant_axis(const StepSpec& spec) {
  const auto axis = constant_ints(spec, 1);
  return axis && axis->size() == 1 ? std::optional<int64_t>(axis->front()) : std::nullopt;
}

Refusal other_numbers() {
  return Refusal{"its numbers are of a type, or its tensors of a layout, that has no fast form"};
}

}  // namespace

std::optional<Num> num_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return Num::F32;
    case DType::F64:
      return Num::F64;
    case DType::S8:
      return Num::S8;
    case DType::U8:
      return Num::U8;
    case DType::S16:
      return Num::S16;
    case DType::S32:
      return Num::S32;
    case DType::S64:
      return Num::S64;
    case DType::Bool:
      return Num::Bool;
    default:
      return std::nullopt;
  }
}

bool is_typed(const std::string& op) { return find(op) != nullptr; }

std::optional<TypedOp> typed_op(const std::string& op) {
  const Row* row = find(op);
  return row == nullptr ? std::nullopt : std::optional(row->op);
}

std::optional<MathOp> math_op(const std::string& op) {
  const auto* row = find_math(op);
  return row == nullptr ? std::nullopt : std::optional(row->second);
}

bool has_plain_numbers(const StepSpec& spec) {
  const TensorDesc& data = spec.inputs.back();
  return data.dtype != DType::F32 && num_of(data.dtype) && all_plain(spec);
}

namespace {

// Atan2 of two float tensors of one shape has vectors.
bool plain_atan2(const StepSpec& spec) {
  return spec.node->op == "Atan2" && spec.outputs[0].dtype == DType::F32 && all_plain(spec) &&
         spec.inputs[0].shape == spec.inputs[1].shape;
}

Tactics atan2_tactics(const StepSpec& spec) {
  const int64_t count = spec.outputs[0].shape.elements();
  const int threads = spec.threads;
  Tactic tactic = plain_tactic("own:atan2", [=](const StepArgs& args) {
    kernels::atan2_f32(count, static_cast<const float*>(args.src[0]), static_cast<const float*>(args.src[1]),
                       static_cast<float*>(args.dst[0]), threads);
  });
  return std::vector<Tactic>{std::move(tactic)};
}

}  // namespace

Tactics typed_tactics(const StepSpec& spec) {
  if (plain_atan2(spec)) return atan2_tactics(spec);
  const Row* row = find(spec.node->op);
  const int operands = row == nullptr ? 0 : kernels::typed_operands(row->op);
  if (row == nullptr || spec.inputs.size() < static_cast<size_t>(operands)) return other_numbers();
  // Operand 0 of Select is its condition.
  const auto type = num_of(spec.inputs[static_cast<size_t>(operands) - 1].dtype);
  const auto shape = shape_of(spec, operands);
  if (!type || !shape || !all_plain(spec) || !kernels::typed_defined(row->op, *type)) return other_numbers();
  const TypedOp op = row->op;
  const int threads = spec.threads;
  const std::string where = spec.node->op + " '" + spec.node->name + "'";
  Tactic tactic = plain_tactic("own:typed", [=](const StepArgs& args) {
    if (!kernels::typed_run(op, *type, *shape, args.src.data(), args.dst[0], threads)) {
      fail<InvalidModel>("{}: division of integers by zero", where);
    }
  });
  for (int k = 0; k < operands; ++k) {
    if (may_share_memory(spec.inputs[static_cast<size_t>(k)], spec.outputs[0]))
      tactic.may_overwrite |= uint64_t{1} << k;
  }
  return std::vector<Tactic>{std::move(tactic)};
}

bool is_math(const std::string& op) { return find_math(op) != nullptr; }

Tactics math_tactics(const StepSpec& spec) {
  const auto* row = find_math(spec.node->op);
  if (row == nullptr || spec.inputs[0].dtype != DType::F32 || !all_plain(spec)) return other_numbers();
  const MathOp op = row->second;
  const int64_t count = spec.outputs[0].shape.elements();
  const int threads = spec.threads;
  Tactic tactic = plain_tactic("own:math", [=](const StepArgs& args) {
    kernels::math_f32(op, count, static_cast<const float*>(args.src[0]), static_cast<float*>(args.dst[0]), threads);
  });
  tactic.may_overwrite = 1;
  return std::vector<Tactic>{std::move(tactic)};
}

Tactics rfft_tactics(const StepSpec& spec) {
  const auto given = constant_ints(spec, 1);
  if (!given || given->size() != 1) return Refusal{"its length is computed at run time"};
  const int64_t length = given->front(), size = spec.inputs[0].shape.back();
  if (length < 4 || (length & (length - 1)) != 0)
    return Refusal{"only lengths that are powers of two have a fast form here"};
  if (spec.inputs[0].dtype != DType::F32 || !all_plain(spec) || size == 0) return other_numbers();
  const int64_t rows = spec.inputs[0].shape.elements() / size;
  const auto plan = std::make_shared<const kernels::RfftPlan>(kernels::rfft_plan(length));
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic(
      "own:rfft",
      [=](const StepArgs& args) {
        kernels::rfft(*plan, rows, size, static_cast<const float*>(args.src[0]),
                      static_cast<std::complex<float>*>(args.dst[0]), args.workspace, threads);
      },
      kernels::rfft_workspace_bytes(*plan, threads))};
}

Tactics complex_abs_tactics(const StepSpec& spec) {
  if (!all_plain(spec)) return other_numbers();
  const int64_t count = spec.outputs[0].shape.elements();
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic("own:complex_abs", [=](const StepArgs& args) {
    kernels::complex_abs(count, static_cast<const std::complex<float>*>(args.src[0]), static_cast<float*>(args.dst[0]),
                         threads);
  })};
}

Tactics typed_cast_tactics(const StepSpec& spec) {
  const auto from = num_of(spec.inputs[0].dtype), to = num_of(spec.outputs[0].dtype);
  if (!from || !to || !all_plain(spec)) return other_numbers();
  const int64_t count = spec.outputs[0].shape.elements();
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic("own:cast", [=](const StepArgs& args) {
    kernels::typed_cast(*from, *to, count, args.src[0], args.dst[0], threads);
  })};
}

Tactics cumulative_tactics(const StepSpec& spec) {
  const auto axis = constant_axis(spec);
  if (!axis) return Refusal{"its axis is computed at run time"};
  const auto line = line_of(spec, *axis);
  if (!line || line->type == Num::Bool) return other_numbers();
  const auto kind = spec.node->op == "Cumsum" ? kernels::Running::Sum : kernels::Running::Product;
  const bool exclusive = spec.node->attr_or<bool>("exclusive", false),
             reverse = spec.node->attr_or<bool>("reverse", false);
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic("own:running_total", [=, line = *line](const StepArgs& args) {
    kernels::running_total(kind, line.type, line.shape, exclusive, reverse, args.src[0], args.dst[0], threads);
  })};
}

Tactics arg_tactics(const StepSpec& spec) {
  const auto axis = constant_axis(spec);
  if (!axis) return Refusal{"its axis is computed at run time"};
  const auto line = line_of(spec, *axis);
  const DType places = spec.outputs[0].dtype;
  if (!line || (places != DType::S32 && places != DType::S64)) return other_numbers();
  const bool largest = spec.node->op == "ArgMax", wide = places == DType::S64;
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic("own:extreme_place", [=, line = *line](const StepArgs& args) {
    kernels::extreme_place(largest, line.type, line.shape, args.src[0], wide, args.dst[0], threads);
  })};
}

Tactics top_k_tactics(const StepSpec& spec) {
  const auto type = num_of(spec.inputs[0].dtype);
  if (!type || !all_plain(spec) || spec.outputs.size() < 2 || spec.outputs[1].dtype != DType::S32)
    return other_numbers();
  const int64_t size = spec.inputs[0].shape.back(), k = spec.outputs[0].shape.back();
  const int64_t rows = spec.inputs[0].shape.elements() / std::max<int64_t>(size, 1);
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic("own:top_k", [=](const StepArgs& args) {
    kernels::largest_of_rows(*type, rows, size, k, args.src[0], args.dst[0], static_cast<int32_t*>(args.dst[1]),
                             threads);
  })};
}

Tactics typed_reduce_tactics(const StepSpec& spec) {
  const auto axes = constant_ints(spec, 1);
  if (!axes) return Refusal{"its axes are computed at run time"};
  const Shape& in = spec.inputs[0].shape;
  const auto type = num_of(spec.inputs[0].dtype);
  if (!type || !all_plain(spec)) return other_numbers();
  std::vector<bool> reduced(in.rank(), false);
  for (const int64_t axis : *axes)
    reduced[static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(in.rank()) : axis)] = true;
  // Kept axes, reduced ones, kept ones; axes of one element count as either.
  kernels::LineShape shape;
  int part = 0;
  for (size_t i = 0; i < in.rank(); ++i) {
    if (in[i] == 1) continue;
    if (reduced[i] && part == 0) part = 1;
    if (!reduced[i] && part == 1) part = 2;
    if (reduced[i] && part == 2) return Refusal{"its axes do not lie side by side"};
    (part == 0 ? shape.outer : part == 1 ? shape.size : shape.inner) *= in[i];
  }
  constexpr std::pair<const char*, kernels::Fold> kFolds[] = {
      {"Sum", kernels::Fold::Sum}, {"Mean", kernels::Fold::Mean},    {"Max", kernels::Fold::Max},
      {"Min", kernels::Fold::Min}, {"Prod", kernels::Fold::Product}, {"All", kernels::Fold::All},
      {"Any", kernels::Fold::Any}};
  const auto* found =
      std::find_if(std::begin(kFolds), std::end(kFolds), [&](const auto& fold) { return spec.node->op == fold.first; });
  if (found == std::end(kFolds)) return other_numbers();
  const kernels::Fold fold = found->second;
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic("own:fold", [=](const StepArgs& args) {
    kernels::fold_lines(fold, *type, shape, args.src[0], args.dst[0], threads);
  })};
}

}  // namespace tfengine::onednn
