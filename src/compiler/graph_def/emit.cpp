// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/emit.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "base/check.h"
#include "compiler/graph_def/constants.h"
#include "compiler/graph_def/precision.h"
#include "tfgraph/op_signatures.h"
#include "tfgraph/write.h"

namespace tfengine::graphdef {

namespace {

using tfgraph::AttrMessage;

std::string constant_prefix(int graph) { return fmt::format("tfengine_constant_{:03d}_", graph); }

class Emitter {
 public:
  Emitter(const GraphView& view, const GraphTypes& types, const std::vector<Segment>& segments,
          const std::vector<EngineText>& engines, const GraphDefParams& params, int graph)
      : view_(view),
        types_(types),
        segments_(segments),
        engines_(engines),
        params_(params),
        segment_of_(owners(view, segments)),
        in_main_(find_main()),
        shared_(view, segments, in_main_, constant_prefix(graph)) {
    for (size_t i = 0; i < segments.size(); ++i) {
      for (size_t k = 0; k < segments[i].outputs.size(); ++k) {
        replaced_[segments[i].outputs[k]] = k == 0 ? engines[i].name : fmt::format("{}:{}", engines[i].name, k);
      }
    }
  }

  Emitted run() {
    for (int id = 0; id < view_.size(); ++id) {
      const int number = segment_of_[static_cast<size_t>(id)];
      if (number >= 0) {
        // The engine stands where its segment began.
        if (segments_[static_cast<size_t>(number)].nodes[0] == id) add(engine_node(static_cast<size_t>(number)));
        if (view_.node(id).is_output) add(passed_on(id));
      } else if (in_main_[static_cast<size_t>(id)]) {
        add_main(id);
      }
    }
    std::vector<std::string> functions = shared_.functions();
    for (size_t i = 0; i < segments_.size(); ++i) {
      if (has_function(engines_[i])) functions.push_back(native_segment(i));
    }
    Emitted result;
    result.graph_def = tfgraph::graph_message(view_.graph(), nodes_, functions);
    result.shared_constants = static_cast<int>(shared_.functions().size());
    result.shared_constant_bytes = shared_.bytes();
    return result;
  }

 private:
  // Nodes that stay in the main graph: those needed, and constants that such nodes use or that are fetched.
  std::vector<bool> find_main() const {
    std::vector<bool> in_main(static_cast<size_t>(view_.size()), false);
    std::vector<int> stack;
    const auto keep = [&](int id) {
      if (in_main[static_cast<size_t>(id)] || segment_of_[static_cast<size_t>(id)] >= 0) return;
      in_main[static_cast<size_t>(id)] = true;
      stack.push_back(id);
    };
    for (const int id : view_.order()) {
      if (!view_.node(id).constant || view_.node(id).is_output) keep(id);
    }
    while (!stack.empty()) {
      const ViewNode& node = view_.node(stack.back());
      stack.pop_back();
      for (const TensorRef input : node.inputs) keep(input.node);
      for (const int control : node.controls) keep(control);
    }
    return in_main;
  }

  void add(std::string message) { nodes_.push_back(texts_.emplace_back(std::move(message))); }

  static std::vector<int> owners(const GraphView& view, const std::vector<Segment>& segments) {
    std::vector<int> owner(static_cast<size_t>(view.size()), -1);
    for (size_t i = 0; i < segments.size(); ++i) {
      for (const int id : segments[i].nodes) owner[static_cast<size_t>(id)] = static_cast<int>(i);
    }
    return owner;
  }

  // Colocation with nodes that are not there would make the graph invalid. Null: nothing to change.
  std::optional<AttrMessage> colocation(const tfgraph::NodeDef& def, bool main) const {
    if (def.attr("_class") == nullptr) return std::nullopt;
    std::vector<std::string_view> left;
    const std::vector<std::string_view> all = tfgraph::attr_strings(def, "_class");
    for (const std::string_view entry : all) {
      const int target = entry.substr(0, 5) == "loc:@" ? view_.find(entry.substr(5)) : -1;
      if (main && target >= 0 && in_main_[static_cast<size_t>(target)]) left.push_back(entry);
    }
    if (left.size() == all.size()) return std::nullopt;
    return AttrMessage{"_class", left.empty() ? std::string() : tfgraph::strings_attr(left)};
  }

