// SPDX-License-Identifier: Apache-2.0
#include "quantize/range_table.h"

#include <cmath>

#include "base/check.h"
#include "quantize/asymmetric.h"

namespace tfengine::quantize {

std::string_view source_name(ir::RangeSource source) {
  constexpr std::string_view kNames[] = {"custom", "calibrated", "rule"};
  return kNames[static_cast<size_t>(source)];
}

std::optional<ir::RangeSource> find_source(std::string_view name) {
  for (const auto source : {ir::RangeSource::Custom, ir::RangeSource::Calibrated, ir::RangeSource::Rule}) {
    if (source_name(source) == name) return source;
  }
  return std::nullopt;
}

void RangeTable::set(const std::string& name, const RangeEntry& entry) {
  if (!std::isfinite(entry.max_abs) || entry.max_abs < 0.0f) {
    fail<InvalidArgument>("the range of tensor '{}' is {}, expected a finite number of at least 0", name,
                          entry.max_abs);
  }
  const auto [place, added] = entries_.try_emplace(name, entry);
  // RangeSource is declared strongest first.
  if (!added && entry.source <= place->second.source) place->second = entry;
}

void RangeTable::merge(const RangeTable& other) {
  for (const auto& [name, entry] : other.entries_) set(name, entry);
}

const RangeEntry* RangeTable::find(std::string_view name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

RangeTable custom_ranges(const ir::Graph& graph) {
  RangeTable table;
  ir::for_each_graph(graph, [&](const ir::Graph& part) {
    for (ir::ValueId id = 0; id < part.value_count(); ++id) {
      const ir::Value& value = part.value(id);
      if (!value.range || part.use_count(id) == 0) continue;
      table.set(value.name,
                {.max_abs = value.range->max_abs, .source = value.range->source, .origin = value.range->origin});
    }
  });
  return table;
}

namespace {

// Grid steps from 0 to the largest magnitude.
int levels_of(const Moments& moments, bool non_negative, bool asymmetric) {
  if (non_negative) return kUnsignedLevels;
  const ir::Range seen{moments.max_abs(), ir::RangeSource::Calibrated, "", moments.min, moments.max};
  if (!asymmetric || !is_lopsided(seen)) return kSignedLevels;
  return asymmetric_levels(seen);
}

}  // namespace

SolvedRanges solve_ranges(const HistogramSet& set, const SolverOptions& options,
                          const std::set<std::string>& non_negative, bool asymmetric) {
  check_solver_options(options);
  SolvedRanges result;
  SolverOptions per_tensor = options;
  std::map<std::string_view, size_t> logged;
  for (size_t i = 0; i < set.samples_seen.tensors().size(); ++i) logged[set.samples_seen.tensors()[i]] = i;
  for (const auto& [name, histogram] : set.tensors) {
    const Moments& moments = histogram.moments();
    if (moments.nans + moments.infs > 0) {
      result.notes.push_back(fmt::format("tensor '{}': {} NaN and {} infinite of {} values were left out", name,
                                         moments.nans, moments.infs, moments.count));
    }
    if (moments.finite() == 0) {
      result.notes.push_back(fmt::format("tensor '{}' never had a finite value: it has no range", name));
      continue;
    }
    if (moments.nonzero() == 0) {
      result.notes.push_back(fmt::format("tensor '{}' was zero in all {} values seen", name, moments.count));
    }
    per_tensor.levels = levels_of(moments, non_negative.count(name) > 0, asymmetric);
    const auto in_log = logged.find(name);
    const bool averages = options.calibrator == "moving_average" && in_log != logged.end();
    per_tensor.mean_peak = !averages ? 0.0 : set.samples_seen.mean_peak(in_log->second);
    const float max_abs = solve_max_abs(histogram, per_tensor);
    result.table.set(name, {max_abs, ir::RangeSource::Calibrated, moments.min >= 0.0f, options.calibrator, moments.min,
                            moments.max});
  }
  for (const auto& [name, given] : set.given) {
    result.table.set(name, {.max_abs = given.max_abs,
                            .source = ir::RangeSource::Custom,
                            .non_negative = given.non_negative,
                            .origin = given.origin});
  }
  return result;
}

}  // namespace tfengine::quantize
