// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/functionalize.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "tfgraph/node_list.h"
#include "tfgraph/write.h"

namespace tfengine::tfgraph {

namespace {

bool is_enter(std::string_view op) { return op == "Enter" || op == "RefEnter"; }
bool is_merge(std::string_view op) { return op == "Merge" || op == "RefMerge"; }
bool is_switch(std::string_view op) { return op == "Switch" || op == "RefSwitch" || op == "_SwitchN"; }
bool is_next(std::string_view op) { return op == "NextIteration" || op == "RefNextIteration"; }
bool is_exit(std::string_view op) { return op == "Exit" || op == "RefExit"; }

// What a branch does not compute although nothing switches it.
bool is_outside(std::string_view op) {
  return is_enter(op) || op == "VarHandleOp" || op == "VariableV2" || op == "Variable" || op == "ReadVariableOp" ||
         op.substr(0, 11) == "Placeholder" || op == "_Arg";
}

struct LoopVariable {
  int enter = -1, merge = -1, next = -1, to_body = -1;
  std::vector<int> exits;
};

struct Frame {
  std::vector<LoopVariable> variables;
  std::vector<int> invariants;  // Enter nodes
  int condition = -1;           // the LoopCond
};

// One function in the making: what it computes, and what it takes from outside.
struct Part {
  std::vector<int> nodes;
  std::vector<NodeRef> arguments;  // in the order in which they were met
};

class Functionalizer {
 public:
  explicit Functionalizer(const GraphDef& source) : nodes_(source.nodes) {
    result_.graph.functions = source.functions;
    result_.graph.producer_version = source.producer_version;
  }

  FunctionalGraph run() {
    bool changed = true;
    while (changed) {
      changed = false;
      for (const auto& [name, enters] : frames()) changed = collapse_loop(name, enters) || changed;
      changed = collapse_branches() || changed;
    }
    remove_switches();
    nodes_.remove_orphans();
    result_.graph.nodes = nodes_.take();
    return std::move(result_);
  }

 private:
  // --- loops

  std::map<std::string_view, std::vector<int>> frames() const {
    std::map<std::string_view, std::vector<int>> frames;
    for (int id = 0; id < nodes_.size(); ++id) {
      if (nodes_.alive(id) && is_enter(nodes_[id].op)) frames[attr_string(nodes_[id], "frame_name")].push_back(id);
    }
    return frames;
  }

  std::optional<Frame> frame_of(const std::vector<int>& enters) const {
    Frame frame;
    for (const int enter : enters) {
      const std::vector<int> users = nodes_.users(enter);
      const auto merge = std::find_if(users.begin(), users.end(), [&](int id) { return is_merge(nodes_[id].op); });
      if (merge == users.end()) {
        frame.invariants.push_back(enter);
        continue;
      }
      LoopVariable variable;
      variable.enter = enter;
      variable.merge = *merge;
      for (const NodeRef input : nodes_.inputs(*merge)) {
        if (is_next(nodes_[input.node].op)) variable.next = input.node;
      }
      for (const int user : nodes_.users(*merge)) {
        if (!is_switch(nodes_[user].op)) continue;
        const std::vector<NodeRef> inputs = nodes_.inputs(user);
        if (inputs.size() != 2 || inputs[0].node != *merge || nodes_[inputs[1].node].op != "LoopCond") continue;
        frame.condition = inputs[1].node;
        variable.to_body = user;
        for (const int exit : nodes_.users(user)) {
          if (is_exit(nodes_[exit].op)) variable.exits.push_back(exit);
        }
      }
      if (variable.next < 0) return std::nullopt;
      frame.variables.push_back(std::move(variable));
    }
    if (frame.condition < 0 || frame.variables.empty()) return std::nullopt;
    return frame;
  }

  // The argument that a reference inside of a frame is, or -1.
  static int argument_of(const Frame& frame, NodeRef ref) {
    for (size_t k = 0; k < frame.variables.size(); ++k) {
      const LoopVariable& variable = frame.variables[k];
      if (ref.node == variable.merge || (ref.node == variable.to_body && ref.output == 1)) return static_cast<int>(k);
    }
    const auto found = std::find(frame.invariants.begin(), frame.invariants.end(), ref.node);
    if (found == frame.invariants.end()) return -1;
    return static_cast<int>(frame.variables.size() + static_cast<size_t>(found - frame.invariants.begin()));
  }

