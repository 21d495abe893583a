// SPDX-License-Identifier: Apache-2.0
#include "plan/regions.h"

#include <algorithm>
#include <utility>

#include "base/buffer.h"
#include "ops/control_flow.h"

namespace tfengine::plan {

namespace {

uint64_t aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool lies_in(const Plan& plan, ir::ValueId id, Place place, int index) {
  const Location& where = plan.locations[static_cast<size_t>(id)];
  return where.place == place && where.index == index;
}

// The first step that writes to the output's memory, which parts of it may be made in; the number of steps if none does.
int first_write(const Plan& plan, int output) {
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    if (plan.steps[i].elided) continue;
    for (const ir::ValueId id : plan.graph.node(plan.steps[i].node).outputs) {
      if (lies_in(plan, id, Place::Output, output)) return static_cast<int>(i);
    }
  }
  return static_cast<int>(plan.steps.size());
}

// Whether the step may read graph input `state` while it writes what lies at the output of that index.
bool reads_before_it_writes(const Plan& plan, const Step& step, int state) {
  const ir::Node& node = plan.graph.node(step.node);
  int reader = ir::kNone;
  for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
    if (!lies_in(plan, node.inputs[static_cast<size_t>(i)], Place::Input, state)) continue;
    if (reader != ir::kNone) return false;
    reader = i;
  }
  if (reader == ir::kNone) return true;
  const bool carries = reader < step.tactic.carried;
  const ir::ValueId out = node.outputs[carries ? static_cast<size_t>(reader) : 0];
  const ir::ValueId in = node.inputs[static_cast<size_t>(reader)];
  const auto at = [](ir::ValueId id) { return static_cast<size_t>(id); };
  if (!lies_in(plan, out, Place::Output, state) || plan.locations[at(out)].offset != 0 ||
      plan.locations[at(in)].offset != 0) {
    return false;
  }
  const TensorDesc& from = plan.descs[at(in)];
  const TensorDesc& to = plan.descs[at(out)];
  if (!from.dense() || !to.dense() || from.bytes() != to.bytes()) return false;
  return carries || step.tactic.inplace_input == reader ||
         (reader < 64 && (step.tactic.may_overwrite >> reader & 1) != 0);
}

}  // namespace

bool may_overwrite_state(const Plan& body, int state) {
  const ir::ValueId out = body.graph.outputs[static_cast<size_t>(state)].value;
  if (!lies_in(body, out, Place::Output, state)) return false;
  const int write = first_write(body, state);
  for (int i = write; i < static_cast<int>(body.steps.size()); ++i) {
    const Step& step = body.steps[static_cast<size_t>(i)];
    if (step.elided) continue;
    const std::vector<ir::ValueId>& inputs = body.graph.node(step.node).inputs;
    const bool reads = std::any_of(inputs.begin(), inputs.end(),
                                   [&](ir::ValueId id) { return lies_in(body, id, Place::Input, state); });
    if (reads && (i > write || !reads_before_it_writes(body, step, state))) return false;
  }
  // Outputs that are the state as it was are copied at the end.
  return std::none_of(body.graph.outputs.begin(), body.graph.outputs.end(),
                      [&](const ir::GraphOutput& other) { return lies_in(body, other.value, Place::Input, state); });
}

void lay_out_regions(const ir::Node& node, std::vector<Plan> plans, Step& step) {
  RegionPlans& regions = step.regions;
  const bool loop = ops::is_loop(node);
  step.tactic.name = loop ? "loop" : "branch";
  for (const Plan& plan : plans) {
    regions.scratch_bytes = std::max(regions.scratch_bytes, aligned(plan.arena_bytes));
    step.tactic.workspace_bytes = std::max<size_t>(step.tactic.workspace_bytes, plan.workspace_bytes);
  }
  if (loop) {
    const Plan& condition = plans[0];
    const Plan& body = plans[1];
    const auto states = static_cast<int>(node.outputs.size());
    step.tactic.carried = states;
    regions.condition = static_cast<int64_t>(regions.scratch_bytes);
    regions.scratch_bytes += aligned(condition.descs[static_cast<size_t>(condition.graph.outputs[0].value)].bytes());
    for (int state = 0; state < states; ++state) {
      if (may_overwrite_state(body, state)) {
        regions.next_state.push_back(RegionPlans::kInPlace);
        continue;
      }
      regions.next_state.push_back(static_cast<int64_t>(regions.scratch_bytes));
      const ir::ValueId out = body.graph.outputs[static_cast<size_t>(state)].value;
      regions.scratch_bytes += aligned(body.descs[static_cast<size_t>(out)].bytes());
    }
  }
  regions.plans = std::move(plans);
}

void move_to_host(Step& step) {
  RegionPlans& regions = step.regions;
  regions.host_scratch_bytes = std::exchange(regions.scratch_bytes, 0);
  regions.host_workspace_bytes = std::exchange(step.tactic.workspace_bytes, 0);
  step.tactic.carried = 0;  // states are copied there and back
}

}  // namespace tfengine::plan
