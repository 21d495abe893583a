// SPDX-License-Identifier: Apache-2.0
// From files to ir::Graph: a GraphDef (.pb) or a SavedModel folder. Functions are inlined, control edges dropped,
// Identity and the like removed, variables are constants, activations NHWC (Transpose around what was NCHW). Constants
// stay views of the mapped files. Ops that tfengine does not know are kept under their name; later steps refuse them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "tfgraph/tensor_proto.h"

namespace tfengine::tfgraph {

struct ImportOptions {
  // Tensor names ("node", "node:1"), or keys of the signature. Empty: the signature's; for a GraphDef the placeholders
  // that the outputs need, and the nodes that nothing uses. The graph may be cut inside: any tensor can be an input.
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  // Which MetaGraph and signature of a SavedModel.
  std::vector<std::string> tags = {"serve"};
  std::string signature_key = "serving_default";
};

struct ImportReport {
  std::vector<std::string> notes;
  int nodes_read = 0;
  int functions_inlined = 0;
  uint64_t viewed_bytes = 0;  // of constants in the mapped files
  uint64_t copied_bytes = 0;  // of constants that were unaligned or not stored as bytes
  // Nodes of the file that are no nodes of the graph, by name, with their op: what was looked through, calls, constants,
  // and what the outputs do not need.
  std::map<std::string, std::string> removed;
};

// InvalidModel (file and reason) when the model is malformed; InvalidArgument when it is missing or a name, tag or key
// does not exist. Graph inputs are named as the signature's, or as the placeholders.
ir::Graph read_model(const std::filesystem::path& path, const ImportOptions& options = {},
                     ImportReport* report = nullptr);

// The same from a GraphDef's bytes in memory, which `owner` keeps alive; `what` names them in messages. `outside`: contents
// of constants that the bytes lack.
ir::Graph read_graph_bytes(std::string_view bytes, std::shared_ptr<const void> owner, const std::string& what,
                           const ImportOptions& options = {}, ImportReport* report = nullptr,
                           std::vector<OutsideContents> outside = {});

struct EndpointSummary {
  std::string name;    // the signature's key, or the node
  std::string tensor;  // "serving_default_x:0"
  DType dtype = DType::Invalid;
  Shape shape = Shape::unknown_rank();
};

struct SignatureSummary {
  std::string key;
  std::vector<EndpointSummary> inputs;
  std::vector<EndpointSummary> outputs;
};

struct MetaGraphSummary {
  std::vector<std::string> tags;
  std::vector<SignatureSummary> signatures;  // one without a key for a GraphDef
  std::map<std::string, int> ops;            // functions included, each once
  int functions = 0;
};

struct ModelSummary {
  bool saved_model = false;
  uint64_t file_bytes = 0;
  std::vector<MetaGraphSummary> graphs;  // one for a GraphDef
};

// What is in the file, without resolving it.
ModelSummary summarize_model(const std::filesystem::path& path);

}  // namespace tfengine::tfgraph
