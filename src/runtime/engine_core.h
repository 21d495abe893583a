// SPDX-License-Identifier: Apache-2.0
// The running part of an engine: one optimised graph, its packed weights, a plan per set of input shapes (least recently
// used dropped), and contexts handed to concurrent calls. How it was converted, saved and reported is compiler/.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/lru_cache.h"
#include "plan/image.h"
#include "plan/planner.h"
#include "runtime/context.h"

namespace tfengine::runtime {

using Specialize = std::function<ir::Graph(const ir::Graph&, std::span<const Shape>)>;
using Fuse = std::function<void(ir::Graph&)>;

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
};

// What is kept for one set of input shapes.
class ShapeEntry {
 public:
  ShapeEntry(std::vector<Shape> shapes, std::shared_ptr<const PreparedPlan> prepared, ContextMemory memory)
      : shapes_(std::move(shapes)), prepared_(std::move(prepared)), memory_(std::move(memory)) {}

  // A context nobody else uses: a free one or a new one. It goes back when the handle dies.
  class Lease {
   public:
    Lease(ShapeEntry& entry, std::unique_ptr<Context> context) : entry_(entry), context_(std::move(context)) {}
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Context& operator*() const { return *context_; }
    Context* operator->() const { return context_.get(); }

   private:
    ShapeEntry& entry_;
    std::unique_ptr<Context> context_;
  };
  Lease lease();
  // Gives back the memory of contexts that no call uses.
  void release_idle();
  int contexts() const;         // in use and free
  uint64_t held_bytes() const;  // by them
  const std::vector<Shape>& shapes() const { return shapes_; }
  const PreparedPlan& prepared() const { return *prepared_; }
  const plan::Plan& plan() const { return prepared_->plan; }

 private:
  std::vector<Shape> shapes_;
  std::shared_ptr<const PreparedPlan> prepared_;
  ContextMemory memory_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Context>> free_;
  int contexts_ = 0;
  uint64_t held_bytes_ = 0;
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
  // The plan that these shapes would get, which is not kept: for its choices and times. Nothing of it is packed.
  plan::Plan make_plan(const std::vector<Shape>& shapes);
  // The same with these tactics, and the same for what each step could be run by (PlanOptions::survey).
  plan::Plan make_plan(const plan::PlanRecord& record);
  plan::Plan survey(const std::vector<Shape>& shapes, std::vector<plan::StepOptions>& steps);
  // The most recently used one; null before the first.
  std::shared_ptr<ShapeEntry> latest() const;
  // Later plans report to nobody: who watched the conversion may be gone.
  void end_progress() { config_.progress = nullptr; }
  uint64_t weights_bytes() const { return packed_.bytes(); }
  // What the engine was given of its allocator.
  AllocatorStats allocated() const { return account_->stats(); }
  // Weights, activations and workspaces that are kept now.
  uint64_t cached_bytes() const;
  // Gives back what no call uses: contexts, and all plans but the latest.
  void release_memory();
  // Tactics to take without measuring, for shapes of an earlier plan.
  void recall(plan::PlanRecord record);
  // The tactics of all plans made or recalled.
  std::vector<plan::PlanRecord> records() const;
  bool planned(const std::vector<Shape>& shapes) const;
  // Those kept now, most recently used first.
  std::vector<std::shared_ptr<const ShapeEntry>> entries() const;
  int64_t evictions() const;

 private:
  plan::PlanOptions plan_options() const;
  ir::Graph planned_graph(std::span<const Shape> shapes);
  std::shared_ptr<ShapeEntry> make_entry(const std::vector<Shape>& shapes);
  void strip_graph();
  uint64_t workspace_limit() const;
  template <typename Make>
  auto with_room(const ShapeEntry* wanted, const Make& make) -> decltype(make());
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
  std::unique_ptr<LimitedAllocator> account_;  // around the configured allocator
  plan::PackedStore packed_;
  const plan::PlanRecord* find_record(const std::vector<Shape>& shapes) const;

  std::mutex planning_;       // held while a plan is made; taken before mutex_
  mutable std::mutex mutex_;  // guards what follows, for moments only
  int64_t evictions_ = 0;
  Entries entries_;
  std::list<plan::PlanRecord> records_;
};

}  // namespace tfengine::runtime
