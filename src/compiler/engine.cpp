// SPDX-License-Identifier: Apache-2.0
#include "tfengine/engine.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "backends/list.h"
#include "backends/onednn/cpu_features.h"
#include "base/atomic_file.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/mapped_file.h"
#include "compiler/chunks.h"
#include "compiler/engine_impl.h"
#include "compiler/model_impl.h"
#include "compiler/outputs.h"
#include "compiler/to_bf16.h"
#include "compiler/to_signed.h"
#include "ir/printer.h"
#include "passes/fuse_attention.h"
#include "passes/fuse_elementwise.h"
#include "passes/fuse_reductions.h"
#include "passes/split_at_data.h"
#include "plan/image_format.h"

namespace tfengine {

namespace detail {

namespace {

// Engines inside a host program have no options of their own to turn it off by.
bool untimed_by_environment() {
  const char* value = std::getenv("TFENGINE_TIME_TACTICS");
  return value != nullptr && std::string_view(value) == "0";
}

std::string name_of(const Device& device) {
  return device.kind == DeviceKind::Host ? "the host" : fmt::format("cuda:{}", device.index);
}

// Memory of one device is of no use on another.
void check_memory(const EngineOptions& options, const Device& device) {
  if (options.allocator != nullptr && options.allocator->device() != device) {
    fail<InvalidArgument>("an engine on {} was given an allocator of {}", name_of(device),
                          name_of(options.allocator->device()));
  }
  const bool shared = options.shared_workspace != nullptr || options.shared_weights != nullptr;
  if (shared && device.kind != DeviceKind::Host) {
    fail<InvalidArgument>("an engine on {}: shared_workspace and shared_weights are for engines on the host",
                          name_of(device));
  }
}

// Planning takes for a while what may be more than the engine; malloc would keep of it what it is not told to give back.
void give_back_what_planning_took() {
  malloc_trim(0);
  drop_planning_code();
}

}  // namespace

bool is_half(const std::string& precision, const std::string& float_precision) {
  return precision == "fp16" || (precision == "int8" && float_precision == "fp16");
}

runtime::EngineConfig engine_config(const EngineOptions& options, bool half) {
  runtime::EngineConfig config;
  config.backends = backends_for(options.device, options.backend, half);
  const plan::Device* device = config.backends[0]->device();
  check_memory(options, device == nullptr ? Device() : device->memory().device());
  config.threads = resolve_threads(options.threads);
  config.max_workspace_size_bytes = options.max_workspace_size_bytes.value_or(kDefaultMaxWorkspaceSizeBytes);
  config.maximum_cached_engines = options.maximum_cached_engines;
  config.maximum_cached_bytes = options.maximum_cached_bytes;
  config.memory_limit_bytes = options.memory_limit_bytes;
  config.workspace = options.workspace;
  config.shared_workspace = options.shared_workspace;
  if (options.shared_weights != nullptr) config.shared_weights = options.shared_weights->store();
  config.allocator = options.allocator != nullptr ? options.allocator
                     : device != nullptr          ? &device->memory()
                                                  : &default_allocator();
  config.measure = options.time_tactics && !untimed_by_environment();
  config.specialize = passes::specialize_in_stages;
  config.packed = give_back_what_planning_took;
  config.fuse = [backend = config.backends.front()](ir::Graph& graph) {
    const auto runs = [&](const ir::Graph& within, const ir::Node& node) { return !backend->refuses(within, node); };
    const auto fuses = [&](const ir::Graph& within, const ir::Node& node) { return backend->fuses(within, node); };
    passes::fuse_attention(graph, runs);
    passes::fuse_elementwise(graph, fuses);
    passes::fuse_reductions(graph, fuses, [&](const ir::Graph& within, const ir::Node& node) {
      return backend->fuses_reduction(within, node);
    });
  };
  config.timing_cache = std::make_shared<plan::TimingCache>();
  if (!options.timing_cache.empty()) config.timing_cache->load(options.timing_cache);
  return config;
}

int64_t chunk_of(const std::string& options) {
  const auto json = nlohmann::json::parse(options, nullptr, false);
  if (!json.is_object() || !json.contains("chunk") || !json["chunk"].is_number_integer()) return 0;
  return std::max<int64_t>(0, json["chunk"].get<int64_t>());
}

void save_timings(const EngineImpl& impl) {
  const auto& cache = impl.core->config().timing_cache;
  if (!impl.timing_cache.empty() && cache != nullptr && cache->changed()) cache->save(impl.timing_cache);
}

std::shared_ptr<runtime::ShapeEntry> entry_for(const EngineImpl& impl, const std::vector<Shape>& given, bool to_run) {
  const std::vector<Shape> shapes = planned_shapes(given, impl.chunk);
  const bool known = impl.core->latest() != nullptr && impl.core->latest()->shapes() == shapes;
  auto entry = impl.core->entry(shapes, to_run);
  if (!known) save_timings(impl);
  return entry;
}

std::shared_ptr<runtime::ShapeEntry> entry_or_default(const EngineImpl& impl, const std::vector<Shape>& shapes) {
  if (!shapes.empty()) return entry_for(impl, shapes);
  if (auto latest = impl.core->latest()) return latest;
  return entry_for(impl, default_shapes(impl.core->graph(), 1));
}

namespace {

// What tactics were chosen on.
std::string made_for(const EngineImpl& impl) {
  const plan::Device* device = impl.core->config().backends[0]->device();
  return device == nullptr ? plan::cpu_key() : device->key();
}

std::vector<TensorSpec> specs_of(const ir::Graph& graph, bool outputs) {
  std::vector<TensorSpec> specs;
  const auto add = [&](const std::string& name, ir::ValueId id) {
    specs.push_back({name, graph.value(id).dtype, graph.value(id).shape});
  };
  if (outputs) {
    for (const ir::GraphOutput& out : graph.outputs) add(out.name, out.value);
  } else {
    for (const ir::ValueId id : graph.inputs) add(graph.value(id).name, id);
  }
  return specs;
}

// `undone`: whether it computes in bfloat16, which this CPU or GPU backend has not, and was changed.
plan::EngineImage read_engine_image(const Engine::Bytes& bytes, const std::string& name, bool on_device,
                                    bool* undone = nullptr) {
  if (reinterpret_cast<uintptr_t>(bytes.text.data()) % kAlignment != 0) {
    fail<InvalidArgument>("engine '{}': its bytes are not aligned to {}", name, kAlignment);
  }
  plan::EngineImage image =
      plan::read_image(name, reinterpret_cast<const std::byte*>(bytes.text.data()), bytes.text.size(), bytes.owner);
  // A view of a shape would keep the weights beside it alive.
  ir::for_each_graph(image.graph, [](ir::Graph& graph) {
    for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
      Tensor& constant = graph.value(id).constant;
      if (!constant.defined() || constant.bytes() >= runtime::kLargeConstantBytes) continue;
      Tensor own(constant.dtype(), constant.shape());
      if (own.bytes() > 0) std::memcpy(own.mutable_data(), constant.data(), own.bytes());
      constant = std::move(own);
    }
  });
  const bool changed = (!onednn::has_bf16() || on_device) && undo_bf16(image.graph);
  if (on_device) to_signed(image.graph);
  if (undone != nullptr) *undone = changed;
  return image;
}

bool has_halves(const plan::EngineImage& image) {
  const auto options = nlohmann::json::parse(image.options, nullptr, false);
  const bool known =
      options.is_object() && options.contains("float_precision") && options["float_precision"].is_string();
  return is_half(image.precision, known ? options["float_precision"].get<std::string>() : std::string());
}

std::optional<uint64_t> workspace_limit_of(const plan::EngineImage& image) {
  const auto options = nlohmann::json::parse(image.options, nullptr, false);
  const char* key = "max_workspace_size_bytes";
  if (!options.is_object() || !options.contains(key) || !options[key].is_number_unsigned()) return std::nullopt;
  return options[key].get<uint64_t>();
}

}  // namespace

}  // namespace detail