  // What the references need inside of the frame; nullopt where a frame or branch inside is not collapsed yet.
  std::optional<Part> part_of_frame(const Frame& frame, std::vector<NodeRef> pending) const {
    Part part;
    std::set<int> seen;
    while (!pending.empty()) {
      const NodeRef ref = pending.back();
      pending.pop_back();
      if (argument_of(frame, ref) >= 0 || !seen.insert(ref.node).second) continue;
      const std::string_view op = nodes_[ref.node].op;
      if (is_enter(op) || is_merge(op) || is_switch(op) || is_next(op) || is_exit(op)) return std::nullopt;
      part.nodes.push_back(ref.node);
      for (const NodeRef input : nodes_.inputs(ref.node)) pending.push_back(input);
    }
    std::sort(part.nodes.begin(), part.nodes.end());
    return part;
  }

  bool collapse_loop(std::string_view name, const std::vector<int>& enters) {
    const std::optional<Frame> frame = frame_of(enters);
    if (!frame) return false;
    std::vector<NodeRef> next;
    for (const LoopVariable& variable : frame->variables) next.push_back(nodes_.input(variable.next, 0));
    const NodeRef condition = nodes_.input(frame->condition, 0);
    const std::optional<Part> test = part_of_frame(*frame, {condition});
    const std::optional<Part> body = part_of_frame(*frame, next);
    if (!test || !body) return false;
    std::vector<std::string_view> arguments;
    std::vector<std::string_view> inputs;
    for (const LoopVariable& variable : frame->variables) arguments.push_back(nodes_[variable.enter].name);
    for (const int enter : frame->invariants) arguments.push_back(nodes_[enter].name);
    for (const LoopVariable& variable : frame->variables) inputs.push_back(nodes_.data_input(variable.enter, 0));
    for (const int enter : frame->invariants) inputs.push_back(nodes_.data_input(enter, 0));
    const auto inner = [&](NodeRef ref) -> std::string_view {
      const int argument = argument_of(*frame, ref);
      return argument >= 0 ? arguments[static_cast<size_t>(argument)] : text(ref);
    };
    std::vector<std::string_view> returns;
    for (const NodeRef ref : next) returns.push_back(inner(ref));
    for (size_t i = frame->variables.size(); i < arguments.size(); ++i) returns.push_back(arguments[i]);
    const std::string_view loop = nodes_.unique_name(result_.texts, name.empty() ? "while" : name);
    const auto test_name = add_function(loop, "cond", test->nodes, arguments, {inner(condition)}, inner);
    const auto body_name = add_function(loop, "body", body->nodes, arguments, returns, inner);
    add_node(loop, "While", std::move(inputs), {{"cond", test_name}, {"body", body_name}});
    for (size_t k = 0; k < frame->variables.size(); ++k) {
      const LoopVariable& variable = frame->variables[k];
      for (const int exit : variable.exits) nodes_.become_identity(exit, text_of_output(loop, k));
      for (const int gone : {variable.enter, variable.merge, variable.next, variable.to_body}) nodes_.remove(gone);
    }
    for (const int enter : frame->invariants) nodes_.remove(enter);
    nodes_.remove(frame->condition);
    return true;
  }

  // --- branches

  // What decides a switch, and which way it went.
  struct Choice {
    NodeRef by;
    int way = 0;
    bool operator<(const Choice& other) const {
      return std::tie(by.node, by.output, way) < std::tie(other.by.node, other.by.output, other.way);
    }
  };

  NodeRef behind_identities(NodeRef ref) const {
    for (int steps = 0; steps < nodes_.size() && nodes_[ref.node].op == "Identity"; ++steps) {
      ref = nodes_.input(ref.node, 0);
    }
    return ref;
  }

  bool switches_branch(int id) const {
    if (!is_switch(nodes_[id].op)) return false;
    const std::vector<NodeRef> inputs = nodes_.inputs(id);
    return inputs.size() == 2 && nodes_[inputs[1].node].op != "LoopCond";
  }

  // The nearest switches behind a reference, control inputs looked at, too: constants of a branch wait for it alone.
  std::set<Choice> choices_behind(NodeRef start) const {
    std::set<Choice> choices;
    std::set<int> seen;
    std::vector<NodeRef> pending = {start};
    while (!pending.empty()) {
      const NodeRef ref = pending.back();
      pending.pop_back();
      if (switches_branch(ref.node)) {
        choices.insert({behind_identities(nodes_.input(ref.node, 1)), ref.output});
        continue;
      }
      if (!seen.insert(ref.node).second || is_outside(nodes_[ref.node].op) || is_merge(nodes_[ref.node].op)) continue;
      for (const NodeRef input : nodes_.inputs(ref.node)) pending.push_back(input);
      for (const NodeRef control : nodes_.controls(ref.node)) pending.push_back(control);
    }
    return choices;
  }

  struct Merged {
    int merge = -1;
    std::vector<NodeRef> by_way;
  };

