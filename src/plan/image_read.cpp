// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <span>

#include "base/buffer.h"
#include "base/check.h"
#include "base/deflate.h"
#include "engine_generated.h"
#include "ir/verifier.h"
#include "plan/image.h"
#include "plan/image_format.h"

namespace tfengine::plan {

namespace {

constexpr uint8_t kMaxDType = static_cast<uint8_t>(DType::C64);
constexpr uint8_t kMaxAct = static_cast<uint8_t>(ActKind::Softplus);

std::string string_of(const flatbuffers::String* text) { return text == nullptr ? std::string() : text->str(); }

template <typename T>
std::vector<T> list_of(const flatbuffers::Vector<T>* list) {
  return list == nullptr ? std::vector<T>() : std::vector<T>(list->begin(), list->end());
}

class Reader {
 public:
  Reader(std::string file, const std::byte* data, size_t bytes, std::shared_ptr<const void> owner)
      : file_(std::move(file)), data_(data), bytes_(bytes), owner_(std::move(owner)) {}

  EngineImage run() {
    const fb::Engine& engine = open();
    EngineImage image;
    image.model_hash = string_of(engine.model_hash());
    image.precision = string_of(engine.precision());
    image.options = string_of(engine.options());
    image.report = string_of(engine.report());
    image.cpu = string_of(engine.cpu());
    image.threads = engine.threads();
    ir::Graph& graph = image.graph;
    graph.name = string_of(engine.name());
    read_graph(engine, graph);
    try {
      ir::verify(graph);
    } catch (const InternalError& error) {
      bad("its graph is malformed: {}", error.what());
    }
    if (engine.plans() != nullptr) {
      for (const fb::Plan* plan : *engine.plans()) image.plans.push_back(read_plan(*plan));
    }
    return image;
  }

 private:
  template <typename... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    fail<InvalidModel>("engine file '{}': {}", file_, fmt::format(format, std::forward<Args>(args)...));
  }

  const fb::Engine& open() {
    if (bytes_ < sizeof(ImageHeader))
      bad("has {} bytes, expected at least {}: it is truncated or no engine", bytes_, sizeof(ImageHeader));
    std::memcpy(&header_, data_, sizeof header_);
    if (std::memcmp(header_.magic, kImageMagic, sizeof header_.magic) != 0)
      bad("does not start with '{}': it is no engine", kImageMagic);
    if (header_.version != kImageVersion) {
      bad("has format version {}, expected {}: convert the model again with this version", header_.version,
          kImageVersion);
    }
    const uint64_t room = bytes_ - sizeof header_;
    if (header_.structure_bytes > room || header_.constants_offset > bytes_ ||
        header_.constants_offset < sizeof header_ + header_.structure_bytes ||
        header_.constants_offset % kAlignment != 0 || header_.constants_bytes > bytes_ - header_.constants_offset) {
      bad("has {} bytes, fewer than its header announces: it is truncated", bytes_);
    }
    const auto* structure = reinterpret_cast<const uint8_t*>(data_) + sizeof header_;
    if (image_checksum(structure, header_.structure_bytes) != header_.checksum)
      bad("its checksum does not match: it is damaged");
    const std::span<const uint8_t> flatbuffer = flatbuffer_in({structure, header_.structure_bytes});
    // Depth 64 and a million tables are far beyond any engine.
    flatbuffers::Verifier verifier(flatbuffer.data(), flatbuffer.size(), 64, 10'000'000);
    if (!fb::VerifyEngineBuffer(verifier)) bad("its structure is malformed");
    return *fb::GetEngine(flatbuffer.data());
  }

  std::span<const uint8_t> flatbuffer_in(std::span<const uint8_t> structure) {
    if (header_.flatbuffer_bytes == 0) return structure;
    if (header_.flatbuffer_bytes / kMaxDeflateRatio > structure.size()) {
      bad("says that {} bytes of structure unpack to {}", structure.size(), header_.flatbuffer_bytes);
    }
    inflated_.resize(header_.flatbuffer_bytes);
    const std::string_view packed(reinterpret_cast<const char*>(structure.data()), structure.size());
    if (!inflate_bytes(packed, inflated_)) bad("its structure cannot be unpacked: it is damaged");
    return {reinterpret_cast<const uint8_t*>(inflated_.data()), inflated_.size()};
  }

