// SPDX-License-Identifier: Apache-2.0
#include "runtime/tactic_records.h"

#include <algorithm>
#include <cmath>

namespace tfengine::runtime {

namespace {

// A host that never meets the same shapes twice must not fill the memory with them.
constexpr size_t kMaxRecords = 256;
// Of shapes that depend on data, behind one set of shapes that do not: measuring takes as long as thousands of runs.
constexpr int kMaxMeasured = 4;
// In powers of two: tactics that are best for a size are good for those around it.
constexpr double kNear = 2.0;

bool same_beginning(const std::vector<Shape>& a, const std::vector<Shape>& b, size_t count) {
  return a.size() == b.size() && std::equal(a.begin(), a.begin() + static_cast<ptrdiff_t>(count), b.begin());
}

// How many times one of the tensors is larger than its counterpart, in powers of two.
double distance(const std::vector<Shape>& a, const std::vector<Shape>& b) {
  double largest = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto elements = [](const Shape& shape) {
      return static_cast<double>(std::max<int64_t>(1, shape.elements()));
    };
    largest = std::max(largest, std::abs(std::log2(elements(a[i]) / elements(b[i]))));
  }
  return largest;
}

}  // namespace

void TacticRecords::add(plan::PlanRecord record) {
  const std::lock_guard lock(mutex_);
  records_.push_back(std::move(record));
  if (records_.size() > kMaxRecords) records_.pop_front();
}

std::optional<plan::PlanRecord> TacticRecords::find(int threads, const std::vector<Shape>& shapes) const {
  const std::lock_guard lock(mutex_);
  for (const plan::PlanRecord& record : records_) {
    if (record.threads == threads && record.input_shapes == shapes) return record;
  }
  return std::nullopt;
}

TacticSource TacticRecords::for_data(int threads, const std::vector<Shape>& shapes, size_t fixed) const {
  const std::lock_guard lock(mutex_);
  const plan::PlanRecord* nearest = nullptr;
  double least = 0.0;
  int count = 0;
  for (const plan::PlanRecord& record : records_) {
    if (record.threads != threads || !same_beginning(record.input_shapes, shapes, fixed)) continue;
    ++count;
    const double away = distance(record.input_shapes, shapes);
    if (nearest != nullptr && away >= least) continue;
    nearest = &record;
    least = away;
  }
  const bool empty =
      std::any_of(shapes.begin(), shapes.end(), [](const Shape& shape) { return shape.elements() == 0; });
  if (!empty && count < kMaxMeasured && (nearest == nullptr || least > kNear)) return {std::nullopt, true};
  return {nearest == nullptr ? std::nullopt : std::optional(*nearest), false};
}

std::vector<plan::PlanRecord> TacticRecords::all() const {
  const std::lock_guard lock(mutex_);
  return {records_.begin(), records_.end()};
}

}  // namespace tfengine::runtime
