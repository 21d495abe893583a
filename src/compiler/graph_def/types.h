// SPDX-License-Identifier: Apache-2.0
// Types and shapes of a GraphDef's tensors, as far as they can be known before it runs: from the nodes' `_output_shapes`,
// where they carry them, and from inference. Nodes that tfengine does not know do not end it.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/graph_def/view.h"
#include "ir/graph.h"

namespace tfengine::graphdef {

struct TensorType {
  uint64_t type = 0;  // TensorFlow's DataType; 0: unknown
  Shape shape = Shape::unknown_rank();
  // The shape when the graph's inputs have sample sizes in place of unknown ones; for planning on trial.
  Shape sample = Shape::unknown_rank();
};

class GraphTypes {
 public:
  // `batch` stands for unknown first dimensions of inputs in samples.
  GraphTypes(const GraphView& view, int64_t batch);

  TensorType type(TensorRef ref) const;
  // Why inference refuses the node; empty if it does not.
  const std::string& failure(int node) const { return failures_[static_cast<size_t>(node)]; }

 private:
  void add(int id);
  void add_constant(int id);
  void add_known(int id, std::vector<ir::ValueId> inputs);
  void define(TensorRef ref, ir::ValueId value);
  void hint(ir::ValueId id, const Shape& shape);
  Shape wanted_input(int id, bool nchw) const;
  bool is_matmul(ir::ValueId value) const;
  void infer(int64_t batch);

  const GraphView& view_;
  ir::Graph graph_;
  std::map<TensorRef, ir::ValueId> values_;
  std::vector<Shape> hints_;                // by ValueId
  std::map<ir::ValueId, uint64_t> wanted_;  // types that users take, where producers do not tell
  std::vector<int> owner_;                  // view node by NodeId
  std::vector<std::string> failures_;
  std::map<TensorRef, TensorType> types_;
};

}  // namespace tfengine::graphdef