  void add_main(int id) {
    const ViewNode& node = view_.node(id);
    std::vector<std::string> inputs;
    std::set<std::string> controls;
    bool changed = false;
    for (const std::string_view text : node.def->inputs) {
      if (text[0] == '^') {
        const int producer = view_.find(node_name(text));
        if (view_.node(producer).inert) {
          changed = true;
          continue;
        }
        const int number = segment_of_[static_cast<size_t>(producer)];
        changed |= number >= 0;
        const std::string control = number >= 0 ? "^" + engines_[static_cast<size_t>(number)].name : std::string(text);
        if (controls.insert(control).second) inputs.push_back(control);
        continue;
      }
      const auto found = replaced_.find(node.inputs[inputs.size()]);  // data inputs come first
      changed |= found != replaced_.end();
      inputs.push_back(found != replaced_.end() ? found->second : std::string(text));
    }
    if (shared_.holds(id)) return add(shared_.call(id, inputs));
    tfgraph::NodeChange change;
    if (changed) change.inputs = &inputs;
    if (auto attr = colocation(*node.def, true)) change.attrs.push_back(std::move(*attr));
    if (!changed && change.attrs.empty()) {
      nodes_.push_back(node.def->message);
    } else {
      add(tfgraph::changed_node(*node.def, change));
    }
  }

  // A node that is fetched by its name passes on what the engine makes.
  std::string passed_on(int id) const {
    const tfgraph::NodeDef& def = *view_.node(id).def;
    return tfgraph::node_message(def.name, "Identity", {replaced_.at({id, 0})}, def.device,
                                 {{"T", tfgraph::type_attr(types_.type({id, 0}).type)}});
  }

  std::string device(const Segment& segment) const {
    for (const int id : segment.nodes) {
      if (!view_.node(id).def->device.empty()) return std::string(view_.node(id).def->device);
    }
    return {};
  }

  std::string engine_node(size_t number) const {
    const Segment& segment = segments_[number];
    const EngineText& engine = engines_[number];
    std::vector<std::string> inputs;
    for (const TensorRef input : segment.inputs) {
      const auto found = replaced_.find(input);
      inputs.push_back(found != replaced_.end() ? found->second : view_.tensor_name(input));
    }
    std::set<std::string> controls;
    for (const int control : segment.controls) {
      const int other = segment_of_[static_cast<size_t>(control)];
      controls.insert(
          "^" + (other >= 0 ? engines_[static_cast<size_t>(other)].name : std::string(view_.node(control).def->name)));
    }
    inputs.insert(inputs.end(), controls.begin(), controls.end());
    return tfgraph::node_message(engine.name, "TRTEngineOp", inputs, device(segment), engine_attrs(segment, engine));
  }

  std::vector<AttrMessage> engine_attrs(const Segment& segment, const EngineText& engine) const {
    using namespace tfgraph;
    std::vector<uint64_t> input_types, output_types;
    std::vector<Shape> input_shapes, output_shapes;
    const auto describe = [&](const std::vector<TensorRef>& refs, auto& all_types, auto& shapes) {
      for (const TensorRef ref : refs) {
        all_types.push_back(types_.type(ref).type);
        shapes.push_back(types_.type(ref).shape);
      }
    };
    const auto workspace = static_cast<int64_t>(std::min<uint64_t>(params_.max_workspace_size_bytes, INT64_MAX));
    describe(segment.inputs, input_types, input_shapes);
    describe(segment.outputs, output_types, output_shapes);
    const std::string precision = upper(params_.precision_mode);
    return {{"InT", types_attr(input_types)},
            {"OutT", types_attr(output_types)},
            {"_allow_build_at_runtime", bool_attr(params_.allow_build_at_runtime)},
            {"_profile_generation_mode", bool_attr(false)},
            {"_tfengine_calibrator", string_attr(params_.calibrator)},
            {"_tfengine_channel_means", string_attr(engine.channel_means)},
            {"_tfengine_percentile", float_attr(static_cast<float>(params_.percentile))},
            {"_tfengine_strict_ranges", bool_attr(params_.strict_ranges)},
            {"_use_implicit_batch", bool_attr(!params_.use_dynamic_shape)},
            {"cached_engine_batches", ints_attr({})},
            {"calibration_data", string_attr(engine.calibration_data)},
            {"fixed_input_size", bool_attr(true)},
            {"input_shapes", shapes_attr(input_shapes)},
            {"max_batch_size", int_attr(params_.max_batch_size)},
            {"max_cached_engines_count", int_attr(params_.maximum_cached_engines)},
            {"output_shapes", shapes_attr(output_shapes)},
            {"precision_mode", string_attr(precision)},
            {"profile_strategy", string_attr(params_.profile_strategy)},
            {"segment_func", function_attr(has_function(engine) ? engine.name + "_native_segment" : "")},
            {"segment_funcdef_name", string_attr("")},
            {"serialized_segment", string_attr(engine.serialized)},
            {"static_engine", bool_attr(!engine.serialized.empty())},
            {"use_calibration", bool_attr(params_.use_calibration && precision == "INT8")},
            {"use_explicit_precision", bool_attr(false)},
            {"workspace_size_bytes", int_attr(workspace)}};
  }