  // Which decision a merge ends, and what each way brings it; nullopt if that is not plain.
  std::optional<std::pair<NodeRef, Merged>> merged(int merge) const {
    const std::vector<NodeRef> inputs = nodes_.inputs(merge);
    std::vector<std::set<Choice>> choices;
    for (const NodeRef input : inputs) {
      if (is_next(nodes_[input.node].op) || is_enter(nodes_[input.node].op)) return std::nullopt;
      choices.push_back(choices_behind(input));
    }
    for (const std::set<Choice>& candidates : choices) {
      for (const Choice& candidate : candidates) {
        if (auto found = ways_of(candidate.by, inputs, choices)) return std::pair{candidate.by, Merged{merge, *found}};
      }
    }
    return std::nullopt;
  }

  static std::optional<std::vector<NodeRef>> ways_of(NodeRef by, const std::vector<NodeRef>& inputs,
                                                     const std::vector<std::set<Choice>>& choices) {
    std::vector<NodeRef> ways(inputs.size());
    std::vector<bool> taken(inputs.size(), false);
    int open = -1;
    for (size_t i = 0; i < inputs.size(); ++i) {
      std::set<int> own;
      for (const Choice& choice : choices[i]) {
        if (choice.by == by) own.insert(choice.way);
      }
      if (own.size() > 1) return std::nullopt;
      if (own.empty()) {
        if (open >= 0) return std::nullopt;
        open = static_cast<int>(i);
        continue;
      }
      const auto way = static_cast<size_t>(*own.begin());
      if (way >= ways.size() || taken[way]) return std::nullopt;
      ways[way] = inputs[i];
      taken[way] = true;
    }
    if (open >= 0) {
      const auto left = static_cast<size_t>(std::find(taken.begin(), taken.end(), false) - taken.begin());
      ways[left] = inputs[static_cast<size_t>(open)];
    }
    return ways;
  }

  // What a branch computes: up to the switches of `by`, and to what is outside; nullopt if a merge or loop in it is not
  // collapsed yet.
  bool add_part(NodeRef by, NodeRef start, Part& part, std::set<int>& seen) const {
    std::vector<NodeRef> pending = {start};
    while (!pending.empty()) {
      const NodeRef ref = pending.back();
      pending.pop_back();
      const std::string_view op = nodes_[ref.node].op;
      if (is_argument(by, ref)) {
        if (std::find(part.arguments.begin(), part.arguments.end(), ref) == part.arguments.end()) {
          part.arguments.push_back(ref);
        }
        continue;
      }
      if (is_exit(op) || is_next(op) || (is_merge(op) && !is_loop_merge(ref.node))) return false;
      if (!seen.insert(ref.node).second) continue;
      part.nodes.push_back(ref.node);
      for (const NodeRef input : nodes_.inputs(ref.node)) pending.push_back(input);
    }
    return true;
  }

  bool is_loop_merge(int id) const {
    const std::vector<NodeRef> inputs = nodes_.inputs(id);
    return std::any_of(inputs.begin(), inputs.end(), [&](NodeRef input) { return is_next(nodes_[input.node].op); });
  }

  bool is_argument(NodeRef by, NodeRef ref) const {
    const std::string_view op = nodes_[ref.node].op;
    return is_switch(op) || is_outside(op) || (is_merge(op) && is_loop_merge(ref.node)) || ref == by;
  }

  bool collapse_branches() {
    std::map<std::pair<int, int>, std::vector<Merged>> by_choice;
    for (int id = 0; id < nodes_.size(); ++id) {
      if (!nodes_.alive(id) || !is_merge(nodes_[id].op)) continue;
      if (auto found = merged(id)) by_choice[{found->first.node, found->first.output}].push_back(found->second);
    }
    bool changed = false;
    for (const auto& [by, all] : by_choice) changed = collapse_branch({by.first, by.second}, all) || changed;
    return changed;
  }

  bool collapse_branch(NodeRef by, const std::vector<Merged>& candidates) {
    // Those that wait for others come in a later round.
    std::vector<Merged> ready;
    const size_t ways = candidates[0].by_way.size();
    for (const Merged& merge : candidates) {
      Part unused;
      std::set<int> seen;
      const bool complete =
          merge.by_way.size() == ways && std::all_of(merge.by_way.begin(), merge.by_way.end(),
                                                     [&](NodeRef start) { return add_part(by, start, unused, seen); });
      if (complete) ready.push_back(merge);
    }
    if (ready.empty()) return false;
    std::vector<Part> parts(ways);
    std::vector<NodeRef> arguments;
    for (size_t way = 0; way < ways; ++way) {
      std::set<int> seen;
      for (const Merged& merge : ready) add_part(by, merge.by_way[way], parts[way], seen);
      for (const NodeRef ref : parts[way].arguments) arguments.push_back(ref);
    }
    make_branch(by, ready, parts, arguments);
    return true;
  }

