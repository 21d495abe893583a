// SPDX-License-Identifier: Apache-2.0
#include "plan/planner.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <set>

#include "base/check.h"
#include "base/host_memory.h"
#include "ops/fused_elementwise.h"
#include "plan/arrange.h"
#include "plan/held_forms.h"
#include "plan/host_step.h"
#include "plan/measure.h"
#include "plan/regions.h"

namespace tfengine::plan {

namespace {

// Weights of a network beyond this come from memory in each run: the last-level caches of CPUs are of 16 to 64 MiB, and
// what a machine runs beside takes its share.
constexpr size_t kMostCachedBytes = size_t{12} << 20;

size_t constant_bytes(const ir::Graph& whole) {
  size_t bytes = 0;
  ir::for_each_graph(whole, [&](const ir::Graph& graph) {
    for (ir::ValueId id = 0; id < graph.value_count(); ++id) bytes += graph.value(id).constant.bytes();
  });
  return bytes;
}

// What the workspace limit keeps out is timed all the same, if that takes no more than this.
constexpr uint64_t kMostTrialBytes = uint64_t{256} << 20;

struct Choice {
  const Backend* backend = nullptr;
  Tactic tactic;
  double time_us = 0.0;
};

class Planner {
 public:
  Planner(ir::Graph graph, PackedStore& packed, const PlanOptions& options)
      : backends_(options.backends), packed_(packed), options_(options), session_(own_session_) {
    plan_.graph = std::move(graph);
    plan_.threads = options.threads;
    plan_.device = options.backends[0]->device();
    cold_weights_ = constant_bytes(plan_.graph) > kMostCachedBytes;
  }
  // Of a region. The host decides how often loops run, so that regions run there whatever the plan's device.
  Planner(ir::Graph graph, const Planner& outer)
      : backends_(outer.backends_),
        cold_weights_(outer.cold_weights_),
        packed_(outer.packed_),
        options_(outer.options_),
        session_(outer.session_) {
    std::erase_if(backends_, [](const Backend* backend) { return backend->device() != nullptr; });
    plan_.graph = std::move(graph);
    plan_.threads = options_.threads;
    inner_ = true;
  }