  Shape shape_of(const fb::Value& v) const {
    if (!v.ranked()) return Shape::unknown_rank();
    Shape shape(list_of(v.dims()));
    for (const int64_t dim : shape) {
      if (dim < -1) bad("a tensor has dimension {}", dim);
    }
    return shape;
  }

  DType dtype_of(uint8_t value) const {
    if (value > kMaxDType) bad("element type {} is unknown", value);
    return static_cast<DType>(value);
  }

  Tensor tensor_of(const fb::Value& v) const {
    const Shape shape = shape_of(v);
    const DType dtype = dtype_of(v.dtype());
    const int64_t count = shape.elements();
    const uint64_t wanted = count < 0 ? 0 : static_cast<uint64_t>(count) * dtype_bytes(dtype);
    if (count < 0 || static_cast<uint64_t>(count) > bytes_ || v.data_bytes() != wanted ||
        v.data_offset() > header_.constants_bytes || v.data_bytes() > header_.constants_bytes - v.data_offset() ||
        v.data_offset() % kAlignment != 0) {
      bad("constant '{}' of shape {} lies outside the file", string_of(v.name()), shape.str());
    }
    return Tensor(dtype, shape, data_ + header_.constants_offset + v.data_offset(), owner_);
  }

  ir::Attr attr_of(const fb::Attr& a) const {
    const auto need = [&](const void* field) {
      if (field == nullptr) bad("attribute '{}' has no value", string_of(a.key()));
    };
    switch (a.kind()) {
      case 0:
        return a.integer() != 0;
      case 1:
        return a.integer();
      case 2:
        return a.real();
      case 3:
        return string_of(a.text());
      case 4:
        return dtype_of(static_cast<uint8_t>(std::clamp<int64_t>(a.integer(), 0, 255)));
      case 5:
        need(a.tensor());
        return shape_of(*a.tensor());
      case 6:
        need(a.tensor());
        return tensor_of(*a.tensor());
      case 7:
        return list_of(a.integers());
      case 8:
        return list_of(a.reals());
      case 9: {
        std::vector<std::string> texts;
        if (a.texts() != nullptr) {
          for (const auto* text : *a.texts()) texts.push_back(string_of(text));
        }
        return texts;
      }
      case 10: {
        std::vector<Shape> shapes;
        if (a.shapes() != nullptr) {
          for (const auto* shape : *a.shapes()) shapes.push_back(shape_of(*shape));
        }
        return shapes;
      }
      case 11: {
        std::vector<DType> dtypes;
        for (const int64_t value : list_of(a.integers()))
          dtypes.push_back(dtype_of(static_cast<uint8_t>(std::clamp<int64_t>(value, 0, 255))));
        return dtypes;
      }
      default:
        bad("attribute '{}' is of unknown kind {}", string_of(a.key()), a.kind());
    }
  }

  // Of an engine or a region, which hold the same parts. The verifier bounds how deep they stand in each other.
  template <typename Parts>
  void read_graph(const Parts& parts, ir::Graph& graph) const {
    if (parts.values() == nullptr || parts.nodes() == nullptr || parts.inputs() == nullptr ||
        parts.outputs() == nullptr) {
      bad("its graph is missing");
    }
    for (const fb::Value* v : *parts.values()) read_value(*v, graph);
    for (const fb::Node* n : *parts.nodes()) read_node(*n, graph);
    for (const int32_t id : *parts.inputs()) graph.inputs.push_back(valid(graph, id));
    for (const fb::Output* out : *parts.outputs()) {
      graph.outputs.push_back({string_of(out->name()), valid(graph, out->value())});
    }
    graph.order();  // refuses cycles
  }

