// SPDX-License-Identifier: Apache-2.0
// The INT8 range of each tensor by name, with where it came from. A custom range (from quantization nodes of the graph)
// wins over a calibrated one, which wins over one by rule. Text forms: JSON here, TensorRT's in calibration_cache.h.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "quantize/histogram_set.h"
#include "quantize/solver.h"

namespace tfengine::quantize {

struct RangeEntry {
  float max_abs = 0.0f;
  ir::RangeSource source = ir::RangeSource::Calibrated;
  bool non_negative = false;  // no negative value can be, or was, seen
  std::string origin = {};    // the node or calibrator that gave it
  // The least and the largest value seen, infinite where that is not known: what an asymmetric grid covers.
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  bool operator==(const RangeEntry&) const = default;
};

// "custom", "calibrated", "rule".
std::string_view source_name(ir::RangeSource source);
// The source of that name; nullopt for others than custom, calibrated and rule.
std::optional<ir::RangeSource> find_source(std::string_view name);

class RangeTable {
 public:
  // Keeps the entry that is there if its source is stronger than the new one's; of equal sources the new one wins.
  // InvalidArgument unless max_abs is finite and not negative.
  void set(const std::string& name, const RangeEntry& entry);
  // Every entry of `other` through set().
  void merge(const RangeTable& other);
  // Null if there is none.
  const RangeEntry* find(std::string_view name) const;
  const std::map<std::string, RangeEntry, std::less<>>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  bool operator==(const RangeTable&) const = default;

 private:
  std::map<std::string, RangeEntry, std::less<>> entries_;
};

// The ranges that quantization nodes left on the values of `graph` and of its regions.
RangeTable custom_ranges(const ir::Graph& graph);

struct SolvedRanges {
  RangeTable table;
  std::vector<std::string> notes;  // tensors that were all zero, held NaN or infinities, or had no finite value
};
// Every histogram of `set` through the calibrator. `non_negative`: names of tensors that will use the unsigned grid;
// options.levels is ignored. `asymmetric`: others whose values lie mostly on one side of zero will have the finer steps of a
// grid with a zero point.
SolvedRanges solve_ranges(const HistogramSet& set, const SolverOptions& options,
                          const std::set<std::string>& non_negative, bool asymmetric = false);

std::string to_json(const RangeTable& table);
// InvalidModel, with `what` naming the source, when it is malformed.
RangeTable range_table_from_json(std::string_view text, const std::string& what);

}  // namespace tfengine::quantize
