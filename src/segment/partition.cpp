// SPDX-License-Identifier: Apache-2.0
#include "segment/partition.h"

#include <algorithm>

#include "base/check.h"

namespace tfengine::segment {

namespace {

size_t at(int index) { return static_cast<size_t>(index); }

}  // namespace

Adjacency::Adjacency(const ClusterProblem& p)
    : problem(p), next(p.nodes.size()), previous(p.nodes.size()), linked(p.nodes.size()) {
  for (const ClusterEdge& edge : problem.edges) {
    next[at(edge.from)].push_back(edge.to);
    previous[at(edge.to)].push_back(edge.from);
    if (!edge.data || !problem.nodes[at(edge.from)].candidate || !problem.nodes[at(edge.to)].candidate) continue;
    linked[at(edge.from)].push_back(edge.to);
    linked[at(edge.to)].push_back(edge.from);
  }
  std::vector<size_t> waiting(problem.nodes.size());
  for (size_t i = 0; i < waiting.size(); ++i) {
    waiting[i] = previous[i].size();
    if (waiting[i] == 0) order.push_back(static_cast<int>(i));
  }
  for (size_t done = 0; done < order.size(); ++done) {
    for (const int user : next[at(order[done])]) {
      if (--waiting[at(user)] == 0) order.push_back(user);
    }
  }
  check(order.size() == problem.nodes.size(), "clustering: {} of {} nodes are part of a cycle or behind one",
        problem.nodes.size() - order.size(), problem.nodes.size());
}

Partition::Partition(const Adjacency& graph)
    : graph_(&graph), block_(graph.next.size()), members_(graph.next.size()), seen_(graph.next.size(), 0) {
  for (size_t i = 0; i < block_.size(); ++i) {
    block_[i] = static_cast<int>(i);
    members_[i] = {static_cast<int>(i)};
    weight_.push_back(graph.problem.nodes[i].weight);
    group_.push_back(graph.problem.nodes[i].group);
  }
}

bool Partition::is_cluster(int node) const { return graph_->problem.nodes[at(node)].candidate; }

int64_t Partition::cost() const {
  int64_t cost = 0;
  const int64_t minimum = std::max(1, graph_->problem.minimum_weight);
  for (size_t b = 0; b < members_.size(); ++b) {
    if (members_[b].empty() || !is_cluster(members_[b][0])) continue;
    cost += weight_[b] >= minimum ? 2 * minimum - 1 : 2 * weight_[b];
  }
  return cost;
}

bool Partition::groups_agree(int a, int b) const {
  return group_[at(a)] == group_[at(b)] || group_[at(a)] == 0 || group_[at(b)] == 0;
}

void Partition::move(int node, int target) {
  const int source = block(node);
  std::erase(members_[at(source)], node);
  weight_[at(source)] -= graph_->problem.nodes[at(node)].weight;
  group_[at(source)] = 0;
  for (const int member : members_[at(source)]) {
    group_[at(source)] = std::max(group_[at(source)], graph_->problem.nodes[at(member)].group);
  }
  members_[at(target)].push_back(node);
  weight_[at(target)] += graph_->problem.nodes[at(node)].weight;
  group_[at(target)] = std::max(group_[at(target)], graph_->problem.nodes[at(node)].group);
  block_[at(node)] = target;
}

void Partition::merge(int a, int b) {
  if (members_[at(a)].size() < members_[at(b)].size()) std::swap(a, b);
  for (const int node : members_[at(b)]) {
    block_[at(node)] = a;
    members_[at(a)].push_back(node);
  }
  weight_[at(a)] += weight_[at(b)];
  group_[at(a)] = std::max(group_[at(a)], group_[at(b)]);
  members_[at(b)].clear();
  weight_[at(b)] = 0;
  group_[at(b)] = 0;
}

bool Partition::comes_back(int a, int b) const {
  ++stamp_;
  std::vector<int> stack;  // blocks behind the two
  const auto leave = [&](int from) {
    for (const int node : members(from)) {
      for (const int user : graph_->next[at(node)]) {
        ++graph_->work;
        const int to = block(user);
        if (to == a || to == b) {
          if (from != a && from != b) return true;
          continue;
        }
        if (seen_[at(to)] == stamp_) continue;
        seen_[at(to)] = stamp_;
        stack.push_back(to);
      }
    }
    return false;
  };
  leave(a);
  leave(b);
  while (!stack.empty()) {
    const int from = stack.back();
    stack.pop_back();
    if (leave(from)) return true;
  }
  return false;
}

bool Partition::acyclic() const {
  std::vector<int> waiting(members_.size(), 0), ready;
  size_t blocks = 0, done = 0;
  const auto each_edge = [&](int from, auto&& visit) {
    for (const int node : members(from)) {
      for (const int user : graph_->next[at(node)]) {
        ++graph_->work;
        if (block(user) != from) visit(block(user));
      }
    }
  };
  for (size_t b = 0; b < members_.size(); ++b) {
    blocks += members_[b].empty() ? 0 : 1;
    each_edge(static_cast<int>(b), [&](int to) { ++waiting[at(to)]; });
  }
  for (size_t b = 0; b < members_.size(); ++b) {
    if (!members_[b].empty() && waiting[b] == 0) ready.push_back(static_cast<int>(b));
  }
  while (!ready.empty()) {
    const int from = ready.back();
    ready.pop_back();
    ++done;
    each_edge(from, [&](int to) {
      if (--waiting[at(to)] == 0) ready.push_back(to);
    });
  }
  return done == blocks;
}

bool Partition::can_merge(int a, int b) const { return a != b && groups_agree(a, b) && !comes_back(a, b); }

bool Partition::stays_connected_without(int node) const {
  const std::vector<int>& all = members(block(node));
  if (all.size() < 3) return true;
  ++stamp_;
  const int first = all[0] == node ? all[1] : all[0];
  std::vector<int> stack = {first};
  seen_[at(first)] = stamp_;
  size_t reached = 1;
  while (!stack.empty()) {
    const int current = stack.back();
    stack.pop_back();
    for (const int other : graph_->linked[at(current)]) {
      ++graph_->work;
      if (other == node || block(other) != block(node) || seen_[at(other)] == stamp_) continue;
      seen_[at(other)] = stamp_;
      ++reached;
      stack.push_back(other);
    }
  }
  return reached == all.size() - 1;
}

bool Partition::try_move(int node, int target) {
  const int source = block(node);
  if (source == target) return false;
  const int group = graph_->problem.nodes[at(node)].group;
  if (group != 0 && group_[at(target)] != 0 && group != group_[at(target)]) return false;
  const auto& links = graph_->linked[at(node)];
  if (std::none_of(links.begin(), links.end(), [&](int other) { return block(other) == target; })) return false;
  if (!stays_connected_without(node)) return false;
  move(node, target);
  if (acyclic()) return true;
  move(node, source);
  return false;
}

std::vector<int> Partition::numbered() const {
  std::vector<int> number(members_.size(), -1), result(block_.size(), -1);
  int count = 0;
  for (size_t i = 0; i < block_.size(); ++i) {
    if (!is_cluster(static_cast<int>(i))) continue;
    int& own = number[at(block_[i])];
    if (own < 0) own = count++;
    result[i] = own;
  }
  return result;
}

}  // namespace tfengine::segment
