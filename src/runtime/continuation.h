// SPDX-License-Identifier: Apache-2.0
// What follows a plan that ends where shapes depend on data: nodes that are evaluated with the tensors that came, and an
// engine of the graph behind them, which plans for the shapes that come out.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "ops/stages.h"
#include "plan/backend.h"
#include "runtime/region_engines.h"
#include "tfengine/allocator.h"

namespace tfengine::runtime {

class EngineCore;

// Who looks at a run. `steps`: as plan::Watch, of one plan after another. `between`: nodes that are evaluated between plans.
struct RunWatch {
  plan::Watch steps;
  std::function<void(const ir::Graph& between, const ir::Node& node, const Tensor& first_output, double elapsed_us)>
      between;
};

class Continuation {
 public:
  // By node of stages.between, of those that have regions.
  using Regions = std::map<ir::NodeId, RegionEngines>;
  // `rest`: of stages.rest; null where that has no outputs. `allocator`: for tensors that live for one call.
  Continuation(ops::Stages stages, Regions regions, std::unique_ptr<EngineCore> rest,
               std::shared_ptr<Allocator> allocator);
  ~Continuation();

  // Whether output `index` of the front is one of the whole graph: its memory is the caller's.
  bool is_result(size_t index) const;
  // Makes tensors in the allocator's memory; may be called anew where that was refused and others gave theirs back.
  using Make = std::function<std::vector<Tensor>()>;
  using Attempt = std::function<std::vector<Tensor>(const Make& make)>;
  // Runs the nodes between, on the whole graph's inputs and the front's outputs; gives their results.
  std::vector<Tensor> evaluate(std::span<const Tensor> inputs, std::span<const Tensor> front, const RunWatch& watch,
                               const Attempt& attempt) const;
  std::vector<Tensor> rest_inputs(std::span<const Tensor> inputs, std::span<const Tensor> front,
                                  std::span<const Tensor> between) const;
  // The whole graph's outputs, in order; those that nodes between made are copied into memory of their own.
  std::vector<Tensor> results(std::span<const Tensor> front, std::span<const Tensor> between,
                              std::span<const Tensor> rest) const;
  EngineCore* rest() const { return rest_.get(); }
  const Regions& regions() const { return regions_; }
  // Those of regions and of the rest.
  void for_each_engine(const std::function<void(EngineCore&)>& use) const;
  const ops::Stages& stages() const { return stages_; }

 private:
  ops::Stages stages_;  // without the front, which is planned
  Regions regions_;
  std::unique_ptr<EngineCore> rest_;
  std::shared_ptr<Allocator> allocator_;
};

}  // namespace tfengine::runtime
