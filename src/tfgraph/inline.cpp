// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/inline.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_map>

#include "tfgraph/flatten.h"
#include "tfgraph/limits.h"
#include "tfgraph/write.h"

namespace tfengine::tfgraph {

namespace {

std::string_view node_of(std::string_view tensor) {
  if (!tensor.empty() && tensor[0] == '^') tensor.remove_prefix(1);
  return tensor.substr(0, tensor.find(':'));
}

bool is_indirect(const NodeDef& def) { return def.op == "PartitionedCall" || def.op == "StatefulPartitionedCall"; }

// Which functions may be inlined; every answer is worked out once.
class Screen {
 public:
  explicit Screen(const GraphDef& graph) : graph_(graph) {}

  const FunctionDef* called(const NodeDef& def) const {
    const bool indirect = is_indirect(def);
    const std::string_view name = indirect ? attr_function(def, "f") : def.op;
    const auto found = graph_.functions.find(name);
    if (found != graph_.functions.end()) return &found->second;
    if (!indirect) return nullptr;
    fail<InvalidModel>("{} '{}' calls function '{}', which the model does not define", def.op, def.name, name);
  }

  // Empty: it may be.
  const std::string& reason(const FunctionDef& function) {
    const auto [found, fresh] = reasons_.emplace(function.name, "it calls itself");
    if (!fresh) return found->second;
    if (++depth_ > kMaxCallDepth) {
      found->second = fmt::format("functions are nested more than {} deep", kMaxCallDepth);
    } else {
      std::string text = look(function);
      reasons_[function.name] = std::move(text);
    }
    --depth_;
    return reasons_[function.name];
  }

 private:
  std::string look(const FunctionDef& function) {
    for (const MapEntry& attr : function.attrs) {
      constexpr std::array<std::string_view, 3> kFlags = {"_XlaMustCompile", "_noinline", "_tftrt_convert_function"};
      if (std::find(kFlags.begin(), kFlags.end(), attr.key) != kFlags.end() && attr_bool(attr.value)) {
        return fmt::format("it is marked {}", attr.key);
      }
    }
    for (const NodeDef& node : function.nodes) {
      for (const MapEntry& attr : node.attrs) {
        if (is_attr_placeholder(attr.value))
          return fmt::format("its node '{}' has attributes of the caller", node.name);
      }
      if (const FunctionDef* inner = called(node)) {
        if (const std::string& text = reason(*inner); !text.empty()) {
          return fmt::format("it calls '{}': {}", inner->name, text);
        }
      }
    }
    return side_effect(function);
  }

  // Nodes that run for what they do, not for what they make, would be lost with the call.
  static std::string side_effect(const FunctionDef& function) {
    constexpr std::array<std::string_view, 8> kNone = {
        "Const",      "Identity", "IdentityN", "NoOp", "PartitionedCall", "ReadVariableOp", "StatefulPartitionedCall",
        "VarHandleOp"};
    for (const std::string_view name : function.control_returns) {
      const auto node = std::find_if(function.nodes.begin(), function.nodes.end(),
                                     [name](const NodeDef& candidate) { return candidate.name == name; });
      if (node == function.nodes.end()) continue;
      if (std::find(kNone.begin(), kNone.end(), node->op) == kNone.end()) {
        return fmt::format("its node '{}' of op {} has an effect of its own", name, node->op);
      }
    }
    return {};
  }

  const GraphDef& graph_;
  std::map<std::string_view, std::string> reasons_;
  int depth_ = 0;
};

class Inliner {
 public:
  Inliner(const GraphDef& source, const std::vector<std::string>& outputs, const std::vector<std::string>& kept)
      : source_(source), screen_(source) {
    for (const std::string& name : kept) kept_.insert(node_of(name));
    for (const std::string& name : outputs) fetched_.insert(node_of(name));
    if (outputs.empty()) fetch_unused();
  }

  InlinedGraph run() {
    result_.graph.functions = source_.functions;
    result_.graph.producer_version = source_.producer_version;
    result_.graph.libraries = source_.libraries;
    result_.graph.others = source_.others;
    note_kept_calls();
    if (std::none_of(source_.nodes.begin(), source_.nodes.end(), [&](const NodeDef& def) { return inlines(def); })) {
      result_.graph.nodes = source_.nodes;
      return std::move(result_);
    }
    Flattener::Choices choices;
    choices.keep_identities = true;
    choices.keeps_call = [this](const NodeDef& def) { return !inlines(def); };
    flat_.emplace(source_, std::move(choices));
    for (const NodeDef& def : source_.nodes) names_.insert(std::string(def.name));
    for (int id = 0; id < flat_->main_node_count(); ++id) add_main(id);
    drop_functions();
    return std::move(result_);
  }

 private:
  bool inlines(const NodeDef& def) {
    const FunctionDef* function = screen_.called(def);
    if (function == nullptr || kept_.count(def.name) > 0 || !screen_.reason(*function).empty()) return false;
    // The types of such a call's outputs are not written in it.
    return is_indirect(def) || fetched_.count(def.name) == 0;
  }

