// SPDX-License-Identifier: Apache-2.0
#include "segment/cluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "tfengine/error.h"

namespace tfengine::segment {
namespace {

// "abC: ab bC a^c": nodes (upper case: no candidates), data edges, control edges with '^'.
ClusterProblem graph(const std::string& text) {
  ClusterProblem problem;
  std::map<char, int> index;
  std::istringstream words(text);
  std::string nodes, edge;
  words >> nodes;
  for (const char c : nodes) {
    if (c == ':') continue;
    index[c] = static_cast<int>(problem.nodes.size());
    problem.nodes.push_back({c >= 'a', 0, 1});
  }
  while (words >> edge) problem.edges.push_back({index.at(edge.front()), index.at(edge.back()), edge.size() == 2});
  return problem;
}

std::string clusters(const std::string& text, const ClusterProblem& problem) {
  const std::vector<int> found = find_clusters(problem);
  std::map<int, std::string> members;
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i] >= 0) members[found[i]] += text[i];
  }
  std::string result;
  for (const auto& [cluster, names] : members) result += (result.empty() ? "" : " ") + names;
  return result;
}

struct Case {
  const char* name;
  const char* graph;
  const char* clusters;
};

class Clusters : public testing::TestWithParam<Case> {};

TEST_P(Clusters, OfSmallGraphs) {
  const Case& c = GetParam();
  EXPECT_EQ(clusters(c.graph, graph(c.graph)), c.clusters) << c.graph;
}

INSTANTIATE_TEST_SUITE_P(
    Table, Clusters,
    testing::Values(Case{"Chain", "abc: ab bc", "abc"}, Case{"ChainWithAHole", "aBc: aB Bc", "a c"},
                    Case{"DiamondOfCandidates", "abcd: ab ac bd cd", "abcd"},
                    // b goes with one side; both a and d in one cluster would be a cycle through C.
                    Case{"DiamondWithAHole", "abCd: ab aC bd Cd", "ab d"}, Case{"NoCandidates", "AB: AB", ""},
                    Case{"ApartStaysApart", "abcd: ab cd", "ab cd"},
                    Case{"SharedInputConnectsNothing", "Abc: Ab Ac", "b c"},
                    // a^c orders and does not connect; with the way round through B they could not be one anyway.
                    Case{"ControlEdgesDoNotConnect", "ab: a^b", "a b"},
                    Case{"ControlEdgesMakeCycles", "aBc: a^B B^c ac", "a c"},
                    Case{"ControlEdgeInside", "abc: ab bc a^c", "abc"},
                    // Two towers that meet behind what splits one of them: one cluster for each side of the hole.
                    Case{"LateTower", "abCdef: ab bC Cd ef fd", "ab def"},
                    // A greedy walk from the outputs would put b with d and leave a alone.
                    Case{"TwoHoles", "abCdEf: ab aC bd Cd dE Ef", "ab d f"},
                    Case{"ResidualAroundAHole", "aBcd: aB Bc ac cd", "a cd"}),
    [](const auto& info) { return info.param.name; });

TEST(Clusters, GroupsStayApartAndNoGroupGoesWithAll) {
  ClusterProblem problem = graph("abcd: ab bc cd");
  problem.nodes[0].group = 1;
  problem.nodes[3].group = 2;
  const std::vector<int> found = find_clusters(problem);
  EXPECT_NE(found[0], found[3]);
  EXPECT_EQ(*std::max_element(found.begin(), found.end()), 1);
}

TEST(Clusters, TheHeavySideGetsWhatCouldGoToEither) {
  // b may go with a or with d; only the side of d is heavy enough to be kept.
  ClusterProblem problem = graph("abCd: ab aC bd Cd");
  problem.nodes[3].weight = 2;
  problem.minimum_weight = 3;
  EXPECT_EQ(clusters("abCd", problem), "a bd");
}

TEST(Clusters, ACycleIsAnError) { EXPECT_THROW(find_clusters(graph("ab: ab ba")), InternalError); }

// --- random graphs --------------------------------------------------------------------------------------------------

bool acyclic(const ClusterProblem& problem, const std::vector<int>& block) {
  std::set<std::pair<int, int>> edges;
  for (const ClusterEdge& edge : problem.edges) {
    const int from = block[static_cast<size_t>(edge.from)], to = block[static_cast<size_t>(edge.to)];
    if (from != to) edges.insert({from, to});
  }
  std::set<int> left(block.begin(), block.end());
  while (!left.empty()) {
    std::set<int> entered;
    for (const auto& [from, to] : edges) {
      if (left.count(from) > 0) entered.insert(to);
    }
    const size_t before = left.size();
    std::erase_if(left, [&](int b) { return entered.count(b) == 0; });
    if (left.size() == before) return false;
  }
  return true;
}

bool connected(const ClusterProblem& problem, const std::vector<int>& block, int which) {
  std::vector<int> members;
  for (size_t i = 0; i < block.size(); ++i) {
    if (block[i] == which) members.push_back(static_cast<int>(i));
  }
  std::set<int> reached = {members[0]};
  for (size_t before = 0; before != reached.size();) {
    before = reached.size();
    for (const ClusterEdge& edge : problem.edges) {
      if (!edge.data || block[static_cast<size_t>(edge.from)] != which || block[static_cast<size_t>(edge.to)] != which)
        continue;
      if (reached.count(edge.from) + reached.count(edge.to) == 1) reached.insert({edge.from, edge.to});
    }
  }
  return reached.size() == members.size();
}