  bool has_function(const EngineText& engine) const {
    return engine.serialized.empty() || !params_.remove_native_segments;
  }

  std::string native_segment(size_t number) const {
    const Segment& segment = segments_[number];
    tfgraph::FunctionText function;
    function.name = engines_[number].name + "_native_segment";
    // Grappler leaves such functions as they are. It would fold and rename what engines and calibration go by, and copy
    // the weights.
    function.attrs.emplace_back("_tf_data_function", tfgraph::bool_attr(true));
    std::map<TensorRef, std::string> args;
    for (size_t i = 0; i < segment.inputs.size(); ++i) {
      const std::string name = fmt::format("{}{}", kInputPrefix, i);
      function.args.push_back({name, types_.type(segment.inputs[i]).type});
      args[segment.inputs[i]] = name;
    }
    std::vector<int> all = segment.constants;
    all.insert(all.end(), segment.nodes.begin(), segment.nodes.end());
    std::sort(all.begin(), all.end());
    for (const int id : all) {
      function.nodes.push_back(shared_.holds(id) ? shared_.call(id, {}) : function_node(id, all, args));
    }
    for (size_t i = 0; i < segment.outputs.size(); ++i) {
      function.outputs.push_back({fmt::format("{}{}", kOutputPrefix, i), types_.type(segment.outputs[i]).type});
      function.returns.push_back(inside_name(segment.outputs[i]));
    }
    return tfgraph::function_message(function);
  }

  // As function bodies write it: "node:output:0".
  std::string inside_name(TensorRef ref) const {
    const tfgraph::NodeDef& def = *view_.node(ref.node).def;
    const auto arg =
        shared_.holds(ref.node) ? std::optional(tfgraph::OutputArg{"output", 0}) : tfgraph::output_arg(def, ref.output);
    check(arg.has_value(), "{} has no output {}", view_.where(ref.node), ref.output);
    return fmt::format("{}:{}:{}", def.name, arg->arg, arg->index);
  }

  std::string function_node(int id, const std::vector<int>& all, const std::map<TensorRef, std::string>& args) const {
    const ViewNode& node = view_.node(id);
    std::vector<std::string> inputs;
    for (const TensorRef input : node.inputs) {
      const auto arg = args.find(input);
      inputs.push_back(arg != args.end() ? arg->second : inside_name(input));
    }
    for (const int control : node.controls) {
      if (!view_.node(control).inert && std::binary_search(all.begin(), all.end(), control)) {
        inputs.push_back(fmt::format("^{}", view_.node(control).def->name));
      }
    }
    tfgraph::NodeChange change;
    change.inputs = &inputs;
    if (auto attr = colocation(*node.def, false)) change.attrs.push_back(std::move(*attr));
    return tfgraph::changed_node(*node.def, change);
  }

  const GraphView& view_;
  const GraphTypes& types_;
  const std::vector<Segment>& segments_;
  const std::vector<EngineText>& engines_;
  const GraphDefParams& params_;
  std::vector<int> segment_of_;  // by node, -1: none
  std::vector<bool> in_main_;
  SharedConstants shared_;
  std::map<TensorRef, std::string> replaced_;
  std::deque<std::string> texts_;
  std::vector<std::string_view> nodes_;
};

}  // namespace

std::string engine_name(int graph, size_t segment) { return fmt::format("TRTEngineOp_{:03d}_{:03d}", graph, segment); }

int graph_number(const GraphView& view, int wanted) {
  static std::atomic<int> next = 0;
  const auto taken = [&](int number) {
    const std::string engine = fmt::format("TRTEngineOp_{:03d}_", number);
    const auto begins = [&](std::string_view name) {
      name = name.substr(name.rfind('/') == std::string_view::npos ? 0 : name.rfind('/') + 1);
      return name.substr(0, engine.size()) == engine || name.substr(0, 21) == constant_prefix(number);
    };
    return std::any_of(view.graph().nodes.begin(), view.graph().nodes.end(),
                       [&](const tfgraph::NodeDef& node) { return begins(node.name); }) ||
           std::any_of(view.graph().functions.begin(), view.graph().functions.end(),
                       [&](const auto& entry) { return begins(entry.first); });
  };
  int number = wanted >= 0 ? wanted : next++;
  while (taken(number)) number = wanted >= 0 ? number + 1 : next++;
  return number;
}

Emitted emit_graph(const GraphView& view, const GraphTypes& types, const std::vector<Segment>& segments,
                   const std::vector<EngineText>& engines, const GraphDefParams& params, int graph) {
  return Emitter(view, types, segments, engines, params, graph).run();
}

}  // namespace tfengine::graphdef
