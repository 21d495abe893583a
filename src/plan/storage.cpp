// SPDX-License-Identifier: Apache-2.0
#include "plan/storage.h"

#include <algorithm>

#include "base/buffer.h"
#include "base/check.h"
#include "plan/arena.h"

namespace tfengine::plan {

Storage::Storage(const ir::Graph& graph)
    : graph_(&graph),
      slots_(static_cast<size_t>(graph.value_count())),
      step_of_node_(static_cast<size_t>(graph.node_count()), -1) {
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    put(graph.inputs[i], new_group(Place::Input, static_cast<int>(i), 0), 0);
  }
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    if (graph.value(id).is_constant()) put(id, new_group(Place::Constant, id, 0), 0);
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const ir::ValueId id = graph.outputs[i].value;
    if (slot(id).group < 0) put(id, new_group(Place::Output, static_cast<int>(i), 0), 0);
  }
}

int Storage::new_group(Place place, int index, uint64_t bytes) {
  groups_.push_back({place, index, bytes, {}});
  return static_cast<int>(groups_.size()) - 1;
}

void Storage::put(ir::ValueId id, int group, int64_t offset) {
  slot(id) = {group, offset};
  groups_[static_cast<size_t>(group)].values.push_back(id);
}

std::vector<Storage::Piece> Storage::pieces_of(const ir::Node& concat, const std::vector<TensorDesc>& descs) const {
  const auto desc = [&](ir::ValueId id) -> const TensorDesc& { return descs[static_cast<size_t>(id)]; };
  const Shape& shape = desc(concat.outputs[0]).shape;
  const ir::Value& axis_value = graph_->value(concat.inputs.back());
  if (shape.rank() < 1 || !axis_value.is_constant()) return {};
  const auto rank = static_cast<int64_t>(shape.rank());
  int64_t axis = *axis_value.constant.as<int32_t>();
  if (axis < 0) axis += rank;
  int64_t outer = 1, inner = 1;
  for (int64_t i = 0; i < axis; ++i) outer *= shape[static_cast<size_t>(i)];
  for (int64_t i = axis + 1; i < rank; ++i) inner *= shape[static_cast<size_t>(i)];
  const bool channels = axis == rank - 1;
  // Along other axes pieces are dense parts of a dense whole.
  if (!channels && (outer != 1 || !desc(concat.outputs[0]).dense())) return {};
  std::vector<Piece> pieces;
  int64_t offset = 0;
  for (size_t i = 0; i + 1 < concat.inputs.size(); ++i) {
    const ir::ValueId input = concat.inputs[i];
    pieces.push_back({input, offset, outer != 1});
    offset += desc(input).shape[static_cast<size_t>(axis)] * inner *
              static_cast<int64_t>(dtype_bytes(desc(concat.outputs[0]).dtype));
  }
  return pieces;
}

bool Storage::can_be_piece(const Piece& piece, ir::NodeId concat, const std::vector<TensorDesc>& descs,
                           const StridedInput& strided_input, const StridedOutput& strided_output) const {
  const ir::Value& value = graph_->value(piece.value);
  const TensorDesc& part = descs[static_cast<size_t>(piece.value)];
  const TensorDesc& whole = descs[static_cast<size_t>(graph_->node(concat).outputs[0])];
  if (part.dtype != whole.dtype || part.quant != whole.quant) return false;
  if (slot(piece.value).group >= 0 || value.producer == ir::kNone) return false;
  if (std::count(value.users.begin(), value.users.end(), concat) != 1) return false;
  if (!piece.strided && whole.dense()) return piece.offset_bytes % static_cast<int64_t>(kAlignment) == 0;
  if (!strided_output(value.producer, descs)) return false;
  return std::all_of(value.users.begin(), value.users.end(), [&](ir::NodeId user) {
    if (user == concat) return true;
    const ir::Node& node = graph_->node(user);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == piece.value && !strided_input(user, static_cast<int>(i), descs)) return false;
    }
    return true;
  });
}

