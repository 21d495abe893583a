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

struct EngineConfig {
  std::vector<const plan::Backend*> backends;
  int threads = 1;
  uint64_t max_workspace_size_bytes = uint64_t{1} << 30;
  int maximum_cached_engines = 8;
  Allocator* allocator = nullptr;
  bool measure = true;
  // Plans that keep every tensor after a run, for observers.
  bool keep_all = false;
  std::shared_ptr<plan::TimingCache> timing_cache;
  Specialize specialize;
  std::function<void(int done, int total, const std::string& node)> progress;
};

// What is kept for one set of input shapes.
class ShapeEntry {
 public:
  ShapeEntry(std::vector<Shape> shapes, std::shared_ptr<const PreparedPlan> prepared, Allocator& allocator)
      : shapes_(std::move(shapes)), prepared_(std::move(prepared)), allocator_(allocator) {}

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
  const std::vector<Shape>& shapes() const { return shapes_; }
  const PreparedPlan& prepared() const { return *prepared_; }
  const plan::Plan& plan() const { return prepared_->plan; }

 private:
  std::vector<Shape> shapes_;
  std::shared_ptr<const PreparedPlan> prepared_;
  Allocator& allocator_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Context>> free_;
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
  // Planned on first use for these shapes. Thread-safe; while one thread plans, others find what is planned already.
  std::shared_ptr<ShapeEntry> entry(const std::vector<Shape>& shapes);
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
  std::shared_ptr<ShapeEntry> make_entry(const std::vector<Shape>& shapes);
  void strip_graph();

  ir::Graph graph_;
  bool stripped_ = false;  // its large constants are without their bytes
  std::function<ir::Graph()> again_;
  EngineConfig config_;
  plan::PackedStore packed_;
  const plan::PlanRecord* find_record(const std::vector<Shape>& shapes) const;

  std::mutex planning_;       // held while a plan is made; taken before mutex_
  mutable std::mutex mutex_;  // guards what follows, for moments only
  int64_t evictions_ = 0;
  LruCache<std::vector<Shape>, std::shared_ptr<ShapeEntry>> entries_;
  std::list<plan::PlanRecord> records_;
};

}  // namespace tfengine::runtime
