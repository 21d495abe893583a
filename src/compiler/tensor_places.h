// SPDX-License-Identifier: Apache-2.0
// When the tensors of plans that someone looks at are there: before the first step, or behind the step that makes them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
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

// Targets of plans, found when a plan is seen first: those that stand behind others are made during a run.
template <class Target>
class PlansPlaces {
 public:
  // `find`: fills the places of a plan.
  using Find = std::function<void(const plan::Plan& plan, TensorPlaces<Target>& places)>;
  explicit PlansPlaces(Find find) : find_(std::move(find)) {}

  const std::vector<Target>& at(const plan::Plan& plan, int step) {
    if (places_.size() > kMost && places_.count(plan.number) == 0) places_.clear();
    const auto [at, fresh] = places_.try_emplace(plan.number, plan.steps.size());
    if (fresh) find_(plan, at->second);
    return std::as_const(at->second).at(step);
  }
  void clear() { places_.clear(); }

 private:
  // Shapes that depend on data make new plans all the time.
  static constexpr size_t kMost = 64;
  Find find_;
  std::map<uint64_t, TensorPlaces<Target>> places_;
};

}  // namespace tfengine::detail
