// SPDX-License-Identifier: Apache-2.0
// An engine file keeps tactics by name, so a step's list has to be the same whenever it is asked for.
#include <gtest/gtest.h>

#include <set>

#include "backends/list.h"
#include "ops/op.h"
#include "plan/planner.h"
#include "support/random.h"

namespace tfengine {
namespace {

using testing::Random;
using testing::StepPrecision;

std::vector<plan::Tactic> tactics_of(const ir::Graph& graph) {
  const std::vector<plan::TensorDesc> descs = plan::describe_values(graph);
  for (const ir::NodeId id : graph.order()) {
    if (graph.node(id).name != "step") continue;
    auto found = backends_by_name("onednn").front()->tactics(plan::step_spec(graph, graph.node(id), descs, 2));
    return std::holds_alternative<Refusal>(found) ? std::vector<plan::Tactic>{}
                                                  : std::get<std::vector<plan::Tactic>>(std::move(found));
  }
  return {};
}

std::vector<std::string> names_of(const std::vector<plan::Tactic>& tactics) {
  std::vector<std::string> names;
  for (const plan::Tactic& tactic : tactics) names.push_back(tactic.name);
  return names;
}

class ListedTactics : public ::testing::TestWithParam<std::pair<std::string, StepPrecision>> {};

TEST_P(ListedTactics, StayTheSameOnceTheyWerePrepared) {
  const auto& [kind, precision] = GetParam();
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Random random(seed);
    ir::Graph graph = testing::random_step(random, kind, precision);
    ops::infer_graph(graph);
    const std::vector<plan::Tactic> first = tactics_of(graph);
    const std::vector<std::string> names = names_of(first);
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size()) << "seed " << seed;
    // Made primitives are what oneDNN's cache answers from; the first few only, as an engine makes the one it chose.
    for (size_t made = 0; made < first.size(); ++made) {
      plan::PackedStore packed(default_allocator());
      const auto kernel = first[made].prepare(packed);
      EXPECT_EQ(names_of(tactics_of(graph)), names) << "seed " << seed << ", " << made + 1 << " made";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ListedTactics,
                         ::testing::Values(std::pair{"Conv", StepPrecision::Float},
                                           std::pair{"Conv", StepPrecision::Int8},
                                           std::pair{"MatMul", StepPrecision::Int8}));

}  // namespace
}  // namespace tfengine
