// SPDX-License-Identifier: Apache-2.0
#include "compiler/memory_advice.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace tfengine::detail {

namespace {

std::string size_text(uint64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes < 1024) return fmt::format("{} B", bytes);
  if (bytes < 1024 * 1024) return fmt::format("{:.1f} KiB", value / 1024);
  return fmt::format("{:.2f} MiB", value / (1024 * 1024));
}

// Less than this is noise of the measurement.
constexpr double kLeastGainUs = 1.0;

// The best of what the limit keeps out, by step; `limit`: of what a workspace of so much would let in.
std::map<std::string, RejectedTacticMemory> best_gains(const MemoryDetails& details, uint64_t limit) {
  std::map<std::string, RejectedTacticMemory> best;
  for (const RejectedTacticMemory& tactic : details.rejected) {
    if (!tactic.timed || tactic.gain_us < kLeastGainUs || tactic.workspace_bytes > limit) continue;
    RejectedTacticMemory& known = best[tactic.step];
    if (tactic.gain_us > known.gain_us) known = tactic;
  }
  return best;
}

struct Raise {
  uint64_t bytes = 0;
  double gain_us = 0.0;
  RejectedTacticMemory largest;
  size_t steps = 0;
};

Raise raise_to(const MemoryDetails& details, uint64_t limit) {
  Raise raise;
  for (const auto& [step, tactic] : best_gains(details, limit)) {
    raise.bytes = std::max(raise.bytes, tactic.workspace_bytes);
    raise.gain_us += tactic.gain_us;
    if (tactic.gain_us > raise.largest.gain_us) raise.largest = tactic;
    ++raise.steps;
  }
  return raise;
}

MemoryAdvice advice_of(const Raise& raise) {
  std::string text = fmt::format("raise max_workspace_size_bytes to {} ({}): ", raise.bytes, size_text(raise.bytes));
  text += fmt::format("{} gains {:.0f} us with {}", raise.largest.step, raise.largest.gain_us, raise.largest.tactic);
  if (raise.steps > 1) text += fmt::format("; {} steps gain {:.0f} us together", raise.steps, raise.gain_us);
  return {"max_workspace_size_bytes", raise.bytes, std::move(text)};
}

// All that can be gained, and before it the smallest limit that brings half of it, where that is much smaller.
void advise_more_workspace(const MemoryDetails& details, std::vector<MemoryAdvice>& advice) {
  const Raise all = raise_to(details, UINT64_MAX);
  if (all.steps == 0) return;
  std::vector<uint64_t> sizes;
  for (const RejectedTacticMemory& tactic : details.rejected) sizes.push_back(tactic.workspace_bytes);
  std::sort(sizes.begin(), sizes.end());
  for (const uint64_t bytes : sizes) {
    const Raise some = raise_to(details, bytes);
    if (some.gain_us < 0.5 * all.gain_us) continue;
    if (some.bytes <= all.bytes / 2) advice.push_back(advice_of(some));
    break;
  }
  advice.push_back(advice_of(all));
}

void advise_untimed(const MemoryDetails& details, std::vector<MemoryAdvice>& advice) {
  uint64_t most = 0;
  size_t untimed = 0;
  for (const RejectedTacticMemory& tactic : details.rejected) {
    if (tactic.timed) continue;
    most = std::max(most, tactic.workspace_bytes);
    ++untimed;
  }
  if (untimed == 0) return;
  advice.push_back({"max_workspace_size_bytes", most,
                    fmt::format("{} tactics above max_workspace_size_bytes were not timed: raise it to {} ({}) to have "
                                "all of them tried",
                                untimed, most, size_text(most))});
}

}  // namespace

std::vector<MemoryAdvice> memory_advice(const MemoryDetails& details, const runtime::EngineConfig& config) {
  std::vector<MemoryAdvice> advice;
  const MemoryReport& report = details.report;
  advise_more_workspace(details, advice);
  advise_untimed(details, advice);
  // A tenth is worth a setting.
  const bool own_workspace = config.workspace == WorkspaceUse::Kept && config.shared_workspace == nullptr;
  if (own_workspace && report.workspace_bytes > report.peak_bytes / 10) {
    const uint64_t at_rest = report.peak_bytes - report.workspace_bytes;
    advice.push_back({"workspace", at_rest,
                      fmt::format("set workspace to \"running\", or share one between engines: {} are held only while "
                                  "it runs, and {} in between",
                                  size_text(report.workspace_bytes), size_text(at_rest))});
  }
  if (details.cache.size() > 1) {
    uint64_t others = 0;
    for (size_t i = 1; i < details.cache.size(); ++i) others += details.cache[i].held_bytes;
    if (others > details.cached_bytes / 10) {
      advice.push_back({"maximum_cached_bytes", details.cached_bytes - others,
                        fmt::format("lower maximum_cached_bytes to {} ({}): plans for {} other shapes hold {}",
                                    details.cached_bytes - others, size_text(details.cached_bytes - others),
                                    details.cache.size() - 1, size_text(others))});
    }
  }
  advice.push_back(
      {"memory_limit_bytes", report.peak_bytes,
       fmt::format("memory_limit_bytes of {} ({}) is enough for one call at a time with these shapes; each "
                   "further one at the same time takes {}",
                   report.peak_bytes, size_text(report.peak_bytes),
                   size_text(report.peak_bytes - report.weights_bytes))});
  return advice;
}

}  // namespace tfengine::detail
