// SPDX-License-Identifier: Apache-2.0
// Which values share memory: concat inputs written into the concat's output, views, and results written over operands
// that die. Groups are what the arena packs.
#pragma once

#include <vector>

#include "plan/plan.h"

namespace tfengine::plan {

class Storage {
 public:
  // Graph inputs, outputs and constants get their places; everything else is still free.
  explicit Storage(const ir::Graph& graph);

  // Puts inputs of channel concatenations into the concat's output where producers and users take strided tensors;
  // sets their pixel_stride in `descs`.
  void place_concat_views(
      const std::vector<ir::NodeId>& order, std::vector<TensorDesc>& descs,
      const std::function<bool(ir::NodeId, int input, const std::vector<TensorDesc>&)>& strided_input,
      const std::function<bool(ir::NodeId, const std::vector<TensorDesc>&)>& strided_output);
  // Shares memory among the steps' values by their tactics; marks elided steps and needed copies.
  void share(std::vector<Step>& steps, const std::vector<TensorDesc>& descs, bool share_memory);
  // Gives every remaining value a group of its own, packs the arena and writes the plan's locations and numbers.
  void finish(Plan& plan) const;

 private:
  struct Slot {
    int group = -1;
    int64_t offset = 0;
  };
  struct Group {
    Place place = Place::Arena;
    int index = 0;
    uint64_t bytes = 0;
    std::vector<ir::ValueId> values;
  };
  Slot& slot(ir::ValueId id) { return slots_[static_cast<size_t>(id)]; }
  const Slot& slot(ir::ValueId id) const { return slots_[static_cast<size_t>(id)]; }
  int new_group(Place place, int index, uint64_t bytes);
  void put(ir::ValueId id, int group, int64_t offset);
  int last_use(const Group& group) const;
  bool dies_here(ir::ValueId id, int step) const;
  bool try_overwrite(const Step& step, int input, int output, int step_index, const std::vector<TensorDesc>& descs);

  const ir::Graph& graph_;
  std::vector<Slot> slots_;
  std::vector<Group> groups_;
  std::vector<int> step_of_node_;
};

}  // namespace tfengine::plan
