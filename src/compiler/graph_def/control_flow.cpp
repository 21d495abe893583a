// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/control_flow.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

namespace tfengine::graphdef {

namespace {

constexpr std::array<std::string_view, 8> kOps = {"Enter",         "Exit",   "LoopCond", "Merge",
                                                  "NextIteration", "Switch", "_SwitchN", "ControlTrigger"};

std::string_view plain(std::string_view op) { return op.substr(0, 3) == "Ref" ? op.substr(3) : op; }

// Either one way out of a Switch (the predicate, and which way) or a loop (predicate {-1, 0}).
struct Marker {
  int frame;  // the loop inside of which it holds; for a loop's own marker, that loop
  TensorRef predicate;
  int way;
  auto operator<=>(const Marker&) const = default;
};
using Context = std::set<Marker>;

class Contexts {
 public:
  explicit Contexts(const GraphView& view)
      : view_(view), contexts_(static_cast<size_t>(view.size())), frames_(static_cast<size_t>(view.size()), -1) {}

  std::vector<int> run() {
    std::map<Context, int> numbers = {{{}, 0}};
    std::vector<int> result(contexts_.size(), 0);
    for (const int id : view_.order()) {
      visit(id);
      result[static_cast<size_t>(id)] =
          numbers.emplace(contexts_[static_cast<size_t>(id)], static_cast<int>(numbers.size())).first->second;
    }
    return result;
  }

 private:
  // Where a tensor is, as opposed to the node that makes it.
  Context of(TensorRef ref) const {
    Context context = contexts_[static_cast<size_t>(ref.node)];
    const ViewNode& node = view_.node(ref.node);
    const std::string_view op = plain(node.def->op);
    if ((op == "Switch" || op == "_SwitchN") && node.inputs.size() > 1) {
      context.insert({frames_[static_cast<size_t>(ref.node)], node.inputs[1], ref.output});
    }
    return context;
  }

  void visit(int id) {
    const ViewNode& node = view_.node(id);
    Context& context = contexts_[static_cast<size_t>(id)];
    int& frame = frames_[static_cast<size_t>(id)];
    const std::string_view op = plain(node.def->op);
    for (const TensorRef input : node.inputs) frame = std::max(frame, frames_[static_cast<size_t>(input.node)]);
    for (const int control : node.controls) frame = std::max(frame, frames_[static_cast<size_t>(control)]);
    if (op == "Merge") {
      merge(node, context);
    } else {
      for (const TensorRef input : node.inputs) context.merge(of(input));
      for (const int control : node.controls) context.merge(Context(contexts_[static_cast<size_t>(control)]));
    }
    if (op == "Enter") {
      frame = frame_number(tfgraph::attr_string(*node.def, "frame_name"), frame);
      context.insert({frame, {}, 0});
    } else if (op == "Exit" && frame >= 0) {
      std::erase_if(context, [frame](const Marker& marker) { return marker.frame == frame; });
      frame = parents_[static_cast<size_t>(frame)];
    }
  }

  // What holds for every tensor that may come; the way back of a loop comes later and adds nothing.
  void merge(const ViewNode& node, Context& context) {
    bool first = true;
    for (const TensorRef input : node.inputs) {
      if (plain(view_.node(input.node).def->op) == "NextIteration") continue;
      const Context other = of(input);
      if (first)
        context = other;
      else
        std::erase_if(context, [&](const Marker& marker) { return other.count(marker) == 0; });
      first = false;
    }
  }

  // Loops inside of others have larger numbers.
  int frame_number(std::string_view name, int parent) {
    const auto [found, fresh] = names_.emplace(std::pair(name, parent), static_cast<int>(parents_.size()));
    if (fresh) parents_.push_back(parent);
    return found->second;
  }

  const GraphView& view_;
  std::vector<Context> contexts_;
  std::vector<int> frames_;   // by node, -1: in no loop
  std::vector<int> parents_;  // by loop
  std::map<std::pair<std::string_view, int>, int> names_;
};

}  // namespace

bool is_control_flow(std::string_view op) { return std::find(kOps.begin(), kOps.end(), plain(op)) != kOps.end(); }

std::vector<int> control_contexts(const GraphView& view) {
  const bool any = std::any_of(view.order().begin(), view.order().end(),
                               [&](int id) { return is_control_flow(view.node(id).def->op); });
  return any ? Contexts(view).run() : std::vector<int>(static_cast<size_t>(view.size()), 0);
}

}  // namespace tfengine::graphdef
