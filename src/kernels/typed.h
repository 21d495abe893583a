// SPDX-License-Identifier: Apache-2.0
// Elementwise functions of tensors of any number type, with any broadcasting: what eltwise.h, whose arithmetic is float32 and
// INT8 by scale, leaves. Integers wrap; comparisons give bool, one byte each.
#pragma once

#include <cstdint>

#include "kernels/axes.h"
#include "kernels/num.h"

namespace tfengine::kernels {

enum class TypedOp : uint8_t {
  // Unary: operand 0 alone. Not is of bool, Invert of integers' bits; IsNan and its kin give bool.
  Neg,
  Abs,
  Sign,
  Square,
  Not,
  Invert,
  IsNan,
  IsInf,
  IsFinite,
  // Binary arithmetic. Div truncates integers; FloorDiv, FloorMod and TruncateMod are TensorFlow's.
  Add,
  Sub,
  Mul,
  Div,
  TruncateDiv,
  FloorDiv,
  FloorMod,
  TruncateMod,
  Max,
  Min,
  SquaredDifference,
  DivNoNan,
  MulNoNan,
  Xdivy,
  Pow,
  Atan2,
  Xlogy,
  Xlog1py,
  And,
  Or,
  Xor,
  // Binary comparisons and logic, which give bool.
  Equal,
  NotEqual,
  Greater,
  GreaterEqual,
  Less,
  LessEqual,
  // Operand 0 is bool and says which of the others to take.
  Select,
  // Operand 0 limited from below by operand 1, then from above by operand 2.
  Clamp,
};
bool typed_gives_bool(TypedOp op);
int typed_operands(TypedOp op);
// Whether the function is defined on the type: no Pow of integers here, no Xor of real numbers.
bool typed_defined(TypedOp op, Num type);

// The result is contiguous in the order of dims; strides in elements, 0 where an operand repeats.
struct TypedShape {
  int rank = 0;
  int64_t dims[kMaxAxes] = {};
  int64_t strides[3][kMaxAxes] = {};
};

// Operands are of `type` (operand 0 of Select: bool). dst may be an operand of its size and strides. False, and dst is in
// part written, where integers are divided by zero.
bool typed_run(TypedOp op, Num type, const TypedShape& shape, const void* const* operands, void* dst, int threads);
// Whether it may: the function divides, and the type is an integer.
bool typed_may_fail(TypedOp op, Num type);
// The same for `count` elements of each operand on one thread, of functions that cannot fail.
void typed_row(TypedOp op, Num type, int64_t count, const void* const* operands, void* dst);
// What the function costs per element on one core of 3.5 GHz, roughly, to decide whether threads pay.
double typed_ns(TypedOp op);

// dst[i] = src[i] as the other type; real numbers are cut to integers, those out of range to the nearest, NaN to 0.
void typed_cast(Num from, Num to, int64_t count, const void* src, void* dst, int threads);

}  // namespace tfengine::kernels
