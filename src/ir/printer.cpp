// SPDX-License-Identifier: Apache-2.0
#include "ir/printer.h"

#include <unordered_map>

#include "base/check.h"
#include "ir/text.h"

namespace tfengine::ir {

namespace {

template <typename T, typename F>
std::string list_text(std::string_view kind, const std::vector<T>& values, F&& element) {
  if (values.empty()) return fmt::format("{}[]", kind);
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) text += (i > 0 ? ", " : "") + std::string(element(values[i]));
  return text + "]";
}

std::string type_text(DType dtype, const Shape& shape) {
  return std::string(short_dtype_name(dtype)) + (dtype == DType::Invalid && !shape.ranked() ? "" : shape.str());
}

std::string shape_text(const Shape& shape) { return "shape" + shape.str(); }

struct AttrPrinter {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return fmt::format("{}", value); }
  std::string operator()(float value) const { return float_text(value); }
  std::string operator()(const std::string& value) const { return quoted(value); }
  std::string operator()(DType value) const { return std::string(short_dtype_name(value)); }
  std::string operator()(const Shape& value) const { return shape_text(value); }
  std::string operator()(const Tensor& value) const {
    return fmt::format("tensor {} {}", type_text(value.dtype(), value.shape()), constant_text(value, false));
  }
  std::string operator()(const std::vector<int64_t>& value) const {
    return list_text("ints", value, [](int64_t v) { return fmt::format("{}", v); });
  }
  std::string operator()(const std::vector<float>& value) const {
    return list_text("floats", value, [](float v) { return float_text(v); });
  }
  std::string operator()(const std::vector<std::string>& value) const {
    return list_text("strings", value, [](const std::string& v) { return quoted(v); });
  }
  std::string operator()(const std::vector<Shape>& value) const { return list_text("shapes", value, shape_text); }
  std::string operator()(const std::vector<DType>& value) const { return list_text("dtypes", value, short_dtype_name); }
};

std::string act_text(const Act& act) {
  std::string text(act_name(act.kind));
  if (act.alpha != 0.0f || act.beta != 0.0f)
    text += fmt::format("({}, {})", float_text(act.alpha), float_text(act.beta));
  return text;
}

std::string epilogue_text(const Epilogue& epilogue) {
  std::vector<std::string> parts;
  if (epilogue.bias != kNone) parts.push_back(fmt::format("bias={}", epilogue.bias));
  if (epilogue.before_add != Act{}) parts.push_back("before=" + act_text(epilogue.before_add));
  if (epilogue.residual != kNone) parts.push_back(fmt::format("residual={}", epilogue.residual));
  if (epilogue.after_add != Act{}) parts.push_back("after=" + act_text(epilogue.after_add));
  return fmt::format(" epilogue({})", fmt::join(parts, ", "));
}

std::string value_attributes(const Value& value) {
  std::string text;
  if (value.quant.defined()) {
    const auto& scales = value.quant.scales;
    text += scales.size() == 1 ? fmt::format(" quant(scale={}", float_text(scales[0]))
                               : " quant(scales=" + list_text("floats", scales, [](float v) { return float_text(v); });
    if (value.quant.axis >= 0) text += fmt::format(", axis={}", value.quant.axis);
    if (value.quant.zero_point != 0) text += fmt::format(", zero_point={}", value.quant.zero_point);
    text += ")";
  }
  if (value.range) {
    constexpr std::string_view kSources[] = {"custom", "calibrated", "rule"};
    text += fmt::format(" range(max_abs={}, {}", float_text(value.range->max_abs),
                        kSources[static_cast<size_t>(value.range->source)]);
    text += value.range->origin.empty() ? ")" : fmt::format(", {})", quoted(value.range->origin));
  }
  return text;
}

class Printer {
 public:
  Printer(const Graph& graph, PrintMode mode, std::string indent = "")
      : graph_(graph), mode_(mode), indent_(std::move(indent)) {}