  Plan run() {
    static std::atomic<uint64_t> plans{0};
    plan_.number = ++plans;
    const std::vector<ir::NodeId> order = plan_.graph.order();
    check_static();
    plan_.descs = describe_values(plan_.graph);
    backends_[0]->lay_out(plan_.graph, plan_.descs);
    const Sharing sharing = options_.keep_all       ? Sharing::Nothing
                            : options_.share_memory ? Sharing::Operands
                                                    : Sharing::DeadMemory;
    const bool share = sharing == Sharing::Operands;
    Storage storage(plan_.graph);
    if (share) storage.place_concat_views(order, plan_.descs, strided_input(), strided_output());
    int done = 0;
    for (const ir::NodeId id : order) {
      plan_.steps.push_back(choose(id));
      if (share) storage.place_views(plan_.steps.back(), plan_.descs, strided_input());
      if (options_.progress && !inner_) {
        options_.progress(++done, static_cast<int>(order.size()), plan_.graph.node(id).name);
      }
    }
    arrange_steps(storage, sharing);
    drop_elided_from_survey();
    for (const Step& step : plan_.steps) {
      if (!step.elided) plan_.workspace_bytes = std::max<uint64_t>(plan_.workspace_bytes, step.tactic.workspace_bytes);
    }
    if (!inner_) {
      for (const Backend* backend : backends_) backend->planned();
    }
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

  StridedInput strided_input() const {
    return [this](ir::NodeId id, int input, const std::vector<TensorDesc>& descs) {
      return backends_[0]->takes_strided_input(step_spec(plan_.graph, plan_.graph.node(id), descs, options_.threads),
                                               input);
    };
  }
  StridedOutput strided_output() const {
    return [this](ir::NodeId id, const std::vector<TensorDesc>& descs) {
      return backends_[0]->takes_strided_output(step_spec(plan_.graph, plan_.graph.node(id), descs, options_.threads));
    };
  }

  void arrange_steps(const Storage& storage, Sharing sharing) {
    // Tactics of regions point into the regions' graphs: those must not be copied with their steps.
    std::map<ir::NodeId, std::vector<Plan>> regions;
    for (Step& step : plan_.steps) {
      if (!step.regions.plans.empty()) regions[step.node] = std::move(step.regions.plans);
    }
    Arrangement arranged =
        arrange(storage, std::move(plan_.steps), std::move(leaner_), plan_.descs, {sharing, options_.reorder});
    Placement& best = arranged.placement;
    plan_.own_order_arena_bytes = arranged.own_order_arena_bytes;
    plan_.any_order_bound_bytes = arranged.any_order_bound_bytes;
    plan_.steps = std::move(best.steps);
    for (Step& step : plan_.steps) {
      const auto own = regions.find(step.node);
      if (own == regions.end()) continue;
      for (const Plan& region : own->second) best.naive_bytes += region.naive_activation_bytes;
      step.regions.plans = std::move(own->second);
    }
    plan_.locations = std::move(best.locations);
    plan_.arena = std::move(best.arena);
    plan_.arena_bytes = best.arena_bytes;
    plan_.arena_lower_bound_bytes = best.lower_bound_bytes;
    plan_.naive_activation_bytes = best.naive_bytes;
    plan_.peak_step = best.peak_step;
  }

  // The step of a device's plan as a backend on the host takes it: tensors dense, and of the graph's types.
  StepSpec host_spec(const StepSpec& spec) const {
    const auto tensors = describe_values(plan_.graph);
    StepSpec host = step_spec(plan_.graph, *spec.node, tensors, options_.threads);
    host.timed = spec.timed;
    return host;
  }

  // Leaves in `rejected_` what the limit keeps out.
  std::vector<Choice> eligible(const StepSpec& spec) {
    std::string reasons;
    rejected_.clear();
    for (const Backend* backend : backends_) {
      const bool on_host = backend->device() != plan_.device;
      const StepSpec host = on_host ? host_spec(spec) : StepSpec();
      auto answer = backend->tactics(on_host ? host : spec);
      if (const Refusal* refusal = std::get_if<Refusal>(&answer)) {
        reasons += fmt::format("; {}: {}", backend->name(), refusal->reason);
        continue;
      }
      std::vector<Choice> choices;
      for (Tactic& tactic : std::get<std::vector<Tactic>>(answer)) {
        if (on_host) tactic = host_step(std::move(tactic), spec, host);
        auto& list = tactic.workspace_bytes > options_.max_workspace_size_bytes ? rejected_ : choices;
        list.push_back({backend, std::move(tactic), 0.0});
      }
      if (!choices.empty()) return choices;
    }
    fail<InvalidModel>("{} '{}': no backend runs it within a workspace of {} bytes{}", spec.node->op, spec.node->name,
                       options_.max_workspace_size_bytes, reasons);
  }

  // The earlier plan's choice for the node, or what its limit kept out and was faster, where this one's has room for it.
  std::optional<ChosenTactic> earlier_choice(const std::string& node) const {
    if (options_.recorded == nullptr) return std::nullopt;
    const auto found = options_.recorded->find(node);
    if (found == options_.recorded->end()) return std::nullopt;
    ChosenTactic choice = found->second;
    if (options_.recorded_rejected == nullptr) return choice;
    for (const RejectedTactic& other : *options_.recorded_rejected) {
      const bool fits = other.node == node && other.workspace_bytes <= options_.max_workspace_size_bytes;
      if (fits && other.time_us > 0.0 && other.time_us < choice.time_us) {
        choice = {other.backend, other.tactic, other.time_us, {}};
      }
    }
    return choice;
  }

  // The earlier plan's, as far as they still are.
  void recall_rejected(const std::string& node) {
    if (options_.recorded_rejected == nullptr) return;
    for (const RejectedTactic& other : *options_.recorded_rejected) {
      if (other.node == node && other.workspace_bytes > options_.max_workspace_size_bytes) {
        plan_.rejected.push_back(other);
      }
    }
  }

  static Choice* find(std::vector<Choice>& choices, const ChosenTactic& wanted) {
    const auto match = std::find_if(choices.begin(), choices.end(), [&](const Choice& choice) {
      return choice.backend->name() == wanted.backend && choice.tactic.name == wanted.tactic;
    });
    return match == choices.end() ? nullptr : &*match;
  }

  // The regions move from the graph into plans.
  Step plan_regions(ir::NodeId id) {
    ir::Node& node = plan_.graph.node(id);
    Step step;
    step.node = id;
    step.backend = kRegionBackend;
    std::vector<Plan> plans;
    for (ir::Graph& region : node.regions) {
      plans.push_back(Planner(std::move(region), *this).run());
      plan_.rejected.insert(plan_.rejected.end(), plans.back().rejected.begin(), plans.back().rejected.end());
    }
    node.regions.clear();
    lay_out_regions(node, std::move(plans), step);
    step.on_host = plan_.device != nullptr;
    if (step.on_host) move_to_host(step);
    return step;
  }

  Step choose(ir::NodeId id) {
    if (!plan_.graph.node(id).regions.empty() && !ops::is_fused(plan_.graph.node(id))) return plan_regions(id);
    const ir::Node& node = plan_.graph.node(id);
    StepSpec spec = step_spec(plan_.graph, node, plan_.descs, options_.threads);
    spec.cold_weights = cold_weights_;
    spec.device = plan_.device;
    spec.timed = options_.measure;
    const std::optional<ChosenTactic> earlier = options_.survey != nullptr ? std::nullopt : earlier_choice(node.name);
    if (earlier) {
      spec.wanted = earlier->tactic;
      spec.wanted_state = earlier->state;
    }
    std::vector<Choice> choices = eligible(spec);
    Choice* best = earlier ? find(choices, *earlier) : nullptr;
    if (best != nullptr) {
      best->time_us = earlier->time_us;
      recall_rejected(node.name);
    } else {
      if (!spec.wanted.empty()) {
        spec.wanted.clear();
        spec.wanted_state.clear();
        choices = eligible(spec);
      }
      best = options_.measure && !choices[0].tactic.alias ? fastest(choices, spec) : &choices[0];
      for (const Choice& other : rejected_) {
        plan_.rejected.push_back(
            {node.name, other.backend->name(), other.tactic.name, other.tactic.workspace_bytes, other.time_us});
      }
    }
    if (options_.survey != nullptr) options_.survey->push_back(options_of(node, choices));
    // An earlier plan has decided.
    if (Choice* leaner = earlier ? nullptr : leaner_than(*best, choices)) leaner_.emplace(id, made_step(id, *leaner));
    return made_step(id, *best);
  }

  Step made_step(ir::NodeId id, Choice& choice) const {
    Step step;
    step.node = id;
    step.backend = choice.backend->name();
    step.tactic = std::move(choice.tactic);
    step.time_us = choice.time_us;
    step.on_host = choice.backend->device() != plan_.device;
    return step;
  }

  // The fastest one whose result may lie over its operand where that of `best` may not; null: there is none.
  static Choice* leaner_than(const Choice& best, std::vector<Choice>& choices) {
    if (best.tactic.may_overwrite_start != 0) return nullptr;
    Choice* leaner = nullptr;
    for (Choice& choice : choices) {
      const bool better = leaner == nullptr || (choice.time_us > 0.0 && choice.time_us < leaner->time_us);
      if (choice.tactic.may_overwrite_start != 0 && better) leaner = &choice;
    }
    return leaner;
  }

  StepOptions options_of(const ir::Node& node, const std::vector<Choice>& choices) const {
    StepOptions step{node.name, {}};
    for (const Choice& choice : choices) {
      // Untimed, the backend's list is the order of preference.
      const double time_us = options_.measure ? choice.time_us : static_cast<double>(step.options.size());
      PackedStore alone(plan_.device == nullptr ? scratch_allocator() : plan_.device->memory(), plan_.device);
      const std::shared_ptr<const Kernel> kernel = choice.tactic.prepare(alone);
      const bool overwrites = choice.tactic.inplace_input != ir::kNone || choice.tactic.may_overwrite != 0 ||
                              choice.tactic.may_overwrite_start != 0 || choice.tactic.alias;
      step.options.push_back({choice.backend->name(), choice.tactic.name, time_us, choice.tactic.workspace_bytes,
                              alone.bytes(), overwrites});
    }
    drop_beaten(step);
    return step;
  }

  void drop_elided_from_survey() const {
    if (options_.survey == nullptr) return;
    std::set<std::string> elided;
    for (const Step& step : plan_.steps) {
      if (step.elided) elided.insert(plan_.graph.node(step.node).name);
    }
    std::erase_if(*options_.survey, [&](const StepOptions& step) { return elided.count(step.node) > 0; });
  }

  Choice* fastest(std::vector<Choice>& choices, const StepSpec& spec) {
    if (choices.size() == 1 && choices[0].backend->device() != plan_.device) return &choices[0];
    const std::string key = step_key(spec);
    const auto known = [&](Choice& choice) {
      std::optional<double> time_us = session_.find(key, name_of(choice));
      if (!time_us && options_.timing_cache != nullptr) time_us = options_.timing_cache->find(key, name_of(choice));
      choice.time_us = time_us.value_or(0.0);
      return time_us.has_value();
    };
    std::vector<Choice*> all;
    for (Choice& choice : choices) all.push_back(&choice);
    for (Choice& choice : rejected_) {  // to say what the limit costs
      if (plan_.device == nullptr && choice.tactic.workspace_bytes <= kMostTrialBytes) all.push_back(&choice);
    }
    // Times that were taken apart do not compare well: one unknown means that all are measured.
    if (!std::all_of(all.begin(), all.end(), [&](Choice* choice) { return known(*choice); }) || is_crude(choices)) {
      std::vector<const Tactic*> tactics;
      for (const Choice* choice : all) tactics.push_back(&choice->tactic);
      const std::vector<double> times_us = measure(spec, tactics, choices.size());
      choices[0].backend->measured(spec, tactics, times_us);
      for (size_t i = 0; i < all.size(); ++i) all[i]->time_us = times_us[i];
      if (options_.timing_cache != nullptr) remember(*options_.timing_cache, key, all);
    }
    remember(session_, key, all);
    // What there was no memory to time comes last.
    Choice* best = &*std::min_element(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) {
      return a.time_us > 0.0 && (b.time_us <= 0.0 || a.time_us < b.time_us);
    });
    Choice* held = plan_.device == nullptr ? held_form(choices, *best, spec) : nullptr;
    return held != nullptr ? held : best;
  }

