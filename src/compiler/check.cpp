// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "backends/list.h"
#include "compiler/model_impl.h"
#include "compiler/recipe.h"
#include "ops/op.h"
#include "segment/segment.h"
#include "tfengine/check.h"

namespace tfengine {

namespace {

// Kinds of ops that no engine will have, by parts of their names.
constexpr std::pair<std::string_view, std::string_view> kOutside[] = {
    {"String", "text"},
    {"Lookup", "tables of a vocabulary"},
    {"HashTable", "tables of a vocabulary"},
    {"Regex", "text"},
    {"Decode", "files"},
    {"ParseExample", "files"},
    {"Queue", "queues"},
    {"Summary", "logs"},
    {"Random", "random numbers"},
    {"Multinomial", "random numbers"},
    {"Dataset", "data sets"},
    {"Iterator", "data sets"},
    {"TextLine", "files"},
    {"ReadFile", "files"},
    {"PyFunc", "Python"},
};

CheckedNode unknown_op(const ir::Node& node) {
  for (const auto& [part, what] : kOutside) {
    if (node.op.find(part) == std::string::npos) continue;
    return {
        node.name, node.op, false,
        fmt::format("{} works on {}, which stay outside of engines by design", node.op, what),
        "name inputs and outputs that leave it out (--inputs, --outputs), and do its work before or behind the engine"};
  }
  return {
      node.name, node.op, false, fmt::format("tfengine does not know the op {}", node.op),
      "export the model for inference without it, or name inputs and outputs that leave it out (--inputs, --outputs)"};
}

std::vector<Shape> with_batch(const ir::Graph& graph, int64_t batch_size) {
  std::vector<Shape> shapes;
  for (const ir::ValueId id : graph.inputs) {
    shapes.push_back(graph.value(id).shape);
    if (shapes.back().rank() > 0 && shapes.back()[0] < 0) shapes.back()[0] = batch_size;
  }
  return shapes;
}

class Checker {
 public:
  explicit Checker(const detail::ModelImpl& model) : model_(model) {}

  ModelCheck run(int64_t batch_size) {
    ir::Graph graph = model_.imported;
    ir::for_each_graph(graph, [&](const ir::Graph& part) {
      const std::vector<ir::NodeId> order = part.order();
      check_.nodes += static_cast<int64_t>(order.size());
      for (const ir::NodeId id : order) {
        if (ops::find_op(part.node(id).op) == nullptr) refuse(unknown_op(part.node(id)));
      }
    });
    const std::vector<Shape> shapes = with_batch(graph, batch_size);
    for (const ops::InferFailure& failure : ops::infer_graph_where_possible(graph, shapes, {})) {
      const ir::Node& node = graph.node(failure.node);
      refuse({node.name, node.op, false, failure.reason,
              "check how the model was exported: these inputs do not fit the op"});
    }
    check_.converts = check_.findings.empty();
    if (!check_.converts) return std::move(check_);
    const bool inputs_known = std::all_of(shapes.begin(), shapes.end(), [](const Shape& s) { return s.is_static(); });
    if (inputs_known) ir::for_each_graph(graph, [&](const ir::Graph& part) { find_data_dependent(part); });
    find_slow();
    return std::move(check_);
  }

 private:
  // Or that it converts, but runs slowly.
  void refuse(CheckedNode node) {
    if (refused_.insert(node.name).second) check_.findings.push_back(std::move(node));
  }

  // The first nodes whose results' shapes do not follow from the inputs' shapes; what comes behind them says nothing new.
  void find_data_dependent(const ir::Graph& graph) {
    const auto open = [&](ir::ValueId id) { return !graph.value(id).shape.is_static(); };
    for (const ir::NodeId id : graph.order()) {
      const ir::Node& node = graph.node(id);
      const bool used = std::any_of(node.outputs.begin(), node.outputs.end(),
                                    [&](ir::ValueId out) { return open(out) && graph.use_count(out) > 0; });
      if (!used || std::any_of(node.inputs.begin(), node.inputs.end(), open)) continue;
      refuse({node.name, node.op, true,
              "the shape of its result depends on data: it runs between plans, and what follows is planned in the run",
              "use an op that fills up to a fixed size, where the first run with a shape has to be fast"});
    }
  }

  void find_slow() {
    detail::Recipe recipe;
    recipe.precision = "fp32";
    recipe.backend = backends_by_name("").front();
    const ir::Graph graph = detail::optimize(model_, recipe).graph;
    const auto report = segment::segment(graph, [&](const ir::Graph& part, const ir::Node& node) {
                          return recipe.backend->refuses(part, node);
                        }).report;
    for (const segment::RefusedNode& node : report.refusals) {
      refuse({node.node, node.op, true, node.reason, node.remedy});
    }
  }

  const detail::ModelImpl& model_;
  ModelCheck check_;
  std::set<std::string> refused_;
};

}  // namespace

ModelCheck check_model(const std::filesystem::path& path, const LoadOptions& options, int64_t batch_size) {
  return Checker(*Model::load(path, options).impl()).run(batch_size);
}

std::string check_csv(const ModelCheck& check) {
  const auto field = [](std::string text) {
    for (char& c : text) c = c == '|' || c == '\n' ? ' ' : c;
    return text;
  };
  std::map<std::tuple<bool, std::string, std::string, std::string>, std::vector<std::string>> lines;
  for (const CheckedNode& node : check.findings) {
    lines[{node.converts, node.op, node.reason, node.remedy}].push_back(node.name);
  }
  std::string text = "OP|CONVERTS|COUNT|REASON|REMEDY|NODES\n";
  for (const auto& [key, nodes] : lines) {
    const auto& [converts, op, reason, remedy] = key;
    text += fmt::format("{}|{}|{}|{}|{}|{}\n", field(op), converts ? "slowly" : "no", nodes.size(), field(reason),
                        field(remedy), fmt::join(nodes, " "));
  }
  return text;
}

}  // namespace tfengine