void Storage::place_concat_views(const std::vector<ir::NodeId>& order, std::vector<TensorDesc>& descs,
                                 const StridedInput& strided_input, const StridedOutput& strided_output) {
  const auto desc = [&](ir::ValueId id) -> TensorDesc& { return descs[static_cast<size_t>(id)]; };
  // From the last concat to the first, so that a concat inside another finds its output placed already.
  for (auto at = order.rbegin(); at != order.rend(); ++at) {
    const ir::Node& node = graph_->node(*at);
    if (node.op != "ConcatV2") continue;
    const ir::ValueId out = node.outputs[0];
    for (const Piece& piece : pieces_of(node, descs)) {
      if (!can_be_piece(piece, *at, descs, strided_input, strided_output)) continue;
      if (slot(out).group < 0) put(out, new_group(Place::Arena, 0, desc(out).storage_bytes()), 0);
      const Slot target = slot(out);
      put(piece.value, target.group, target.offset + piece.offset_bytes);
      if (piece.strided || !desc(out).dense()) desc(piece.value).pixel_stride = desc(out).pixel_stride;
    }
  }
}

bool Storage::can_be_view(ir::ValueId out, const View& view, const TensorDesc& whole,
                          const std::vector<TensorDesc>& descs, const StridedInput& strided_input) const {
  if (slot(out).group >= 0) return false;
  const TensorDesc& part = descs[static_cast<size_t>(out)];
  if (part.dtype != whole.dtype) return false;
  const auto offset = static_cast<uint64_t>(view.first_element) * dtype_bytes(whole.dtype);
  const bool dense = part.shape.rank() == 0 || view.pixel_stride == part.shape.back();
  if (dense) return offset % kAlignment == 0;
  const auto& users = graph_->value(out).users;
  return std::all_of(users.begin(), users.end(), [&](ir::NodeId user) {
    const ir::Node& node = graph_->node(user);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == out && !strided_input(user, static_cast<int>(i), descs)) return false;
    }
    return true;
  });
}

void Storage::place_views(Step& step, std::vector<TensorDesc>& descs, const StridedInput& strided_input) {
  const std::vector<View>& views = step.tactic.views;
  const ir::Node& node = graph_->node(step.node);
  if (views.size() != node.outputs.size()) return;
  for (size_t i = 0; i < views.size(); ++i) {
    const ir::ValueId whole = node.inputs[static_cast<size_t>(views[i].input)];
    if (!can_be_view(node.outputs[i], views[i], descs[static_cast<size_t>(whole)], descs, strided_input)) return;
  }
  for (size_t i = 0; i < views.size(); ++i) {
    const ir::ValueId whole = node.inputs[static_cast<size_t>(views[i].input)];
    const TensorDesc& desc = descs[static_cast<size_t>(whole)];
    if (slot(whole).group < 0) put(whole, new_group(Place::Arena, 0, desc.storage_bytes()), 0);
    put(node.outputs[i], slot(whole).group,
        slot(whole).offset + views[i].first_element * static_cast<int64_t>(dtype_bytes(desc.dtype)));
    descs[static_cast<size_t>(node.outputs[i])].pixel_stride = views[i].pixel_stride;
  }
  step.elided = true;
}

int Storage::last_use(const Group& group) const {
  int last = -1;
  for (const ir::ValueId id : group.values) {
    for (const ir::NodeId user : graph_->value(id).users) {
      last = std::max(last, step_of_node_[static_cast<size_t>(user)]);
    }
  }
  return last;
}

bool Storage::dies_here(ir::ValueId id, int step) const {
  if (slot(id).group < 0) return false;
  const Group& group = group_of(id);
  return group.place == Place::Arena && last_use(group) <= step;
}

// A value without a place, or one that fills a group of the arena, whose other values are parts of it.
bool Storage::free_or_whole(ir::ValueId id, uint64_t bytes) const {
  if (slot(id).group < 0) return true;
  const Group& group = group_of(id);
  return group.place == Place::Arena && slot(id).offset == 0 && group.bytes == bytes && group.values.front() == id;
}

// As far as the order of steps does not matter.
bool Storage::may_overwrite(const ir::Node& node, int input, int output, const std::vector<TensorDesc>& descs) const {
  const ir::ValueId source = node.inputs[static_cast<size_t>(input)];
  const ir::ValueId out = node.outputs[static_cast<size_t>(output)];
  const TensorDesc& from = descs[static_cast<size_t>(source)];
  const TensorDesc& to = descs[static_cast<size_t>(out)];
  if (!from.dense() || !to.dense() || from.bytes() != to.bytes()) return false;
  // The operand may be read through another input too.
  return free_or_whole(out, to.bytes()) && std::count(node.inputs.begin(), node.inputs.end(), source) == 1;
}

