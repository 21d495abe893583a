// SPDX-License-Identifier: Apache-2.0
#include "compiler/tensor_places.h"

namespace tfengine::detail {

PlanTensors::PlanTensors(const plan::Plan& plan) : plan_(plan) {
  for (ir::ValueId id = 0; id < plan.graph.value_count(); ++id) by_name_[plan.graph.value(id).name] = id;
  for (size_t i = 0; i < plan.steps.size(); ++i) step_of_[plan.steps[i].node] = static_cast<int>(i);
}

std::optional<PlanTensors::Found> PlanTensors::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end() || plan_.graph.value(found->second).is_constant()) return std::nullopt;
  const auto step = step_of_.find(plan_.graph.value(found->second).producer);
  return Found{found->second, step == step_of_.end() ? -1 : step->second};
}

}  // namespace tfengine::detail
