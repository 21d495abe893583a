// SPDX-License-Identifier: Apache-2.0
// What a chain's program means, checked, and how its tensors are cut into blocks.
#include <algorithm>

#include "kernels/chain.h"
#include "kernels/chain_blocks.h"
#include "kernels/eltwise_block.h"
#include "kernels/stream.h"

namespace tfengine::kernels {
namespace {

using Kind = ChainStep::Kind;
using Form = ChainTensor::Form;
using Way = ChainPlan::Input::Way;

// Longer blocks save little of what a step costs to begin, and leave less of the cache to the tensors' own lines.
constexpr int64_t kMaxBlock = 2048;
// Blocks end on whole vectors of any width.
constexpr int64_t kVectors = 64;
// Between registers, so that they do not fall on the same lines of the cache.
constexpr int64_t kApart = 128;

Num register_type(const ChainTensor& tensor) { return tensor.form == Form::Plain ? tensor.type : Num::F32; }

Num result_type(const ChainStep& step) {
  if (step.kind == Kind::Cast) return step.to;
  if (step.kind != Kind::Typed) return Num::F32;
  return typed_gives_bool(step.typed) ? Num::Bool : step.type;
}

Num operand_type(const ChainStep& step, int operand) {
  if (step.kind == Kind::Cast) return step.type;
  if (step.kind != Kind::Typed) return Num::F32;
  return step.typed == TypedOp::Select && operand == 0 ? Num::Bool : step.type;
}

int operands_of(const ChainStep& step) {
  switch (step.kind) {
    case Kind::Float:
      return is_binary(step.eltwise) ? 2 : 1;
    case Kind::Typed:
      return typed_operands(step.typed);
    case Kind::Angle:
      return 2;
    default:
      return 1;
  }
}

const char* step_error(const ChainStep& step) {
  if (step.kind > Kind::Round) return "a step is of no known kind";
  if (step.kind == Kind::Float && step.eltwise > EltwiseOp::SquaredDifference) return "a step has no known operation";
  if (step.kind == Kind::Math && step.math > MathOp::Lgamma) return "a step has no known function";
  if (step.kind != Kind::Typed) return nullptr;
  if (step.typed > TypedOp::Clamp || !typed_defined(step.typed, step.type))
    return "a step's operation is not defined on its type";
  return typed_may_fail(step.typed, step.type) ? "a step divides integers" : nullptr;
}

double step_ns(const ChainStep& step) {
  switch (step.kind) {
    case Kind::Float:
      return eltwise_ns(step.eltwise);
    case Kind::Typed:
      return typed_ns(step.typed);
    case Kind::Math:
      return math_ns(step.math);
    case Kind::Angle:
      return 2.0;
    default:
      return 0.2;
  }
}

void merge_axes_of(ChainProgram& program) {
  const size_t count = program.inputs.size() + program.outputs.size();
  std::vector<int64_t> flat(count * kMaxAxes);
  auto* strides = reinterpret_cast<int64_t(*)[kMaxAxes]>(flat.data());
  size_t k = 0;
  for (auto* list : {&program.inputs, &program.outputs}) {
    for (const ChainTensor& tensor : *list) std::copy_n(tensor.strides, kMaxAxes, strides[k++]);
  }
  program.rank = merge_axes(program.rank, program.dims, strides, static_cast<int>(count));
  k = 0;
  for (auto* list : {&program.inputs, &program.outputs}) {
    for (ChainTensor& tensor : *list) std::copy_n(strides[k++], kMaxAxes, tensor.strides);
  }
}

bool is_dense(const ChainProgram& program, const ChainTensor& tensor) {
  int64_t pitch = 1;
  for (int axis = program.rank - 1; axis >= 0; --axis) {
    if (tensor.strides[axis] != pitch && program.dims[axis] != 1) return false;
    pitch *= program.dims[axis];
  }
  return true;
}

bool outer_axes_repeat(const ChainProgram& program, const ChainTensor& tensor) {
  return std::all_of(tensor.strides, tensor.strides + program.rank - 1, [](int64_t stride) { return stride == 0; });
}

int64_t registers_of(const ChainProgram& program) {
  auto count = static_cast<int64_t>(program.inputs.size());
  for (const ChainStep& step : program.steps) count = std::max<int64_t>(count, step.dst + 1);
  return count;
}

int64_t widest(const ChainProgram& program) {
  int64_t bytes = 1;
  for (const ChainTensor& input : program.inputs) bytes = std::max(bytes, num_bytes(register_type(input)));
  for (const ChainStep& step : program.steps) bytes = std::max(bytes, num_bytes(result_type(step)));
  return bytes;
}

void cut_into_blocks(ChainPlan& plan, int64_t most) {
  const ChainProgram& program = plan.program;
  const int64_t run = program.dims[program.rank - 1];
  int64_t rows = 1;
  for (int axis = 0; axis + 1 < program.rank; ++axis) rows *= program.dims[axis];
  if (rows * run == 0) return;  // no blocks
  if (program.rank == 1 || 2 * run > most) {
    plan.pieces = (run + most - 1) / most;
    const int64_t piece = (run + plan.pieces - 1) / plan.pieces;
    plan.block = std::min((piece + kVectors - 1) / kVectors * kVectors, most);
    plan.pieces = (run + plan.block - 1) / plan.block;
    plan.blocks = rows * plan.pieces;
    return;
  }
  plan.rows_per_block = std::min(most / run, rows);
  plan.block = plan.rows_per_block * run;
  plan.blocks = (rows + plan.rows_per_block - 1) / plan.rows_per_block;
}

Way way_of(const ChainPlan& plan, const ChainTensor& input) {
  const ChainProgram& program = plan.program;
  const int64_t step = program.dims[program.rank - 1] == 1 ? 1 : input.strides[program.rank - 1];
  const bool whole_rows = plan.rows_per_block > 1;
  if (outer_axes_repeat(program, input) && (step == 0 || (step == 1 && whole_rows))) return Way::Once;
  const bool in_place = is_dense(program, input) || (step == 1 && !whole_rows);
  return input.form == Form::Plain && in_place ? Way::Direct : Way::Rows;
}

}  // namespace

const char* chain_error(const ChainProgram& program) {
  constexpr auto kMost = static_cast<size_t>(ChainProgram::kMaxRegisters);
  if (program.rank < 0 || program.rank > kMaxAxes) return "its rank is not 0 to 8";
  if (program.inputs.size() > kMost || program.outputs.empty() || program.outputs.size() > kMost)
    return "it has too many inputs or outputs, or no outputs";
  if (program.steps.empty() || program.steps.size() > ChainProgram::kMaxSteps) return "it has too many steps, or none";
  bool written[kMost] = {};
  Num types[kMost] = {};
  for (size_t i = 0; i < program.inputs.size(); ++i) written[i] = true, types[i] = register_type(program.inputs[i]);
  for (const ChainStep& step : program.steps) {
    if (const char* error = step_error(step)) return error;
    for (int k = 0; k < operands_of(step); ++k) {
      const uint8_t source = step.src[k];
      if (source >= kMost || !written[source]) return "a register is read before it is written";
      if (types[source] != operand_type(step, k)) return "a step reads a register of another type";
      if (source == step.dst && num_bytes(types[source]) != num_bytes(result_type(step)))
        return "a step writes over elements of another size";
    }
    if (step.dst >= kMost || step.dst < program.inputs.size()) return "a step writes to no register of its own";
    written[step.dst] = true;
    types[step.dst] = result_type(step);
  }
  for (const ChainTensor& output : program.outputs) {
    if (output.reg >= kMost || !written[output.reg]) return "an output is never written";
    if (types[output.reg] != register_type(output)) return "an output is of another type than its register";
  }
  if (program.fold == 0) return nullptr;
  if (program.outputs.size() != 1 || program.outputs[0].form != Form::Plain || program.outputs[0].type != Num::F32)
    return "what it folds are not float32 numbers of one output";
  int64_t elements = 1;
  for (int axis = 0; axis < program.rank; ++axis) elements *= program.dims[axis];
  return program.fold < 0 || program.fold_kind > ReduceKind::Prod || elements % program.fold != 0
             ? "what it folds is no part of its values"
             : nullptr;
}

size_t chain_workspace_bytes(const ChainPlan& plan) {
  return plan.program.fold == 0 ? 0 : static_cast<size_t>(2 * plan.blocks) * sizeof(float);
}

ChainPlan chain_plan(ChainProgram given) {
  ChainPlan plan;
  plan.program = std::move(given);
  ChainProgram& program = plan.program;
  merge_axes_of(program);
  // What is read where it lies needs no storage.
  int64_t stored = registers_of(program);
  const bool one_element = program.rank == 1 && program.dims[0] == 1;
  for (const ChainTensor& input : program.inputs)
    stored -= input.form == Form::Plain && !one_element && is_dense(program, input) ? 1 : 0;
  const int64_t width = widest(program);
  const int64_t room = (kChainStorageBytes / std::max<int64_t>(stored, 1) - kApart) / width / kVectors * kVectors;
  cut_into_blocks(plan, std::clamp(room, kVectors, kMaxBlock));
  plan.slot_bytes = (plan.block * width + kVectors - 1) / kVectors * kVectors + kApart;
  int slots = 0;
  for (const ChainTensor& input : program.inputs) {
    const Way way = way_of(plan, input);
    plan.inputs.push_back({way});
    plan.slots.push_back(way == Way::Direct ? -1 : slots++);
  }
  while (static_cast<int64_t>(plan.slots.size()) < registers_of(program)) plan.slots.push_back(slots++);
  for (const ChainTensor& output : program.outputs) plan.dense.push_back(is_dense(program, output));
  int64_t elements = 1, out_bytes = 0;
  for (int axis = 0; axis < program.rank; ++axis) elements *= program.dims[axis];
  for (const ChainTensor& output : program.outputs) out_bytes += elements * element_bytes(output);
  plan.streamed = program.fold == 0 && out_bytes >= kStreamedBytes;
  for (size_t i = 0; i < program.outputs.size() && !plan.streamed; ++i) {
    const ChainTensor& output = program.outputs[i];
    const bool dense = plan.dense[i] || (plan.rows_per_block == 1 && output.strides[program.rank - 1] == 1);
    if (program.fold == 0 && output.form == Form::Plain && dense && output.reg == program.steps.back().dst)
      plan.direct_output = static_cast<int>(i);
  }
  double ns = 0.3;
  for (const ChainStep& step : program.steps) ns += step_ns(step);
  plan.ns = ns * static_cast<double>(elements);
  return plan;
}

}  // namespace tfengine::kernels
