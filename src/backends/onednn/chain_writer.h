// SPDX-License-Identifier: Apache-2.0
// The steps of a fused elementwise node's region. Internal to such nodes.
#pragma once

#include <initializer_list>
#include <map>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "kernels/chain.h"

namespace tfengine::onednn {

// Writes the region's nodes as steps. Registers of values that nobody needs any more are used again.
class ChainWriter {
 public:
  // `end`: a reduction behind all nodes, which is no step.
  ChainWriter(const ir::Graph& region, ir::NodeId end);

  // Registers of the inputs, in the order of the program's.
  void add_input(ir::ValueId id);

  // False where a node is none that can_fuse() takes, or needs more registers than there are.
  bool write();

  uint8_t register_of(ir::ValueId id) const { return registers_.at(id); }
  std::vector<kernels::ChainStep> take_steps() { return std::move(steps_); }

 private:
  static size_t at(ir::ValueId id) { return static_cast<size_t>(id); }

  uint8_t fresh();

  // Several values may have one register: a cast between float32 and what is float32 in registers is no step.
  void release(ir::ValueId id, int node);

  uint8_t emit(kernels::ChainStep step, std::initializer_list<uint8_t> sources);

  // The value of a step that is written over what it was made of.
  uint8_t emit_over(kernels::ChainStep step, uint8_t reg, uint8_t other = 0);

  bool write_node(const ir::Node& node);

  void round(kernels::Short half, uint8_t reg);

  uint8_t write_cast(const ir::Node& node, uint8_t source, DType made);

  void write_epilogue(const ir::Node& node, uint8_t reg);

  const ir::Graph& region_;
  std::vector<ir::NodeId> order_;
  std::vector<int> last_use_;  // by value: index into order_
  std::map<ir::ValueId, uint8_t> registers_;
  std::vector<uint8_t> free_;
  int first_free_ = 0;
  int inputs_ = 0;
  std::vector<kernels::ChainStep> steps_;
};

}  // namespace tfengine::onednn
