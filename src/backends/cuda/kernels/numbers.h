// SPDX-License-Identifier: Apache-2.0
// Elementwise ops on numbers that are not all floats: comparisons, logic, choices, integers, casts. Masks and indices are made of
// them; they are small beside the rest of a network.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace tfengine::cuda {

enum class Number : uint8_t { F32, F16, S32, S64, Bool };

enum class NumberOp : uint8_t {
  Select,  // operand 0 ? operand 1 : operand 2
  Cast,    // to the result's type: towards zero, and to bool "not 0"
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  Equal,
  NotEqual,
  And,
  Or,
  Not,
  Add,  // of integers, which wrap around
  Sub,
  Mul,
  Max,
  Min,
  Neg
};

struct NumberView {
  const void* data = nullptr;
  Number type = Number::F32;
};

// Operands are broadcast by strides of 0. Elements from `last` on along the last axis, of `dims` in all, are what lies between rows of
// the result: they become zero.
struct NumberStep {
  static constexpr int kOperands = 3;
  static constexpr int kRank = 6;
  NumberOp op = NumberOp::Cast;
  int rank = 0;
  int64_t dims[kRank] = {};
  int64_t strides[kOperands][kRank] = {};
  int64_t dst_strides[kRank] = {};
  int64_t last = 1;
};
void number_step(cudaStream_t stream, const NumberStep& step, const NumberView (&operands)[NumberStep::kOperands],
                 void* dst, Number dst_type);

}  // namespace tfengine::cuda
