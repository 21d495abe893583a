// SPDX-License-Identifier: Apache-2.0
// What a node is among the steps of a chain (kernels/chain.h). Internal to fused elementwise nodes.
#pragma once

#include <optional>
#include <string>

#include "ir/graph.h"
#include "kernels/chain.h"

namespace tfengine::onednn {

// 16-bit floating point numbers are float32 in registers, and rounded behind each node, as evaluation does it.
std::optional<kernels::Short> half_of(DType dtype);
std::optional<kernels::Num> register_num(DType dtype);

kernels::ChainStep float_step(kernels::EltwiseOp op, float alpha = 0.0f, float beta = 0.0f);

// Functions of two float operands that are two steps: a first one, and what it is given to.
struct TwoSteps {
  kernels::ChainStep first, second;
};
std::optional<TwoSteps> two_steps(const std::string& op);

// The one step of a node whose data are of this type; nullopt for nodes that are several, and for others.
std::optional<kernels::ChainStep> single_step(const ir::Node& node, DType dtype);

// Of a node's last operand, which is one of data even where the first are conditions.
DType data_type(const ir::Graph& graph, const ir::Node& node);

}  // namespace tfengine::onednn
