// SPDX-License-Identifier: Apache-2.0
#include "plan/arrange.h"

namespace tfengine::plan {

namespace {

// An order of steps other than the graph's has to save one part in so many of the arena.
constexpr uint64_t kLeastGain = 64;

Placement lean(const Storage& storage, std::vector<Step>& steps, std::map<ir::NodeId, Step> leaner,
               const std::vector<TensorDesc>& descs, Sharing sharing) {
  Placement best = storage.place(steps, descs, sharing);
  double total_us = 0.0;
  for (const Step& step : steps) total_us += step.time_us;
  while (sharing == Sharing::Operands && !leaner.empty()) {
    const auto at = static_cast<size_t>(best.peak_step);
    const auto found = leaner.find(steps[at].node);
    if (found == leaner.end()) break;
    const Step faster = steps[at];
    steps[at] = std::move(found->second);
    leaner.erase(found);
    const double slower_us = steps[at].time_us - faster.time_us;
    Placement other = storage.place(steps, descs, sharing);
    const double shrunk = 1.0 - static_cast<double>(other.arena_bytes) / static_cast<double>(best.arena_bytes);
    if (shrunk <= 0.0 || slower_us > shrunk * total_us) {
      steps[at] = faster;
      break;
    }
    total_us += slower_us;
    best = std::move(other);
  }
  return best;
}

}  // namespace

Arrangement arrange(const Storage& storage, std::vector<Step> steps, std::map<ir::NodeId, Step> leaner,
                    const std::vector<TensorDesc>& descs, const ArrangeOptions& options) {
  Arrangement result;
  Placement& best = result.placement;
  best = lean(storage, steps, std::move(leaner), descs, options.sharing);
  result.own_order_arena_bytes = best.arena_bytes;
  if (options.sharing != Sharing::Operands || !options.reorder) return result;
  const StepOrder found = find_step_order(storage.order_problem(steps, descs));
  result.any_order_bound_bytes = found.bound_bytes;
  if (found.peak_bytes >= found.own_peak_bytes) return result;
  std::vector<Step> reordered;
  for (const int at : found.order) reordered.push_back(steps[static_cast<size_t>(at)]);
  Placement other = storage.place(std::move(reordered), descs, options.sharing);
  const bool copies_no_more = other.copied_bytes <= best.copied_bytes;
  if (copies_no_more && other.arena_bytes < best.arena_bytes - best.arena_bytes / kLeastGain) best = std::move(other);
  return result;
}

}  // namespace tfengine::plan