// The operand has its memory for itself, and the result is smaller. As far as the order of steps does not matter.
bool Storage::may_overwrite_start(const ir::Node& node, int input, const std::vector<TensorDesc>& descs) const {
  const ir::ValueId source = node.inputs[static_cast<size_t>(input)];
  const ir::ValueId out = node.outputs[0];
  const TensorDesc& from = descs[static_cast<size_t>(source)];
  const TensorDesc& to = descs[static_cast<size_t>(out)];
  if (!from.dense() || !to.dense() || from.bytes() <= to.bytes() || slot(out).group >= 0) return false;
  if (slot(source).group >= 0) {
    const Group& group = group_of(source);
    if (group.place != Place::Arena || slot(source).offset != 0 || group.bytes != from.bytes() ||
        group.rest != ir::kNone) {
      return false;
    }
  }
  return std::count(node.inputs.begin(), node.inputs.end(), source) == 1;
}

bool Storage::is_view(const Step& step, const std::vector<TensorDesc>& descs) const {
  const ir::Node& node = graph_->node(step.node);
  const TensorDesc& from = descs[static_cast<size_t>(node.inputs[0])];
  const TensorDesc& to = descs[static_cast<size_t>(node.outputs[0])];
  return step.tactic.alias && from.dense() && to.dense() && free_or_whole(node.outputs[0], to.bytes());
}

// Whether the node reads another value of the group that this input lies in.
bool Storage::reads_beside(const ir::Node& node, ir::ValueId source) const {
  const auto& members = group_of(source).values;
  return std::any_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId other) {
    return other != source && std::find(members.begin(), members.end(), other) != members.end();
  });
}

bool Storage::try_overwrite(const Step& step, int input, int output, int step_index,
                            const std::vector<TensorDesc>& descs) {
  const ir::Node& node = graph_->node(step.node);
  const ir::ValueId source = node.inputs[static_cast<size_t>(input)];
  const ir::ValueId out = node.outputs[static_cast<size_t>(output)];
  if (!may_overwrite(node, input, output, descs) || !dies_here(source, step_index)) return false;
  const Slot where = slot(source);
  if (where.group == slot(out).group || reads_beside(node, source)) return false;
  move_into(out, where);
  return true;
}

bool Storage::try_overwrite_start(const Step& step, int input, int step_index, const std::vector<TensorDesc>& descs) {
  const ir::Node& node = graph_->node(step.node);
  const ir::ValueId source = node.inputs[static_cast<size_t>(input)];
  if (slot(source).group < 0 || !may_overwrite_start(node, input, descs) || !dies_here(source, step_index) ||
      reads_beside(node, source)) {
    return false;
  }
  put(node.outputs[0], slot(source).group, 0);
  group_of(source).rest = node.outputs[0];
  return true;
}

// With its parts, if it has any.
void Storage::move_into(ir::ValueId id, Slot where) {
  if (slot(id).group < 0) return put(id, where.group, where.offset);
  const std::vector<ir::ValueId> values = std::move(group_of(id).values);
  group_of(id) = {};
  for (const ir::ValueId each : values) put(each, where.group, where.offset + slot(each).offset);
}

void Storage::share_step(Step& step, int index, const std::vector<TensorDesc>& descs, bool share_memory) {
  const ir::Node& node = graph_->node(step.node);
  if (step.tactic.inplace_input != ir::kNone) {
    if (!share_memory || !try_overwrite(step, step.tactic.inplace_input, 0, index, descs)) {
      step.copy_input = step.tactic.inplace_input;
    }
  } else if (share_memory && step.tactic.alias) {
    const ir::ValueId source = node.inputs[0];
    const ir::ValueId out = node.outputs[0];
    if (is_view(step, descs) && slot(source).group != slot(out).group) {
      move_into(out, slot(source));
      step.elided = true;
    }
  } else if (share_memory) {
    for (int input = 0; input < static_cast<int>(std::min<size_t>(node.inputs.size(), 64)); ++input) {
      if ((step.tactic.may_overwrite >> input & 1) != 0 && try_overwrite(step, input, 0, index, descs)) break;
    }
    for (int input = 0; input < static_cast<int>(std::min<size_t>(node.inputs.size(), 64)); ++input) {
      if (slot(node.outputs[0]).group >= 0) break;
      if ((step.tactic.may_overwrite_start >> input & 1) != 0) try_overwrite_start(step, input, index, descs);
    }
    for (int state = 0; state < step.tactic.carried; ++state) try_overwrite(step, state, state, index, descs);
  }
  for (const ir::ValueId out : node.outputs) {
    if (slot(out).group < 0) put(out, new_group(Place::Arena, 0, descs[static_cast<size_t>(out)].storage_bytes()), 0);
  }
  if (node.op == "ConcatV2") {
    step.elided = std::all_of(node.inputs.begin(), node.inputs.end() - 1, [&](ir::ValueId input) {
      return slot(input).group == slot(node.outputs[0]).group && group_of(input).place != Place::Constant;
    });
  }
}

