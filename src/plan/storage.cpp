// SPDX-License-Identifier: Apache-2.0
#include "plan/storage.h"

#include <algorithm>

#include "base/check.h"
#include "plan/arena.h"

namespace tfengine::plan {

Storage::Storage(const ir::Graph& graph)
    : graph_(graph),
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
  int step = 0;
  for (const ir::NodeId id : graph.order()) step_of_node_[static_cast<size_t>(id)] = step++;
}

int Storage::new_group(Place place, int index, uint64_t bytes) {
  groups_.push_back({place, index, bytes, {}});
  return static_cast<int>(groups_.size()) - 1;
}

void Storage::put(ir::ValueId id, int group, int64_t offset) {
  slot(id) = {group, offset};
  groups_[static_cast<size_t>(group)].values.push_back(id);
}

void Storage::place_concat_views(
    const std::vector<ir::NodeId>& order, std::vector<TensorDesc>& descs,
    const std::function<bool(ir::NodeId, int, const std::vector<TensorDesc>&)>& strided_input,
    const std::function<bool(ir::NodeId, const std::vector<TensorDesc>&)>& strided_output) {
  const auto desc = [&](ir::ValueId id) -> TensorDesc& { return descs[static_cast<size_t>(id)]; };
  const auto movable = [&](ir::ValueId id, ir::NodeId concat) {
    const ir::Value& value = graph_.value(id);
    if (slot(id).group >= 0 || value.producer == ir::kNone || !strided_output(value.producer, descs)) return false;
    if (std::count(value.users.begin(), value.users.end(), concat) != 1) return false;
    return std::all_of(value.users.begin(), value.users.end(), [&](ir::NodeId user) {
      if (user == concat) return true;
      const ir::Node& node = graph_.node(user);
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] == id && !strided_input(user, static_cast<int>(i), descs)) return false;
      }
      return true;
    });
  };
  // From the last concat to the first, so that a concat inside another finds its output placed already.
  for (auto at = order.rbegin(); at != order.rend(); ++at) {
    const ir::Node& node = graph_.node(*at);
    if (node.op != "ConcatV2") continue;
    const ir::ValueId out = node.outputs[0];
    const Shape& shape = desc(out).shape;
    const ir::Value& axis_value = graph_.value(node.inputs.back());
    if (shape.rank() < 2 || !axis_value.is_constant()) continue;
    const int64_t axis = *axis_value.constant.as<int32_t>();
    if (axis != -1 && axis != static_cast<int64_t>(shape.rank()) - 1) continue;
    int64_t channel = 0;
    for (size_t i = 0; i + 1 < node.inputs.size(); ++i) {
      const ir::ValueId input = node.inputs[i];
      if (desc(input).dtype == desc(out).dtype && movable(input, *at)) {
        if (slot(out).group < 0) put(out, new_group(Place::Arena, 0, desc(out).storage_bytes()), 0);
        const Slot& target = slot(out);
        put(input, target.group, target.offset + channel * static_cast<int64_t>(dtype_bytes(desc(out).dtype)));
        desc(input).pixel_stride = desc(out).pixel_stride;
      }
      channel += desc(input).shape.back();
    }
  }
}

int Storage::last_use(const Group& group) const {
  int last = -1;
  for (const ir::ValueId id : group.values) {
    for (const ir::NodeId user : graph_.value(id).users) {
      last = std::max(last, step_of_node_[static_cast<size_t>(user)]);
    }
  }
  return last;
}

bool Storage::dies_here(ir::ValueId id, int step) const {
  const Slot& where = slot(id);
  if (where.group < 0) return false;
  const Group& group = groups_[static_cast<size_t>(where.group)];
  return group.place == Place::Arena && last_use(group) <= step;
}

