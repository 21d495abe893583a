// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine_core.h"

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace tfengine::runtime {

namespace {

// Tactics are kept beyond their plans, so that shapes that come back are planned without measuring; a host that never
// meets the same shapes twice must not fill the memory with them.
constexpr size_t kMaxRecords = 256;

}  // namespace

ShapeEntry::Lease::~Lease() {
  const std::lock_guard lock(entry_.mutex_);
  entry_.free_.push_back(std::move(context_));
}

ShapeEntry::Lease ShapeEntry::lease() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      std::unique_ptr<Context> context = std::move(free_.back());
      free_.pop_back();
      return {*this, std::move(context)};
    }
    // The handle's return must not need memory.
    free_.reserve(free_.capacity() + 1);
  }
  return {*this, make_context(prepared_, allocator_)};
}

EngineCore::EngineCore(ir::Graph graph, EngineConfig config)
    : graph_(std::move(graph)),
      config_(std::move(config)),
      packed_(*config_.allocator, config_.backends.empty() ? nullptr : config_.backends[0]->device()),
      entries_(static_cast<size_t>(std::max(1, config_.maximum_cached_engines))) {
  check(config_.specialize != nullptr && !config_.backends.empty(),
        "an engine needs backends and a specialize function");
}

std::shared_ptr<ShapeEntry> EngineCore::entry(const std::vector<Shape>& shapes) {
  const auto known = [&]() -> std::shared_ptr<ShapeEntry> {
    const std::lock_guard lock(mutex_);
    auto* found = entries_.find(shapes);
    return found == nullptr ? nullptr : *found;
  };
  if (auto found = known()) return found;
  const std::lock_guard planning(planning_);
  if (auto found = known()) return found;  // another thread planned it meanwhile
  auto made = make_entry(shapes);
  std::shared_ptr<ShapeEntry> dropped;  // freed behind the lock
  const std::lock_guard lock(mutex_);
  if (entries_.full()) {
    ++evictions_;
    dropped = entries_.entries().back().second;
  }
  return entries_.insert(shapes, std::move(made));
}

std::shared_ptr<ShapeEntry> EngineCore::latest() const {
  const std::lock_guard lock(mutex_);
  return entries_.entries().empty() ? nullptr : entries_.entries().front().second;
}

void EngineCore::free_constants(std::function<ir::Graph()> again, bool plan_first) {
  again_ = std::move(again);
  if (!plan_first) strip_graph();
}

void EngineCore::strip_graph() {
  stripped_ = true;
  for (ir::ValueId id = 0; id < graph_.value_count(); ++id) {
    Tensor& constant = graph_.value(id).constant;
    if (constant.bytes() >= kLargeConstantBytes) constant = without_bytes(constant);
  }
}

ir::Graph EngineCore::whole_graph() {
  if (!stripped_) return graph_;
  ir::Graph graph = again_();
  check(graph.value_count() == graph_.value_count(), "'{}' was made anew with {} values, expected {}", graph_.name,
        graph.value_count(), graph_.value_count());
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    const ir::Value& now = graph.value(id);
    const ir::Value& then = graph_.value(id);
    check(now.name == then.name && now.dtype == then.dtype && now.constant.bytes() == then.constant.bytes(),
          "'{}' was made anew with value '{}' where '{}' was", graph_.name, now.name, then.name);
  }
  return graph;
}

plan::Plan EngineCore::make_plan(const std::vector<Shape>& shapes) {
  plan::PlanOptions options;
  options.backends = config_.backends;
  options.threads = config_.threads;
  options.max_workspace_size_bytes = config_.max_workspace_size_bytes;
  options.measure = config_.measure;
  options.keep_all = config_.keep_all;
  options.timing_cache = config_.timing_cache.get();
  options.progress = config_.progress;
  std::optional<plan::PlanRecord> known;
  {
    const std::lock_guard lock(mutex_);
    if (const plan::PlanRecord* record = find_record(shapes)) known = *record;
  }
  if (known) options.recorded = &known->tactics;
  return plan::make_plan(config_.specialize(whole_graph(), shapes), packed_, options);
}

std::shared_ptr<ShapeEntry> EngineCore::make_entry(const std::vector<Shape>& shapes) {
  plan::Plan plan = make_plan(shapes);
  if (again_ != nullptr && !stripped_) strip_graph();  // the plan has what it needs
  const auto known = [&] {
    const std::lock_guard lock(mutex_);
    return find_record(shapes) != nullptr;
  };
  if (!known()) {
    plan::PlanRecord record;
    record.threads = config_.threads;
    record.input_shapes = shapes;
    for (const plan::Step& step : plan.steps) {
      record.tactics[plan.graph.node(step.node).name] = {step.backend, step.tactic.name, step.time_us,
                                                         step.tactic.state};
    }
    recall(std::move(record));
  }
  return std::make_shared<ShapeEntry>(shapes, prepare(std::move(plan), packed_), *config_.allocator);
}

void EngineCore::recall(plan::PlanRecord record) {
  const std::lock_guard lock(mutex_);
  records_.push_back(std::move(record));
  if (records_.size() > kMaxRecords) records_.pop_front();
}

const plan::PlanRecord* EngineCore::find_record(const std::vector<Shape>& shapes) const {
  const auto found = std::find_if(records_.begin(), records_.end(), [&](const plan::PlanRecord& record) {
    return record.threads == config_.threads && record.input_shapes == shapes;
  });
  return found == records_.end() ? nullptr : &*found;
}

bool EngineCore::planned(const std::vector<Shape>& shapes) const {
  const std::lock_guard lock(mutex_);
  const auto& entries = entries_.entries();
  return find_record(shapes) != nullptr ||
         std::any_of(entries.begin(), entries.end(), [&](const auto& entry) { return entry.first == shapes; });
}

std::vector<std::shared_ptr<const ShapeEntry>> EngineCore::entries() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const ShapeEntry>> all;
  for (const auto& [shapes, entry] : entries_.entries()) all.push_back(entry);
  return all;
}

int64_t EngineCore::evictions() const {
  const std::lock_guard lock(mutex_);
  return evictions_;
}

std::vector<plan::PlanRecord> EngineCore::records() const {
  const std::lock_guard lock(mutex_);
  return {records_.begin(), records_.end()};
}

}  // namespace tfengine::runtime