  // The fastest one that is not clearly slower than `best` and reads its weights as they are held already; nullptr: none.
  Choice* held_form(std::vector<Choice>& choices, const Choice& best, const StepSpec& spec) const {
    const size_t bytes = held_constant_bytes(spec, packed_);
    Choice* held = nullptr;
    for (Choice& choice : choices) {
      if (bytes == 0 || choice.time_us <= 0.0 || choice.time_us > kHeldIsWorth * best.time_us) continue;
      if (held != nullptr && choice.time_us >= held->time_us) continue;
      if (reads_held_form(choice.tactic, packed_, bytes)) held = &choice;
    }
    return held;
  }

  std::vector<double> measure(const StepSpec& spec, std::span<const Tactic* const> tactics, size_t eligible) const {
    if (plan_.device != nullptr) return measure_tactics_on_device(spec, tactics, packed_);
    return measure_tactics(spec, tactics, eligible, packed_);
  }

  // What was clearly slower than the best, when that was eligible, got a few runs only; now it is what there is.
  bool is_crude(const std::vector<Choice>& choices) const {
    const auto least = [](const std::vector<Choice>& list) {
      double least_us = std::numeric_limits<double>::max();
      for (const Choice& choice : list) least_us = choice.time_us > 0.0 ? std::min(least_us, choice.time_us) : least_us;
      return least_us;
    };
    return least(choices) > kClearlySlower * least(rejected_);
  }

