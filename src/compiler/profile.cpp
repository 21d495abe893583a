// SPDX-License-Identifier: Apache-2.0
// What each step of an engine takes in time.
#include <algorithm>
#include <map>

#include "base/check.h"
#include "compiler/chunks.h"
#include "compiler/engine_impl.h"
#include "compiler/inputs.h"
#include "ops/fused_elementwise.h"
#include "plan/regions.h"

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

// Nodes that run as one are told.
std::string op_of(const ir::Node& node) {
  if (!ops::is_fused(node)) return node.op;
  std::string text;
  for (const ir::NodeId id : node.regions[0].order()) text += (text.empty() ? "(" : ", ") + node.regions[0].node(id).op;
  return node.op + text + ")";
}

// By what a step makes, which no other step does: the time of each run, all iterations of loops together.
class StepTimesOfRuns {
 public:
  void clear() { times_.clear(); }
  void add(const std::string& makes, int run, double elapsed_us) { times_[makes][run] += elapsed_us; }
  // 0 for steps of branches that did not run.
  double median(const std::string& makes, int runs) const {
    const auto found = times_.find(makes);
    if (found == times_.end()) return 0.0;
    std::vector<double> all(static_cast<size_t>(runs) - found->second.size(), 0.0);
    for (const auto& [run, us] : found->second) all.push_back(us);
    std::nth_element(all.begin(), all.begin() + runs / 2, all.end());
    return all[static_cast<size_t>(runs / 2)];
  }

 private:
  std::map<std::string, std::map<int, double>> times_;
};

const std::string& made_by(const ir::Graph& graph, const ir::Node& node) { return graph.value(node.outputs[0]).name; }

class Layers {
 public:
  Layers(const StepTimesOfRuns& times, int runs, const std::map<std::string, std::string>& shapes)
      : times_(times), runs_(runs), shapes_(shapes) {}

  // The entry's plan, and the latest of those that follow it.
  void add(const runtime::ShapeEntry& entry) {
    add_steps(entry.prepared());
    if (entry.next() == nullptr) return;
    const ir::Graph& between = entry.next()->stages().between;
    for (const ir::NodeId id : between.order()) {
      const ir::Node& node = between.node(id);
      const auto shape = shapes_.find(node.name);
      const auto engines = entry.next()->regions().find(id);
      const bool runs_others = engines != entry.next()->regions().end();
      const size_t own = push(between, node, runs_others ? plan::kRegionBackend : "reference", "between plans",
                              shape == shapes_.end() ? "" : shape->second);
      if (!runs_others) continue;
      engines->second.for_each_engine([&](const runtime::EngineCore& engine) { add_latest(engine); });
      take_inner_times(own);
    }
    if (entry.next()->rest() != nullptr) add_latest(*entry.next()->rest());
  }

  std::vector<LayerProfile> take() { return std::move(layers_); }

 private:
  void add_latest(const runtime::EngineCore& engine) {
    if (const auto latest = engine.latest()) add(*latest);
  }

  size_t push(const ir::Graph& graph, const ir::Node& node, const std::string& backend, const std::string& tactic,
              const std::string& shape) {
    layers_.push_back({node.name, op_of(node), precision_of(graph, node), backend, tactic,
                       times_.median(made_by(graph, node), runs_), shape});
    return layers_.size() - 1;
  }

  void add_steps(const runtime::PreparedPlan& prepared) {
    const plan::Plan& plan = prepared.plan;
    for (size_t i = 0; i < plan.steps.size(); ++i) {
      const plan::Step& step = plan.steps[i];
      const ir::Node& node = plan.graph.node(step.node);
      const size_t own = push(plan.graph, node, step.backend, step.elided ? "in place" : step.tactic.name,
                              plan.graph.value(node.outputs[0]).shape.str());
      for (const auto& region : prepared.regions[i]) add_steps(*region);
      take_inner_times(own);
    }
  }

  // A step that runs others has what it needs besides them, and they stand behind it.
  void take_inner_times(size_t own) {
    for (size_t inner = own + 1; inner < layers_.size(); ++inner) layers_[own].time_us -= layers_[inner].time_us;
    layers_[own].time_us = std::max(layers_[own].time_us, 0.0);
  }

  const StepTimesOfRuns& times_;
  int runs_;
  const std::map<std::string, std::string>& shapes_;  // of what nodes between plans made
  std::vector<LayerProfile> layers_;
};

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
    if (step < 0) return;
    const plan::Plan& plan = running.plan();
    const ir::Node& node = plan.graph.node(plan.steps[static_cast<size_t>(step)].node);
    times.add(made_by(plan.graph, node), std::max(run, 1), elapsed_us);
  };
  watch.between = [&](const ir::Graph& graph, const ir::Node& node, const Tensor& first_output, double elapsed_us) {
    times.add(made_by(graph, node), std::max(run, 1), elapsed_us);
    shapes[node.name] = first_output.shape().str();
  };
  for (; run <= runs; ++run) {
    if (run == 1) times.clear();  // the first run warms up
    impl_->core->run(*entry, bound.keep, watch);
  }
  Layers all(times, runs, shapes);
  all.add(*entry);
  std::vector<LayerProfile> layers = all.take();
  // A batch in chunks: the first one is measured.
  const double chunks = static_cast<double>(detail::chunks_of(*entry, bound.shapes));
  for (LayerProfile& layer : layers) layer.time_us *= chunks;
  return layers;
}

}  // namespace tfengine
