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
  // Casts to bfloat16 count for those that read them; nodes that were fused have equal shares.
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
  double wide_us = 0.0;  // of the graph that is all in the wider type
  StepTimes narrow;      // of the graph with `names` in the wider type
};

// False where there is nothing to compare: times are not taken, or the reference backend runs everything.
bool can_time(const runtime::EngineConfig& config);
StepTimes time_steps(ir::Graph graph, const runtime::EngineConfig& config,
                     const std::vector<std::vector<Shape>>& shapes);

// `narrow` times the graph in which the nodes of these names stay in the wider type, and the others do not.
SlowNodes slow_nodes(const StepTimes& wide, const std::function<StepTimes(const std::set<std::string>&)>& narrow,
                     const SlowRule& rule);

}  // namespace tfengine::detail
