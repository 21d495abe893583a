// SPDX-License-Identifier: Apache-2.0
// The running part of an engine: one optimised graph, its packed weights, a plan per set of input shapes (least recently
// used dropped), and contexts handed to concurrent calls. Where shapes depend on data, a plan ends, and an entry has what
// follows it (continuation.h). How an engine was converted, saved and reported is compiler/.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/lru_cache.h"
#include "ops/stages.h"
#include "plan/image.h"
#include "plan/planner.h"
#include "runtime/shape_entry.h"
#include "runtime/tactic_records.h"

namespace tfengine::runtime {

using Specialize = std::function<ops::Stages(const ir::Graph&, std::span<const Shape>)>;
using Fuse = std::function<void(ir::Graph&)>;

// Of an engine of the rest of a graph: the engine that it continues.
struct Continued {
  // Shapes of the plans in front of it, in order; the first `fixed` are those of the whole graph's inputs.
  std::vector<Shape> shapes;
  size_t fixed = 0;
  std::shared_ptr<TacticRecords> records;
  // What that engine's plans for other shapes hold, and giving it back as far as no call uses it; whether anything was.
  std::function<uint64_t()> held_bytes;
  std::function<bool()> release_idle;
};

struct EngineConfig {
  std::vector<const plan::Backend*> backends;
  int threads = 1;
  uint64_t max_workspace_size_bytes = uint64_t{1} << 30;
  int maximum_cached_engines = 8;
  uint64_t maximum_cached_bytes = UINT64_MAX;
  Allocator* allocator = nullptr;
  uint64_t memory_limit_bytes = UINT64_MAX;  // of this engine, at run time
  WorkspaceUse workspace = WorkspaceUse::Kept;
  std::shared_ptr<SharedWorkspace> shared_workspace;
  std::shared_ptr<plan::PackedStore> shared_weights;
  bool measure = true;
  // Plans that keep every tensor after a run, for observers.
  bool keep_all = false;
  std::shared_ptr<plan::TimingCache> timing_cache;
  Specialize specialize;
  // Fuses the steps of a graph with static shapes; null where every tensor has to be there for observers.
  Fuse fuse;
  std::function<void(int done, int total, const std::string& node)> progress;
  // Weights are packed: what they were packed from, and by, is not needed for now.
  std::function<void()> packed;
  Continued continued;
};

class EngineCore {
 public:
  EngineCore(ir::Graph graph, EngineConfig config);

  // Its large constants may be without their bytes: see free_constants().
  const ir::Graph& graph() const { return graph_; }
  // The graph with all its constants.
  ir::Graph whole_graph();
  // Frees the large constants, which only planning and saving need; `again` gives the same graph once more. `plan_first`: the
  // next plan still finds them here and frees them as it packs them. Called before others use the core.
  void free_constants(std::function<ir::Graph()> again, bool plan_first = false);
  const EngineConfig& config() const { return config_; }
  // Planned on first use for these shapes. Thread-safe; while one thread plans, others find what is planned already. Before a
  // new plan, others make room; for a call (`to_run`), the new one takes its memory then, and if that is refused, they stay.
  std::shared_ptr<ShapeEntry> entry(const std::vector<Shape>& shapes, bool to_run = false);
  // A context of the entry. Where memory is refused, what idle contexts of other shapes hold is given back first.
  ShapeEntry::Lease lease(ShapeEntry& entry);
  // One call from the entry's plan through all that follows it: the outputs, in order, in memory of `results` (null: of this
  // thread's tensors). Tensors that live from plan to plan are temporary memory of the engine's.
  std::vector<Tensor> run(ShapeEntry& entry, std::span<const Tensor> inputs, const RunWatch& watch = {},
                          const std::shared_ptr<Allocator>& results = nullptr);
  // The plan that these shapes would get, which is not kept: for its choices and times. Nothing of it is packed. Where shapes
  // depend on data, it ends there.
  plan::Plan make_plan(const std::vector<Shape>& shapes);
  // The same with these tactics, and the same for what each step could be run by (PlanOptions::survey).
  plan::Plan make_plan(const plan::PlanRecord& record);
  plan::Plan survey(const std::vector<Shape>& shapes, std::vector<plan::StepOptions>& steps);
  // The most recently used one; null before the first.
  std::shared_ptr<ShapeEntry> latest() const;
  // Later plans report to nobody: who watched the conversion may be gone.
  void end_progress() { config_.progress = nullptr; }
  uint64_t weights_bytes() const { return packed_->bytes(); }
  // What the engine was given of its allocator.
  AllocatorStats allocated() const { return account_->stats(); }
  // Weights, activations and workspaces that are kept now; the same without the weights.
  uint64_t cached_bytes() const;
  uint64_t held_bytes() const;
  // Gives back what no call uses: contexts, and all plans but the latest.
  void release_memory();
  // Contexts that no call uses; whether there were any.
  bool release_contexts();
  // Tactics to take without measuring, for shapes of an earlier plan.
  void recall(plan::PlanRecord record) { records_->add(std::move(record)); }
  // The tactics of all plans made or recalled; of plans of what follows a plan with the shapes of all plans up to it.
  std::vector<plan::PlanRecord> records() const { return records_->all(); }
  bool planned(const std::vector<Shape>& shapes) const;
  // Those kept now, most recently used first.
  std::vector<std::shared_ptr<const ShapeEntry>> entries() const;
  int64_t evictions() const;

