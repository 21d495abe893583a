// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/node_list.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace tfengine::tfgraph {

namespace {
bool is_control(std::string_view input) { return !input.empty() && input[0] == '^'; }
}  // namespace

NodeList::NodeList(std::vector<NodeDef> nodes) : nodes_(std::move(nodes)), alive_(nodes_.size(), true) {
  users_.resize(nodes_.size());
  for (int id = 0; id < size(); ++id) by_name_.emplace(nodes_[static_cast<size_t>(id)].name, id);
  for (int id = 0; id < size(); ++id) note_users(id);
}

void NodeList::note_users(int id) {
  for (const NodeRef input : inputs(id)) users_[static_cast<size_t>(input.node)].push_back(id);
}

NodeRef NodeList::find(std::string_view text, const NodeDef& user) const {
  NodeRef ref;
  std::string_view name = text;
  if (const size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ref.output);
    if (error == std::errc() && end == digits.data() + digits.size() && ref.output >= 0) name = text.substr(0, colon);
  }
  const auto found = by_name_.find(name);
  if (found == by_name_.end() || found->second < 0) {
    fail<InvalidModel>("{} '{}' uses '{}', which the graph does not define", user.op, user.name, text);
  }
  ref.node = found->second;
  return ref;
}

std::vector<NodeRef> NodeList::inputs(int id) const {
  const NodeDef& node = nodes_[static_cast<size_t>(id)];
  std::vector<NodeRef> refs;
  for (const std::string_view input : node.inputs) {
    if (!is_control(input)) refs.push_back(find(input, node));
  }
  return refs;
}

std::vector<NodeRef> NodeList::controls(int id) const {
  const NodeDef& node = nodes_[static_cast<size_t>(id)];
  std::vector<NodeRef> refs;
  for (const std::string_view input : node.inputs) {
    if (is_control(input)) refs.push_back(find(input.substr(1), node));
  }
  return refs;
}

NodeRef NodeList::input(int id, size_t index) const {
  return find(data_input(id, index), nodes_[static_cast<size_t>(id)]);
}

std::string_view NodeList::data_input(int id, size_t index) const {
  const NodeDef& node = nodes_[static_cast<size_t>(id)];
  for (const std::string_view input : node.inputs) {
    if (!is_control(input) && index-- == 0) return input;
  }
  fail<InvalidModel>("{} '{}' has too few inputs", node.op, node.name);
}

void NodeList::add(NodeDef node) {
  by_name_[node.name] = size();
  nodes_.push_back(std::move(node));
  alive_.push_back(true);
  users_.emplace_back();
  note_users(size() - 1);
}

void NodeList::remove_orphans() {
  std::vector<int> pending;
  for (int id = 0; id < size(); ++id) {
    if (!alive(id)) pending.push_back(id);
  }
  while (!pending.empty()) {
    const int gone = pending.back();
    pending.pop_back();
    for (const int user : users(gone)) {
      const std::vector<NodeRef> now = alive(user) ? inputs(user) : std::vector<NodeRef>();
      if (std::none_of(now.begin(), now.end(), [gone](NodeRef input) { return input.node == gone; })) continue;
      remove(user);
      pending.push_back(user);
    }
  }
}

void NodeList::become_identity(int id, std::string_view input) {
  NodeDef& node = nodes_[static_cast<size_t>(id)];
  node.op = "Identity";
  node.inputs = {input};
  node.attrs.clear();
  note_users(id);
}

std::string_view NodeList::unique_name(std::deque<std::string>& texts, std::string_view wanted) {
  std::string name(wanted);
  for (int suffix = 1; by_name_.count(name) > 0; ++suffix) name = fmt::format("{}_{}", wanted, suffix);
  const std::string_view kept = texts.emplace_back(std::move(name));
  by_name_.emplace(kept, -1);  // until a node takes it
  return kept;
}

std::vector<NodeDef> NodeList::take() {
  std::vector<NodeDef> left;
  for (int id = 0; id < size(); ++id) {
    if (alive(id)) left.push_back(std::move(nodes_[static_cast<size_t>(id)]));
  }
  return left;
}

}  // namespace tfengine::tfgraph