  void read_value(const fb::Value& v, ir::Graph& graph) const {
    const ir::ValueId id = v.is_constant() ? graph.add_constant(string_of(v.name()), tensor_of(v))
                                           : graph.add_value(string_of(v.name()), dtype_of(v.dtype()), shape_of(v));
    ir::Value& value = graph.value(id);
    if (v.quant() != nullptr) value.quant = {list_of(v.quant()->scales()), v.quant()->axis(), v.quant()->zero_point()};
    for (const float scale : value.quant.scales) {
      if (!(scale > 0.0f) || scale > 3.0e38f) bad("tensor '{}' has scale {}", value.name, scale);
    }
    if (v.range() != nullptr) {
      value.range =
          ir::Range{v.range()->max_abs(), static_cast<ir::RangeSource>(std::min<uint8_t>(v.range()->source(), 2)),
                    string_of(v.range()->origin())};
    }
  }

  ir::ValueId valid(const ir::Graph& graph, int32_t id) const {
    if (id < 0 || id >= graph.value_count()) bad("tensor number {} is out of range", id);
    return id;
  }

  void read_node(const fb::Node& n, ir::Graph& graph) const {
    const std::string name = string_of(n.name());
    ir::Attrs attrs;
    if (n.attrs() != nullptr) {
      for (const fb::Attr* a : *n.attrs()) attrs[string_of(a->key())] = attr_of(*a);
    }
    std::vector<ir::ValueId> inputs = list_of(n.inputs());
    for (const ir::ValueId id : inputs) valid(graph, id);
    const int input_count = static_cast<int>(inputs.size());
    const ir::NodeId id = graph.add_node(string_of(n.op()), name, std::move(inputs), std::move(attrs), 0);
    ir::Node& node = graph.node(id);
    const std::vector<int32_t> outputs = list_of(n.outputs());
    if (outputs.empty()) bad("node '{}' has no output", name);
    for (size_t i = 0; i < outputs.size(); ++i) {
      ir::Value& value = graph.value(valid(graph, outputs[i]));
      if (value.producer != ir::kNone || value.is_constant()) bad("tensor '{}' is produced twice", value.name);
      value.producer = id;
      value.output_index = static_cast<int>(i);
      node.outputs.push_back(outputs[i]);
    }
    if (n.before_kind() > kMaxAct || n.after_kind() > kMaxAct || n.bias() < -1 || n.bias() >= input_count ||
        n.residual() < -1 || n.residual() >= input_count) {
      bad("node '{}' has a malformed epilogue", name);
    }
    node.epilogue = {n.bias(),
                     {static_cast<ActKind>(n.before_kind()), n.before_alpha(), n.before_beta()},
                     n.residual(),
                     {static_cast<ActKind>(n.after_kind()), n.after_alpha(), n.after_beta()}};
    node.denylisted = n.denylisted();
    if (n.regions() == nullptr) return;
    std::vector<ir::Graph> regions;
    for (const fb::Region* region : *n.regions()) {
      ir::Graph& inner = regions.emplace_back();
      inner.name = string_of(region->name());
      read_graph(*region, inner);
    }
    node.regions = std::move(regions);
  }

  PlanRecord read_plan(const fb::Plan& p) const {
    PlanRecord record;
    record.threads = p.threads();
    if (p.input_shapes() != nullptr) {
      for (const fb::Dims* dims : *p.input_shapes()) record.input_shapes.emplace_back(list_of(dims->dims()));
    }
    if (p.tactics() != nullptr) {
      for (const fb::Tactic* t : *p.tactics()) {
        record.tactics[string_of(t->node())] = {string_of(t->backend()), string_of(t->tactic()), t->time_us(),
                                                string_of(t->state())};
      }
    }
    if (p.rejected() != nullptr) {
      for (const fb::Tactic* t : *p.rejected()) {
        record.rejected.push_back({string_of(t->node()), string_of(t->backend()), string_of(t->tactic()),
                                   t->workspace_bytes(), t->time_us()});
      }
    }
    return record;
  }

  std::string file_;
  const std::byte* data_;
  size_t bytes_;
  std::shared_ptr<const void> owner_;
  ImageHeader header_;
  std::vector<char> inflated_;  // the FlatBuffer, where the file has it deflated
};

}  // namespace

EngineImage read_image(const std::string& file, const std::byte* data, size_t bytes,
                       std::shared_ptr<const void> owner) {
  return Reader(file, data, bytes, std::move(owner)).run();
}

}  // namespace tfengine::plan