Engine Engine::load(const std::filesystem::path& path, const EngineOptions& options) {
  const auto file = MappedFile::open(path);
  return detail::engine_of({file->text(), file}, options, path.string(), [file] { file->drop_pages(); });
}

Engine Engine::from_bytes(std::string_view bytes, std::shared_ptr<const void> owner, const EngineOptions& options,
                          const std::string& name) {
  return detail::engine_of({bytes, std::move(owner)}, options, name, {});
}

namespace detail {

Engine engine_of(const Engine::Bytes& bytes, const EngineOptions& options, const std::string& name,
                 std::function<void()> packed) {
  bool undone = false;
  const bool on_device = gpu_of_device(options.device) >= 0;
  plan::EngineImage image = read_engine_image(bytes, name, on_device, &undone);
  auto impl = std::make_shared<EngineImpl>();
  EngineOptions used = options;
  if (used.threads == 0) used.threads = image.threads;
  if (!used.max_workspace_size_bytes) used.max_workspace_size_bytes = workspace_limit_of(image);
  const bool half = has_halves(image);
  runtime::EngineConfig config = engine_config(used, half && on_device);
  if (packed) {
    config.packed = [packed = std::move(packed), and_then = std::move(config.packed)] {
      packed();
      and_then();
    };
  }
  impl->core = std::make_unique<runtime::EngineCore>(std::move(image.graph), std::move(config));
  impl->model_hash = image.model_hash;
  impl->precision = image.precision;
  impl->options = image.options;
  impl->chunk = detail::chunk_of(image.options);
  impl->report = image.report;
  impl->file_bytes = bytes.text.size();
  impl->timing_cache = options.timing_cache;
  if (image.cpu == detail::made_for(*impl)) {
    for (plan::PlanRecord& record : image.plans) impl->core->recall(std::move(record));
  } else {
    impl->notices.push_back(fmt::format("'{}' was built on another {} ({}): tactics are chosen anew on this one", name,
                                        on_device ? "device" : "CPU", image.cpu));
  }
  if (half && !on_device) {
    impl->notices.push_back(
        fmt::format("'{}' has layers in half precision, which is a GPU's: they compute in FP32 here", name));
  }
  if (undone) {
    impl->notices.push_back(
        fmt::format("'{}' has layers in bfloat16, which this {} has no arithmetic for: they compute in FP32 here", name,
                    on_device ? "backend" : "CPU"));
  }
  return Engine(std::move(impl));
}

}  // namespace detail