  static std::string name_of(const Choice& choice) { return choice.backend->name() + ":" + choice.tactic.name; }
  static void remember(TimingCache& times, const std::string& key, const std::vector<Choice*>& choices) {
    for (const Choice* choice : choices) {
      if (choice->time_us > 0.0) times.add(key, name_of(*choice), choice->time_us);
    }
  }

  Plan plan_;
  std::vector<const Backend*> backends_;
  std::vector<Choice> rejected_;       // of the step that is being looked at
  std::map<ir::NodeId, Step> leaner_;  // the steps' next best tactics that need less memory
  bool cold_weights_ = false;
  bool inner_ = false;  // plans a region
  PackedStore& packed_;
  const PlanOptions& options_;
  TimingCache own_session_;
  TimingCache& session_;  // equal steps of one graph, and of its regions, are measured once
};

}  // namespace

void for_each_step(const Plan& plan, const std::function<void(const Plan&, const Step&)>& use) {
  for (const Step& step : plan.steps) {
    use(plan, step);
    for (const Plan& region : step.regions.plans) for_each_step(region, use);
  }
}

Plan make_plan(ir::Graph graph, PackedStore& packed, const PlanOptions& options) {
  check(!options.backends.empty(), "a plan needs a backend");
  return Planner(std::move(graph), packed, options).run();
}

}  // namespace tfengine::plan