 private:
  plan::PlanOptions plan_options() const;
  ops::Stages planned_stages(std::span<const Shape> shapes);
  plan::Plan make_plan(ir::Graph front, const std::vector<Shape>& shapes, bool& worth_keeping);
  std::shared_ptr<ShapeEntry> make_entry(const std::vector<Shape>& shapes);
  std::unique_ptr<Continuation> continuation(ops::Stages stages, const std::vector<Shape>& shapes);
  std::vector<Shape> all_shapes(const std::vector<Shape>& own) const;
  // For what follows the entry of these shapes. `mark`: of a region, shapes that tell it from its like; empty for the rest.
  std::unique_ptr<EngineCore> continued(ir::Graph graph, const std::vector<Shape>& shapes,
                                        const std::vector<Shape>& mark);
  std::vector<Tensor> front_outputs(const ShapeEntry& entry, const std::shared_ptr<Allocator>& results) const;
  plan::PlanRecord record_of(const plan::Plan& plan, const std::vector<Shape>& shapes) const;
  void strip_graph();
  uint64_t workspace_limit() const;
  template <typename Make>
  auto with_room(const ShapeEntry* wanted, const Make& make) -> decltype(make());
  // What plans for other shapes hold, here and of the engine that this one continues, and giving it back as far as it is idle.
  uint64_t held_beside(const ShapeEntry* wanted) const;
  bool release_idle_but(const ShapeEntry* wanted);
  using Entries = LruCache<std::vector<Shape>, std::shared_ptr<ShapeEntry>>;
  void keep(const std::shared_ptr<ShapeEntry>& made, bool to_run);
  void make_room_for(const ShapeEntry& made);
  template <typename Wanted>
  bool drop_oldest(const Wanted& wanted);
  void drop_beyond_limit();
  uint64_t bytes_of_entries() const;
  uint64_t bytes_to_run(const ShapeEntry& entry) const;
  std::vector<std::shared_ptr<ShapeEntry>> all_entries() const;

  ir::Graph graph_;
  bool stripped_ = false;  // its large constants are without their bytes
  std::function<ir::Graph()> again_;
  EngineConfig config_;
  std::shared_ptr<LimitedAllocator> account_;  // around the configured allocator
  std::shared_ptr<plan::PackedStore> packed_;
  std::shared_ptr<TacticRecords> records_;

  std::mutex planning_;       // held while a plan is made; taken before mutex_
  mutable std::mutex mutex_;  // guards what follows, for moments only
  int64_t evictions_ = 0;
  Entries entries_;
};

}  // namespace tfengine::runtime
