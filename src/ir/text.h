// SPDX-License-Identifier: Apache-2.0
// Spellings that the text form's printer and parser share: type names, activations, quoting, and the contents
// of constants. Not meant for use outside ir/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/activation.h"
#include "tfengine/tensor.h"

namespace tfengine::ir {

// "f32", "s8", "bool"; "?" for DType::Invalid.
std::string_view short_dtype_name(DType dtype);
// False when `name` is no type.
bool short_dtype_from_name(std::string_view name, DType* dtype);

std::string_view act_name(ActKind kind);
bool act_from_name(std::string_view name, ActKind* kind);

// The shortest text that reads back to the same float and always looks like one: "1.0", "0.1", "inf".
std::string float_text(double value, bool single = true);
// With quotes; ", \ and control characters are escaped.
std::string quoted(std::string_view text);
// Whether `text` can follow % or @ without quotes.
bool is_plain_name(std::string_view text);
inline bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '/' ||
         c == '.' || c == '-' || c == ':';
}

// "zeros", "splat(0.5)" or "[1.0, 2.0]"; with `shorten`, tensors of more than 16 elements become
// "abbreviated(hash=..., min=..., max=...)".
std::string constant_text(const Tensor& tensor, bool shorten);
// Elements read as double or as integers from text, written in `dtype`. Values that do not fit are an error
// of the caller's: `set_element` returns false.
bool set_element(Tensor& tensor, int64_t index, double real, int64_t integer, bool is_integer);
// Numbers of [lo, hi) (floats) or lo..hi (integers) that depend on the seed and the index only.
void fill_uniform(Tensor& tensor, uint64_t seed, double lo, double hi);

}  // namespace tfengine::ir
