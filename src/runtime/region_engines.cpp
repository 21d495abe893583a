// SPDX-License-Identifier: Apache-2.0
#include "runtime/region_engines.h"

#include <algorithm>

#include "base/host_memory.h"
#include "ops/control_flow.h"
#include "runtime/engine_core.h"

namespace tfengine::runtime {

namespace {

// Declared shapes are those of a plan, or of lists before their first element.
void open_shapes(ir::Graph& region) {
  for (const ir::ValueId id : region.inputs) region.value(id).shape = Shape::unknown_rank();
}

std::vector<size_t> take_read_inputs(ir::Graph& region) {
  std::vector<size_t> read;
  std::vector<ir::ValueId> kept;
  for (size_t i = 0; i < region.inputs.size(); ++i) {
    if (region.use_count(region.inputs[i]) == 0) continue;
    read.push_back(i);
    kept.push_back(region.inputs[i]);
  }
  region.inputs = std::move(kept);
  return read;
}

}  // namespace

RegionEngines::RegionEngines(const ir::Node& node, const Make& make) {
  ops::check_regions(node);
  for (size_t i = 0; i < node.regions.size(); ++i) {
    ir::Graph region = node.regions[i];
    open_shapes(region);
    std::vector<size_t> inputs = take_read_inputs(region);
    regions_.push_back({std::move(inputs), make(std::move(region), i)});
  }
}

RegionEngines::~RegionEngines() = default;
RegionEngines::RegionEngines(RegionEngines&&) noexcept = default;

std::vector<Tensor> RegionEngines::run(const Region& region, std::span<const Tensor> arguments, const RunWatch& watch,
                                       const std::shared_ptr<Allocator>& results) {
  std::vector<Tensor> inputs;
  std::vector<Shape> shapes;
  for (const size_t i : region.inputs) {
    inputs.push_back(arguments[i]);
    shapes.push_back(arguments[i].shape());
  }
  return region.engine->run(*region.engine->entry(shapes, true), inputs, watch, results);
}

std::vector<Tensor> RegionEngines::run(const ir::Node& node, std::span<const Tensor> inputs, const RunWatch& watch,
                                       const std::shared_ptr<Allocator>& results) const {
  const auto first = static_cast<size_t>(ops::first_argument(node));
  if (ops::is_branch(node)) {
    return run(regions_[ops::chosen_region(node, inputs[0])], inputs.subspan(first), watch, results);
  }
  std::vector<Tensor> values(inputs.begin(), inputs.end());
  const auto goes_on = [&] {
    const Tensor answer = run(regions_[0], values, watch, results)[0];
    const HostMemoryScope scope(results);
    return ops::is_true(node, answer);
  };
  while (goes_on()) {
    std::vector<Tensor> next = run(regions_[1], values, watch, results);
    std::move(next.begin(), next.end(), values.begin());
  }
  values.resize(node.outputs.size());
  return values;
}

void RegionEngines::for_each_engine(const std::function<void(EngineCore&)>& use) const {
  for (const Region& region : regions_) use(*region.engine);
}

}  // namespace tfengine::runtime
