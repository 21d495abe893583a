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
    free_.reserve(static_cast<size_t>(contexts_) + 1);
  }
  auto made = make_context(prepared_, memory_);
  const std::lock_guard lock(mutex_);
  free_.reserve(static_cast<size_t>(contexts_) + 1);
  ++contexts_;
  held_bytes_ += made->held_bytes();
  return {*this, std::move(made)};
}

void ShapeEntry::release_idle() {
  std::vector<std::unique_ptr<Context>> idle;  // freed behind the lock
  const std::lock_guard lock(mutex_);
  idle.reserve(static_cast<size_t>(contexts_));  // what is left keeps its room to return to
  for (std::unique_ptr<Context>& context : free_) {
    --contexts_;
    held_bytes_ -= context->held_bytes();
    idle.push_back(std::move(context));
  }
  free_.clear();
}

int ShapeEntry::contexts() const {
  const std::lock_guard lock(mutex_);
  return contexts_;
}

uint64_t ShapeEntry::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return held_bytes_;
}

EngineCore::EngineCore(ir::Graph graph, EngineConfig config)
    : graph_(std::move(graph)),
      config_(std::move(config)),
      account_(std::make_unique<LimitedAllocator>(*config_.allocator, config_.memory_limit_bytes,
                                                  "the engine's memory_limit_bytes")),
      packed_(*account_, config_.shared_weights, config_.backends.empty() ? nullptr : config_.backends[0]->device()),
      entries_(static_cast<size_t>(std::max(1, config_.maximum_cached_engines))) {
  check(config_.specialize != nullptr && !config_.backends.empty(),
        "an engine needs backends and a specialize function");
}

std::shared_ptr<ShapeEntry> EngineCore::entry(const std::vector<Shape>& shapes, bool to_run) {
  const auto known = [&]() -> std::shared_ptr<ShapeEntry> {
    const std::lock_guard lock(mutex_);
    auto* found = entries_.find(shapes);
    return found == nullptr ? nullptr : *found;
  };
  if (auto found = known()) return found;
  const std::lock_guard planning(planning_);
  if (auto found = known()) return found;  // another thread planned it meanwhile
  auto made = with_room(nullptr, [&] { return make_entry(shapes); });
  keep(made, to_run);
  return made;
}

// What goes for the new plan gives its memory back first, but is forgotten only when the new plan has what it needs.
void EngineCore::keep(const std::shared_ptr<ShapeEntry>& made, bool to_run) {
  Entries::Item dropped;  // freed behind the lock
  {
    const std::lock_guard lock(mutex_);
    entries_.insert(made->shapes(), made);
    if (entries_.overfull()) dropped = entries_.pop_oldest();
  }
  const bool drops = dropped.second != nullptr;
  if (drops) dropped.second->release_idle();
  if (to_run) {
    make_room_for(*made);
    try {
      lease(*made);
    } catch (const OutOfMemory&) {
      const std::lock_guard lock(mutex_);
      // Where there is room for both, it waits for memory.
      if (drops || bytes_of_entries() > config_.maximum_cached_bytes) entries_.erase(made->shapes());
      if (drops) entries_.restore_oldest(std::move(dropped));
      throw;
    }
  }
  if (drops) {
    dropped.second.reset();
    const std::lock_guard lock(mutex_);
    ++evictions_;
  }
  drop_beyond_limit();
}

// Within maximum_cached_bytes: memory that waits for calls with other shapes, the least recently used first.
void EngineCore::make_room_for(const ShapeEntry& made) {
  auto others = all_entries();
  std::reverse(others.begin(), others.end());
  for (const auto& entry : others) {
    if (cached_bytes() + bytes_to_run(made) <= config_.maximum_cached_bytes) return;
    if (entry.get() != &made) entry->release_idle();
  }
}

ShapeEntry::Lease EngineCore::lease(ShapeEntry& entry) {
  return with_room(&entry, [&] { return entry.lease(); });
}

// Memory that only waits for calls with other shapes is given back before a request is refused, if that can be enough: what
// helps nobody stays, so that those shapes still run.
template <typename Make>
auto EngineCore::with_room(const ShapeEntry* wanted, const Make& make) -> decltype(make()) {
  try {
    return make();
  } catch (const OutOfMemory& error) {
    const MemoryRefusal& refusal = error.refusal();
    uint64_t room_bytes = refusal.largest_free_bytes;
    if (room_bytes == UINT64_MAX) throw;
    for (const auto& entry : all_entries()) room_bytes += entry.get() == wanted ? 0 : entry->held_bytes();
    if (room_bytes < refusal.requested_bytes || !release_idle_but(wanted)) throw;
  }
  return make();
}

bool EngineCore::release_idle_but(const ShapeEntry* wanted) {
  bool released = false;
  for (const auto& entry : all_entries()) {
    if (entry.get() == wanted) continue;
    const uint64_t held = entry->held_bytes();
    entry->release_idle();
    released = released || entry->held_bytes() < held;
  }
  return released;
}

