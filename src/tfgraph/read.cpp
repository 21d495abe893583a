// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/read.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "base/mapped_file.h"
#include "tfgraph/bundle.h"
#include "tfgraph/format.h"
#include "tfgraph/functionalize.h"
#include "tfgraph/graph_def.h"
#include "tfgraph/import.h"
#include "tfgraph/located.h"
#include "tfgraph/saved_model.h"

namespace tfengine::tfgraph {

namespace {

namespace fs = std::filesystem;

// The SavedModel's folder if `path` is one (or its saved_model.pb), else empty.
fs::path saved_model_folder(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    if (fs::exists(path / "saved_model.pb", ignored)) return path;
    const bool text = fs::exists(path / "saved_model.pbtxt", ignored);
    fail<InvalidArgument>("'{}': the folder has no saved_model.pb{}; expected a SavedModel folder or a GraphDef file",
                          path.string(), text ? " (text SavedModels are not read)" : "");
  }
  return path.filename() == "saved_model.pb" ? (path.has_parent_path() ? path.parent_path() : fs::path("."))
                                             : fs::path();
}

std::vector<Endpoint> endpoints(const std::map<std::string, TensorInfo>& infos) {
  std::vector<Endpoint> all;
  for (const auto& [key, info] : infos) all.push_back({key, std::string(info.tensor), info.dtype, info.shape});
  return all;
}

// The named ones of a signature's; names that are no keys are tensors of the graph.
std::vector<Endpoint> pick(const std::vector<std::string>& names, const std::map<std::string, TensorInfo>& infos) {
  std::vector<Endpoint> picked;
  for (const std::string& name : names) {
    const auto found = infos.find(name);
    if (found == infos.end())
      picked.push_back({name, name, DType::Invalid, std::nullopt});
    else
      picked.push_back({name, std::string(found->second.tensor), found->second.dtype, found->second.shape});
  }
  return picked;
}

// A graph as it was read, and in the form that is imported.
struct SourceGraph {
  explicit SourceGraph(GraphDef graph) : read(std::move(graph)), functional(functionalize(read)) {}
  const GraphDef& graph() const { return functional ? functional->graph : read; }

