// SPDX-License-Identifier: Apache-2.0
#include "plan/planner.h"

#include <algorithm>

#include "base/check.h"
#include "plan/host_step.h"
#include "plan/measure.h"
#include "plan/storage.h"

namespace tfengine::plan {

std::vector<TensorDesc> describe_values(const ir::Graph& graph) {
  std::vector<TensorDesc> descs(static_cast<size_t>(graph.value_count()));
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    const ir::Value& value = graph.value(id);
    TensorDesc& desc = descs[static_cast<size_t>(id)];
    desc.dtype = value.dtype;
    desc.shape = value.shape;
    desc.quant = value.quant;
    desc.pixel_stride = value.shape.rank() == 0 ? 1 : value.shape.back();
  }
  return descs;
}

StepSpec step_spec(const ir::Graph& graph, const ir::Node& node, std::span<const TensorDesc> descs, int threads) {
  StepSpec spec;
  spec.graph = &graph;
  spec.node = &node;
  spec.threads = threads;
  for (const ir::ValueId id : node.inputs) {
    spec.inputs.push_back(descs[static_cast<size_t>(id)]);
    spec.constants.push_back(graph.value(id).constant);
    spec.input_names.push_back(graph.value(id).name);
  }
  for (const ir::ValueId id : node.outputs) spec.outputs.push_back(descs[static_cast<size_t>(id)]);
  return spec;
}

namespace {

// Weights of a network beyond this come from memory in each run: the last-level caches of CPUs are of 16 to 64 MiB, and
// what a machine runs beside takes its share.
constexpr size_t kMostCachedBytes = size_t{12} << 20;

size_t constant_bytes(const ir::Graph& graph) {
  size_t bytes = 0;
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) bytes += graph.value(id).constant.bytes();
  return bytes;
}

struct Choice {
  const Backend* backend = nullptr;
  Tactic tactic;
  double time_us = 0.0;
};

class Planner {
 public:
  Planner(ir::Graph graph, PackedStore& packed, const PlanOptions& options) : packed_(packed), options_(options) {
    plan_.graph = std::move(graph);
    plan_.threads = options.threads;
    plan_.device = options.backends[0]->device();
    cold_weights_ = constant_bytes(plan_.graph) > kMostCachedBytes;
  }

  Plan run() {
    const std::vector<ir::NodeId> order = plan_.graph.order();
    check_static();
    plan_.descs = describe_values(plan_.graph);
    options_.backends[0]->lay_out(plan_.graph, plan_.descs);
    Storage storage(plan_.graph);
    if (options_.share_memory && !options_.keep_all) place_views(storage, order);
    int done = 0;
    for (const ir::NodeId id : order) {
      plan_.steps.push_back(choose(id));
      if (options_.progress) options_.progress(++done, static_cast<int>(order.size()), plan_.graph.node(id).name);
    }
    storage.share(plan_.steps, plan_.descs, options_.share_memory && !options_.keep_all);
    storage.finish(plan_);
    for (const Step& step : plan_.steps) {
      if (!step.elided) plan_.workspace_bytes = std::max<uint64_t>(plan_.workspace_bytes, step.tactic.workspace_bytes);
    }
    for (const Backend* backend : options_.backends) backend->planned();
    return std::move(plan_);
  }

 private:
  void check_static() const {
    for (const ir::NodeId id : plan_.graph.order()) {
      for (const ir::ValueId out : plan_.graph.node(id).outputs) {
        const ir::Value& value = plan_.graph.value(out);
        if (!value.shape.is_static()) {
          fail<InvalidModel>(
              "{} '{}': the shape of its output is {} for these inputs, expected one that is known before "
              "the run",
              plan_.graph.node(id).op, plan_.graph.node(id).name, value.shape.str());
        }
      }
    }
  }

  void place_views(Storage& storage, const std::vector<ir::NodeId>& order) {
    storage.place_concat_views(
        order, plan_.descs,
        [&](ir::NodeId id, int input, const std::vector<TensorDesc>& descs) {
          return options_.backends[0]->takes_strided_input(
              step_spec(plan_.graph, plan_.graph.node(id), descs, options_.threads), input);
        },
        [&](ir::NodeId id, const std::vector<TensorDesc>& descs) {
          return options_.backends[0]->takes_strided_output(
              step_spec(plan_.graph, plan_.graph.node(id), descs, options_.threads));
        });
  }

