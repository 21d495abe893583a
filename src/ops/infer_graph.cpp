// SPDX-License-Identifier: Apache-2.0
// Types of all values of a graph, with the values of small tensors that shapes are computed from.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "ops/control_flow.h"
#include "ops/fused_elementwise.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/tensor_list.h"

namespace tfengine::ops {

namespace {

// A dimension of a state becomes unknown, and makes another one so, in a round each; no sensible loop goes on like that.
constexpr int kMostRounds = 6;

// Shapes and their arithmetic are a handful of elements; larger tensors are data.
constexpr int64_t kSmallElements = 1024;

bool is_small(const Shape& shape) { return shape.is_static() && shape.elements() <= kSmallElements; }

class Inference {
 public:
  explicit Inference(ir::Graph& graph)
      : graph_(graph),
        known_(static_cast<size_t>(graph.value_count())),
        partial_(known_.size()),
        blank_(known_.size(), kNoList) {}

  void run() {
    take_constants();
    for (const ir::NodeId id : graph_.order()) visit(graph_.node(id));
  }

  // As run(), but no node's failure ends it.
  std::vector<InferFailure> run_where_possible(std::span<const Shape> hints) {
    std::vector<InferFailure> failures;
    const auto take_hint = [&](ir::ValueId id) {
      if (static_cast<size_t>(id) < hints.size()) fill_in(graph_.value(id).shape, hints[static_cast<size_t>(id)]);
    };
    take_constants();
    for (const ir::ValueId id : graph_.inputs) take_hint(id);
    for (const ir::NodeId id : graph_.order()) {
      try {
        visit(graph_.node(id));
      } catch (const Error& error) {
        failures.push_back({id, error.what()});
      }
      for (const ir::ValueId out : graph_.node(id).outputs) take_hint(out);
    }
    return failures;
  }

  std::vector<Tensor> take_known() { return std::move(known_); }

 private:
  struct Inputs {
    std::vector<TypeInfo> types;
    std::vector<Tensor> constants;
    std::vector<std::optional<Elements>> partials;
  };

  void take_constants() {
    for (ir::ValueId id = 0; id < graph_.value_count(); ++id) {
      ir::Value& value = graph_.value(id);
      if (!value.is_constant()) continue;
      value.dtype = value.constant.dtype();
      value.shape = value.constant.shape();
    }
  }

  static void fill_in(Shape& shape, const Shape& hint) {
    if (!hint.ranked()) return;
    if (!shape.ranked()) shape = hint;
    if (shape.rank() != hint.rank()) return;
    for (size_t axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] < 0) shape[axis] = hint[axis];
    }
  }

  Inputs gather(const ir::Node& node) const {
    Inputs inputs;
    for (int i = 0; i < own_input_count(node); ++i) {
      const ir::ValueId id = node.inputs[static_cast<size_t>(i)];
      const ir::Value& value = graph_.value(id);
      // What INT8 stands for is a real number, and inference speaks of those.
      inputs.types.push_back({value.quant.defined() ? DType::F32 : value.dtype, value.shape});
      inputs.constants.push_back(value.is_constant() ? value.constant : known_[static_cast<size_t>(id)]);
      inputs.partials.push_back(partial_[static_cast<size_t>(id)]);
    }
    return inputs;
  }