  GraphDef read;
  std::optional<FunctionalGraph> functional;
};

// What became functions is in no list of nodes that the importer sees.
void report_functional(const SourceGraph& source, const ir::Graph& graph, ImportReport& report) {
  if (!source.functional) return;
  report.nodes_read = static_cast<int>(source.read.nodes.size());
  for (const NodeDef& node : source.read.nodes) report.removed.emplace(node.name, node.op);
  ir::for_each_graph(graph, [&](const ir::Graph& part) {
    for (ir::NodeId id = 0; id < part.node_count(); ++id) report.removed.erase(part.node(id).name);
  });
}

// Results of loops and branches are outputs where nothing else is: TensorFlow leaves those that nobody needs in the graph.
std::vector<Endpoint> results(const SourceGraph& source) {
  std::vector<Endpoint> all = sinks(source.graph());
  if (!source.functional) return all;
  std::set<std::string_view> joined;
  for (const NodeDef& node : source.read.nodes) {
    if (node.op == "Exit" || node.op == "Merge") joined.insert(node.name);
  }
  std::vector<Endpoint> plain;
  std::copy_if(all.begin(), all.end(), std::back_inserter(plain),
               [&](const Endpoint& end) { return joined.count(end.tensor) == 0; });
  return plain.empty() ? all : plain;
}

ir::Graph finish(const SourceGraph& source, const ImportJob& job, ConstantBudget& budget, ImportReport* report,
                 std::string name) {
  ImportReport unwanted;
  ImportReport& told = report != nullptr ? *report : unwanted;
  ir::Graph graph = import_graph(job, budget, told);
  report_functional(source, graph, told);
  graph.name = std::move(name);
  told.viewed_bytes = budget.viewed_bytes;
  told.copied_bytes = budget.copied_bytes;
  return graph;
}

// A GraphDef that another message was read as has fields, but no nodes.
GraphDef read_whole_graph(std::string_view bytes) {
  require_binary_proto(bytes);
  GraphDef graph = read_graph_def(bytes);
  if (graph.nodes.empty()) fail<InvalidModel>("this is no GraphDef: it has no nodes");
  return graph;
}

ir::Graph read_frozen_bytes(std::string_view bytes, ConstantBudget budget, const fs::path& what,
                            const ImportOptions& options, ImportReport* report) {
  return with_file(what, [&] {
    const SourceGraph source(read_whole_graph(bytes));
    const GraphDef& graph = source.graph();
    ImportJob job{graph, {}, {}, options.inputs.empty(), nullptr, {}, options};
    job.inputs = options.inputs.empty() ? placeholders(graph) : pick(options.inputs, {});
    job.outputs = options.outputs.empty() ? results(source) : pick(options.outputs, {});
    if (job.outputs.empty())
      fail<InvalidModel>("the graph has no outputs: every node is used by another; name the outputs");
    return finish(source, job, budget, report, what.stem().string());
  });
}

ir::Graph read_frozen(const fs::path& path, const ImportOptions& options, ImportReport* report) {
  const auto file = MappedFile::open(path);
  ConstantBudget budget;
  budget.owner = file;
  return read_frozen_bytes(file->text(), std::move(budget), path, options, report);
}

const SignatureDef& choose_signature(const MetaGraph& meta, const std::string& key) {
  const auto found = meta.signatures.find(key);
  if (found != meta.signatures.end()) return found->second;
  std::string there;
  for (const auto& [name, signature] : meta.signatures) {
    if (name.substr(0, 2) != "__") there += fmt::format("{}'{}'", there.empty() ? "" : ", ", name);
  }
  if (there.empty())
    fail<InvalidArgument>("the model has no signatures; name its inputs and outputs, or export it with a signature");
  fail<InvalidArgument>("the model has no signature '{}', expected one of {}", key, there);
}

std::string located(const fs::path& path, const InvalidArgument& error) {
  return fmt::format("'{}': {}", path.string(), error.what());
}

ir::Graph read_saved(const fs::path& folder, const ImportOptions& options, ImportReport* report) {
  const auto file = MappedFile::open(folder / "saved_model.pb");
  return with_file(file->path(), [&] {
    require_binary_proto(file->text());
    const std::vector<MetaGraph> metas = read_saved_model(file->text());
    const MetaGraph& meta = choose_meta_graph(metas, options.tags);
    const SourceGraph source(read_graph_def(meta.graph_def));
    const GraphDef& graph = source.graph();
    static const SignatureDef kNoSignature;
    const bool named =
        !options.inputs.empty() && !options.outputs.empty() && meta.signatures.count(options.signature_key) == 0;
    const SignatureDef& signature = named ? kNoSignature : choose_signature(meta, options.signature_key);
    std::optional<Bundle> bundle;
    const fs::path prefix = folder / "variables" / "variables";
    std::error_code ignored;
    if (fs::exists(prefix.string() + ".index", ignored)) bundle.emplace(prefix);
    ConstantBudget budget;
    budget.owner = file;
    ImportJob job{graph, {}, {}, false, bundle ? &*bundle : nullptr, meta.restore_op, options};
    job.inputs = options.inputs.empty() ? endpoints(signature.inputs) : pick(options.inputs, signature.inputs);
    job.outputs = options.outputs.empty() ? endpoints(signature.outputs) : pick(options.outputs, signature.outputs);
    if (job.outputs.empty()) fail<InvalidModel>("signature '{}' has no outputs", options.signature_key);
    return finish(source, job, budget, report, folder.filename().string());
  });
}

void count_ops(const GraphDef& graph, MetaGraphSummary& summary) {
  for (const NodeDef& node : graph.nodes) ++summary.ops[std::string(node.op)];
  for (const auto& [name, function] : graph.functions) {
    for (const NodeDef& node : function.nodes) ++summary.ops[std::string(node.op)];
  }
  summary.functions = static_cast<int>(graph.functions.size());
}

std::vector<EndpointSummary> summarize(const std::map<std::string, TensorInfo>& infos) {
  std::vector<EndpointSummary> summaries;
  for (const auto& [key, info] : infos) summaries.push_back({key, std::string(info.tensor), info.dtype, info.shape});
  return summaries;
}

ModelSummary summarize_frozen(const fs::path& path) {
  const auto file = MappedFile::open(path);
  return with_file(path, [&] {
    const SourceGraph source(read_whole_graph(file->text()));
    const GraphDef& graph = source.graph();
    MetaGraphSummary meta;
    count_ops(source.read, meta);
    SignatureSummary ends;
    for (const Endpoint& input : placeholders(graph)) {
      ends.inputs.push_back({input.name, input.tensor, placeholder_dtype(graph, input.tensor),
                             placeholder_shape(graph, input.tensor).value_or(Shape::unknown_rank())});
    }
    for (const Endpoint& output : results(source))
      ends.outputs.push_back({output.name, output.tensor, DType::Invalid, Shape::unknown_rank()});
    meta.signatures.push_back(std::move(ends));
    return ModelSummary{false, file->bytes(), {std::move(meta)}};
  });
}

ModelSummary summarize_saved(const fs::path& folder) {
  const auto file = MappedFile::open(folder / "saved_model.pb");
  return with_file(file->path(), [&] {
    require_binary_proto(file->text());
    ModelSummary summary{true, file->bytes(), {}};
    for (const MetaGraph& meta : read_saved_model(file->text())) {
      MetaGraphSummary graph;
      graph.tags = meta.tags;
      count_ops(read_graph_def(meta.graph_def), graph);
      for (const auto& [key, signature] : meta.signatures) {
        if (key.substr(0, 2) == "__") continue;  // "__saved_model_init_op"
        graph.signatures.push_back({key, summarize(signature.inputs), summarize(signature.outputs)});
      }
      summary.graphs.push_back(std::move(graph));
    }
    return summary;
  });
}

// Wrong names and tags concern the model, too.
template <typename F>
auto with_path(const fs::path& path, F&& fn) -> decltype(fn()) {
  try {
    return fn();
  } catch (const InvalidArgument& error) {
    if (std::string_view(error.what()).substr(0, 1) == "'") throw;
    throw InvalidArgument(located(path, error));
  }
}

}  // namespace

ir::Graph read_model(const fs::path& path, const ImportOptions& options, ImportReport* report) {
  return with_path(path, [&] {
    const fs::path folder = saved_model_folder(path);
    return folder.empty() ? read_frozen(path, options, report) : read_saved(folder, options, report);
  });
}

ir::Graph read_graph_bytes(std::string_view bytes, std::shared_ptr<const void> owner, const std::string& what,
                           const ImportOptions& options, ImportReport* report, std::vector<OutsideContents> outside) {
  ConstantBudget budget;
  budget.owner = std::move(owner);
  budget.outside = std::move(outside);
  return with_path(what, [&] { return read_frozen_bytes(bytes, std::move(budget), what, options, report); });
}

ModelSummary summarize_model(const fs::path& path) {
  const fs::path folder = saved_model_folder(path);
  return folder.empty() ? summarize_frozen(path) : summarize_saved(folder);
}

}  // namespace tfengine::tfgraph
