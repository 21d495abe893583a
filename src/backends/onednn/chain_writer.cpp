// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/chain_writer.h"

#include <algorithm>
#include <optional>

#include "backends/onednn/chain_steps.h"
#include "backends/onednn/fused_elementwise.h"
#include "ops/op.h"

namespace tfengine::onednn {

using kernels::ChainProgram;
using kernels::ChainStep;
using kernels::EltwiseOp;
using kernels::Num;
using Kind = ChainStep::Kind;

ChainWriter::ChainWriter(const ir::Graph& region, ir::NodeId end) : region_(region), order_(region.order()) {
  if (end != ir::kNone) order_.erase(std::find(order_.begin(), order_.end(), end));
  last_use_.assign(static_cast<size_t>(region.value_count()), -1);
  for (size_t i = 0; i < order_.size(); ++i) {
    for (const ir::ValueId input : region.node(order_[i]).inputs) last_use_[at(input)] = static_cast<int>(i);
  }
  const auto keep = [&](ir::ValueId id) { last_use_[at(id)] = static_cast<int>(order_.size()); };
  for (const ir::GraphOutput& out : region.outputs) keep(end == ir::kNone ? out.value : region.node(end).inputs[0]);
}

void ChainWriter::add_input(ir::ValueId id) {
  const auto reg = static_cast<uint8_t>(registers_.size());
  registers_[id] = reg;
  first_free_ = reg + 1;
  inputs_ = first_free_;
}

bool ChainWriter::write() {
  for (size_t i = 0; i < order_.size(); ++i) {
    const ir::Node& node = region_.node(order_[i]);
    if (!can_fuse(region_, node) || !write_node(node)) return false;
    for (const ir::ValueId input : node.inputs) release(input, static_cast<int>(i));
    release(node.outputs[0], static_cast<int>(i));
  }
  return first_free_ <= ChainProgram::kMaxRegisters && steps_.size() <= ChainProgram::kMaxSteps;
}

uint8_t ChainWriter::fresh() {
  if (free_.empty()) return static_cast<uint8_t>(first_free_++);
  const uint8_t reg = free_.back();
  free_.pop_back();
  return reg;
}

void ChainWriter::release(ir::ValueId id, int node) {
  if (last_use_[at(id)] > node || region_.value(id).is_constant()) return;
  const auto found = registers_.find(id);
  if (found == registers_.end() || found->second < inputs_) return;
  const uint8_t reg = found->second;
  registers_.erase(found);
  const bool shared =
      std::any_of(registers_.begin(), registers_.end(), [&](const auto& other) { return other.second == reg; });
  if (!shared && std::find(free_.begin(), free_.end(), reg) == free_.end()) free_.push_back(reg);
}

uint8_t ChainWriter::emit(ChainStep step, std::initializer_list<uint8_t> sources) {
  std::copy(sources.begin(), sources.end(), step.src);
  step.dst = fresh();
  steps_.push_back(step);
  return step.dst;
}

uint8_t ChainWriter::emit_over(ChainStep step, uint8_t reg, uint8_t other) {
  step.src[0] = reg;
  step.src[1] = other;
  step.dst = reg;
  steps_.push_back(step);
  return reg;
}

bool ChainWriter::write_node(const ir::Node& node) {
  const auto own = static_cast<size_t>(ops::own_input_count(node));
  std::vector<uint8_t> sources;
  for (size_t i = 0; i < own; ++i) sources.push_back(registers_.at(node.inputs[i]));
  const DType made = region_.value(node.outputs[0]).dtype;
  if (node.op == "Cast") {
    registers_[node.outputs[0]] = write_cast(node, sources[0], made);
    return true;
  }
  uint8_t result = 0;
  if (node.op == "AddN") {
    result = own == 1 ? emit(float_step(EltwiseOp::Identity), {sources[0]})
                      : emit(float_step(EltwiseOp::Add), {sources[0], sources[1]});
    for (size_t i = 2; i < own; ++i) emit_over(float_step(EltwiseOp::Add), result, sources[i]);
  } else if (node.op == "BatchNormAffine") {
    result = emit(float_step(EltwiseOp::Mul), {sources[0], sources[1]});
    emit_over(float_step(EltwiseOp::Add), result, sources[2]);
  } else if (const auto two = two_steps(node.op); two && register_num(made) == Num::F32) {
    const bool logarithm = node.op == "Xlogy";
    result = emit(two->first, {sources[logarithm ? 1 : 0], sources[logarithm ? 0 : 1]});
    emit_over(two->second, result, sources[0]);
  } else {
    const auto step = single_step(node, data_type(region_, node));
    if (!step) return false;
    sources.resize(3, sources[0]);
    result = emit(*step, {sources[0], sources[1], sources[2]});
  }
  if (const auto half = half_of(made)) round(*half, result);
  write_epilogue(node, result);
  registers_[node.outputs[0]] = result;
  return true;
}

void ChainWriter::round(kernels::Short half, uint8_t reg) {
  ChainStep step;
  step.kind = Kind::Round;
  step.half = half;
  emit_over(step, reg);
}

uint8_t ChainWriter::write_cast(const ir::Node& node, uint8_t source, DType made) {
  const DType given = region_.value(node.inputs[0]).dtype;
  const Num from = *register_num(given), to = *register_num(made);
  const auto half = half_of(made);
  if (from == to && (!half || given == made)) return source;
  ChainStep step;
  step.kind = from == to ? Kind::Round : Kind::Cast;
  step.half = half.value_or(kernels::Short::F16);
  step.type = from;
  step.to = to;
  const uint8_t result = emit(step, {source});
  if (half && from != to) round(*half, result);
  return result;
}

void ChainWriter::write_epilogue(const ir::Node& node, uint8_t reg) {
  const ir::Epilogue& fused = node.epilogue;
  const auto add = [&](int input) {
    if (input != ir::kNone)
      emit_over(float_step(EltwiseOp::Add), reg, registers_.at(node.inputs[static_cast<size_t>(input)]));
  };
  const auto act = [&](const Act& what) {
    if (what.kind != ActKind::None) emit_over(float_step(kernels::op_of(what.kind), what.alpha, what.beta), reg);
  };
  add(fused.bias);
  act(fused.before_add);
  add(fused.residual);
  act(fused.after_add);
}

}  // namespace tfengine::onednn
