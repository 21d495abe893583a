// SPDX-License-Identifier: Apache-2.0
#include "compiler/sample_run.h"

#include <map>

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
  return config;
}

}  // namespace

SampleRun::SampleRun(ir::Graph graph, runtime::EngineConfig config)
    : core_(std::move(graph), untimed(std::move(config))) {}

void SampleRun::plan_for(const std::vector<Shape>& shapes, std::span<const std::string> tensors) {
  if (entry_ != nullptr && entry_->shapes() == shapes) return;
  entry_ = core_.entry(shapes);
  places_.clear();
  runtime::for_each_plan(entry_->prepared(), [&](const runtime::PreparedPlan& inner) {
    const plan::Plan& plan = inner.plan;
    Places& places = places_[&plan];
    places.after_step.resize(plan.steps.size());
    std::map<std::string_view, ir::ValueId> by_name;
    for (ir::ValueId id = 0; id < plan.graph.value_count(); ++id) by_name[plan.graph.value(id).name] = id;
    std::map<ir::NodeId, size_t> step_of;
    for (size_t i = 0; i < plan.steps.size(); ++i) step_of[plan.steps[i].node] = i;
    for (size_t i = 0; i < tensors.size(); ++i) {
      const auto found = by_name.find(tensors[i]);
      if (found == by_name.end() || plan.graph.value(found->second).is_constant()) continue;
      const auto step = step_of.find(plan.graph.value(found->second).producer);
      (step == step_of.end() ? places.at_start : places.after_step[step->second]).push_back({i, found->second});
    }
  });
}

std::vector<NamedTensor> SampleRun::run(const Batch& batch, std::span<const std::string> tensors, const Show& show) {
  const BoundInputs inputs = bind_inputs(core_.graph(), batch, true);
  plan_for(inputs.shapes, tensors);
  OutputBuffers outputs = make_outputs(plan());
  const auto lease = entry_->lease();
  lease->run_observed(inputs.addresses, outputs.addresses, [&](const plan::RunningPlan& running, int step, double) {
    const Places& places = places_.at(&running.plan());
    for (const Target& target : step < 0 ? places.at_start : places.after_step[static_cast<size_t>(step)]) {
      show(target.index, running.plan().descs[static_cast<size_t>(target.value)], running.address(target.value));
    }
  });
  return std::move(outputs.tensors);
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