bool groups_agree(const ClusterProblem& problem, const std::vector<int>& block, int which) {
  std::set<int> groups;
  for (size_t i = 0; i < block.size(); ++i) {
    if (block[i] == which && problem.nodes[i].group != 0) groups.insert(problem.nodes[i].group);
  }
  return groups.size() <= 1;
}

bool valid(const ClusterProblem& problem, const std::vector<int>& block, int clusters) {
  if (!acyclic(problem, block)) return false;
  for (int which = 0; which < clusters; ++which) {
    if (!connected(problem, block, which) || !groups_agree(problem, block, which)) return false;
  }
  return true;
}

// Clusters keep their numbers, other nodes get one each.
std::vector<int> blocks_of(const ClusterProblem& problem, const std::vector<int>& cluster) {
  std::vector<int> block = cluster;
  for (size_t i = 0; i < block.size(); ++i) {
    EXPECT_EQ(block[i] >= 0, problem.nodes[i].candidate) << "node " << i;
    if (block[i] < 0) block[i] = static_cast<int>(1000 + i);
  }
  return block;
}

std::mt19937 seeded(unsigned seed) { return std::mt19937(seed); }

ClusterProblem random_graph(std::mt19937& random, int nodes, double density, int groups) {
  const auto chance = [&](double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; };
  ClusterProblem problem;
  std::vector<int> number(static_cast<size_t>(nodes));
  for (int i = 0; i < nodes; ++i) {
    number[static_cast<size_t>(i)] = i;
    const int group = groups == 0 ? 0 : static_cast<int>(random() % static_cast<unsigned>(groups + 1));
    problem.nodes.push_back({chance(0.7), group, 1});
  }
  std::shuffle(number.begin(), number.end(), random);  // the order of nodes in a GraphDef says nothing
  for (int i = 0; i < nodes; ++i) {
    for (int j = i + 1; j < nodes; ++j) {
      if (chance(density)) problem.edges.push_back({number[size_t(i)], number[size_t(j)], chance(0.85)});
    }
  }
  return problem;
}

// The least number of clusters, over all partitions of the candidates.
int fewest(const ClusterProblem& problem) {
  std::vector<int> candidates;
  for (size_t i = 0; i < problem.nodes.size(); ++i) {
    if (problem.nodes[i].candidate) candidates.push_back(static_cast<int>(i));
  }
  std::vector<int> cluster(problem.nodes.size(), -1);
  int best = static_cast<int>(candidates.size());
  const auto assign = [&](auto&& self, size_t next, int used) -> void {
    if (used >= best) return;
    if (next == candidates.size()) {
      std::vector<int> block = cluster;
      for (size_t i = 0; i < block.size(); ++i) {
        if (block[i] < 0) block[i] = static_cast<int>(1000 + i);
      }
      if (valid(problem, block, used)) best = used;
      return;
    }
    for (int which = 0; which <= used; ++which) {
      cluster[static_cast<size_t>(candidates[next])] = which;
      self(self, next + 1, std::max(used, which + 1));
    }
    cluster[static_cast<size_t>(candidates[next])] = -1;
  };
  assign(assign, 0, 0);
  return best;
}

TEST(RandomGraphs, SmallOnesGetTheFewestClusters) {
  constexpr unsigned kSeed = 20261126;
  std::mt19937 random = seeded(kSeed);
  int worse = 0;
  constexpr int kGraphs = 3000;
  for (int i = 0; i < kGraphs; ++i) {
    const ClusterProblem problem = random_graph(random, 4 + i % 5, 0.2 + 0.1 * (i % 4), i % 3 == 0 ? 2 : 0);
    const std::vector<int> found = find_clusters(problem);
    const int count = *std::max_element(found.begin(), found.end()) + 1;
    ASSERT_TRUE(valid(problem, blocks_of(problem, found), count)) << "seed " << kSeed << ", graph " << i;
    if (count != fewest(problem)) {
      ++worse;
      ADD_FAILURE() << "seed " << kSeed << ", graph " << i << ": " << count << " clusters, " << fewest(problem)
                    << " are possible";
    }
  }
  RecordProperty("worse", worse);
}

TEST(RandomGraphs, LargeOnesHaveNoCyclesAndAccountForEveryCandidate) {
  constexpr unsigned kSeed = 7;
  std::mt19937 random = seeded(kSeed);
  for (int i = 0; i < 40; ++i) {
    const int nodes = 50 + 10 * i;
    const ClusterProblem problem = random_graph(random, nodes, 3.0 / nodes, i % 2 == 0 ? 0 : 3);
    const std::vector<int> found = find_clusters(problem);
    const int count = *std::max_element(found.begin(), found.end()) + 1;
    ASSERT_TRUE(valid(problem, blocks_of(problem, found), count)) << "seed " << kSeed << ", graph " << i;
  }
}

TEST(RandomGraphs, TheResultDependsOnTheGraphAlone) {
  std::mt19937 random = seeded(11);
  const ClusterProblem problem = random_graph(random, 60, 0.05, 2);
  EXPECT_EQ(find_clusters(problem), find_clusters(problem));
}

}  // namespace
}  // namespace tfengine::segment
