// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/counters.h"

#include <algorithm>
#include <functional>

namespace tfengine::onednn {

namespace {

// More elements than these are data.
constexpr int64_t kMostElements = 16;

// Operands of one element serve every element.
struct Operands {
  int64_t count = 0;
  bool whole_a = false, whole_b = false;
};

template <typename In, typename Out, typename F>
Tactic apply(const Operands& operands, F f) {
  return plain_tactic("own:few", [operands, f](const StepArgs& args) {
    const auto* a = static_cast<const In*>(args.src[0]);
    const auto* b = static_cast<const In*>(args.src[1]);
    auto* out = static_cast<Out*>(args.dst[0]);
    for (int64_t i = 0; i < operands.count; ++i) {
      out[i] = static_cast<Out>(f(a[operands.whole_a ? i : 0], b[operands.whole_b ? i : 0]));
    }
  });
}

// Sums wrap as TensorFlow's do: unsigned arithmetic is defined for that.
template <typename T>
std::optional<Tactic> arithmetic(const std::string& op, const Operands& operands) {
  using U = std::make_unsigned_t<T>;
  if (op == "Add") return apply<U, U>(operands, std::plus<U>());
  if (op == "Sub") return apply<U, U>(operands, std::minus<U>());
  if (op == "Mul") return apply<U, U>(operands, std::multiplies<U>());
  if (op == "Minimum") return apply<T, T>(operands, [](T a, T b) { return std::min(a, b); });
  if (op == "Maximum") return apply<T, T>(operands, [](T a, T b) { return std::max(a, b); });
  return std::nullopt;
}

template <typename T>
std::optional<Tactic> comparison(const std::string& op, const Operands& operands) {
  if (op == "Less") return apply<T, bool>(operands, std::less<T>());
  if (op == "LessEqual") return apply<T, bool>(operands, std::less_equal<T>());
  if (op == "Greater") return apply<T, bool>(operands, std::greater<T>());
  if (op == "GreaterEqual") return apply<T, bool>(operands, std::greater_equal<T>());
  if (op == "Equal") return apply<T, bool>(operands, std::equal_to<T>());
  if (op == "NotEqual") return apply<T, bool>(operands, std::not_equal_to<T>());
  return std::nullopt;
}

template <typename T>
std::optional<Tactic> of_type(const StepSpec& spec, const Operands& operands) {
  if (spec.outputs[0].dtype == DType::Bool) return comparison<T>(spec.node->op, operands);
  return arithmetic<T>(spec.node->op, operands);
}

}  // namespace

std::optional<Tactic> counter_tactic(const StepSpec& spec) {
  if (spec.inputs.size() != 2 || spec.outputs.size() != 1 || !spec.node->epilogue.empty()) return std::nullopt;
  const TensorDesc &a = spec.inputs[0], &b = spec.inputs[1], &out = spec.outputs[0];
  const int64_t count = out.shape.elements();
  if (count < 1 || count > kMostElements || a.dtype != b.dtype || a.quant.defined() || b.quant.defined()) {
    return std::nullopt;
  }
  const auto fits = [&](const TensorDesc& operand) {
    return operand.dense() && (operand.shape == out.shape || operand.shape.elements() == 1);
  };
  if (!fits(a) || !fits(b) || !out.dense()) return std::nullopt;
  const Operands operands{count, a.shape.elements() == count, b.shape.elements() == count};
  if (a.dtype == DType::S32) return of_type<int32_t>(spec, operands);
  if (a.dtype == DType::S64) return of_type<int64_t>(spec, operands);
  if (a.dtype == DType::Bool && spec.node->op == "LogicalAnd") return apply<bool, bool>(operands, std::logical_and<>());
  if (a.dtype == DType::Bool && spec.node->op == "LogicalOr") return apply<bool, bool>(operands, std::logical_or<>());
  return std::nullopt;
}

}  // namespace tfengine::onednn
