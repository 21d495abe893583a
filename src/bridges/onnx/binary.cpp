// SPDX-License-Identifier: Apache-2.0
// Nodes that combine several tensors element by element: arithmetic, comparisons, choices. They stay channels first where
// all operands can be read so.
#include <algorithm>
#include <numeric>

#include "bridges/onnx/formula.h"

namespace tfengine::bridges::onnx {

namespace {

constexpr OpName kSame[] = {{"Add", "Add"},
                            {"AddV2", "Add"},
                            {"BiasAdd", "Add"},
                            {"Sub", "Sub"},
                            {"Mul", "Mul"},
                            {"RealDiv", "Div"},
                            {"Div", "Div"},
                            {"Maximum", "Max"},
                            {"Minimum", "Min"},
                            {"Pow", "Pow"},
                            {"Equal", "Equal"},
                            {"Less", "Less"},
                            {"Greater", "Greater"},
                            {"LessEqual", "LessOrEqual"},
                            {"GreaterEqual", "GreaterOrEqual"},
                            {"LogicalAnd", "And"},
                            {"LogicalOr", "Or"}};

// Whether the operand means the same behind a transposition to channels first: a single number, or one per channel, which
// is then written as [channels, 1, 1].
std::optional<std::string> operand_channels_first(const NodeContext& context, ir::ValueId id) {
  const ir::Value& value = context.graph.value(id);
  if (value.shape.ranked() && value.shape.rank() == 4) return context.tensors.read(id, Layout::ChannelsFirst);
  if (!value.is_constant()) return std::nullopt;
  if (value.constant.elements() == 1) return context.tensors.read(id);
  if (value.shape.rank() != 1 || value.quant.defined()) return std::nullopt;
  return context.tensors.permuted_constant(id, {0}, {value.constant.elements(), 1, 1}, 0);
}

struct Operands {
  std::vector<std::string> names;
  Layout layout = Layout::ChannelsLast;
};

std::optional<std::vector<std::string>> all_channels_first(const NodeContext& context) {
  std::vector<std::string> names;
  for (const ir::ValueId id : context.node.inputs) {
    const auto name = operand_channels_first(context, id);
    if (!name) return std::nullopt;
    names.push_back(*name);
  }
  return names;
}

Operands operands(const NodeContext& context) {
  const std::vector<ir::ValueId>& inputs = context.node.inputs;
  const bool first = std::any_of(inputs.begin(), inputs.end(), [&](ir::ValueId id) {
    return context.tensors.layout_of(id) == Layout::ChannelsFirst;
  });
  if (first) {
    if (auto names = all_channels_first(context)) return {std::move(*names), Layout::ChannelsFirst};
  }
  Operands result;
  for (const ir::ValueId id : inputs) result.names.push_back(context.tensors.read(id));
  return result;
}

// What ONNX has no op for.
class Arithmetic {
 public:
  Arithmetic(const NodeContext& context, std::string a, std::string b)
      : f_(context), dtype_(context.input(0).dtype), a_(std::move(a)), b_(std::move(b)) {}

  std::string not_equal() const { return f_.apply("Not", {f_.apply("Equal", {a_, b_})}); }
  std::string squared_difference() const {
    const std::string difference = f_.apply("Sub", {a_, b_});
    return f_.apply("Mul", {difference, difference});
  }
  // ONNX divides integers towards zero; without the remainder the quotient has no fraction.
  std::string floor_div() const {
    if (real()) return f_.apply("Floor", {f_.apply("Div", {a_, b_})});
    return f_.apply("Div", {f_.apply("Sub", {a_, f_.apply("Mod", {a_, b_})}), b_});
  }
  // ONNX's remainder of integers has the divisor's sign, that of real numbers the dividend's.
  std::string floor_mod() const {
    if (!real()) return f_.apply("Mod", {a_, b_});
    const std::string remainder = truncate_mod();
    const auto negative = [&](const std::string& x) { return f_.apply("Less", {x, zero()}); };
    const std::string differ = f_.apply("Xor", {negative(remainder), negative(b_)});
    const std::string some = f_.apply("Not", {f_.apply("Equal", {remainder, zero()})});
    return f_.apply("Where", {f_.apply("And", {some, differ}), f_.apply("Add", {remainder, b_}), remainder});
  }
  std::string truncate_div() const {
    std::string quotient = f_.apply("Div", {a_, b_});
    if (!real()) return quotient;
    return f_.apply("Mul", {f_.apply("Sign", {quotient}), f_.apply("Floor", {f_.apply("Abs", {quotient})})});
  }
  std::string truncate_mod() const {
    if (real()) return f_.apply("Mod", {a_, b_}, {int_attr("fmod", 1)});
    return f_.apply("Sub", {a_, f_.apply("Mul", {f_.apply("Div", {a_, b_}), b_})});
  }
  std::string div_no_nan() const { return zero_where_zero(b_, f_.apply("Div", {a_, b_})); }
  std::string mul_no_nan() const { return zero_where_zero(b_, f_.apply("Mul", {a_, b_})); }
  std::string xdivy() const { return zero_where_zero(a_, f_.apply("Div", {a_, b_})); }
  std::string xlogy() const { return zero_where_zero(a_, f_.apply("Mul", {a_, f_.apply("Log", {b_})})); }

