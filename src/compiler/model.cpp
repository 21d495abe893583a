// SPDX-License-Identifier: Apache-2.0
#include "tfengine/model.h"

#include <sched.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "compiler/model_impl.h"
#include "ir/printer.h"
#include "ops/op.h"
#include "tfgraph/read.h"

namespace tfengine {

namespace detail {

namespace {

// FNV-1a over what makes a model: ops, names, and up to 4 KiB of each constant (its size always), which tells models and
// trainings apart without reading gigabytes.
class Fingerprint {
 public:
  void add(const void* data, size_t bytes) {
    const auto* at = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < bytes; ++i) hash_ = (hash_ ^ at[i]) * 1099511628211ull;
  }
  void add(std::string_view text) { add(text.data(), text.size()); }
  void add(const Tensor& tensor) {
    const uint64_t bytes = tensor.bytes();
    add(&bytes, sizeof bytes);
    add(tensor.data(), std::min<size_t>(bytes, 4096));
  }
  std::string text() const { return fmt::format("{:016x}", hash_); }

 private:
  uint64_t hash_ = 14695981039346656037ull;
};

std::string fingerprint(const ir::Graph& graph) {
  Fingerprint print;
  ir::for_each_graph(graph, [&](const ir::Graph& part) {
    for (const ir::NodeId id : part.order()) {
      const ir::Node& node = part.node(id);
      print.add(node.op);
      print.add(node.name);
      for (const ir::ValueId input : node.inputs) {
        print.add(part.value(input).name);
        if (part.value(input).is_constant()) print.add(part.value(input).constant);
      }
    }
  });
  return print.text();
}

}  // namespace

Optimized optimize(const ModelImpl& model, const std::vector<std::string>& denylist,
                   const passes::PassOptions& options) {
  Optimized result;
  result.graph = model.imported.compacted();
  std::set<std::string> unknown(denylist.begin(), denylist.end());
  ir::for_each_graph(result.graph, [&](ir::Graph& graph) {
    for (ir::NodeId id = 0; id < graph.node_count(); ++id) {
      ir::Node& node = graph.node(id);
      if (unknown.erase(node.name) > 0) node.denylisted = true;
    }
  });
  std::vector<std::string> notes;
  std::erase_if(unknown, [&](const std::string& name) {
    const auto removed = model.removed_nodes.find(name);
    if (removed == model.removed_nodes.end()) return false;
    notes.push_back(fmt::format("nodes_denylist: {} '{}' has no effect: nothing of it is left once the model is read",
                                removed->second, name));
    return true;
  });
  if (!unknown.empty()) {
    fail<InvalidArgument>("nodes_denylist: the model has no node {}; names are those of `tfengine inspect --nodes`",
                          fmt::join(unknown, ", "));
  }
  result.report = passes::run_pipeline(result.graph, options);
  result.report.notes.insert(result.report.notes.begin(), notes.begin(), notes.end());
  result.graph = result.graph.compacted();
  return result;
}

std::vector<Shape> default_shapes(const ir::Graph& graph, int64_t batch_size) {
  std::vector<Shape> shapes;
  for (const ir::ValueId id : graph.inputs) {
    Shape shape = graph.value(id).shape;
    if (shape.ranked() && shape.rank() > 0 && shape[0] < 0) shape[0] = batch_size;
    if (!shape.is_static()) {
      fail<InvalidArgument>("input '{}' has shape {}: give the shapes to plan for", graph.value(id).name,
                            graph.value(id).shape.str());
    }
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

int resolve_threads(int threads) {
  if (threads < 0 || threads > 1024) fail<InvalidArgument>("threads: got {}, expected 0 (all cores) to 1024", threads);
  if (threads > 0) return threads;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return std::max(1, CPU_COUNT(&allowed));
}

std::shared_ptr<const ModelImpl> make_impl(ir::Graph graph, const std::filesystem::path& path,
                                           std::map<std::string, std::string> removed_nodes) {
  auto impl = std::make_shared<ModelImpl>();
  impl->path = path;
  impl->removed_nodes = std::move(removed_nodes);
  impl->imported = std::move(graph);
  if (impl->imported.name.empty()) impl->imported.name = path.stem().string();
  ops::infer_graph(impl->imported);
  impl->hash = fingerprint(impl->imported);
  return impl;
}

}  // namespace detail

namespace {

tfgraph::ImportOptions import_options(const LoadOptions& options) {
  tfgraph::ImportOptions import;
  import.inputs = options.inputs;
  import.outputs = options.outputs;
  import.tags = options.tags;
  import.signature_key = options.signature_key;
  return import;
}

}  // namespace

Model Model::load(const std::filesystem::path& path, const LoadOptions& options) {
  tfgraph::ImportReport report;
  ir::Graph graph = tfgraph::read_model(path, import_options(options), &report);
  return Model(detail::make_impl(std::move(graph), path, std::move(report.removed)));
}

namespace detail {

Model model_of_graph_def(std::string_view bytes, std::shared_ptr<const void> owner, const LoadOptions& options,
                         const std::string& name, std::vector<tfgraph::OutsideContents> outside) {
  tfgraph::ImportReport report;
  ir::Graph graph =
      tfgraph::read_graph_bytes(bytes, std::move(owner), name, import_options(options), &report, std::move(outside));
  graph.name = name;
  return Model(make_impl(std::move(graph), name, std::move(report.removed)));
}

}  // namespace detail

Model Model::from_graph_def(std::string_view bytes, std::shared_ptr<const void> owner, const LoadOptions& options,
                            const std::string& name) {
  if (owner == nullptr) {
    auto copy = std::make_shared<const std::string>(bytes);
    bytes = *copy;
    owner = std::move(copy);
  }
  return detail::model_of_graph_def(bytes, std::move(owner), options, name, {});
}

std::vector<TensorSpec> Model::inputs() const {
  std::vector<TensorSpec> specs;
  for (const ir::ValueId id : impl_->imported.inputs) {
    const ir::Value& value = impl_->imported.value(id);
    specs.push_back({value.name, value.dtype, value.shape});
  }
  return specs;
}

std::vector<TensorSpec> Model::outputs() const {
  std::vector<TensorSpec> specs;
  for (const ir::GraphOutput& out : impl_->imported.outputs) {
    const ir::Value& value = impl_->imported.value(out.value);
    specs.push_back({out.name, value.dtype, value.shape});
  }
  return specs;
}

std::vector<std::pair<std::string, int>> Model::ops() const {
  std::map<std::string, int> counts;
  ir::for_each_graph(impl_->imported, [&](const ir::Graph& graph) {
    for (const ir::NodeId id : graph.order()) ++counts[graph.node(id).op];
  });
  return {counts.begin(), counts.end()};
}

uint64_t Model::constant_bytes() const {
  uint64_t bytes = 0;
  ir::for_each_graph(impl_->imported, [&](const ir::Graph& graph) {
    for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
      const ir::Value& value = graph.value(id);
      if (value.is_constant() && graph.use_count(id) > 0) bytes += value.constant.bytes();
    }
  });
  return bytes;
}

std::string Model::dump(const std::string& after) const {
  if (after == "import") return ir::print(impl_->imported, ir::PrintMode::Dump);
  if (after == "optimize") return ir::print(detail::optimize(*impl_, {}).graph, ir::PrintMode::Dump);
  std::string text;
  passes::PassOptions options;
  options.dump = [&](std::string_view pass, const ir::Graph& graph) {
    if (pass == after) text = ir::print(graph, ir::PrintMode::Dump);
  };
  detail::optimize(*impl_, {}, options);
  if (text.empty()) {
    fail<InvalidArgument>("dump: step '{}' is unknown, expected import, optimize, or a pass: {}", after,
                          fmt::join(passes::pass_names(), ", "));
  }
  return text;
}

}  // namespace tfengine
