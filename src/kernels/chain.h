// SPDX-License-Identifier: Apache-2.0
// Chains of elementwise operations on tensors of any number type, with any broadcasting: a program of single steps over
// registers that each hold one block of values. The registers of a block stay in the first-level cache, so a chain costs one
// pass over its inputs and its outputs, whatever its length.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/axes.h"
#include "kernels/eltwise.h"
#include "kernels/half.h"
#include "kernels/math_f32.h"
#include "kernels/num.h"
#include "kernels/reduce.h"
#include "kernels/typed.h"

namespace tfengine::kernels {

// How a tensor's elements become the values of a register and back. Half: 16-bit floating point, float32 in the register.
// Scaled: S8 or U8 that stand for real = (integer - zero) * scale, float32 in the register.
struct ChainTensor {
  enum class Form : uint8_t { Plain, Half, Scaled };
  Form form = Form::Plain;
  Num type = Num::F32;  // Plain
  Short half = Short::F16;
  Elem elem = Elem::S8;
  float scale = 1.0f;
  float zero = 0.0f;
  int64_t strides[kMaxAxes] = {};  // in elements, 0 where the tensor repeats
  uint8_t reg = 0;                 // outputs: the register that is stored
};

struct ChainStep {
  // Float: an EltwiseOp of float32. Typed: a TypedOp. Math: a MathOp. Angle: atan2 of float32. Cast: between number types.
  // Round: to a 16-bit floating point type and back.
  enum class Kind : uint8_t { Float, Typed, Math, Angle, Cast, Round };
  Kind kind = Kind::Float;
  EltwiseOp eltwise = EltwiseOp::Identity;
  TypedOp typed = TypedOp::Neg;
  MathOp math = MathOp::Sin;
  Short half = Short::F16;
  Num type = Num::F32;  // Typed: of the operands, as typed_run has it. Cast: of the operand
  Num to = Num::F32;    // Cast
  uint8_t dst = 0;
  uint8_t src[3] = {};
  float alpha = 0.0f;
  float beta = 0.0f;
};

// Registers 0 .. inputs-1 are the inputs, which steps only read; those behind them are written by steps, and may be written
// again. A step may write over a register that it reads where both hold elements of one size.
struct ChainProgram {
  static constexpr int kMaxRegisters = 64;
  static constexpr int kMaxSteps = 255;
  int rank = 0;
  int64_t dims[kMaxAxes] = {};
  std::vector<ChainTensor> inputs;
  std::vector<ChainStep> steps;
  std::vector<ChainTensor> outputs;
  // Where it is not 0, the one output (float32) holds the results of so many neighbouring values each, instead of them.
  int64_t fold = 0;
  ReduceKind fold_kind = ReduceKind::Sum;
};

// Null when the program can be run, else what is wrong with it: numbers out of range, a register read before it is written,
// an operation that its type does not have, division of integers, which may fail.
const char* chain_error(const ChainProgram& program);

// A program made ready for its shape.
struct ChainPlan {
  ChainProgram program;  // with axes merged
  struct Input {
    // Direct: read where it lies. Once: the same values in every block. Rows: gathered row by row.
    enum class Way : uint8_t { Direct, Once, Rows };
    Way way = Way::Direct;
    int slot = -1;  // of the block's storage, where it is not Direct
  };
  std::vector<Input> inputs;
  std::vector<int> slots;   // of the registers, -1 for Direct inputs
  std::vector<bool> dense;  // of the outputs
  bool streamed = false;    // outputs go past the caches
  int direct_output = -1;   // the output that the last step writes where it belongs
  int64_t slot_bytes = 0;   // of one register
  int64_t rows_per_block = 1;
  int64_t block = 0;   // values
  int64_t pieces = 1;  // blocks in a row, where a row has several
  int64_t blocks = 0;
  double ns = 0.0;  // rough time on one thread
};
ChainPlan chain_plan(ChainProgram program);
// Scratch memory of a run: of programs that fold.
size_t chain_workspace_bytes(const ChainPlan& plan);

// src[i] and dst[i] are the memory of the program's inputs and outputs. An output may be the memory of an input that has its
// size and strides; no two outputs of the same input; none where values are folded.
void chain_run(const ChainPlan& plan, const void* const* src, void* const* dst, int threads, void* workspace = nullptr);

}  // namespace tfengine::kernels