Engine Engine::from_source(std::function<Bytes()> source, const EngineOptions& options, const std::string& name) {
  const Bytes bytes = source();
  Engine engine = from_bytes(bytes.text, bytes.owner, options, name);
  const bool on_device = gpu_of_device(options.device) >= 0;
  engine.impl_->core->free_constants([source = std::move(source), name, on_device] {
    const Bytes again = source();
    return detail::read_engine_image(again, name, on_device).graph;
  });
  return engine;
}

bool Engine::is_engine(std::string_view bytes) {
  return bytes.substr(0, sizeof plan::ImageHeader::magic) == plan::kImageMagic;
}

void Engine::save(const std::filesystem::path& path) const {
  AtomicFile file(path);
  write([&](const void* data, size_t bytes) { file.write(data, bytes); });
  file.commit();
}

void Engine::write(const std::function<void(const void*, size_t)>& sink) const {
  plan::EngineImage image;
  image.graph = impl_->core->whole_graph();
  image.model_hash = impl_->model_hash;
  image.precision = impl_->precision;
  image.options = impl_->options;
  image.report = impl_->report;
  image.cpu = detail::made_for(*impl_);
  image.threads = impl_->core->config().threads;
  image.plans = impl_->core->records();
  const plan::ImageBytes bytes = plan::write_image(image);
  static constexpr std::byte kZeros[64] = {};
  sink(bytes.head.data(), bytes.head.size());
  for (const plan::ImageBytes::Piece& piece : bytes.constants) {
    sink(piece.data, piece.bytes);
    sink(kZeros, piece.padding);
  }
  impl_->file_bytes = bytes.total_bytes;
}

std::vector<TensorSpec> Engine::inputs() const { return detail::specs_of(impl_->core->graph(), false); }
std::vector<TensorSpec> Engine::outputs() const { return detail::specs_of(impl_->core->graph(), true); }

std::vector<Shape> Engine::output_shapes(const std::vector<Shape>& input_shapes) const {
  const auto entry = detail::entry_for(*impl_, input_shapes);
  std::vector<Shape> shapes = detail::output_shapes(*entry);
  if (entry->shapes() != input_shapes) shapes = detail::with_samples(std::move(shapes), input_shapes[0][0]);
  return shapes;
}

void Engine::prepare(const std::vector<Shape>& input_shapes) const {
  const auto entry = detail::entry_for(*impl_, input_shapes, true);
  impl_->core->lease(*entry);
}

bool Engine::planned(const std::vector<Shape>& input_shapes) const {
  return impl_->core->planned(detail::planned_shapes(input_shapes, impl_->chunk));
}

std::string Engine::precision() const { return impl_->precision; }
bool Engine::quantized() const {
  bool found = false;
  ir::for_each_graph(impl_->core->graph(), [&](const ir::Graph& graph) {
    for (ir::ValueId id = 0; id < graph.value_count(); ++id) found = found || graph.value(id).quant.defined();
  });
  return found;
}
std::string Engine::tag() const {
  const auto options = nlohmann::json::parse(impl_->options, nullptr, false);
  return options.is_object() && options.contains("tag") && options["tag"].is_string() ? options["tag"] : "";
}
std::string Engine::device() const {
  const plan::Device* device = impl_->core->config().backends[0]->device();
  return device == nullptr ? "cpu" : device->name();
}
int Engine::threads() const { return impl_->core->config().threads; }

std::string Engine::report_json() const { return impl_->report; }
std::vector<std::string> Engine::notices() const { return impl_->notices; }
std::string Engine::dump() const { return ir::print(impl_->core->whole_graph(), ir::PrintMode::Dump); }

}  // namespace tfengine
