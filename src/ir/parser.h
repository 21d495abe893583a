// SPDX-License-Identifier: Apache-2.0
// Reads graphs from text: the notation of tests and of dumps (ir/printer.h). A type after -> may be left out;
// shape inference finds it. By example:
//
//   graph @name(%x: f32[?,8,8,3]) {
//     # a comment
//     %w = const f32[3,3,3,16] uniform(1, -1.0, 1.0)        # or zeros, ones, splat(2.0), [1.0, 2.0]
//     %b = const f32[16] zeros
//     %c = Conv2D(%x, %w, %b, %r) {strides=[1,1,1,1], padding="SAME"}
//          epilogue(bias=2, before=Relu, residual=3, after=Clip(0.0, 6.0)) -> f32[?,8,8,16]
//     %q = Relu(%c) denylisted name("other") -> u8[?,8,8,16] quant(scale=0.1) range(max_abs=6.0, custom, "fq")
//     %i = If(%p, %q) -> f32[?]                              # its regions stand behind it
//       graph @then(%t: f32[?]) { return %t }
//       graph @else(%e: f32[?]) { %n = Neg(%e) return %n }
//     %a, %d = Split(%axis, %i) {num_split=2}
//     return %a, %d as "second"
//   }
//
// Attributes: true, 3, 0.5, "text", f32, shape[?,3], tensor f32[2] [1.0, 2.0], lists of those ([] of a kind:
// ints[], floats[], strings[], shapes[], dtypes[]; a bare [] is ints[]; a list with a number written 1.5
// or 1.0 is of floats). Names with other characters than letters, digits and _ / . - :N stand in quotes:
// %"odd name".
#pragma once

#include <string_view>

#include "ir/graph.h"

namespace tfengine::ir {

// InvalidModel with line and column when the text is not a graph. The result passes ir::verify.
Graph parse(std::string_view text);

}  // namespace tfengine::ir
