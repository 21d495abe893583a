// SPDX-License-Identifier: Apache-2.0
// Which values share memory: concat inputs written into the concat's output, parts read where they lie in a whole, views, and
// results written over operands that die. Groups are what the arena packs. What depends on the order of steps comes last
// (share), so that a copy of what was placed before serves each order that is tried.
#pragma once

#include <functional>
#include <vector>

#include "plan/plan.h"
#include "plan/step_order.h"

namespace tfengine::plan {

using StridedInput = std::function<bool(ir::NodeId, int input, const std::vector<TensorDesc>&)>;
using StridedOutput = std::function<bool(ir::NodeId, const std::vector<TensorDesc>&)>;

// Where everything lies for one order of steps.
struct Placement {
  std::vector<Step> steps;
  std::vector<Location> locations;  // by ValueId
  std::vector<ArenaBlock> arena;
  uint64_t arena_bytes = 0;
  uint64_t lower_bound_bytes = 0;
  uint64_t naive_bytes = 0;
  uint64_t copied_bytes = 0;  // operands that live on and are copied for an in-place tactic
  int peak_step = 0;
};

// What values may share: nothing, each having memory of its own for the whole run; the memory of values that are dead; or that
// of their operands as well.
enum class Sharing : uint8_t { Nothing, DeadMemory, Operands };

class Storage {
 public:
  // Graph inputs, outputs and constants get their places; everything else is still free.
  explicit Storage(const ir::Graph& graph);

  // Puts inputs of concatenations into the concat's output: along channels where producers and users take strided tensors,
  // whose pixel_stride in `descs` it sets; along the outermost axis where pieces begin on cache lines.
  void place_concat_views(const std::vector<ir::NodeId>& order, std::vector<TensorDesc>& descs,
                          const StridedInput& strided_input, const StridedOutput& strided_output);
  // Leaves the outputs of a step whose tactic has views where they lie in its input, if all their users take them so. Then
  // the step is elided. Before tactics of the users are chosen.
  void place_views(Step& step, std::vector<TensorDesc>& descs, const StridedInput& strided_input);
  // What the order of these steps decides, as far as it is decided before they share memory.
  OrderProblem order_problem(const std::vector<Step>& steps, const std::vector<TensorDesc>& descs) const;
  // Shares memory among the steps' values by their tactics in this order of steps, marks elided steps and needed copies,
  // gives every remaining value a group of its own and packs the arena.
  Placement place(std::vector<Step> steps, const std::vector<TensorDesc>& descs, Sharing sharing) const;

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
    // What is left of it behind the step whose result, this value, lies at its start; kNone: it keeps its size.
    ir::ValueId rest = ir::kNone;
  };
  // An input of a concatenation as its output has it.
  struct Piece {
    ir::ValueId value = ir::kNone;
    int64_t offset_bytes = 0;
    bool strided = false;
  };
  Slot& slot(ir::ValueId id) { return slots_[static_cast<size_t>(id)]; }
  const Slot& slot(ir::ValueId id) const { return slots_[static_cast<size_t>(id)]; }
  Group& group_of(ir::ValueId id) { return groups_[static_cast<size_t>(slot(id).group)]; }
  const Group& group_of(ir::ValueId id) const { return groups_[static_cast<size_t>(slot(id).group)]; }
  int new_group(Place place, int index, uint64_t bytes);
  void put(ir::ValueId id, int group, int64_t offset);
  std::vector<Piece> pieces_of(const ir::Node& concat, const std::vector<TensorDesc>& descs) const;
  bool can_be_piece(const Piece& piece, ir::NodeId concat, const std::vector<TensorDesc>& descs,
                    const StridedInput& strided_input, const StridedOutput& strided_output) const;
  bool can_be_view(ir::ValueId out, const View& view, const TensorDesc& whole, const std::vector<TensorDesc>& descs,
                   const StridedInput& strided_input) const;
  bool free_or_whole(ir::ValueId id, uint64_t bytes) const;
  bool may_overwrite(const ir::Node& node, int input, int output, const std::vector<TensorDesc>& descs) const;
  bool may_overwrite_start(const ir::Node& node, int input, const std::vector<TensorDesc>& descs) const;
  bool is_view(const Step& step, const std::vector<TensorDesc>& descs) const;
  void move_into(ir::ValueId id, Slot where);
  int last_use(const Group& group) const;
  bool dies_here(ir::ValueId id, int step) const;
  bool reads_beside(const ir::Node& node, ir::ValueId source) const;
  bool try_overwrite(const Step& step, int input, int output, int step_index, const std::vector<TensorDesc>& descs);
  bool try_overwrite_start(const Step& step, int input, int step_index, const std::vector<TensorDesc>& descs);
  void share(std::vector<Step>& steps, const std::vector<TensorDesc>& descs, bool share_memory);
  void share_step(Step& step, int index, const std::vector<TensorDesc>& descs, bool share_memory);
  void pack(Placement& placement, const std::vector<TensorDesc>& descs, bool until_end) const;

  const ir::Graph* graph_;
  std::vector<Slot> slots_;
  std::vector<Group> groups_;
  std::vector<int> step_of_node_;  // by place() for its order
};

}  // namespace tfengine::plan
