// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine_core.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/host_memory.h"
#include "base/huge_pages.h"
#include "base/memory_label.h"

namespace tfengine::runtime {

namespace {

// A loop that grows meets other shapes in each iteration, and the same in the next run: so many times the plans that are kept
// for an input.
constexpr int kRegionPlans = 8;
constexpr int kMostPlans = 1 << 16;  // of any engine, for arithmetic's sake

}  // namespace

EngineCore::EngineCore(ir::Graph graph, EngineConfig config)
    : graph_(std::move(graph)),
      config_(std::move(config)),
      account_(std::make_shared<LimitedAllocator>(*config_.allocator, config_.memory_limit_bytes,
                                                  "the engine's memory_limit_bytes")),
      packed_(std::make_shared<plan::PackedStore>(*account_, config_.shared_weights,
                                                  config_.backends.empty() ? nullptr : config_.backends[0]->device())),
      records_(config_.continued.records == nullptr ? std::make_shared<TacticRecords>() : config_.continued.records),
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

std::vector<Tensor> EngineCore::run(ShapeEntry& entry, std::span<const Tensor> inputs, const RunWatch& watch,
                                    const std::shared_ptr<Allocator>& results) {
  std::vector<Tensor> front = with_room(&entry, [&] { return front_outputs(entry, results); });
  {
    std::vector<const void*> from;
    std::vector<void*> to;
    for (const Tensor& input : inputs) from.push_back(input.data());
    for (Tensor& output : front) to.push_back(output.mutable_data());
    const ShapeEntry::Lease context = lease(entry);
    watch.steps ? context->run_observed(from, to, watch.steps) : context->run(from, to);
  }
  const Continuation* next = entry.next();
  if (next == nullptr) return front;
  const std::vector<Tensor> between =
      next->evaluate(inputs, front, watch, [&](const Continuation::Make& make) { return with_room(&entry, make); });
  std::vector<Tensor> rest;
  if (next->rest() != nullptr) {
    const std::vector<Tensor> crossing = next->rest_inputs(inputs, front, between);
    std::vector<Shape> shapes;
    for (const Tensor& tensor : crossing) shapes.push_back(tensor.shape());
    rest = next->rest()->run(*next->rest()->entry(shapes, true), crossing, watch, results);
  }
  drop_beyond_limit();
  return with_room(&entry, [&] {
    std::optional<HostMemoryScope> scope;
    if (results != nullptr) scope.emplace(results);
    return next->results(front, between, rest);
  });
}

std::vector<Tensor> EngineCore::front_outputs(const ShapeEntry& entry,
                                              const std::shared_ptr<Allocator>& results) const {
  const plan::Plan& plan = entry.plan();
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < plan.graph.outputs.size(); ++i) {
    const plan::TensorDesc& desc = plan.descs[static_cast<size_t>(plan.graph.outputs[i].value)];
    const bool passed_on = entry.next() != nullptr && !entry.next()->is_result(i);
    std::optional<HostMemoryScope> scope;
    if (passed_on) scope.emplace(account_);
    if (!passed_on && results != nullptr) scope.emplace(results);
    const MemoryLabel label(plan.graph.name, plan.graph.outputs[i].name);
    outputs.emplace_back(desc.dtype, desc.shape);
  }
  return outputs;
}

// Memory that only waits for calls with other shapes is given back before a request is refused, if that can be enough: what
// helps nobody stays, so that those shapes still run.
template <typename Make>
auto EngineCore::with_room(const ShapeEntry* wanted, const Make& make) -> decltype(make()) {
  try {
    return make();
  } catch (const OutOfMemory& error) {
    const MemoryRefusal& refusal = error.refusal();
    if (refusal.largest_free_bytes == UINT64_MAX) throw;
    if (refusal.largest_free_bytes + held_beside(wanted) < refusal.requested_bytes || !release_idle_but(wanted)) throw;
  }
  return make();
}

uint64_t EngineCore::held_beside(const ShapeEntry* wanted) const {
  uint64_t bytes = config_.continued.held_bytes ? config_.continued.held_bytes() : 0;
  for (const auto& entry : all_entries()) bytes += entry.get() == wanted ? 0 : entry->held_bytes();
  return bytes;
}

bool EngineCore::release_contexts() {
  bool released = false;
  for (const auto& entry : all_entries()) released = entry->release_idle() || released;
  return released;
}

bool EngineCore::release_idle_but(const ShapeEntry* wanted) {
  bool released = config_.continued.release_idle && config_.continued.release_idle();
  for (const auto& entry : all_entries()) {
    if (entry.get() != wanted) released = entry->release_idle() || released;
  }
  return released;
}

void EngineCore::release_memory() {
  const std::lock_guard planning(planning_);
  release_contexts();
  while (drop_oldest([] { return true; })) continue;
  release_huge_blocks();
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
  uint64_t bytes = packed_->bytes();
  for (const auto& [shapes, entry] : entries_.entries()) bytes += std::max(entry->held_bytes(), bytes_to_run(*entry));
  return bytes;
}

// By one call at a time, besides weights.
uint64_t EngineCore::bytes_to_run(const ShapeEntry& entry) const {
  return entry.plan().arena_bytes + (config_.shared_workspace == nullptr ? entry.plan().workspace_bytes : 0);
}

uint64_t EngineCore::cached_bytes() const { return packed_->bytes() + held_bytes(); }

