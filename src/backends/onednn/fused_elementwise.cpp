// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/fused_elementwise.h"

#include <algorithm>

#include "backends/onednn/chain_steps.h"
#include "backends/onednn/chain_writer.h"
#include "backends/onednn/pool.h"
#include "backends/onednn/typed.h"
#include "kernels/chain.h"
#include "kernels/stream.h"
#include "ops/fused_elementwise.h"
#include "ops/numeric.h"
#include "ops/op.h"

namespace tfengine::onednn {

namespace {

using kernels::ChainProgram;
using kernels::ChainStep;
using kernels::ChainTensor;
using kernels::EltwiseOp;
using kernels::Num;
using Kind = ChainStep::Kind;

bool is_plain_type(const ir::Value& value) {
  return !value.quant.defined() && register_num(value.dtype) && value.shape.is_static() &&
         value.shape.rank() <= kernels::kMaxAxes;
}

// An operand's strides along the axes of the result; it may be a channel slice.
void set_strides(const TensorDesc& operand, size_t rank, int64_t* strides) {
  int64_t pitch = 1;
  for (size_t i = operand.shape.rank(); i-- > 0;) {
    const bool last = i + 1 == operand.shape.rank();
    const int64_t dim = operand.shape[i];
    strides[rank - operand.shape.rank() + i] = dim == 1 ? 0 : pitch;
    pitch = last ? operand.pixel_stride : pitch * dim;
  }
}

ChainTensor tensor_of(const TensorDesc& desc, size_t rank) {
  ChainTensor tensor;
  if (const auto half = half_of(desc.dtype)) {
    tensor.form = ChainTensor::Form::Half;
    tensor.half = *half;
  } else {
    tensor.type = *num_of(desc.dtype);
  }
  set_strides(desc, rank, tensor.strides);
  return tensor;
}

// Results that are folded are finished when values of them have been read by others.
bool folds(const StepSpec& spec) { return ops::final_reduction(spec.node->regions[0]) != ir::kNone; }

uint64_t overwrites(const StepSpec& spec) {
  uint64_t bits = 0;
  if (folds(spec)) return bits;
  for (size_t i = 0; i < spec.inputs.size() && i < 64; ++i) {
    if (may_share_memory(spec.inputs[i], spec.outputs[0])) bits |= uint64_t{1} << i;
  }
  return bits;
}

int carried(const StepSpec& spec) {
  size_t count = 0;
  while (!folds(spec) && count < spec.inputs.size() && count < spec.outputs.size() &&
         may_share_memory(spec.inputs[count], spec.outputs[count])) {
    ++count;
  }
  return static_cast<int>(count);
}

// The program, and the constants of the region, which are inputs behind the node's own.
struct Chain {
  kernels::ChainPlan plan;
  std::vector<Tensor> constants;
};

std::variant<Chain, Refusal> chain_of(const StepSpec& spec) {
  const ir::Graph& region = spec.node->regions[0];
  const ir::NodeId end = ops::final_reduction(region);
  const Shape& shape = end == ir::kNone ? spec.outputs[0].shape : region.input_value(region.node(end), 0).shape;
  const size_t rank = shape.rank();
  if (rank > kernels::kMaxAxes) return Refusal{"its rank is above 8"};
  Chain chain;
  ChainProgram program;
  program.rank = static_cast<int>(rank);
  std::copy(shape.begin(), shape.end(), program.dims);
  ChainWriter writer(region, end);
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    if (!register_num(spec.inputs[i].dtype) || spec.inputs[i].quant.defined() || spec.inputs[i].shape.rank() > rank)
      return Refusal{"its numbers are of a type that has no fast form"};
    program.inputs.push_back(tensor_of(spec.inputs[i], rank));
    writer.add_input(region.inputs[i]);
  }
  for (ir::ValueId id = 0; id < region.value_count(); ++id) {
    const ir::Value& value = region.value(id);
    if (!value.is_constant() || (end != ir::kNone && region.node(end).inputs[1] == id)) continue;
    if (value.constant.elements() != 1 || !register_num(value.dtype)) return Refusal{"a constant of it is no number"};
    program.inputs.push_back(tensor_of({value.dtype, {}, {}, 1}, rank));
    chain.constants.push_back(value.constant);
    writer.add_input(id);
  }
  if (program.inputs.size() > ChainProgram::kMaxRegisters || !writer.write())
    return Refusal{"a node of it has no fast form"};
  program.steps = writer.take_steps();
  if (end != ir::kNone) {
    if (!can_end_chain(region, region.node(end)) || !spec.outputs[0].dense() || shape.elements() == 0)
      return Refusal{"its reduction has no fast form"};
    program.fold = shape.elements() / std::max<int64_t>(spec.outputs[0].shape.elements(), 1);
    program.fold_kind = *reduce_kind(region.node(end).op);
    program.outputs.push_back(tensor_of({DType::F32, shape, {}, shape.rank() == 0 ? 1 : shape.back()}, rank));
    program.outputs.back().reg = writer.register_of(region.node(end).inputs[0]);
  }
  for (size_t i = 0; end == ir::kNone && i < spec.outputs.size(); ++i) {
    if (spec.outputs[i].shape != shape) return Refusal{"its outputs have several shapes"};
    if (!register_num(spec.outputs[i].dtype) || spec.outputs[i].quant.defined())
      return Refusal{"its results are of a type that has no fast form"};
    program.outputs.push_back(tensor_of(spec.outputs[i], rank));
    program.outputs.back().reg = writer.register_of(region.outputs[i].value);
  }
  if (const char* error = kernels::chain_error(program)) return Refusal{error};
  chain.plan = kernels::chain_plan(std::move(program));
  return chain;
}

}  // namespace

