// SPDX-License-Identifier: Apache-2.0
// Elementwise arithmetic. One operation of two tensors in INT8 or float is eltwise_binary; a chain of
// operations that should cost one pass over memory is an EltwiseProgram. Tables for 8-bit unary functions are
// in lut.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/epilogue.h"

namespace tfengine::kernels {

// Unary operations read `a`. Clip clamps to [alpha, beta]; LeakyRelu takes alpha as slope, Elu as scale of
// the negative side; Affine is a * alpha + beta. Round is half to even. SquaredDifference is (a - b)^2.
enum class EltwiseOp : uint8_t {
  Identity,
  Abs,
  Neg,
  Square,
  Sqrt,
  Rsqrt,
  Exp,
  Log,
  Sigmoid,
  Tanh,
  Erf,
  Erfc,
  Relu,
  Relu6,
  Clip,
  LeakyRelu,
  Elu,
  Selu,
  Softplus,
  Softsign,
  HardSwish,
  HardSigmoid,
  Swish,
  GeluErf,
  GeluTanh,
  Reciprocal,
  Floor,
  Ceil,
  Round,
  Sign,
  Affine,
  // Binary operations read `a` and `b`.
  Add,
  Sub,
  Mul,
  Div,
  Max,
  Min,
  SquaredDifference
};
bool is_binary(EltwiseOp op);
// The operation of an activation: None is Identity; Clip, LeakyRelu and Elu keep alpha and beta.
EltwiseOp op_of(ActKind kind);

// How an operand covers the batch x pixels x channels of the result.
enum class Broadcast : uint8_t {
  None,          // same shape; pixel_stride applies
  Channel,       // [channels], the same for every pixel
  ImageChannel,  // [batch][channels], the same for every pixel of an image: the scale of a squeeze-and-excite
                 // block
  Pixel,         // [batch][pixels], the same for every channel
  Scalar         // one value
};

// A tensor without pixels to speak of is batch 1, pixels 1, channels n.
struct EltwiseShape {
  int64_t batch = 1;
  int64_t pixels = 1;
  int64_t channels = 1;
  int64_t dst_pixel_stride = 1;
};

struct EltwiseInput {
  Elem elem = Elem::F32;
  float scale = 1.0f;  // of S8 and U8
  Broadcast broadcast = Broadcast::None;
  int64_t pixel_stride = 1;  // elements between pixels, for Broadcast::None
  float zero = 0.0f;         // of S8 and U8: real = (integer - zero) * scale
};

struct EltwiseOutput {
  Elem elem = Elem::F32;
  float inv_scale = 1.0f;
  Act act;            // applied in float before quantisation
  float zero = 0.0f;  // of S8 and U8: added behind inv_scale, before rounding
};

// dst = act(op(a, b)). op: a binary one. dst may be the memory of an input with Broadcast::None, the same
// element size and the same pixel stride.
void eltwise_binary(EltwiseOp op, const EltwiseShape& shape, const EltwiseInput& a_info, const void* a,
                    const EltwiseInput& b_info, const void* b, const EltwiseOutput& output, void* dst, int threads);

// Any broadcast: strides in elements, 0 where an operand repeats. dst is contiguous in the order of dims.
struct StridedShape {
  int rank = 0;
  int64_t dims[8] = {};
  int64_t a_strides[8] = {};
  int64_t b_strides[8] = {};
};
// Of the inputs' descriptions only elem, scale and zero are looked at.
void eltwise_binary_strided(EltwiseOp op, const StridedShape& shape, const EltwiseInput& a_info, const void* a,
                            const EltwiseInput& b_info, const void* b, const EltwiseOutput& output, void* dst,
                            int threads);

// Register numbers: 0..num_inputs-1 are the inputs (read only), num_inputs.. are temporaries that a step
// writes. A temporary may be written again. The result of the last step is the program's.
struct EltwiseStep {
  EltwiseOp op = EltwiseOp::Identity;
  uint8_t dst = 0;
  uint8_t a = 0;
  uint8_t b = 0;
  float alpha = 0.0f;
  float beta = 0.0f;
};

struct EltwiseProgram {
  static constexpr int kMaxInputs = 8;
  static constexpr int kMaxSteps = 32;
  // Inputs and temporaries of one block stay in the first-level cache with this many.
  static constexpr int kMaxRegisters = 16;
  int num_inputs = 0;
  EltwiseInput inputs[kMaxInputs];
  int num_steps = 0;
  EltwiseStep steps[kMaxSteps];
  EltwiseOutput output;
};

// Null when the program can be run, else what is wrong with it: numbers out of range, or a register read
// before written.
const char* eltwise_program_error(const EltwiseProgram& program);
// inputs[i] is the data of program.inputs[i]. dst may be the memory of an input as for eltwise_binary.
void eltwise_run(const EltwiseProgram& program, const EltwiseShape& shape, const void* const* inputs, void* dst,
                 int threads);

// One step in double precision; the definition that the vector code is tested against. b is ignored by unary
// operations.
double eltwise_reference(EltwiseOp op, double a, double b, double alpha, double beta);

}  // namespace tfengine::kernels
