// SPDX-License-Identifier: Apache-2.0
// The tactics of an engine's plans by the shapes that they were made for: kept beyond the plans, so that shapes that come back
// are planned without measuring. Thread-safe.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "plan/image.h"

namespace tfengine::runtime {

// What a plan is to take its tactics from.
struct TacticSource {
  std::optional<plan::PlanRecord> record;
  bool measure = true;  // what the record does not have
};

class TacticRecords {
 public:
  void add(plan::PlanRecord record);
  // Of just these shapes.
  std::optional<plan::PlanRecord> find(int threads, const std::vector<Shape>& shapes) const;
  // For shapes of which those behind the first `fixed` depend on data, and may never come twice: sizes within a factor of four
  // of a record's take its tactics, others are measured, until there are a few records; then the nearest serves. Shapes
  // without elements are not worth measuring.
  TacticSource for_data(int threads, const std::vector<Shape>& shapes, size_t fixed) const;
  // In the order in which they were made.
  std::vector<plan::PlanRecord> all() const;

 private:
  mutable std::mutex mutex_;
  std::list<plan::PlanRecord> records_;
};

}  // namespace tfengine::runtime