void Storage::share(std::vector<Step>& steps, const std::vector<TensorDesc>& descs, bool share_memory) {
  for (size_t i = 0; i < steps.size(); ++i) step_of_node_[static_cast<size_t>(steps[i].node)] = static_cast<int>(i);
  for (size_t i = 0; i < steps.size(); ++i) share_step(steps[i], static_cast<int>(i), descs, share_memory);
}

// `until_end`: what a step writes stays for the rest of the run.
void Storage::pack(Placement& placement, const std::vector<TensorDesc>& descs, bool until_end) const {
  std::vector<Lifetime> lifetimes;
  std::vector<int> lifetime_of(groups_.size(), -1);
  const int steps = static_cast<int>(placement.steps.size());
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    if (group.place != Place::Arena || group.values.empty()) continue;
    int first = steps;
    for (const ir::ValueId id : group.values) {
      const ir::NodeId producer = graph_->value(id).producer;
      if (producer != ir::kNone) first = std::min(first, step_of_node_[static_cast<size_t>(producer)]);
    }
    lifetime_of[g] = static_cast<int>(lifetimes.size());
    const int last = until_end ? steps - 1 : last_use(group);
    lifetimes.push_back({group.bytes, first, std::max(first, last)});
    if (group.rest != ir::kNone && !until_end) {
      lifetimes.back().shrink_step = step_of_node_[static_cast<size_t>(graph_->value(group.rest).producer)];
      lifetimes.back().rest_bytes = descs[static_cast<size_t>(group.rest)].bytes();
    }
    for (const ir::ValueId id : group.values) placement.naive_bytes += descs[static_cast<size_t>(id)].bytes();
  }
  const auto first_scratch = lifetimes.size();
  std::vector<ir::ValueId> scratch_of;
  for (int step = 0; step < steps; ++step) {
    const Step& runs = placement.steps[static_cast<size_t>(step)];
    if (runs.regions.scratch_bytes == 0) continue;
    lifetimes.push_back({runs.regions.scratch_bytes, step, step});
    scratch_of.push_back(graph_->node(runs.node).outputs[0]);
  }
  const ArenaLayout layout = pack_arena(lifetimes);
  auto scratch = first_scratch;
  for (Step& step : placement.steps) {
    if (step.regions.scratch_bytes > 0) step.regions.scratch_offset = layout.offsets[scratch++];
  }
  for (size_t i = first_scratch; i < lifetimes.size(); ++i) {
    placement.arena.push_back({scratch_of[i - first_scratch], static_cast<uint64_t>(layout.offsets[i]),
                               lifetimes[i].bytes, lifetimes[i].first_step, lifetimes[i].last_step});
  }
  placement.arena_bytes = layout.bytes;
  placement.lower_bound_bytes = layout.lower_bound_bytes;
  placement.peak_step = layout.peak_step;
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (lifetime_of[g] < 0) continue;
    const size_t index = static_cast<size_t>(lifetime_of[g]);
    const Lifetime& life = lifetimes[index];
    const auto offset = static_cast<uint64_t>(layout.offsets[index]);
    const bool shrinks = life.shrink_step >= 0 && life.shrink_step < life.last_step;
    placement.arena.push_back(
        {groups_[g].values[0], offset, life.bytes, life.first_step, shrinks ? life.shrink_step : life.last_step});
    if (shrinks) {
      placement.arena.push_back({groups_[g].rest, offset, life.rest_bytes, life.shrink_step + 1, life.last_step});
    }
  }
  placement.locations.assign(static_cast<size_t>(graph_->value_count()), {});
  for (ir::ValueId id = 0; id < graph_->value_count(); ++id) {
    const Slot& where = slot(id);
    if (where.group < 0) continue;
    const Group& group = groups_[static_cast<size_t>(where.group)];
    int64_t offset = where.offset;
    if (group.place == Place::Arena) {
      offset += layout.offsets[static_cast<size_t>(lifetime_of[static_cast<size_t>(where.group)])];
    }
    placement.locations[static_cast<size_t>(id)] = {group.place, group.index, offset};
  }
}

