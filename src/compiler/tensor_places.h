// SPDX-License-Identifier: Apache-2.0
// When the tensors of a plan that someone looks at are there: before the first step, or behind the step that makes them.
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "plan/plan.h"

namespace tfengine::detail {

// Targets to look at during a run.
template <class Target>
class TensorPlaces {
 public:
  explicit TensorPlaces(size_t steps) : behind_(steps + 1) {}
  // `step` as plan::Watch has it: -1 before the first.
  std::vector<Target>& at(int step) { return behind_[static_cast<size_t>(step + 1)]; }
  const std::vector<Target>& at(int step) const { return behind_[static_cast<size_t>(step + 1)]; }

 private:
  std::vector<std::vector<Target>> behind_;
};

// The tensors of one plan by name.
class PlanTensors {
 public:
  struct Found {
    ir::ValueId value;
    int step;
  };

  explicit PlanTensors(const plan::Plan& plan);
  // nullopt for names that the plan does not have, and for constants.
  std::optional<Found> find(std::string_view name) const;

 private:
  const plan::Plan& plan_;
  std::map<std::string_view, ir::ValueId> by_name_;
  std::map<ir::NodeId, int> step_of_;
};

}  // namespace tfengine::detail
