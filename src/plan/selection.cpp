// SPDX-License-Identifier: Apache-2.0
#include "plan/selection.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace tfengine::plan {

namespace {

// A choice for the first steps: its last option, and the choice before it.
struct Partial {
  double time_us = 0.0;
  uint64_t weights_bytes = 0;
  int before = -1;  // index into the partial choices of one step less
  int option = -1;
};

using Layer = std::vector<Partial>;

// What none beats in both, smallest first.
Layer undominated(Layer all) {
  std::sort(all.begin(), all.end(), [](const Partial& a, const Partial& b) {
    return std::tuple(a.weights_bytes, a.time_us, a.option, a.before) <
           std::tuple(b.weights_bytes, b.time_us, b.option, b.before);
  });
  Layer kept;
  for (const Partial& each : all) {
    if (kept.empty() || each.time_us < kept.back().time_us) kept.push_back(each);
  }
  return kept;
}

Layer thinned(Layer layer, size_t most) {
  if (layer.size() <= most) return layer;
  const uint64_t least = layer.front().weights_bytes;
  const double span = static_cast<double>(layer.back().weights_bytes - least);
  Layer kept;
  size_t next = 0;  // of `most` equal parts of the span; the fastest in each stays
  for (size_t i = 0; i < layer.size(); ++i) {
    const double at = static_cast<double>(layer[i].weights_bytes - least) / span * static_cast<double>(most - 1);
    const bool last_of_part =
        i + 1 == layer.size() || static_cast<size_t>(static_cast<double>(layer[i + 1].weights_bytes - least) / span *
                                                     static_cast<double>(most - 1)) != static_cast<size_t>(at);
    if (i == 0 || (last_of_part && static_cast<size_t>(at) >= next)) {
      kept.push_back(layer[i]);
      next = static_cast<size_t>(at) + (i == 0 ? 0 : 1);
    }
  }
  return kept;
}

bool fits(const StepOption& option, uint64_t max_workspace_bytes) {
  return option.workspace_bytes <= max_workspace_bytes;
}

// All choices of tactics whose workspace is at most this. Empty where a step has none.
std::vector<Layer> layers_within(const std::vector<StepOptions>& steps, uint64_t max_workspace_bytes, size_t most) {
  std::vector<Layer> layers = {{Partial{}}};
  for (const StepOptions& step : steps) {
    Layer next;
    for (size_t o = 0; o < step.options.size(); ++o) {
      const StepOption& option = step.options[o];
      if (!fits(option, max_workspace_bytes)) continue;
      for (size_t b = 0; b < layers.back().size(); ++b) {
        const Partial& before = layers.back()[b];
        next.push_back({before.time_us + option.time_us, before.weights_bytes + option.weights_bytes,
                        static_cast<int>(b), static_cast<int>(o)});
      }
    }
    if (next.empty()) return {};
    layers.push_back(thinned(undominated(std::move(next)), most));
  }
  return layers;
}

Selection selection_of(const std::vector<StepOptions>& steps, const std::vector<Layer>& layers, size_t last) {
  Selection selection;
  selection.choice.resize(steps.size());
  selection.time_us = layers.back()[last].time_us;
  selection.weights_bytes = layers.back()[last].weights_bytes;
  int at = static_cast<int>(last);
  for (size_t step = steps.size(); step-- > 0;) {
    const Partial& partial = layers[step + 1][static_cast<size_t>(at)];
    selection.choice[step] = partial.option;
    selection.workspace_bytes =
        std::max(selection.workspace_bytes, steps[step].options[static_cast<size_t>(partial.option)].workspace_bytes);
    at = partial.before;
  }
  return selection;
}

}  // namespace

void drop_beaten(StepOptions& step) {
  std::vector<StepOption> kept;
  for (size_t i = 0; i < step.options.size(); ++i) {
    const StepOption& each = step.options[i];
    bool beaten = false;
    for (size_t j = 0; j < step.options.size() && !beaten; ++j) {
      const StepOption& other = step.options[j];
      const bool as_good = other.time_us <= each.time_us && other.workspace_bytes <= each.workspace_bytes &&
                           other.weights_bytes <= each.weights_bytes && other.overwrites >= each.overwrites;
      const bool better = other.time_us < each.time_us || other.workspace_bytes < each.workspace_bytes ||
                          other.weights_bytes < each.weights_bytes || other.overwrites > each.overwrites;
      beaten = i != j && as_good && (better || j < i);
    }
    if (!beaten) kept.push_back(each);
  }
  step.options = std::move(kept);
}

std::optional<Selection> fastest_selection(const std::vector<StepOptions>& steps, uint64_t max_workspace_bytes) {
  Selection selection;
  for (const StepOptions& step : steps) {
    int best = -1;
    for (size_t o = 0; o < step.options.size(); ++o) {
      if (!fits(step.options[o], max_workspace_bytes)) continue;
      if (best < 0 || step.options[o].time_us < step.options[static_cast<size_t>(best)].time_us)
        best = static_cast<int>(o);
    }
    if (best < 0) return std::nullopt;
    const StepOption& option = step.options[static_cast<size_t>(best)];
    selection.choice.push_back(best);
    selection.time_us += option.time_us;
    selection.weights_bytes += option.weights_bytes;
    selection.workspace_bytes = std::max(selection.workspace_bytes, option.workspace_bytes);
  }
  return selection;
}

std::vector<Selection> best_selections(const std::vector<StepOptions>& steps, size_t most_kept) {
  std::set<uint64_t> limits = {0};
  for (const StepOptions& step : steps) {
    for (const StepOption& option : step.options) limits.insert(option.workspace_bytes);
  }
  std::vector<Selection> all;
  for (const uint64_t limit : limits) {
    const std::vector<Layer> layers = layers_within(steps, limit, std::max<size_t>(2, most_kept));
    if (layers.empty()) continue;
    for (size_t last = 0; last < layers.back().size(); ++last) all.push_back(selection_of(steps, layers, last));
  }
  std::stable_sort(all.begin(), all.end(), [](const Selection& a, const Selection& b) {
    return std::pair(a.bytes(), a.time_us) < std::pair(b.bytes(), b.time_us);
  });
  std::vector<Selection> kept;
  for (Selection& each : all) {
    if (kept.empty() || each.time_us < kept.back().time_us) kept.push_back(std::move(each));
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

}  // namespace tfengine::plan