 private:
  bool real() const { return dtype_ == DType::F32 || dtype_ == DType::F64; }
  std::string zero() const { return f_.number(0, dtype_); }
  std::string zero_where_zero(const std::string& tested, const std::string& otherwise) const {
    return f_.apply("Where", {f_.apply("Equal", {tested, zero()}), zero(), otherwise});
  }

  Formula f_;
  DType dtype_;
  std::string a_, b_;
};

struct ArithmeticRow {
  std::string_view op;
  std::string (Arithmetic::*result)() const;
};
constexpr ArithmeticRow kArithmetic[] = {{"NotEqual", &Arithmetic::not_equal},
                                         {"SquaredDifference", &Arithmetic::squared_difference},
                                         {"FloorDiv", &Arithmetic::floor_div},
                                         {"FloorMod", &Arithmetic::floor_mod},
                                         {"TruncateDiv", &Arithmetic::truncate_div},
                                         {"TruncateMod", &Arithmetic::truncate_mod},
                                         {"Mod", &Arithmetic::truncate_mod},
                                         {"DivNoNan", &Arithmetic::div_no_nan},
                                         {"MulNoNan", &Arithmetic::mul_no_nan},
                                         {"Xdivy", &Arithmetic::xdivy},
                                         {"Xlogy", &Arithmetic::xlogy}};

std::string sum(const Formula& formula, const std::vector<std::string>& terms) {
  return std::accumulate(terms.begin() + 1, terms.end(), terms.front(),
                         [&](const std::string& a, const std::string& b) {
                           return formula.apply("Add", {a, b});
                         });
}

// A condition with one element for each row of the values, as Select may have one, gets an axis of size 1 for each of
// theirs.
Written select_rows(const NodeContext& context, size_t rank) {
  std::vector<int64_t> axes(rank - 1);
  std::iota(axes.begin(), axes.end(), int64_t{1});
  Tensors& tensors = context.tensors;
  const auto& inputs = context.node.inputs;
  const std::string condition =
      Formula(context).apply("Unsqueeze", {tensors.read(inputs[0]), tensors.ints(context.part("axes"), axes)});
  return {tensors.append("Where", {condition, tensors.read(inputs[1]), tensors.read(inputs[2])}, context.node.name)};
}

}  // namespace

std::optional<Written> write_binary(const NodeContext& context) {
  const std::string& op = context.node.op;
  if (op == "Select" && context.rank(0) == 1 && context.rank(1) > 1) return select_rows(context, context.rank(1));
  const auto written = [&](const auto& name_of) {
    const Operands read = operands(context);
    return Written{name_of(read.names), read.layout};
  };
  const auto named = [&](std::string_view onnx) {
    return written([&](const auto& x) { return context.tensors.append(onnx, x, context.node.name); });
  };
  if (const std::string_view onnx = onnx_name(kSame, op); !onnx.empty()) return named(onnx);
  if (op == "Select" || op == "SelectV2") return named("Where");
  const Formula formula(context);
  if (op == "AddN") return written([&](const auto& x) { return sum(formula, x); });
  if (op == "ClipByValue") {
    return written([&](const auto& x) { return formula.apply("Min", {formula.apply("Max", {x[0], x[1]}), x[2]}); });
  }
  for (const ArithmeticRow& row : kArithmetic) {
    if (row.op != op) continue;
    return written([&](const auto& x) { return (Arithmetic(context, x[0], x[1]).*row.result)(); });
  }
  return std::nullopt;
}

}  // namespace tfengine::bridges::onnx