  void visit(ir::Node& node) {
    if (!node.regions.empty()) return visit_regions(node);
    const Op* op = find_op(node.op);
    if (op == nullptr || is_loop(node) || is_branch(node)) return;  // without regions: TensorFlow's own, of a function
    const Inputs inputs = gather(node);
    const InferContext context{node, inputs.types, inputs.constants, inputs.partials};
    const std::vector<TypeInfo> types = op->infer(context);
    check(types.size() >= node.outputs.size(), "{} '{}': inferred {} outputs, expected {}", node.op, node.name,
          types.size(), node.outputs.size());
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      ir::Value& value = graph_.value(node.outputs[i]);
      if (!value.quant.defined()) value.dtype = types[i].dtype;
      value.shape = types[i].shape;
    }
    if (node.op == "ListReserve" && is_blank_list(node)) {
      blank_[static_cast<size_t>(node.outputs[0])] = known_int(context, 0).value_or(-1);
    }
    if (node.op == "ListSetItem" && keeps_length(node)) set_length(node);
    if (op->folds) learn_values(*op, context);
  }

  // A list whose elements' shape is not known yet takes that of what is written.
  void set_length(const ir::Node& node) {
    const int64_t length = blank_[static_cast<size_t>(node.inputs[0])];
    Shape& shape = graph_.value(node.outputs[0]).shape;
    if (length >= 0 && shape.ranked() && shape[0] < 0) shape[0] = length;
  }

  // What is known of a value that goes into a region or comes out of it.
  struct Passed {
    TypeInfo type;
    Tensor constant;
    std::optional<Elements> partial;
    int64_t blank = kNoList;
  };
  Passed passed(ir::ValueId id) const {
    const auto index = static_cast<size_t>(id);
    const ir::Value& value = graph_.value(id);
    return {{value.quant.defined() ? DType::F32 : value.dtype, value.shape},
            value.is_constant() ? value.constant : known_[index],
            partial_[index],
            blank_[index]};
  }
  void define(ir::ValueId id, const Passed& what) {
    const auto index = static_cast<size_t>(id);
    ir::Value& value = graph_.value(id);
    if (!value.quant.defined()) value.dtype = what.type.dtype;
    value.shape = what.type.shape;
    known_[index] = what.constant;
    partial_[index] = what.partial;
    blank_[index] = what.blank;
  }

  static std::vector<Passed> infer_region(ir::Graph& region, const std::vector<Passed>& inputs) {
    Inference inner(region);
    for (size_t i = 0; i < inputs.size(); ++i) inner.define(region.inputs[i], inputs[i]);
    inner.run();
    std::vector<Passed> outputs;
    for (const ir::GraphOutput& out : region.outputs) outputs.push_back(inner.passed(out.value));
    return outputs;
  }

  // What holds of a value that is one or the other.
  static Passed join(const Passed& a, const Passed& b) {
    Passed result;
    if (a.blank != kNoList && b.blank == kNoList) {
      result.type = b.type;
      const int64_t length = b.type.shape.rank() > 0 ? b.type.shape[0] : -1;
      fill_in(result.type.shape, a.type.shape);
      // Writing may have made it longer.
      if (b.type.shape.ranked() && b.type.shape.rank() > 0) result.type.shape[0] = length;
      return result;
    }
    if (b.blank != kNoList && a.blank == kNoList) return join(b, a);
    if (a.blank == b.blank) result.blank = a.blank;
    result.type.dtype = a.type.dtype == DType::Invalid ? b.type.dtype : a.type.dtype;
    Shape& shape = result.type.shape;
    if (!a.type.shape.ranked() || !b.type.shape.ranked() || a.type.shape.rank() != b.type.shape.rank()) return result;
    shape = a.type.shape;
    for (size_t axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] != b.type.shape[axis]) shape[axis] = -1;
    }
    return result;
  }

  void visit_regions(ir::Node& node) {
    check_regions(node);
    std::vector<Passed> arguments;
    for (auto i = static_cast<size_t>(first_argument(node)); i < node.inputs.size(); ++i) {
      arguments.push_back(passed(node.inputs[i]));
    }
    const std::vector<Passed> results = is_fused(node)  ? infer_region(node.regions[0], arguments)
                                        : is_loop(node) ? loop(node, std::move(arguments))
                                                        : branches(node, arguments);
    for (size_t i = 0; i < node.outputs.size(); ++i) define(node.outputs[i], results[i]);
  }

  std::vector<Passed> branches(ir::Node& node, const std::vector<Passed>& arguments) {
    std::vector<std::vector<Passed>> all;
    for (ir::Graph& region : node.regions) all.push_back(infer_region(region, arguments));
    const Tensor selector = passed(node.inputs[0]).constant;
    if (selector.defined()) return all[chosen_region(node, selector)];
    std::vector<Passed> results = all[0];
    for (size_t branch = 1; branch < all.size(); ++branch) {
      for (size_t i = 0; i < results.size(); ++i) results[i] = join(results[i], all[branch][i]);
    }
    return results;
  }

  // The types that hold in every iteration: each round makes a state less known, or a list's elements known.
  std::vector<Passed> loop(ir::Node& node, std::vector<Passed> arguments) {
    const size_t states = node.outputs.size();
    for (size_t i = 0; i < states; ++i) {
      arguments[i].constant = Tensor();
      arguments[i].partial.reset();
    }
    bool changed = true;
    for (int round = 0; changed; ++round) {
      changed = false;
      const std::vector<Passed> next = infer_region(node.regions[1], arguments);
      for (size_t i = 0; i < states; ++i) {
        Passed joined = join(arguments[i], next[i]);
        if (joined.type == arguments[i].type && joined.blank == arguments[i].blank) continue;
        if (round >= kMostRounds) joined.type.shape = Shape::unknown_rank();
        arguments[i] = std::move(joined);
        changed = true;
      }
    }
    infer_region(node.regions[0], arguments);
    for (size_t i = 0; i < states; ++i) settle(node.inputs[i], arguments[i]);
    arguments.resize(states);
    return arguments;
  }

  // A list that the loop begins with has elements of the shape that the loop writes.
  void settle(ir::ValueId id, const Passed& state) {
    if (blank_[static_cast<size_t>(id)] == kNoList || state.blank != kNoList) return;
    ir::Value& value = graph_.value(id);
    value.shape = state.type.shape;
    if (value.producer == ir::kNone || !value.shape.ranked()) return;
    ir::Node& reserve = graph_.node(value.producer);
    if (reserve.op != "ListReserve" || value.shape.rank() == 0) return;
    reserve.attrs["element_shape"] = Shape(std::vector<int64_t>(value.shape.begin() + 1, value.shape.end()));
  }

  void learn_values(const Op& op, const InferContext& context) {
    const ir::Node& node = context.node;
    if (!node.epilogue.empty()) return;
    for (const ir::ValueId out : node.outputs) {
      const ir::Value& value = graph_.value(out);
      if (!is_small(value.shape) || value.quant.defined() || dtype_bytes(value.dtype) == 0) return;
    }
    if (op.elements != nullptr) {
      set_elements(node, op.elements(context));
      return;
    }
    const auto small_known = [](const Tensor& tensor) {
      return tensor.defined() && tensor.elements() <= kSmallElements && dtype_bytes(tensor.dtype()) > 0;
    };
    if (std::all_of(context.constants.begin(), context.constants.end(), small_known)) {
      const std::vector<Tensor> outputs = op.evaluate(node, context.constants);
      for (size_t i = 0; i < node.outputs.size(); ++i) known_[static_cast<size_t>(node.outputs[i])] = outputs[i];
    } else if (op.moves_elements) {
      probe(op, context);
    }
  }

  // Sets what is known of the outputs: a tensor if all of it, else the elements.
  void set_elements(const ir::Node& node, const std::vector<Elements>& outputs) {
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const auto index = static_cast<size_t>(node.outputs[i]);
      const ir::Value& value = graph_.value(node.outputs[i]);
      const bool complete = std::find(outputs[i].begin(), outputs[i].end(), kUnknownElement) == outputs[i].end();
      if (complete)
        known_[index] = from_ints(value.dtype, value.shape, outputs[i]);
      else
        partial_[index] = outputs[i];
    }
  }

  // The op moves, adds and multiplies elements: outputs that stay the same whatever is put in place of the unknown
  // inputs do not depend on them.
  void probe(const Op& op, const InferContext& context) {
    const ir::Node& node = context.node;
    for (const ir::ValueId out : node.outputs) {
      const DType dtype = graph_.value(out).dtype;
      if (dtype != DType::S32 && dtype != DType::S64) return;
    }
    // Primes far from each other and from real dimensions.
    constexpr std::array<int64_t, 3> kProbes = {1000003, 7919, 104729};
    std::vector<Elements> agreed;
    for (const int64_t probe_value : kProbes) {
      std::vector<Tensor> inputs;
      for (size_t i = 0; i < context.inputs.size(); ++i) {
        auto tensor = filled(op, context, i, probe_value);
        if (!tensor) return;
        inputs.push_back(std::move(*tensor));
      }
      std::vector<Tensor> outputs;
      try {
        outputs = op.evaluate(node, inputs);
      } catch (const InvalidModel&) {
        return;  // the placeholder does not fit; the real value may
      }
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        const Elements elements = as_ints(outputs[i]);
        if (outputs[i].shape() != graph_.value(node.outputs[i]).shape) return;
        if (agreed.size() <= i) agreed.push_back(elements);
        for (size_t e = 0; e < elements.size(); ++e) {
          if (agreed[i][e] != elements[e]) agreed[i][e] = kUnknownElement;
        }
      }
    }
    set_elements(node, agreed);
  }

  // Input i with `value` in place of what is unknown; nullopt if it must be known or is not small.
  std::optional<Tensor> filled(const Op& op, const InferContext& context, size_t i, int64_t value) const {
    if (context.constants[i].defined()) {
      if (context.constants[i].elements() > kSmallElements) return std::nullopt;
      return context.constants[i];
    }
    const std::vector<int>& data = op.int8.data_inputs;
    if (!data.empty() && std::find(data.begin(), data.end(), static_cast<int>(i)) == data.end()) return std::nullopt;
    const TypeInfo& type = context.inputs[i];
    auto elements = is_small(type.shape) ? partial_ints(context, i) : std::nullopt;
    if (!elements || !is_integer(type.dtype)) return std::nullopt;
    // Each unknown element is a number of its own, and those of two inputs differ by other amounts in every probe: their
    // difference is no constant.
    const auto odd = static_cast<int64_t>(2 * i + 1);
    for (size_t e = 0; e < elements->size(); ++e) {
      if ((*elements)[e] != kUnknownElement) continue;
      (*elements)[e] = value * static_cast<int64_t>(i + 1) + odd * static_cast<int64_t>(e * 37 + i * 1009);
    }
    return from_ints(type.dtype, type.shape, *elements);
  }

  ir::Graph& graph_;
  std::vector<Tensor> known_;
  std::vector<std::optional<Elements>> partial_;
  // Lengths of lists whose elements' shape is not known yet, -1 where that is not known either.
  static constexpr int64_t kNoList = -2;
  std::vector<int64_t> blank_;
};

