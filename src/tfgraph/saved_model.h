// SPDX-License-Identifier: Apache-2.0
// saved_model.pb: its MetaGraphs with their tags and signatures. Graphs are kept as bytes until one is chosen.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tfgraph/graph_def.h"

namespace tfengine::tfgraph {

struct TensorInfo {
  std::string_view tensor;  // "serving_default_x:0"
  DType dtype = DType::Invalid;
  Shape shape = Shape::unknown_rank();
};

struct SignatureDef {
  std::map<std::string, TensorInfo> inputs;
  std::map<std::string, TensorInfo> outputs;
};

struct MetaGraph {
  std::vector<std::string> tags;  // sorted
  std::string_view graph_def;
  std::string_view restore_op;  // saver_def.restore_op_name
  std::map<std::string, SignatureDef> signatures;
};

std::vector<MetaGraph> read_saved_model(std::string_view message);
// InvalidArgument listing what there is when no MetaGraph has exactly these tags.
const MetaGraph& choose_meta_graph(const std::vector<MetaGraph>& graphs, std::vector<std::string> tags);

}  // namespace tfengine::tfgraph