void EngineCore::release_memory() {
  const std::lock_guard planning(planning_);
  release_idle_but(nullptr);
  while (drop_oldest([] { return true; })) continue;
}

// Frees the least recently used plan but the last one, if `wanted` says so.
template <typename Wanted>
bool EngineCore::drop_oldest(const Wanted& wanted) {
  Entries::Item dropped;  // freed behind the lock
  const std::lock_guard lock(mutex_);
  if (entries_.entries().size() <= 1 || !wanted()) return false;
  dropped = entries_.pop_oldest();
  return true;
}

void EngineCore::drop_beyond_limit() {
  if (config_.maximum_cached_bytes == UINT64_MAX) return;
  const auto too_large = [&] { return bytes_of_entries() > config_.maximum_cached_bytes; };
  while (drop_oldest(too_large)) {
    const std::lock_guard lock(mutex_);
    ++evictions_;
  }
}

// With mutex_ held. A new plan's memory is taken next, and counts already.
uint64_t EngineCore::bytes_of_entries() const {
  uint64_t bytes = packed_.bytes();
  for (const auto& [shapes, entry] : entries_.entries()) bytes += std::max(entry->held_bytes(), bytes_to_run(*entry));
  return bytes;
}

// By one call at a time, besides weights.
uint64_t EngineCore::bytes_to_run(const ShapeEntry& entry) const {
  return entry.plan().arena_bytes + (config_.shared_workspace == nullptr ? entry.plan().workspace_bytes : 0);
}

uint64_t EngineCore::cached_bytes() const {
  uint64_t bytes = packed_.bytes();
  for (const auto& entry : entries()) bytes += entry->held_bytes();
  return bytes;
}

uint64_t EngineCore::workspace_limit() const {
  const uint64_t own = config_.max_workspace_size_bytes;
  return config_.shared_workspace == nullptr ? own : std::min(own, config_.shared_workspace->limit_bytes());
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
  ir::for_each_graph(graph_, [](ir::Graph& graph) {
    for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
      Tensor& constant = graph.value(id).constant;
      if (constant.bytes() >= kLargeConstantBytes) constant = without_bytes(constant);
    }
  });
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

plan::PlanOptions EngineCore::plan_options() const {
  plan::PlanOptions options;
  options.backends = config_.backends;
  options.threads = config_.threads;
  options.max_workspace_size_bytes = workspace_limit();
  options.measure = config_.measure;
  options.keep_all = config_.keep_all;
  options.timing_cache = config_.timing_cache.get();
  options.progress = config_.progress;
  return options;
}

ir::Graph EngineCore::planned_graph(std::span<const Shape> shapes) {
  ir::Graph graph = config_.specialize(whole_graph(), shapes);
  if (config_.fuse) config_.fuse(graph);
  return graph;
}

plan::Plan EngineCore::make_plan(const std::vector<Shape>& shapes) {
  plan::PlanOptions options = plan_options();
  std::optional<plan::PlanRecord> known;
  {
    const std::lock_guard lock(mutex_);
    if (const plan::PlanRecord* record = find_record(shapes)) known = *record;
  }
  if (known) {
    options.recorded = &known->tactics;
    options.recorded_rejected = &known->rejected;
  }
  return plan::make_plan(planned_graph(shapes), packed_, options);
}

plan::Plan EngineCore::make_plan(const plan::PlanRecord& record) {
  plan::PlanOptions options = plan_options();
  options.recorded = &record.tactics;
  options.progress = nullptr;
  return plan::make_plan(planned_graph(record.input_shapes), packed_, options);
}

plan::Plan EngineCore::survey(const std::vector<Shape>& shapes, std::vector<plan::StepOptions>& steps) {
  plan::PlanOptions options = plan_options();
  options.survey = &steps;
  return plan::make_plan(planned_graph(shapes), packed_, options);
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
    plan::for_each_step(plan, [&](const plan::Plan& at, const plan::Step& step) {
      record.tactics[at.graph.node(step.node).name] = {step.backend, step.tactic.name, step.time_us, step.tactic.state};
    });
    record.rejected = plan.rejected;
    recall(std::move(record));
  }
  ContextMemory memory{account_.get(), config_.workspace, nullptr};
  if (config_.shared_workspace != nullptr) memory.shared = config_.shared_workspace->block();
  auto prepared = prepare(std::move(plan), packed_);
  if (config_.packed) config_.packed();
  return std::make_shared<ShapeEntry>(shapes, std::move(prepared), std::move(memory));
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
  const auto all = all_entries();
  return {all.begin(), all.end()};
}

std::vector<std::shared_ptr<ShapeEntry>> EngineCore::all_entries() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<ShapeEntry>> all;
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
