// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.h"
#include "base/json_object.h"
#include "compiler/chart.h"
#include "compiler/memory_budget.h"

namespace tfengine {

namespace detail {

namespace {

constexpr uint64_t kUsualLimits[] = {0, uint64_t{64} << 10, uint64_t{1} << 20, uint64_t{64} << 20, uint64_t{1} << 30};
// More points say nothing more to people.
constexpr size_t kMostPoints = 64;

MemoryPoint shown(const EnginePoint& point, const std::string& precision, int64_t chunk, uint64_t limit) {
  return {precision,
          chunk,
          limit,
          std::round(point.time_us * 10.0) / 10.0,
          point.weights_bytes,
          point.activation_bytes,
          point.workspace_bytes,
          point.total_bytes()};
}

void add_by_workspace(Trial& trial, const std::string& precision, std::vector<MemoryPoint>& points) {
  std::set<uint64_t> limits(std::begin(kUsualLimits), std::end(kUsualLimits));
  for (const uint64_t bytes : trial.trade_off->workspaces()) limits.insert(bytes);
  std::optional<uint64_t> last;
  for (const uint64_t limit : limits) {
    const auto point = trial.trade_off->fastest_with_workspace(limit);
    if (!point) continue;
    const bool usual = std::find(std::begin(kUsualLimits), std::end(kUsualLimits), limit) != std::end(kUsualLimits);
    if (!usual && last == point->workspace_bytes) continue;
    last = point->workspace_bytes;
    points.push_back(shown(*point, precision, trial.chunk, limit));
  }
}

std::vector<MemoryPoint> undominated(std::vector<MemoryPoint> all) {
  std::stable_sort(all.begin(), all.end(), [](const MemoryPoint& a, const MemoryPoint& b) {
    return std::pair(a.total_bytes, a.time_us) < std::pair(b.total_bytes, b.time_us);
  });
  std::vector<MemoryPoint> kept;
  for (MemoryPoint& point : all) {
    if (kept.empty() || point.time_us < kept.back().time_us) kept.push_back(std::move(point));
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

// Both ends and, between them, every so many.
std::vector<MemoryPoint> thinned(const std::vector<MemoryPoint>& points) {
  if (points.size() <= kMostPoints) return points;
  std::vector<MemoryPoint> kept;
  for (size_t i = 0; i < kMostPoints; ++i) kept.push_back(points[i * (points.size() - 1) / (kMostPoints - 1)]);
  return kept;
}

nlohmann::json point_json(const MemoryPoint& point) {
  return json_object({{"precision", point.precision},
                      {"chunk", point.chunk},
                      {"max_workspace_size_bytes", point.max_workspace_size_bytes},
                      {"time_us", point.time_us},
                      {"weights_bytes", point.weights_bytes},
                      {"activation_bytes", point.activation_bytes},
                      {"workspace_bytes", point.workspace_bytes},
                      {"total_bytes", point.total_bytes}});
}

nlohmann::json points_json(const std::vector<MemoryPoint>& points) {
  nlohmann::json list = nlohmann::json::array();
  for (const MemoryPoint& point : points) list.push_back(point_json(point));
  return list;
}

// One curve per precision, in milliseconds over bytes.
template <typename X>
std::vector<Series> series_of(const std::vector<MemoryPoint>& points, X x) {
  std::vector<Series> all;
  for (const MemoryPoint& point : points) {
    if (all.empty() || all.back().name != point.precision) all.push_back({point.precision, {}});
    all.back().points.emplace_back(static_cast<double>(x(point)), point.time_us / 1000.0);
  }
  for (Series& series : all) std::sort(series.points.begin(), series.points.end());
  return all;
}

}  // namespace

MemorySweep sweep(Trials& trials, const std::vector<Contender>& contenders, const std::string& model, int64_t batch) {
  MemorySweep result;
  result.model = model;
  result.batch_size = batch;
  for (size_t i = 0; i < contenders.size(); ++i) {
    const std::string& precision = contenders[i].precision;
    if (!contenders[i].core->config().measure)
      fail<InvalidArgument>("memory_sweep: time_tactics is off, expected on: it is times that are compared");
    std::vector<MemoryPoint> all;
    for (Trial& trial : trials.trials) {
      if (trial.contender != i) continue;
      if (trial.chunk == 0) add_by_workspace(trial, precision, result.by_workspace);
      for (const EnginePoint& point : trial.trade_off->front())
        all.push_back(shown(point, precision, trial.chunk, point.workspace_bytes));
    }
    for (MemoryPoint& point : thinned(undominated(std::move(all)))) result.by_total.push_back(std::move(point));
  }
  return result;
}

}  // namespace detail

std::string MemorySweep::to_json() const {
  return json_object({{"model", model},
                      {"batch_size", batch_size},
                      {"by_workspace", detail::points_json(by_workspace)},
                      {"by_total", detail::points_json(by_total)}})
      .dump(1);
}

std::string MemorySweep::to_svg() const {
  const std::string batch = fmt::format("{}, batch {}", model, batch_size);
  return detail::to_svg(
      {{batch + ": time by workspace limit", "workspace limit", "ms, sum of steps",
        detail::series_of(by_workspace, [](const MemoryPoint& p) { return p.max_workspace_size_bytes; })},
       {batch + ": time by total memory", "weights + activations + workspace", "ms, sum of steps",
        detail::series_of(by_total, [](const MemoryPoint& p) { return p.total_bytes; })}});
}

}  // namespace tfengine