  void note_kept_calls() {
    for (const NodeDef& def : source_.nodes) {
      const FunctionDef* function = screen_.called(def);
      if (function == nullptr || kept_.count(def.name) > 0) continue;
      if (const std::string& reason = screen_.reason(*function); !reason.empty()) {
        result_.notes.push_back(
            fmt::format("function '{}', called by '{}', stays a function: {}", function->name, def.name, reason));
      }
    }
  }

  // Functions that nothing calls any more would keep their constants in the graph a second time. Others stay, used or not.
  void drop_functions() {
    std::set<std::string_view> called;
    std::vector<const NodeDef*> nodes;
    for (const NodeDef& node : result_.graph.nodes) nodes.push_back(&node);
    for (const auto& [name, function] : source_.functions) {
      if (inlined_.count(name) > 0) continue;
      for (const NodeDef& node : function.nodes) nodes.push_back(&node);
    }
    while (!nodes.empty()) {
      const NodeDef& node = *nodes.back();
      nodes.pop_back();
      std::vector<std::string_view> names = functions_of(node);
      names.push_back(node.op);
      for (const std::string_view name : names) {
        const auto found = source_.functions.find(name);
        if (inlined_.count(name) == 0 || found == source_.functions.end() || !called.insert(name).second) continue;
        for (const NodeDef& inner : found->second.nodes) nodes.push_back(&inner);
      }
    }
    std::set<const char*> dropped;
    for (const std::string_view name : inlined_) {
      if (called.count(name) > 0) continue;
      dropped.insert(source_.functions.at(name).message.data());
      result_.graph.functions.erase(name);
    }
    for (std::string_view& library : result_.graph.libraries) {
      library = result_.texts.emplace_back(library_without(library, dropped));
    }
  }

  void fetch_unused() {
    for (const NodeDef& def : source_.nodes) fetched_.insert(def.name);
    for (const NodeDef& def : source_.nodes) {
      for (const std::string_view input : def.inputs) fetched_.erase(node_of(input));
    }
  }

  void add_main(int id) {
    const NodeDef& def = *flat_->node(id).def;
    if (!flat_->is_call(id)) return add_node(id);
    note_inlined(def);
    for (const int inner : flat_->inline_call(id)) {
      if (flat_->is_call(inner))
        note_inlined(*flat_->node(inner).def);
      else
        add_node(inner);
    }
    if (fetched_.count(def.name) == 0) return;
    std::vector<std::string> inputs;
    for (size_t i = 0; i < flat_->call_outputs(id); ++i) {
      inputs.push_back(tensor(flat_->resolve({id, static_cast<int>(i)})));
    }
    add_message(node_message(def.name, inputs.empty() ? "NoOp" : "IdentityN", inputs, def.device,
                             inputs.empty() ? std::vector<AttrMessage>()
                                            : std::vector<AttrMessage>{{"T", types_attr(attr_types(def, "Tout"))}}));
  }

  void note_inlined(const NodeDef& call) {
    ++result_.calls;
    inlined_.insert(screen_.called(call)->name);
  }

  void add_node(int id) {
    const FlatNode& node = flat_->node(id);
    std::vector<std::string> inputs;
    bool changed = node.scope != 0;
    size_t place = 0;
    for (const Ref ref : flat_->inputs_of(id)) {
      inputs.push_back(tensor(ref));
      // "a" and "a:0" are the same tensor.
      changed |= node_of(node.def->inputs[place++]) != node_of(inputs.back());
    }
    std::set<std::string> controls;
    for (const int control : flat_->controls_of(id)) controls.insert("^" + name(control));
    for (; place < node.def->inputs.size(); ++place) {
      const std::string_view text = node.def->inputs[place];
      changed |= controls.count(std::string(text)) == 0;
    }
    if (!changed) return result_.graph.nodes.push_back(*node.def);
    inputs.insert(inputs.end(), controls.begin(), controls.end());
    NodeChange change;
    change.inputs = &inputs;
    const std::string full = name(id);
    change.name = full;
    if (node.scope != 0) change.attrs.emplace_back("_class", "");
    add_message(changed_node(*node.def, change));
  }

  void add_message(std::string message) {
    result_.graph.nodes.push_back(read_node_def(result_.texts.emplace_back(std::move(message))));
  }

  // Nodes of the main graph keep their names.
  const std::string& name(int id) {
    const auto [found, fresh] = full_names_.emplace(id, std::string());
    if (!fresh) return found->second;
    if (flat_->node(id).scope == 0) return found->second = std::string(flat_->node(id).def->name);
    const std::string wanted = flat_->full_name(id);
    std::string unique = wanted;
    for (int suffix = 1; !names_.insert(unique).second; ++suffix) unique = fmt::format("{}_{}", wanted, suffix);
    return found->second = unique;
  }

  std::string tensor(Ref ref) {
    return ref.output == 0 ? name(ref.node) : fmt::format("{}:{}", name(ref.node), ref.output);
  }

  const GraphDef& source_;
  Screen screen_;
  std::set<std::string_view> kept_, fetched_, inlined_;
  std::optional<Flattener> flat_;
  std::set<std::string> names_;
  std::unordered_map<int, std::string> full_names_;
  InlinedGraph result_;
};

}  // namespace

InlinedGraph inline_calls(const GraphDef& source, const std::vector<std::string>& outputs,
                          const std::vector<std::string>& kept) {
  return Inliner(source, outputs, kept).run();
}

}  // namespace tfengine::tfgraph