bool can_fuse(const ir::Graph& graph, const ir::Node& node) {
  const int own = ops::own_input_count(node);
  if (node.denylisted || own < 1 || node.outputs.size() != 1 || !node.regions.empty()) return false;
  const ir::Value& made = graph.value(node.outputs[0]);
  if (!is_plain_type(made)) return false;
  const auto fits = [&](ir::ValueId id) {
    return is_plain_type(graph.value(id)) && graph.value(id).shape.rank() <= made.shape.rank();
  };
  if (!std::all_of(node.inputs.begin(), node.inputs.end(), fits)) return false;
  const auto all_float = [&] {
    return made.dtype == DType::F32 && std::all_of(node.inputs.begin(), node.inputs.end(),
                                                   [&](ir::ValueId id) { return graph.value(id).dtype == DType::F32; });
  };
  if (!node.epilogue.empty() && !all_float()) return false;
  if (node.op == "AddN" || node.op == "BatchNormAffine") return all_float();
  if (node.op == "Cast") return true;
  // Rows are chosen by a vector of as many conditions.
  if (node.op == "Select" && graph.input_value(node, 0).shape != made.shape) return false;
  const auto step = single_step(node, data_type(graph, node));
  if (!step) return false;
  const int operands = step->kind == Kind::Typed   ? kernels::typed_operands(step->typed)
                       : step->kind == Kind::Angle ? 2
                       : step->kind == Kind::Float && kernels::is_binary(step->eltwise) ? 2
                                                                                        : 1;
  return own == operands;
}

bool can_end_chain(const ir::Graph& graph, const ir::Node& node) {
  if (node.denylisted || !reduce_kind(node.op) || node.inputs.size() != 2 || node.outputs.size() != 1) return false;
  const ir::Value &src = graph.input_value(node, 0), &dst = graph.value(node.outputs[0]);
  const ir::Value& axes = graph.input_value(node, 1);
  const auto plain = [](const ir::Value& value) { return value.dtype == DType::F32 && is_plain_type(value); };
  if (!plain(src) || !plain(dst) || !axes.is_constant() || !node.epilogue.empty()) return false;
  const auto rank = static_cast<int64_t>(src.shape.rank());
  std::vector<bool> reduced(src.shape.rank(), false);
  for (const int64_t axis : ops::as_ints(axes.constant)) {
    if (axis < -rank || axis >= rank) return false;
    reduced[static_cast<size_t>(axis < 0 ? axis + rank : axis)] = true;
  }
  // The last axes; those of one element count as either.
  bool folding = false;
  for (size_t i = 0; i < reduced.size(); ++i) {
    if (src.shape[i] == 1) continue;
    if (folding && !reduced[i]) return false;
    folding = folding || reduced[i];
  }
  return folding && src.shape.elements() > 0;
}

bool better_as_chain(const StepSpec& spec) {
  const bool halves = half_of(spec.outputs[0].dtype).has_value() && spec.node->op != "Cast";
  const bool floats = spec.outputs[0].dtype == DType::F32 && two_steps(spec.node->op);
  // What a chain writes past the caches.
  const bool large = spec.outputs[0].bytes() >= static_cast<size_t>(kernels::kStreamedBytes);
  return (halves || floats || large) && can_fuse(*spec.graph, *spec.node);
}

Tactics chain_of_one_tactics(const StepSpec& spec) {
  const ir::Node& node = *spec.node;
  ir::Graph region;
  std::vector<ir::ValueId> inputs;
  for (const TensorDesc& input : spec.inputs) inputs.push_back(region.add_input("", input.dtype, input.shape));
  const ir::NodeId copy = region.add_node(node.op, node.name, std::move(inputs), node.attrs);
  region.node(copy).epilogue = node.epilogue;
  const ir::ValueId out = region.output(copy);
  region.value(out).dtype = spec.outputs[0].dtype;
  region.value(out).shape = spec.outputs[0].shape;
  region.outputs.push_back({node.name, out});
  ir::Node fused;
  fused.op = ops::kFusedElementwise;
  fused.name = node.name;
  fused.regions.push_back(std::move(region));
  StepSpec as_chain = spec;
  as_chain.node = &fused;
  return fused_elementwise_tactics(as_chain);
}

Tactics fused_elementwise_tactics(const StepSpec& spec) {
  if (spec.node->regions.size() != 1) return Refusal{"it has no region"};
  auto answer = chain_of(spec);
  if (const Refusal* refusal = std::get_if<Refusal>(&answer)) return *refusal;
  const auto chain = std::make_shared<const Chain>(std::move(std::get<Chain>(answer)));
  const int threads = spec.threads;
  Tactic tactic = plain_tactic(
      "own:chain",
      [chain, threads](const StepArgs& args) {
        const void* src[ChainProgram::kMaxRegisters];
        std::copy(args.src.begin(), args.src.end(), src);
        for (size_t i = 0; i < chain->constants.size(); ++i) src[args.src.size() + i] = chain->constants[i].data();
        kernels::chain_run(chain->plan, src, args.dst.data(), threads, args.workspace);
      },
      kernels::chain_workspace_bytes(chain->plan));
  tactic.may_overwrite = overwrites(spec);
  tactic.carried = carried(spec);
  return std::vector<Tactic>{std::move(tactic)};
}

}  // namespace tfengine::onednn