  std::string run() {
    text_ = indent_ + "graph @" + name_text(graph_.name) + "(";
    for (size_t i = 0; i < graph_.inputs.size(); ++i) {
      const Value& input = graph_.value(graph_.inputs[i]);
      text_ += fmt::format("{}{}: {}{}", i > 0 ? ", " : "", ref(graph_.inputs[i]), type_text(input.dtype, input.shape),
                           value_attributes(input));
      defined_[graph_.inputs[i]] = true;
    }
    text_ += ") {\n";
    for (const NodeId id : node_ids()) node(graph_.node(id));
    for (const GraphOutput& out : graph_.outputs) define(out.value);
    text_ += indent_ + "  return";
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const GraphOutput& out = graph_.outputs[i];
      text_ += (i > 0 ? ", " : " ") + ref(out.value);
      if (out.name != graph_.value(out.value).name) text_ += " as " + quoted(out.name);
    }
    return text_ + "\n" + indent_ + "}\n";
  }

  std::string line(const Node& node) {
    std::string text;
    for (size_t i = 0; i < node.outputs.size(); ++i) text += (i > 0 ? ", " : "") + ref(node.outputs[i]);
    text += node.outputs.empty() ? "" : " = ";
    text += node.op.find_first_of(":-") == std::string::npos && is_plain_name(node.op) ? node.op : quoted(node.op);
    text += "(";
    for (size_t i = 0; i < node.inputs.size(); ++i) text += (i > 0 ? ", " : "") + ref(node.inputs[i]);
    text += ")";
    if (!node.attrs.empty()) {
      text += " {";
      const char* separator = "";
      for (const auto& [key, attr] : node.attrs) {
        text += separator + (is_plain_name(key) ? key : quoted(key)) + "=" + print_attr(attr);
        separator = ", ";
      }
      text += "}";
    }
    if (!(node.epilogue == Epilogue{})) text += epilogue_text(node.epilogue);
    if (node.denylisted) text += " denylisted";
    if (node.outputs.empty() || node.name != graph_.value(node.outputs[0]).name)
      text += " name(" + quoted(node.name) + ")";
    return text + types(node);
  }

 private:
  static std::string name_text(const std::string& name) { return is_plain_name(name) ? name : quoted(name); }

  std::string ref(ValueId id) {
    if (id < 0 || id >= graph_.value_count()) return fmt::format("%\"bad value {}\"", id);
    const std::string& name = graph_.value(id).name;
    const auto [found, fresh] = owner_of_name_.emplace(name, id);
    // Two values of one name are told apart by number; constants may share a name.
    return "%" + (found->second == id ? name_text(name) : quoted(fmt::format("{}#{}", name, id)));
  }

  std::string types(const Node& node) const {
    bool known = false;
    for (const ValueId out : node.outputs) {
      const Value& value = graph_.value(out);
      known = known || value.dtype != DType::Invalid || value.shape.ranked() || value.quant.defined() || value.range;
    }
    if (!known) return "";
    std::string text = " ->";
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const Value& value = graph_.value(node.outputs[i]);
      text += fmt::format("{} {}{}", i > 0 ? "," : "", type_text(value.dtype, value.shape), value_attributes(value));
    }
    return text;
  }

  // Graph::order() where the graph has one; ids otherwise.
  std::vector<NodeId> node_ids() const {
    try {
      return graph_.order();
    } catch (const Error&) {
      std::vector<NodeId> ids;
      for (NodeId id = 0; id < graph_.node_count(); ++id) {
        if (graph_.node(id).alive) ids.push_back(id);
      }
      return ids;
    }
  }

  void define(ValueId id) {
    if (id < 0 || id >= graph_.value_count() || defined_[id]) return;
    const Value& value = graph_.value(id);
    if (!value.is_constant()) return;
    defined_[id] = true;
    text_ += fmt::format("{}  {} = const {} {}{}\n", indent_, ref(id),
                         type_text(value.constant.dtype(), value.constant.shape()),
                         constant_text(value.constant, mode_ == PrintMode::Dump), value_attributes(value));
  }

  void node(const Node& node) {
    for (const ValueId input : node.inputs) define(input);
    for (const ValueId out : node.outputs) defined_[out] = true;
    text_ += indent_ + "  " + line(node) + "\n";
    for (const Graph& region : node.regions) text_ += Printer(region, mode_, indent_ + "    ").run();
  }

  const Graph& graph_;
  PrintMode mode_;
  std::string indent_;
  std::string text_;
  std::unordered_map<ValueId, bool> defined_;
  std::unordered_map<std::string, ValueId> owner_of_name_;
};

}  // namespace

std::string print(const Graph& graph, PrintMode mode) { return Printer(graph, mode).run(); }

std::string print_node(const Graph& graph, const Node& node) { return Printer(graph, PrintMode::Dump).line(node); }

std::string print_attr(const Attr& attr) { return std::visit(AttrPrinter{}, attr); }

}  // namespace tfengine::ir
