// SPDX-License-Identifier: Apache-2.0
// What each step of an engine takes in time.
#include <algorithm>
#include <map>

#include "base/check.h"
#include "compiler/chunks.h"
#include "compiler/engine_impl.h"
#include "compiler/inputs.h"
#include "compiler/outputs.h"

namespace tfengine {

namespace {

std::string precision_of(const ir::Graph& graph, const ir::Node& node) {
  const auto has = [&](DType a, DType b) {
    const auto match = [&](ir::ValueId id) { return graph.value(id).dtype == a || graph.value(id).dtype == b; };
    return std::any_of(node.inputs.begin(), node.inputs.end(), match) ||
           std::any_of(node.outputs.begin(), node.outputs.end(), match);
  };
  if (has(DType::S8, DType::U8)) return "int8";
  return has(DType::BF16, DType::BF16) ? "bf16" : "fp32";
}

// The time of each run, all iterations of loops together.
class StepTimesOfRuns {
 public:
  void clear() {
    times_.clear();
    between_.clear();
  }
  void add(const plan::Plan& plan, int step, int run, double elapsed_us) {
    times_[{plan.number, step}][run] += elapsed_us;
  }
  // Of a node between plans.
  void add(const std::string& node, int run, double elapsed_us) { between_[node][run] += elapsed_us; }
  double median(const plan::Plan& plan, int step, int runs) const {
    const auto found = times_.find({plan.number, step});
    return found == times_.end() ? 0.0 : median(found->second, runs);
  }
  double median(const std::string& node, int runs) const {
    const auto found = between_.find(node);
    return found == between_.end() ? 0.0 : median(found->second, runs);
  }

 private:
  // Steps of branches take no time in runs that pass over them.
  static double median(const std::map<int, double>& by_run, int runs) {
    std::vector<double> all(static_cast<size_t>(runs) - by_run.size(), 0.0);
    for (const auto& [run, us] : by_run) all.push_back(us);
    std::nth_element(all.begin(), all.begin() + runs / 2, all.end());
    return all[static_cast<size_t>(runs / 2)];
  }

  std::map<std::pair<uint64_t, int>, std::map<int, double>> times_;  // by plan and step
  std::map<std::string, std::map<int, double>> between_;             // by node
};

// A step that runs others has what it needs besides them, and they stand behind it.
void add_layers(const runtime::PreparedPlan& prepared, const StepTimesOfRuns& times, int runs,
                std::vector<LayerProfile>& layers) {
  const plan::Plan& plan = prepared.plan;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const plan::Step& step = plan.steps[i];
    const ir::Node& node = plan.graph.node(step.node);
    layers.push_back({node.name, node.op, precision_of(plan.graph, node), step.backend,
                      step.elided ? "in place" : step.tactic.name, times.median(plan, static_cast<int>(i), runs),
                      plan.graph.value(node.outputs[0]).shape.str()});
    const size_t own = layers.size() - 1;
    for (const auto& region : prepared.regions[i]) {
      const size_t first = layers.size();
      add_layers(*region, times, runs, layers);
      for (size_t inner = first; inner < layers.size(); ++inner) layers[own].time_us -= layers[inner].time_us;
    }
    layers[own].time_us = std::max(layers[own].time_us, 0.0);
  }
}

void add_between(const ops::Stages& stages, const StepTimesOfRuns& times, int runs,
                 const std::map<std::string, std::string>& shapes, std::vector<LayerProfile>& layers) {
  for (const ir::NodeId id : stages.between.order()) {
    const ir::Node& node = stages.between.node(id);
    const auto shape = shapes.find(node.name);
    layers.push_back({node.name, node.op, precision_of(stages.between, node), "reference", "between plans",
                      times.median(node.name, runs), shape == shapes.end() ? "" : shape->second});
  }
}

}  // namespace

std::vector<LayerProfile> Engine::profile(const std::vector<NamedTensor>& inputs, int runs) const {
  if (runs < 1) fail<InvalidArgument>("profile: got {} runs, expected at least 1", runs);
  const detail::BoundInputs bound = detail::bind_inputs(impl_->core->graph(), inputs);
  const auto entry = detail::entry_or_default(*impl_, bound.shapes);
  StepTimesOfRuns times;
  std::map<std::string, std::string> shapes;  // of what nodes between plans made
  int run = 0;
  runtime::RunWatch watch;
  watch.steps = [&](const plan::RunningPlan& running, int step, double elapsed_us) {
    if (step >= 0) times.add(running.plan(), step, std::max(run, 1), elapsed_us);
  };
  watch.between = [&](const ir::Node& node, const Tensor& first_output, double elapsed_us) {
    times.add(node.name, std::max(run, 1), elapsed_us);
    shapes[node.name] = first_output.shape().str();
  };
  for (; run <= runs; ++run) {
    if (run == 1) times.clear();  // the first run warms up
    impl_->core->run(*entry, bound.keep, watch);
  }
  std::vector<LayerProfile> layers;
  runtime::for_each_stage(*entry, [&](const runtime::ShapeEntry& stage) {
    add_layers(stage.prepared(), times, runs, layers);
    if (stage.next() != nullptr) add_between(stage.next()->stages(), times, runs, shapes, layers);
  });
  // A batch in chunks: the first one is measured.
  const double chunks = static_cast<double>(detail::chunks_of(*entry, bound.shapes));
  for (LayerProfile& layer : layers) layer.time_us *= chunks;
  return layers;
}

}  // namespace tfengine