Placement Storage::place(std::vector<Step> steps, const std::vector<TensorDesc>& descs, Sharing sharing) const {
  Storage storage = *this;
  Placement placement;
  storage.share(steps, descs, sharing == Sharing::Operands);
  for (const Step& step : steps) {
    if (step.copy_input != ir::kNone)
      placement.copied_bytes += descs[static_cast<size_t>(graph_->node(step.node).outputs[0])].bytes();
  }
  placement.steps = std::move(steps);
  storage.pack(placement, descs, sharing == Sharing::Nothing);
  return placement;
}

OrderProblem Storage::order_problem(const std::vector<Step>& steps, const std::vector<TensorDesc>& descs) const {
  OrderProblem problem;
  std::vector<int> block_of(slots_.size(), -1), block_of_group(groups_.size(), -1);
  const auto new_block = [&](uint64_t bytes) {
    problem.block_bytes.push_back(arena_bytes(bytes));
    return static_cast<int>(problem.block_bytes.size()) - 1;
  };
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].place == Place::Arena && !groups_[g].values.empty()) block_of_group[g] = new_block(groups_[g].bytes);
    for (const ir::ValueId id : groups_[g].values) block_of[static_cast<size_t>(id)] = block_of_group[g];
  }
  std::vector<int> step_of(step_of_node_.size(), -1);
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    const ir::Node& node = graph_->node(step.node);
    step_of[static_cast<size_t>(step.node)] = static_cast<int>(i);
    OrderStep what;
    const auto block = [&](ir::ValueId id) -> int& { return block_of[static_cast<size_t>(id)]; };
    const auto needs = [&](int id) {
      if (id >= 0 && std::find(what.blocks.begin(), what.blocks.end(), id) == what.blocks.end())
        what.blocks.push_back(id);
    };
    for (const ir::ValueId id : node.inputs) {
      needs(block(id));
      const ir::NodeId producer = graph_->value(id).producer;
      if (producer != ir::kNone) what.after.push_back(step_of[static_cast<size_t>(producer)]);
    }
    for (const ir::ValueId id : node.outputs) {
      if (is_view(step, descs)) {
        block(id) = block(node.inputs[0]);
        if (slot(id).group < 0) continue;
        for (const ir::ValueId part : group_of(id).values) block(part) = block(id);
      } else if (slot(id).group < 0) {
        block(id) = new_block(descs[static_cast<size_t>(id)].storage_bytes());
      }
    }
    for (const ir::ValueId id : node.outputs) needs(block(id));
    if (step.regions.scratch_bytes > 0) needs(new_block(step.regions.scratch_bytes));
    const auto overwrite = [&](int input) {
      const int from = block(node.inputs[static_cast<size_t>(input)]), to = block(node.outputs[0]);
      if (from >= 0 && to >= 0 && from != to && may_overwrite(node, input, 0, descs))
        what.overwrites.push_back({from, to});
    };
    const auto overwrite_start = [&](int input) {
      const int from = block(node.inputs[static_cast<size_t>(input)]), to = block(node.outputs[0]);
      if (from >= 0 && to >= 0 && from != to && may_overwrite_start(node, input, descs))
        what.overwrites.push_back({from, to});
    };
    if (step.tactic.inplace_input != ir::kNone) overwrite(step.tactic.inplace_input);
    for (int input = 0; input < static_cast<int>(std::min<size_t>(node.inputs.size(), 64)); ++input) {
      if ((step.tactic.may_overwrite >> input & 1) != 0) overwrite(input);
      if ((step.tactic.may_overwrite_start >> input & 1) != 0) overwrite_start(input);
    }
    problem.steps.push_back(std::move(what));
  }
  return problem;
}

}  // namespace tfengine::plan