bool Storage::try_overwrite(const Step& step, int input, int step_index, const std::vector<TensorDesc>& descs) {
  const ir::Node& node = graph_.node(step.node);
  const ir::ValueId source = node.inputs[static_cast<size_t>(input)];
  const ir::ValueId out = node.outputs[0];
  const TensorDesc& from = descs[static_cast<size_t>(source)];
  const TensorDesc& to = descs[static_cast<size_t>(out)];
  if (slot(out).group >= 0 || !dies_here(source, step_index)) return false;
  if (!from.dense() || !to.dense() || from.bytes() != to.bytes()) return false;
  // The operand may be read through another input too.
  if (std::count(node.inputs.begin(), node.inputs.end(), source) != 1) return false;
  const Slot& where = slot(source);
  const auto& members = groups_[static_cast<size_t>(where.group)].values;
  const bool read_twice = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId other) {
    return other != source && std::find(members.begin(), members.end(), other) != members.end();
  });
  if (read_twice) return false;
  put(out, where.group, where.offset);
  return true;
}

void Storage::share(std::vector<Step>& steps, const std::vector<TensorDesc>& descs, bool share_memory) {
  for (size_t index = 0; index < steps.size(); ++index) {
    Step& step = steps[index];
    const ir::Node& node = graph_.node(step.node);
    const int at = static_cast<int>(index);
    if (step.tactic.inplace_input != ir::kNone) {
      if (!share_memory || !try_overwrite(step, step.tactic.inplace_input, at, descs)) {
        step.copy_input = step.tactic.inplace_input;
      }
    } else if (share_memory && step.tactic.alias) {
      const ir::ValueId source = node.inputs[0];
      const ir::ValueId out = node.outputs[0];
      const bool free = slot(out).group < 0 && slot(source).group >= 0;
      if (free && descs[static_cast<size_t>(source)].dense() && descs[static_cast<size_t>(out)].dense()) {
        put(out, slot(source).group, slot(source).offset);
        step.elided = true;
      }
    } else if (share_memory) {
      for (int input = 0; input < static_cast<int>(std::min<size_t>(node.inputs.size(), 64)); ++input) {
        if ((step.tactic.may_overwrite >> input & 1) != 0 && try_overwrite(step, input, at, descs)) break;
      }
    }
    for (const ir::ValueId out : node.outputs) {
      if (slot(out).group < 0) put(out, new_group(Place::Arena, 0, descs[static_cast<size_t>(out)].storage_bytes()), 0);
    }
    if (node.op == "ConcatV2") {
      const Slot& target = slot(node.outputs[0]);
      step.elided = std::all_of(node.inputs.begin(), node.inputs.end() - 1, [&](ir::ValueId input) {
        const Slot& part = slot(input);
        return part.group == target.group && groups_[static_cast<size_t>(target.group)].place != Place::Constant;
      });
    }
  }
}

void Storage::finish(Plan& plan) const {
  std::vector<Lifetime> lifetimes;
  std::vector<int> lifetime_of(groups_.size(), -1);
  const int steps = static_cast<int>(plan.steps.size());
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    if (group.place != Place::Arena) continue;
    int first = steps;
    for (const ir::ValueId id : group.values) {
      const ir::NodeId producer = graph_.value(id).producer;
      if (producer != ir::kNone) first = std::min(first, step_of_node_[static_cast<size_t>(producer)]);
    }
    lifetime_of[g] = static_cast<int>(lifetimes.size());
    lifetimes.push_back({group.bytes, first, std::max(first, last_use(group))});
    for (const ir::ValueId id : group.values) {
      plan.naive_activation_bytes += plan.descs[static_cast<size_t>(id)].bytes();
    }
  }
  const ArenaLayout layout = pack_arena(lifetimes);
  plan.arena_bytes = layout.bytes;
  plan.arena_lower_bound_bytes = layout.lower_bound_bytes;
  plan.peak_step = layout.peak_step;
  plan.locations.assign(static_cast<size_t>(graph_.value_count()), {});
  for (ir::ValueId id = 0; id < graph_.value_count(); ++id) {
    const Slot& where = slot(id);
    if (where.group < 0) continue;
    const Group& group = groups_[static_cast<size_t>(where.group)];
    int64_t offset = where.offset;
    if (group.place == Place::Arena) {
      offset += layout.offsets[static_cast<size_t>(lifetime_of[static_cast<size_t>(where.group)])];
    }
    plan.locations[static_cast<size_t>(id)] = {group.place, group.index, offset};
  }
}

}  // namespace tfengine::plan