void set_input_shapes(ir::Graph& graph, std::span<const Shape> shapes) {
  if (shapes.empty()) return;
  if (shapes.size() != graph.inputs.size()) {
    fail<InvalidArgument>("got {} input shapes, expected {}, one per input of the graph", shapes.size(),
                          graph.inputs.size());
  }
  for (size_t i = 0; i < shapes.size(); ++i) {
    ir::Value& value = graph.value(graph.inputs[i]);
    bool fits = !value.shape.ranked() || (shapes[i].ranked() && shapes[i].rank() == value.shape.rank());
    for (size_t axis = 0; fits && value.shape.ranked() && axis < value.shape.rank(); ++axis) {
      fits = value.shape[axis] < 0 || value.shape[axis] == shapes[i][axis];
    }
    if (!fits) {
      fail<InvalidArgument>("input '{}': got shape {}, expected {}", value.name, shapes[i].str(), value.shape.str());
    }
    value.shape = shapes[i];
  }
}

}  // namespace

void infer_graph(ir::Graph& graph, std::span<const Shape> input_shapes, std::vector<Tensor>* known) {
  set_input_shapes(graph, input_shapes);
  Inference inference(graph);
  inference.run();
  if (known != nullptr) *known = inference.take_known();
}

std::vector<InferFailure> infer_graph_where_possible(ir::Graph& graph, std::span<const Shape> input_shapes,
                                                     std::span<const Shape> hints) {
  set_input_shapes(graph, input_shapes);
  return Inference(graph).run_where_possible(hints);
}

}  // namespace tfengine::ops
