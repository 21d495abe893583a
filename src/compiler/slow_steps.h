// SPDX-License-Identifier: Apache-2.0
// Which nodes stay in a wider type because this machine runs them faster so. Graphs are planned for their times alone:
// nothing of these plans is kept, so that a trial needs the memory of one step at a time.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/engine_core.h"

namespace tfengine::detail {

// Times of one run with each set of input shapes, summed.
struct StepTimes {
  double total_us = 0.0;
  std::map<std::string, double> by_node;
};

// How much slower a node has to be, and what the whole graph has to gain by it.
struct SlowRule {
  double factor = 1.0;  // slow: more than `factor` times the wider type's time and `slack_us` more
  double slack_us = 0.0;
  double gain = 1.0;  // the graph with slow nodes in the wider type takes less than this part of its time before
};

struct SlowNodes {
  std::set<std::string> names;
  double wide_us = 0.0;    // of the graph that is all in the wider type
  double narrow_us = 0.0;  // of the graph with `names` in the wider type
};

class Trials {
 public:
  // Both have to live as long as this.
  Trials(const runtime::EngineConfig& config, const std::vector<std::vector<Shape>>& shapes)
      : config_(config), shapes_(shapes) {}
  // False where nothing can be compared: times are not taken, or the reference backend runs everything.
  bool possible() const { return config_.measure && config_.backends.size() > 1; }
  StepTimes time(ir::Graph graph) const;
  // `narrow` gives the graph in which the nodes of these names stay in the wider type, and the others do not.
  SlowNodes find(const ir::Graph& wide, const std::function<ir::Graph(const std::set<std::string>&)>& narrow,
                 const SlowRule& rule) const;

 private:
  const runtime::EngineConfig& config_;
  const std::vector<std::vector<Shape>>& shapes_;
};

}  // namespace tfengine::detail