uint64_t EngineCore::held_bytes() const {
  uint64_t bytes = 0;
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

ops::Stages EngineCore::planned_stages(std::span<const Shape> shapes) {
  ops::Stages stages = config_.specialize(whole_graph(), shapes);
  if (config_.fuse) config_.fuse(stages.front);
  return stages;
}

std::vector<Shape> EngineCore::all_shapes(const std::vector<Shape>& own) const {
  std::vector<Shape> shapes = config_.continued.shapes;
  shapes.insert(shapes.end(), own.begin(), own.end());
  return shapes;
}

plan::Plan EngineCore::make_plan(ir::Graph front, const std::vector<Shape>& shapes, bool& worth_keeping) {
  plan::PlanOptions options = plan_options();
  const std::vector<Shape> all = all_shapes(shapes);
  TacticSource source{records_->find(config_.threads, all), true};
  const bool for_data = config_.continued.records != nullptr;
  if (for_data && !source.record) source = records_->for_data(config_.threads, all, config_.continued.fixed);
  options.measure = options.measure && source.measure;
  if (source.record) {
    options.recorded = &source.record->tactics;
    options.recorded_rejected = &source.record->rejected;
  }
  worth_keeping = !source.record && (!for_data || options.measure);
  return plan::make_plan(std::move(front), *packed_, options);
}

plan::Plan EngineCore::make_plan(const std::vector<Shape>& shapes) {
  bool unused = false;
  return make_plan(planned_stages(shapes).front, shapes, unused);
}

plan::Plan EngineCore::make_plan(const plan::PlanRecord& record) {
  plan::PlanOptions options = plan_options();
  options.recorded = &record.tactics;
  options.progress = nullptr;
  return plan::make_plan(planned_stages(record.input_shapes).front, *packed_, options);
}

plan::Plan EngineCore::survey(const std::vector<Shape>& shapes, std::vector<plan::StepOptions>& steps) {
  plan::PlanOptions options = plan_options();
  options.survey = &steps;
  return plan::make_plan(planned_stages(shapes).front, *packed_, options);
}

plan::PlanRecord EngineCore::record_of(const plan::Plan& plan, const std::vector<Shape>& shapes) const {
  plan::PlanRecord record;
  record.threads = config_.threads;
  record.input_shapes = all_shapes(shapes);
  plan::for_each_step(plan, [&](const plan::Plan& at, const plan::Step& step) {
    record.tactics[at.graph.node(step.node).name] = {step.backend, step.tactic.name, step.time_us, step.tactic.state};
  });
  record.rejected = plan.rejected;
  return record;
}

std::shared_ptr<ShapeEntry> EngineCore::make_entry(const std::vector<Shape>& shapes) {
  ops::Stages stages = planned_stages(shapes);
  bool worth_keeping = false;
  plan::Plan plan = make_plan(std::move(stages.front), shapes, worth_keeping);
  if (again_ != nullptr && !stripped_) strip_graph();  // the plan has what it needs
  if (worth_keeping) recall(record_of(plan, shapes));
  ContextMemory memory{account_.get(), config_.workspace, nullptr};
  if (config_.shared_workspace != nullptr) memory.shared = config_.shared_workspace->block();
  auto prepared = prepare(std::move(plan), *packed_);
  if (config_.packed) config_.packed();
  auto next = stages.split() ? continuation(std::move(stages), shapes) : nullptr;
  return std::make_shared<ShapeEntry>(shapes, std::move(prepared), std::move(memory), std::move(next));
}

std::unique_ptr<EngineCore> EngineCore::continued(ir::Graph graph, const std::vector<Shape>& shapes,
                                                  const std::vector<Shape>& mark) {
  const auto this_entry = [this, shapes]() -> const ShapeEntry* {
    for (const auto& entry : all_entries()) {
      if (entry->shapes() == shapes) return entry.get();
    }
    return nullptr;
  };
  EngineConfig config = config_;
  config.allocator = account_.get();
  config.memory_limit_bytes = UINT64_MAX;  // the account has it
  config.shared_weights = packed_;
  config.progress = nullptr;
  config.packed = nullptr;  // it plans again soon
  if (!mark.empty()) config.maximum_cached_engines = std::min(config.maximum_cached_engines, kMostPlans) * kRegionPlans;
  config.continued.fixed = config_.continued.records == nullptr ? shapes.size() : config_.continued.fixed;
  config.continued.shapes = all_shapes(shapes);
  config.continued.shapes.insert(config.continued.shapes.end(), mark.begin(), mark.end());
  config.continued.records = records_;
  config.continued.held_bytes = [this, this_entry] { return held_beside(this_entry()); };
  config.continued.release_idle = [this, this_entry] { return release_idle_but(this_entry()); };
  return std::make_unique<EngineCore>(std::move(graph), std::move(config));
}

std::unique_ptr<Continuation> EngineCore::continuation(ops::Stages stages, const std::vector<Shape>& shapes) {
  Continuation::Regions regions;
  for (const ir::NodeId id : stages.between.order()) {
    const ir::Node& node = stages.between.node(id);
    if (node.regions.empty()) continue;
    regions.emplace(id, RegionEngines(node, [&](ir::Graph region, size_t index) {
                      return continued(std::move(region), shapes, {{id, static_cast<int64_t>(index)}});
                    }));
  }
  std::unique_ptr<EngineCore> rest;
  if (!stages.rest.outputs.empty()) rest = continued(std::move(stages.rest), shapes, {});
  stages.rest = {};
  return std::make_unique<Continuation>(std::move(stages), std::move(regions), std::move(rest), account_);
}

bool EngineCore::planned(const std::vector<Shape>& shapes) const {
  const std::lock_guard lock(mutex_);
  const auto& entries = entries_.entries();
  return records_->find(config_.threads, all_shapes(shapes)).has_value() ||
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

}  // namespace tfengine::runtime
