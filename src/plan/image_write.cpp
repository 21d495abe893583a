// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "base/buffer.h"
#include "base/check.h"
#include "base/deflate.h"
#include "engine_generated.h"
#include "plan/image.h"
#include "plan/image_format.h"

namespace tfengine::plan {

namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

template <typename T>
using Vec = Offset<flatbuffers::Vector<T>>;

// Names, scales and the report deflate to a third, which matters for networks of many small layers. Smaller structures have
// nothing to gain.
constexpr size_t kDeflateFrom = size_t{64} << 10;

size_t padding_of(size_t bytes) { return (kAlignment - bytes % kAlignment) % kAlignment; }

class Writer {
 public:
  explicit Writer(const EngineImage& image) : image_(image) {}

  ImageBytes run() {
    const ir::Graph graph = image_.graph.compacted();
    const Parts parts = parts_of(graph);
    std::vector<Offset<fb::Plan>> plans;
    for (const PlanRecord& record : image_.plans) plans.push_back(plan(record));
    const auto engine =
        fb::CreateEngine(builder_, kImageVersion, text(graph.name), text(image_.model_hash), text(image_.precision),
                         text(image_.options), text(image_.report), text(image_.cpu), image_.threads, parts.values,
                         parts.nodes, parts.inputs, parts.outputs, builder_.CreateVector(plans));
    builder_.Finish(engine, fb::EngineIdentifier());
    return assemble();
  }

 private:
  struct Parts {
    Vec<Offset<fb::Value>> values;
    Vec<Offset<fb::Node>> nodes;
    Vec<int32_t> inputs;
    Vec<Offset<fb::Output>> outputs;
  };
  Parts parts_of(const ir::Graph& graph) {
    std::vector<Offset<fb::Value>> values;
    for (ir::ValueId id = 0; id < graph.value_count(); ++id) values.push_back(value(graph.value(id)));
    std::vector<Offset<fb::Node>> nodes;
    for (const ir::NodeId id : graph.order()) nodes.push_back(node(graph.node(id)));
    std::vector<Offset<fb::Output>> outputs;
    for (const ir::GraphOutput& out : graph.outputs) {
      outputs.push_back(fb::CreateOutput(builder_, text(out.name), out.value));
    }
    return {builder_.CreateVector(values), builder_.CreateVector(nodes), builder_.CreateVector(graph.inputs),
            builder_.CreateVector(outputs)};
  }

  Offset<fb::Region> region(const ir::Graph& graph) {
    const Parts parts = parts_of(graph);
    return fb::CreateRegion(builder_, text(graph.name), parts.values, parts.nodes, parts.inputs, parts.outputs);
  }

  // Names, keys and values of attributes come again and again: each text is stored once.
  Offset<flatbuffers::String> text(const std::string& value) { return builder_.CreateSharedString(value); }

  // Where the tensor's bytes will be, relative to the constants' section; the same bytes are stored once.
  uint64_t place(const Tensor& tensor) {
    const auto [found, is_new] = placed_.try_emplace({tensor.data(), tensor.bytes()}, next_);
    if (is_new && tensor.bytes() > 0) {
      pieces_.push_back({tensor.data(), tensor.bytes(), padding_of(tensor.bytes())});
      next_ += tensor.bytes() + padding_of(tensor.bytes());
    }
    return found->second;
  }

  Offset<fb::Value> value(const ir::Value& v) {
    const auto name = text(v.name);
    const auto dims = builder_.CreateVector(v.shape.dims());
    Offset<fb::Quant> quant;
    if (v.quant.defined()) {
      quant = fb::CreateQuant(builder_, builder_.CreateVector(v.quant.scales), v.quant.axis, v.quant.zero_point);
    }
    Offset<fb::Range> range;
    if (v.range) {
      range = fb::CreateRange(builder_, v.range->max_abs, static_cast<uint8_t>(v.range->source), text(v.range->origin));
    }
    const uint64_t offset = v.is_constant() ? place(v.constant) : 0;
    return fb::CreateValue(builder_, name, static_cast<uint8_t>(v.dtype), v.shape.ranked(), dims, quant, range,
                           v.is_constant(), offset, v.is_constant() ? v.constant.bytes() : 0);
  }

  Offset<fb::Value> shape_value(const Shape& shape) {
    const auto dims = builder_.CreateVector(shape.dims());
    return fb::CreateValue(builder_, 0, 0, shape.ranked(), dims);
  }

  Offset<fb::Value> tensor_value(const Tensor& tensor) {
    const auto dims = builder_.CreateVector(tensor.shape().dims());
    const uint64_t offset = place(tensor);
    return fb::CreateValue(builder_, 0, static_cast<uint8_t>(tensor.dtype()), true, dims, 0, 0, true, offset,
                           tensor.bytes());
  }

