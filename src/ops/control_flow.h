// SPDX-License-Identifier: Apache-2.0
// Ops that run graphs (ir::Node::regions), in one form each:
//
//   While(states..., invariants...) -> states...          regions: cond, body
//     Both regions take all inputs. cond returns one element, whether to go on; body returns the next states. A loop
//     whose cond is false at once returns its first states.
//   If(predicate, arguments...) -> results...             regions: then, else
//   Case(index, arguments...) -> results...               regions: one per branch; others than 0 .. n-1 run the last
//     The regions take the arguments.
//
// A state has one type from iteration to iteration; lists of tensors are tensors (ops/tensor_list.h).
#pragma once

#include "ir/graph.h"

namespace tfengine::ops {

bool is_loop(const ir::Node& node);    // While
bool is_branch(const ir::Node& node);  // If or Case
// The first input that goes to the regions.
int first_argument(const ir::Node& node);
// Checks the numbers of regions, inputs and outputs; InvalidModel naming the node.
void check_regions(const ir::Node& node);
// Whether one element of a number or bool type is not zero. InvalidModel for other tensors.
bool is_true(const ir::Node& node, const Tensor& element);
// Which region of an If or Case runs, by its input 0.
size_t chosen_region(const ir::Node& node, const Tensor& selector);

}  // namespace tfengine::ops
