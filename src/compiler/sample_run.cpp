// SPDX-License-Identifier: Apache-2.0
#include "compiler/sample_run.h"

#include <utility>

#include "base/check.h"
#include "compiler/inputs.h"
#include "compiler/outputs.h"

namespace tfengine::detail {

namespace {

runtime::EngineConfig untimed(runtime::EngineConfig config) {
  config.measure = false;
  config.timing_cache = nullptr;
  config.progress = nullptr;
  config.keep_all = false;
  config.fuse = nullptr;  // tensors are looked at by name
  return config;
}

}  // namespace

SampleRun::SampleRun(ir::Graph graph, runtime::EngineConfig config)
    : core_(std::move(graph), untimed(std::move(config))),
      places_([this](const plan::Plan& plan, TensorPlaces<Target>& places) { find_targets(plan, places); }) {}

void SampleRun::find_targets(const plan::Plan& plan, TensorPlaces<Target>& places) const {
  const PlanTensors named(plan);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (const auto found = named.find(tensors_[i])) places.at(found->step).push_back({i, found->value});
  }
}

std::vector<NamedTensor> SampleRun::run(const Batch& batch, std::span<const std::string> tensors, const Show& show) {
  const BoundInputs inputs = bind_inputs(core_.graph(), batch, true);
  if (!std::equal(tensors.begin(), tensors.end(), tensors_.begin(), tensors_.end())) {
    tensors_.assign(tensors.begin(), tensors.end());
    places_.clear();
  }
  entry_ = core_.entry(inputs.shapes);
  const auto watch = [&](const plan::RunningPlan& running, int step, double) {
    for (const Target& target : places_.at(running.plan(), step)) {
      show(target.index, running.plan().descs[static_cast<size_t>(target.value)], running.address(target.value));
    }
  };
  return named(core_.graph(), core_.run(*entry_, inputs.keep, {watch, {}}));
}

int64_t SampleRun::samples_in(const Batch& batch) {
  const Shape& first = batch.at(0).tensor.shape();
  return first.rank() > 0 ? first[0] : 1;
}

void for_each_batch(BatchSource& data, int64_t max_samples, const std::function<void(const Batch&)>& use) {
  data.rewind();
  int64_t samples = 0;
  for (Batch batch; samples < max_samples && data.next(batch);) {
    if (batch.empty()) continue;
    use(batch);
    samples += SampleRun::samples_in(batch);
  }
  if (samples == 0) fail<InvalidArgument>("accuracy: the data holds no sample");
}

}  // namespace tfengine::detail