  Offset<fb::Attr> attr(const std::string& key, const ir::Attr& a) {
    const auto name = text(key);
    Offset<flatbuffers::String> string;
    Vec<int64_t> integers;
    Vec<float> reals;
    Offset<flatbuffers::Vector<Offset<flatbuffers::String>>> texts;
    Offset<flatbuffers::Vector<Offset<fb::Value>>> shapes;
    Offset<fb::Value> tensor;
    int64_t integer = 0;
    float real = 0.0f;
    if (const auto* b = std::get_if<bool>(&a)) integer = *b;
    if (const auto* i = std::get_if<int64_t>(&a)) integer = *i;
    if (const auto* f = std::get_if<float>(&a)) real = *f;
    if (const auto* s = std::get_if<std::string>(&a)) string = text(*s);
    if (const auto* d = std::get_if<DType>(&a)) integer = static_cast<int64_t>(*d);
    if (const auto* s = std::get_if<Shape>(&a)) tensor = shape_value(*s);
    if (const auto* t = std::get_if<Tensor>(&a)) tensor = tensor_value(*t);
    if (const auto* v = std::get_if<std::vector<int64_t>>(&a)) integers = builder_.CreateVector(*v);
    if (const auto* v = std::get_if<std::vector<float>>(&a)) reals = builder_.CreateVector(*v);
    if (const auto* v = std::get_if<std::vector<std::string>>(&a)) texts = builder_.CreateVectorOfStrings(*v);
    if (const auto* v = std::get_if<std::vector<Shape>>(&a)) {
      std::vector<Offset<fb::Value>> list;
      for (const Shape& shape : *v) list.push_back(shape_value(shape));
      shapes = builder_.CreateVector(list);
    }
    if (const auto* v = std::get_if<std::vector<DType>>(&a)) {
      std::vector<int64_t> list;
      for (const DType dtype : *v) list.push_back(static_cast<int64_t>(dtype));
      integers = builder_.CreateVector(list);
    }
    return fb::CreateAttr(builder_, name, static_cast<uint8_t>(a.index()), integer, real, string, integers, reals,
                          texts, shapes, tensor);
  }

  Offset<fb::Node> node(const ir::Node& n) {
    std::vector<Offset<fb::Attr>> attrs;
    for (const auto& [key, a] : n.attrs) attrs.push_back(attr(key, a));
    const auto name = text(n.name);
    const auto op = text(n.op);
    const auto inputs = builder_.CreateVector(n.inputs);
    const auto outputs = builder_.CreateVector(n.outputs);
    const auto attributes = builder_.CreateVector(attrs);
    std::vector<Offset<fb::Region>> regions;
    for (const ir::Graph& graph : n.regions) regions.push_back(region(graph));
    Vec<Offset<fb::Region>> region_list;
    if (!regions.empty()) region_list = builder_.CreateVector(regions);
    const ir::Epilogue& e = n.epilogue;
    return fb::CreateNode(builder_, name, op, inputs, outputs, attributes, e.bias, e.residual,
                          static_cast<uint8_t>(e.before_add.kind), e.before_add.alpha, e.before_add.beta,
                          static_cast<uint8_t>(e.after_add.kind), e.after_add.alpha, e.after_add.beta, n.denylisted,
                          region_list);
  }

  Offset<fb::Plan> plan(const PlanRecord& record) {
    std::vector<Offset<fb::Dims>> shapes;
    for (const Shape& shape : record.input_shapes) {
      shapes.push_back(fb::CreateDims(builder_, builder_.CreateVector(shape.dims())));
    }
    std::vector<Offset<fb::Tactic>> tactics;
    for (const auto& [name, chosen] : record.tactics) {
      const auto node_name = text(name);
      const auto backend = text(chosen.backend);
      const auto tactic = text(chosen.tactic);
      const auto state = chosen.state.empty() ? Offset<flatbuffers::String>() : text(chosen.state);
      tactics.push_back(
          fb::CreateTactic(builder_, node_name, backend, tactic, static_cast<float>(chosen.time_us), 0, state));
    }
    std::vector<Offset<fb::Tactic>> rejected;
    for (const RejectedTactic& other : record.rejected) {
      const auto node_name = text(other.node);
      const auto backend = text(other.backend);
      const auto tactic = text(other.tactic);
      rejected.push_back(fb::CreateTactic(builder_, node_name, backend, tactic, static_cast<float>(other.time_us),
                                          other.workspace_bytes));
    }
    const auto shape_list = builder_.CreateVector(shapes);
    const auto tactic_list = builder_.CreateVector(tactics);
    return fb::CreatePlan(builder_, record.threads, shape_list, tactic_list, builder_.CreateVector(rejected));
  }

  ImageBytes assemble() {
    ImageBytes bytes;
    ImageHeader header;
    std::memcpy(header.magic, kImageMagic, sizeof header.magic);
    header.version = kImageVersion;
    std::string_view structure(reinterpret_cast<const char*>(builder_.GetBufferPointer()), builder_.GetSize());
    std::string deflated;
    if (structure.size() >= kDeflateFrom) {
      header.flatbuffer_bytes = structure.size();
      structure = deflated = deflate_bytes(structure);
    }
    header.structure_bytes = structure.size();
    header.constants_offset = sizeof header + structure.size() + padding_of(structure.size());
    header.constants_bytes = next_;
    header.checksum = image_checksum(reinterpret_cast<const uint8_t*>(structure.data()), structure.size());
    bytes.head.resize(header.constants_offset);
    std::memcpy(bytes.head.data(), &header, sizeof header);
    std::memcpy(bytes.head.data() + sizeof header, structure.data(), structure.size());
    bytes.constants = std::move(pieces_);
    bytes.total_bytes = header.constants_offset + next_;
    return bytes;
  }

  const EngineImage& image_;
  FlatBufferBuilder builder_{1 << 16};
  std::map<std::pair<const void*, size_t>, uint64_t> placed_;
  std::vector<ImageBytes::Piece> pieces_;
  uint64_t next_ = 0;
};

}  // namespace

uint64_t image_checksum(const uint8_t* data, size_t bytes) {
  uint64_t hash = 14695981039346656037ull;  // FNV-1a, 64 bits
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ data[i]) * 1099511628211ull;
  return hash;
}

ImageBytes write_image(const EngineImage& image) { return Writer(image).run(); }

}  // namespace tfengine::plan