  std::vector<Choice> eligible(const StepSpec& spec) {
    std::string reasons;
    for (const Backend* backend : options_.backends) {
      auto answer = backend->tactics(spec);
      if (const Refusal* refusal = std::get_if<Refusal>(&answer)) {
        reasons += fmt::format("; {}: {}", backend->name(), refusal->reason);
        continue;
      }
      std::vector<Choice> choices;
      for (Tactic& tactic : std::get<std::vector<Tactic>>(answer)) {
        if (tactic.workspace_bytes > options_.max_workspace_size_bytes) {
          plan_.rejected.push_back({spec.node->name, tactic.name, tactic.workspace_bytes});
          continue;
        }
        if (backend->device() != plan_.device) tactic = host_step(std::move(tactic), spec);
        choices.push_back({backend, std::move(tactic), 0.0});
      }
      if (!choices.empty()) return choices;
    }
    fail<InvalidModel>("{} '{}': no backend runs it within a workspace of {} bytes{}", spec.node->op, spec.node->name,
                       options_.max_workspace_size_bytes, reasons);
  }

  const ChosenTactic* earlier_choice(const std::string& node) const {
    if (options_.recorded == nullptr) return nullptr;
    const auto found = options_.recorded->find(node);
    return found == options_.recorded->end() ? nullptr : &found->second;
  }

  static Choice* find(std::vector<Choice>& choices, const ChosenTactic& wanted) {
    const auto match = std::find_if(choices.begin(), choices.end(), [&](const Choice& choice) {
      return choice.backend->name() == wanted.backend && choice.tactic.name == wanted.tactic;
    });
    return match == choices.end() ? nullptr : &*match;
  }

  Step choose(ir::NodeId id) {
    const ir::Node& node = plan_.graph.node(id);
    StepSpec spec = step_spec(plan_.graph, node, plan_.descs, options_.threads);
    spec.cold_weights = cold_weights_;
    spec.device = plan_.device;
    spec.timed = options_.measure;
    const ChosenTactic* earlier = earlier_choice(node.name);
    if (earlier != nullptr) {
      spec.wanted = earlier->tactic;
      spec.wanted_state = earlier->state;
    }
    std::vector<Choice> choices = eligible(spec);
    Choice* best = earlier == nullptr ? nullptr : find(choices, *earlier);
    if (best != nullptr) {
      best->time_us = earlier->time_us;
    } else {
      if (!spec.wanted.empty()) {
        spec.wanted.clear();
        spec.wanted_state.clear();
        choices = eligible(spec);
      }
      best = options_.measure && !choices[0].tactic.alias ? fastest(choices, spec) : &choices[0];
    }
    Step step;
    step.node = id;
    step.backend = best->backend->name();
    step.tactic = std::move(best->tactic);
    step.time_us = best->time_us;
    step.on_host = best->backend->device() != plan_.device;
    return step;
  }

  Choice* fastest(std::vector<Choice>& choices, const StepSpec& spec) {
    if (choices.size() == 1 && choices[0].backend->device() != plan_.device) return &choices[0];
    const std::string key = step_key(spec);
    const auto name_of = [](const Choice& choice) { return choice.backend->name() + ":" + choice.tactic.name; };
    const auto known = [&](Choice& choice) {
      std::optional<double> time_us = session_.find(key, name_of(choice));
      if (!time_us && options_.timing_cache != nullptr) time_us = options_.timing_cache->find(key, name_of(choice));
      choice.time_us = time_us.value_or(0.0);
      return time_us.has_value();
    };
    // Times that were taken apart do not compare well: one unknown means that all are measured.
    if (!std::all_of(choices.begin(), choices.end(), known)) {
      std::vector<const Tactic*> tactics;
      for (const Choice& choice : choices) tactics.push_back(&choice.tactic);
      const std::vector<double> times_us = plan_.device == nullptr ? measure_tactics(spec, tactics, packed_)
                                                                   : measure_tactics_on_device(spec, tactics, packed_);
      choices[0].backend->measured(spec, tactics, times_us);
      for (size_t i = 0; i < choices.size(); ++i) choices[i].time_us = times_us[i];
      if (options_.timing_cache != nullptr) {
        for (const Choice& choice : choices) options_.timing_cache->add(key, name_of(choice), choice.time_us);
      }
    }
    for (const Choice& choice : choices) session_.add(key, name_of(choice), choice.time_us);
    return &*std::min_element(choices.begin(), choices.end(),
                              [](const Choice& a, const Choice& b) { return a.time_us < b.time_us; });
  }

  Plan plan_;
  bool cold_weights_ = false;
  PackedStore& packed_;
  const PlanOptions& options_;
  TimingCache session_;  // equal steps of one graph are measured once
};

}  // namespace

Plan make_plan(ir::Graph graph, PackedStore& packed, const PlanOptions& options) {
  check(!options.backends.empty(), "a plan needs a backend");
  return Planner(std::move(graph), packed, options).run();
}

}  // namespace tfengine::plan
