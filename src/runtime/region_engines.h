// SPDX-License-Identifier: Apache-2.0
// Runs a loop or branch that no plan can hold, because shapes inside of it depend on data or change from iteration to iteration:
// each region is an engine of its own, which plans for the shapes that it meets, and the host goes from one to the next.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "ir/graph.h"
#include "tfengine/allocator.h"

namespace tfengine::runtime {

class EngineCore;
struct RunWatch;

class RegionEngines {
 public:
  // `make`: an engine of the node's region of this index.
  using Make = std::function<std::unique_ptr<EngineCore>(ir::Graph region, size_t index)>;
  RegionEngines(const ir::Node& node, const Make& make);
  ~RegionEngines();
  RegionEngines(RegionEngines&&) noexcept;

  // The node's results, from the tensors at its inputs, in memory of `results`. InvalidModel naming the node when what decides
  // is no single element.
  std::vector<Tensor> run(const ir::Node& node, std::span<const Tensor> inputs, const RunWatch& watch,
                          const std::shared_ptr<Allocator>& results) const;
  void for_each_engine(const std::function<void(EngineCore&)>& use) const;

 private:
  // Without the inputs that the region does not read: their shapes are not its concern.
  struct Region {
    std::vector<size_t> inputs;  // of the region as it was
    std::unique_ptr<EngineCore> engine;
  };
  static std::vector<Tensor> run(const Region& region, std::span<const Tensor> arguments, const RunWatch& watch,
                                 const std::shared_ptr<Allocator>& results);

  std::vector<Region> regions_;
};

}  // namespace tfengine::runtime
