// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/segments.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/check.h"
#include "compiler/graph_def/control_flow.h"
#include "compiler/graph_def/trial.h"
#include "segment/cluster.h"
#include "tfgraph/dtype.h"
#include "tfgraph/op_signatures.h"

namespace tfengine::graphdef {

namespace {

// An engine that computes fewer numbers than this costs more to call than it saves.
constexpr int64_t kFewElements = 64;

// Graphs take two or three; one that is made to need many does not get them.
constexpr int kRounds = 16;

bool contains(std::span<const std::string_view> ops, std::string_view op) {
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

bool is_heavy(std::string_view op) {
  constexpr std::array<std::string_view, 12> kOps = {
      "AvgPool", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Conv2D",         "Conv2DBackpropInput",
      "Einsum",  "MatMul",      "MaxPool",       "Mean",          "ResizeBilinear", "DepthwiseConv2dNative"};
  return contains(kOps, op);
}

// Moves elements or makes them from nothing.
bool only_moves(std::string_view op) {
  constexpr std::array<std::string_view, 32> kOps = {
      "BatchToSpaceND", "BroadcastTo", "Cast",         "Concat",   "ConcatV2",       "DepthToSpace", "ExpandDims",
      "Fill",           "Gather",      "GatherNd",     "GatherV2", "MirrorPad",      "OneHot",       "OnesLike",
      "Pack",           "Pad",         "PadV2",        "Range",    "Rank",           "Reshape",      "ReverseV2",
      "Shape",          "ShapeN",      "Size",         "Slice",    "SpaceToBatchND", "SpaceToDepth", "Split",
      "SplitV",         "Squeeze",     "StridedSlice", "Transpose"};
  return contains(kOps, op) || op == "Tile" || op == "Unpack" || op == "ZerosLike" || is_identity(op);
}

bool is_real(uint64_t type) { return type == 1 || type == 2 || type == 14 || type == 19; }

class Segmenter {
 public:
  Segmenter(const GraphView& view, const GraphTypes& types, const SegmentationOptions& options,
            const plan::Backend& backend)
      : view_(view), types_(types), options_(options), backend_(backend) {
    candidates_ = find_candidates(view, types, options.candidates);
  }

  SegmentationResult run() {
    make_problem();
    std::vector<Segment> segments;
    for (int round = 0;; ++round) {
      segments = clusters();
      if (settle(segments, round < kRounds)) break;
    }
    drop_small(segments);
    keep_largest(segments);
    result_.segments = std::move(segments);
    for (auto& refusal : candidates_.refusals) {
      if (refusal) result_.refusals.push_back(std::move(*refusal));
    }
    return std::move(result_);
  }

 private:
  void make_problem() {
    problem_.minimum_weight = options_.minimum_segment_size;
    const std::vector<int> contexts = control_contexts(view_);
    // Group 0 goes with all: nodes without a device, unless they run under conditions.
    const bool conditions = std::any_of(contexts.begin(), contexts.end(), [](int context) { return context != 0; });
    std::map<std::pair<std::string_view, int>, int> groups;
    if (!conditions) groups[{"", 0}] = 0;
    for (int id = 0; id < view_.size(); ++id) {
      const tfgraph::NodeDef& def = *view_.node(id).def;
      const std::pair key(def.device, contexts[static_cast<size_t>(id)]);
      const int group = groups.emplace(key, static_cast<int>(groups.size()) + (conditions ? 1 : 0)).first->second;
      problem_.nodes.push_back({false, group, is_identity(def.op) ? 0 : 1});
    }
    std::vector<int> place(static_cast<size_t>(view_.size()), -1);
    for (size_t i = 0; i < view_.order().size(); ++i)
      place[static_cast<size_t>(view_.order()[i])] = static_cast<int>(i);
    const auto add = [&](int from, int to, bool data) {
      // What comes later in the order is the way back of a loop.
      if (place[static_cast<size_t>(from)] < place[static_cast<size_t>(to)]) problem_.edges.push_back({from, to, data});
    };
    for (const int id : view_.order()) {
      if (view_.node(id).constant) continue;
      for (const TensorRef input : view_.node(id).inputs) {
        if (!view_.node(input.node).constant) add(input.node, id, true);
      }
      for (const int control : view_.waits_for(id)) add(control, id, false);
    }
  }

  std::vector<Segment> clusters() {
    for (size_t i = 0; i < problem_.nodes.size(); ++i) problem_.nodes[i].candidate = candidates_.candidate[i];
    const std::vector<int> cluster = segment::find_clusters(problem_);
    std::map<int, std::vector<int>> members;
    for (size_t i = 0; i < cluster.size(); ++i) {
      if (cluster[i] >= 0) members[cluster[i]].push_back(static_cast<int>(i));
    }
    std::vector<Segment> segments;
    for (auto& [number, nodes] : members) {
      Segment segment = make_segment(view_, std::move(nodes));
      peel(segment);
      if (!segment.nodes.empty()) segments.push_back(std::move(segment));
    }
    return segments;
  }

  // Identities at the border only name what enters or leaves.
  void peel(Segment& segment) const {
    while (true) {
      const std::set<int> inside(segment.nodes.begin(), segment.nodes.end());
      std::set<int> used_inside;
      for (const int id : segment.nodes) {
        for (const TensorRef input : view_.node(id).inputs) used_inside.insert(input.node);
      }
      std::vector<int> rest;
      for (const int id : segment.nodes) {
        const ViewNode& node = view_.node(id);
        const bool enters = std::none_of(node.inputs.begin(), node.inputs.end(),
                                         [&](TensorRef input) { return inside.count(input.node) > 0; });
        if (!is_identity(node.def->op) || (!enters && used_inside.count(id) > 0)) rest.push_back(id);
      }
      if (rest.size() == segment.nodes.size()) return;
      segment = make_segment(view_, std::move(rest));
    }
  }

  // True when every segment is fit to be an engine; else the unfit nodes are no candidates any more: alone, if the rest of
  // their segment is to have another try.
  bool settle(const std::vector<Segment>& segments, bool again) {
    bool settled = true;
    for (const Segment& segment : segments) {
      if (effective_size(view_, segment) < options_.minimum_segment_size || fit_.count(segment.nodes) > 0) continue;
      std::vector<Offender> offenders = at_border(segment);
      if (offenders.empty()) offenders = as_a_whole(segment);
      if (offenders.empty()) offenders = try_segment(view_, types_, segment, backend_);
      for (const Offender& offender : offenders) {
        if (!candidates_.candidate[static_cast<size_t>(offender.node)]) continue;
        candidates_.refuse(view_, offender.node, offender.reason, offender.remedy);
        settled = false;
      }
      if (offenders.empty()) fit_.insert(segment.nodes);
      if (again || offenders.empty()) continue;
      for (const int id : segment.nodes) {
        if (!candidates_.candidate[static_cast<size_t>(id)]) continue;
        candidates_.refuse(view_, id, fmt::format("other nodes of its segment keep failing: {}", offenders[0].reason),
                           offenders[0].remedy);
      }
    }
    return settled;
  }

  std::vector<Offender> at_border(const Segment& segment) const {
    std::vector<Offender> offenders;
    const auto reason = [&](TensorRef ref, uint64_t type) {
      return fmt::format("its tensor '{}' of type {} would cross the border of an engine, which takes numbers and bool",
                         view_.tensor_name(ref), tfgraph::proto_dtype_name(type));
    };
    for (const int id : segment.nodes) {
      const auto wanted = tfgraph::input_types(*view_.node(id).def);
      for (size_t i = 0; i < view_.node(id).inputs.size(); ++i) {
        const TensorRef input = view_.node(id).inputs[i];
        if (std::find(segment.inputs.begin(), segment.inputs.end(), input) == segment.inputs.end()) continue;
        if (!types_.type(input).shape.ranked()) {
          offenders.push_back({id,
                               fmt::format("not even the rank of its input '{}' is known", view_.tensor_name(input)),
                               "write the graph with graph.as_graph_def(add_shapes=True)"});
          continue;
        }
        if (!crosses_border((*wanted)[i])) offenders.push_back({id, reason(input, (*wanted)[i])});
      }
    }
    for (const TensorRef output : segment.outputs) {
      const uint64_t type = types_.type(output).type;
      if (!crosses_border(type)) offenders.push_back({output.node, reason(output, type)});
    }
    return offenders;
  }

  // Why an engine of this segment would be of no use.
  std::vector<Offender> as_a_whole(const Segment& segment) const {
    Offender offender;
    if (segment.inputs.empty()) {
      offender.reason = "its segment has constants alone as inputs: it computes the same at each run";
      offender.remedy = "fold the graph's constants first (Grappler's constfold)";
    } else if (segment.outputs.empty()) {
      offender.reason = "nothing outside its segment uses what that computes";
    } else if (options_.minimum_segment_size > 1) {
      offender.reason = does_not_pay(segment);
      offender.remedy = "nothing has to be done, or set minimum_segment_size to 1 to have such engines anyway";
    }
    std::vector<Offender> offenders;
    if (offender.reason.empty()) return offenders;
    for (const int id : segment.nodes) {
      offender.node = id;
      offenders.push_back(offender);
    }
    return offenders;
  }

  std::string does_not_pay(const Segment& segment) const {
    int64_t elements = 0;
    bool computes = false;
    for (const int id : segment.nodes) {
      const tfgraph::NodeDef& def = *view_.node(id).def;
      if (is_heavy(def.op)) return {};
      const TensorType type = types_.type({id, 0});
      if (only_moves(def.op) || !is_real(type.type)) continue;
      computes = true;
      if (!type.sample.is_static()) return {};
      elements += type.sample.elements();
    }
    if (!computes) {
      return fmt::format(
          "its segment of {} nodes only moves elements and computes shapes, where an engine gains nothing",
          segment.nodes.size());
    }
    if (elements > kFewElements) return {};
    return fmt::format("its segment computes {} numbers, and calling an engine costs more than that", elements);
  }

  void refuse_all(const Segment& segment, const std::string& reason, const std::string& remedy) {
    for (const int id : segment.nodes) {
      if (!is_identity(view_.node(id).def->op)) candidates_.refuse(view_, id, reason, remedy);
    }
  }

  void drop_small(std::vector<Segment>& segments) {
    std::erase_if(segments, [&](const Segment& segment) {
      const int size = effective_size(view_, segment);
      if (size > 0 && size >= options_.minimum_segment_size) return false;
      refuse_all(segment,
                 fmt::format("its segment has {} node{}, fewer than minimum_segment_size ({})", size,
                             size == 1 ? "" : "s", options_.minimum_segment_size),
                 "nothing has to be done, or lower minimum_segment_size");
      return true;
    });
  }

  void keep_largest(std::vector<Segment>& segments) {
    const auto most = static_cast<size_t>(std::max(0, options_.max_engines));
    if (most == 0 || segments.size() <= most) return;
    std::vector<std::pair<int, size_t>> by_size;
    for (size_t i = 0; i < segments.size(); ++i) by_size.emplace_back(-effective_size(view_, segments[i]), i);
    std::sort(by_size.begin(), by_size.end());
    std::vector<bool> kept(segments.size(), false);
    for (size_t i = 0; i < most; ++i) kept[by_size[i].second] = true;
    result_.notes.push_back(fmt::format(
        "{} segments could become engines, the largest {} do: TF_TRT_MAX_ALLOWED_ENGINES", segments.size(), most));
    std::vector<Segment> rest;
    for (size_t i = 0; i < segments.size(); ++i) {
      if (kept[i]) {
        rest.push_back(std::move(segments[i]));
        continue;
      }
      refuse_all(segments[i], fmt::format("{} segments are larger, and no more than {} engines are made", most, most),
                 "raise TF_TRT_MAX_ALLOWED_ENGINES, or leave it: many small engines are rarely faster");
    }
    segments = std::move(rest);
  }

  const GraphView& view_;
  const GraphTypes& types_;
  const SegmentationOptions& options_;
  const plan::Backend& backend_;
  Candidates candidates_;
  segment::ClusterProblem problem_;
  std::set<std::vector<int>> fit_;
  SegmentationResult result_;
};

}  // namespace

int effective_size(const GraphView& view, const Segment& segment) {
  return static_cast<int>(std::count_if(segment.nodes.begin(), segment.nodes.end(),
                                        [&](int id) { return !is_identity(view.node(id).def->op); }));
}

SegmentationResult find_segments(const GraphView& view, const GraphTypes& types, const SegmentationOptions& options,
                                 const plan::Backend& backend) {
  return Segmenter(view, types, options, backend).run();
}

}  // namespace tfengine::graphdef