  void make_branch(NodeRef by, const std::vector<Merged>& merges, const std::vector<Part>& parts,
                   const std::vector<NodeRef>& arguments) {
    const bool two = parts.size() == 2;
    const std::string_view name =
        nodes_.unique_name(result_.texts, std::string(nodes_[merges[0].merge].name) + (two ? "/If" : "/Case"));
    std::vector<std::string_view> names;
    std::vector<std::string_view> inputs = {text(by)};
    for (size_t i = 0; i < arguments.size(); ++i) {
      names.push_back(nodes_.unique_name(result_.texts, fmt::format("{}/argument", name)));
      const bool switched =
          is_switch(nodes_[arguments[i].node].op) && behind_identities(nodes_.input(arguments[i].node, 1)) == by;
      inputs.push_back(switched ? nodes_.data_input(arguments[i].node, 0) : text(arguments[i]));
    }
    const auto inner = [&](NodeRef ref) -> std::string_view {
      const auto found = std::find(arguments.begin(), arguments.end(), ref);
      return found == arguments.end() ? text(ref) : names[static_cast<size_t>(found - arguments.begin())];
    };
    std::vector<std::pair<std::string, std::string_view>> functions;
    for (size_t way = 0; way < parts.size(); ++way) {
      std::vector<std::string_view> returns;
      for (const Merged& merge : merges) returns.push_back(inner(merge.by_way[way]));
      const std::string key = two ? (way == 1 ? "then_branch" : "else_branch") : fmt::format("branch{:05}", way);
      functions.emplace_back(key, add_function(name, key, parts[way].nodes, names, returns, inner));
    }
    add_node(name, two ? "If" : "Case", std::move(inputs), functions);
    for (size_t k = 0; k < merges.size(); ++k) nodes_.become_identity(merges[k].merge, text_of_output(name, k));
  }

  // What fed branches that are functions now; while a merge is left, nobody knows which those are.
  void remove_switches() {
    for (int id = 0; id < nodes_.size(); ++id) {
      if (nodes_.alive(id) && is_merge(nodes_[id].op)) return;
    }
    for (int id = 0; id < nodes_.size(); ++id) {
      if (is_switch(nodes_[id].op)) nodes_.remove(id);
    }
  }

  // --- what is made

  std::string_view text(NodeRef ref) {
    const std::string_view name = nodes_[ref.node].name;
    return ref.output == 0 ? name : keep(fmt::format("{}:{}", name, ref.output));
  }
  std::string_view text_of_output(std::string_view name, size_t output) {
    return output == 0 ? name : keep(fmt::format("{}:{}", name, output));
  }
  std::string_view keep(std::string value) { return result_.texts.emplace_back(std::move(value)); }

  template <typename Inner>
  std::string_view add_function(std::string_view owner, std::string_view what, const std::vector<int>& nodes,
                                const std::vector<std::string_view>& arguments,
                                const std::vector<std::string_view>& returns, Inner&& inner) {
    FunctionDef function;
    std::string name = fmt::format("{}/{}", owner, what);
    while (result_.graph.functions.count(name) > 0) name += "_";
    function.name = keep(std::move(name));
    function.args = arguments;
    function.whole_names = true;
    for (size_t i = 0; i < returns.size(); ++i) {
      function.outputs.push_back(keep(fmt::format("output{}", i)));
      function.returns.emplace(function.outputs.back(), returns[i]);
    }
    for (const int id : nodes) {
      NodeDef copy = nodes_[id];
      copy.inputs.clear();
      for (const NodeRef input : nodes_.inputs(id)) copy.inputs.push_back(inner(input));
      function.nodes.push_back(std::move(copy));
    }
    const std::string_view key = function.name;
    result_.graph.functions.emplace(key, std::move(function));
    return key;
  }

  void add_node(std::string_view name, std::string_view op, std::vector<std::string_view> inputs,
                const std::vector<std::pair<std::string, std::string_view>>& functions) {
    NodeDef node;
    node.name = name;
    node.op = op;
    node.inputs = std::move(inputs);
    for (const auto& [key, function] : functions) {
      node.attrs.push_back({keep(std::string(key)), keep(function_attr(function))});
    }
    nodes_.add(std::move(node));
  }

  NodeList nodes_;
  FunctionalGraph result_;
};

}  // namespace

std::optional<FunctionalGraph> functionalize(const GraphDef& source) {
  const bool any = std::any_of(source.nodes.begin(), source.nodes.end(),
                               [](const NodeDef& node) { return is_enter(node.op) || is_switch(node.op); });
  if (!any) return std::nullopt;
  return Functionalizer(source).run();
}

}  // namespace tfengine::tfgraph
