// SPDX-License-Identifier: Apache-2.0
// What stands behind the public Model: the imported graph, and how it becomes the optimised one that calibration and
// conversion start from, the same for both so that tensor names agree.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/pipeline.h"
#include "tfengine/model.h"
#include "tfgraph/tensor_proto.h"

namespace tfengine::detail {

struct ModelImpl {
  std::filesystem::path path;
  ir::Graph imported;  // types inferred
  // Of the imported graph's structure and constants.
  std::string hash;
  // Nodes of the file that are no nodes of `imported`, with their op.
  std::map<std::string, std::string> removed_nodes;
};

// Of an imported graph; its types are inferred. `path`, or a name, is what messages call it.
std::shared_ptr<const ModelImpl> make_impl(ir::Graph graph, const std::filesystem::path& path,
                                           std::map<std::string, std::string> removed_nodes = {});

// Model::from_graph_def of bytes that lack contents of constants: `outside` has them.
Model model_of_graph_def(std::string_view bytes, std::shared_ptr<const void> owner, const LoadOptions& options,
                         const std::string& name, std::vector<tfgraph::OutsideContents> outside);

struct Optimized {
  ir::Graph graph;
  passes::PassReport report;
};
// Step 2 of the line. `denylist` marks nodes; names of the file's nodes that reading left out are noted in the report,
// since nothing of them can be fused or quantized. InvalidArgument naming those that do not exist.
Optimized optimize(const ModelImpl& model, const std::vector<std::string>& denylist,
                   const passes::PassOptions& options = {});

// The model's input shapes with `batch_size` for an unknown first dimension; InvalidArgument naming the input when
// another dimension is unknown.
std::vector<Shape> default_shapes(const ir::Graph& graph, int64_t batch_size);

// Threads to use for 0: as many as the process may run on.
int resolve_threads(int threads);

}  // namespace tfengine::detail
