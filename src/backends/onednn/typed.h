// SPDX-License-Identifier: Apache-2.0
// Elementwise ops on numbers of any type, and ops along one axis: what neither float32 nor INT8 arithmetic covers.
#pragma once

#include "backends/onednn/support.h"
#include "kernels/math_f32.h"
#include "kernels/num.h"
#include "kernels/typed.h"

namespace tfengine::onednn {

// Ops that typed_tactics knows; some have a float32 form elsewhere, too.
bool is_typed(const std::string& op);
// The kernels' names of types, of those ops and of math_tactics'; nullopt for others.
std::optional<kernels::Num> num_of(DType dtype);
std::optional<kernels::TypedOp> typed_op(const std::string& op);
std::optional<kernels::MathOp> math_op(const std::string& op);
// Whether the step's numbers are plain ones of another type than float32, which other lowerings would take for INT8.
bool has_plain_numbers(const StepSpec& spec);
Tactics typed_tactics(const StepSpec& spec);
Tactics typed_cast_tactics(const StepSpec& spec);

// Transcendental functions of float32.
bool is_math(const std::string& op);
Tactics math_tactics(const StepSpec& spec);

// RFFT of lengths that are powers of two, and ComplexAbs.
Tactics rfft_tactics(const StepSpec& spec);
Tactics complex_abs_tactics(const StepSpec& spec);

Tactics cumulative_tactics(const StepSpec& spec);
Tactics arg_tactics(const StepSpec& spec);
Tactics top_k_tactics(const StepSpec& spec);
// Sum, Mean, Max, Min, Prod, All, Any along axes that lie side by side.
Tactics typed_reduce_tactics(const StepSpec& spec);

// The lowering of a step whose tensors are float16 or bfloat16, as `lower` has it for float32, between conversions.
Tactics through_f32(const StepSpec& spec, Tactics (*lower)(const StepSpec&));
bool touches_short_floats(const StepSpec& spec);

}  // namespace tfengine::onednn
