// SPDX-License-Identifier: Apache-2.0
#include "tfengine/engine.h"

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
#include "compiler/engine_impl.h"
#include "compiler/inputs.h"
#include "compiler/model_impl.h"
#include "compiler/outputs.h"
#include "compiler/to_bf16.h"
#include "compiler/to_signed.h"
#include "ir/printer.h"
#include "passes/specialize.h"
#include "plan/image_format.h"

namespace tfengine {

namespace detail {

namespace {

// Engines inside a host program have no options of their own to turn it off by.
bool untimed_by_environment() {
  const char* value = std::getenv("TFENGINE_TIME_TACTICS");
  return value != nullptr && std::string_view(value) == "0";
}

}  // namespace

runtime::EngineConfig engine_config(const EngineOptions& options) {
  runtime::EngineConfig config;
  config.backends = backends_for(options.device, options.backend);
  const plan::Device* device = config.backends[0]->device();
  config.threads = resolve_threads(options.threads);
  config.max_workspace_size_bytes = options.max_workspace_size_bytes;
  config.maximum_cached_engines = options.maximum_cached_engines;
  config.allocator = options.allocator != nullptr ? options.allocator
                     : device != nullptr          ? &device->memory()
                                                  : &default_allocator();
  config.measure = options.time_tactics && !untimed_by_environment();
  config.specialize = passes::specialize;
  config.timing_cache = std::make_shared<plan::TimingCache>();
  if (!options.timing_cache.empty()) config.timing_cache->load(options.timing_cache);
  return config;
}

void save_timings(const EngineImpl& impl) {
  const auto& cache = impl.core->config().timing_cache;
  if (!impl.timing_cache.empty() && cache != nullptr && cache->changed()) cache->save(impl.timing_cache);
}

namespace {

std::shared_ptr<runtime::ShapeEntry> entry_for(const EngineImpl& impl, const std::vector<Shape>& shapes) {
  const bool known = impl.core->latest() != nullptr && impl.core->latest()->shapes() == shapes;
  auto entry = impl.core->entry(shapes);
  if (!known) save_timings(impl);
  return entry;
}

// The entry for `shapes`, or, when none are given, the latest; default shapes when there is none either.
std::shared_ptr<runtime::ShapeEntry> entry_or_default(const EngineImpl& impl, const std::vector<Shape>& shapes) {
  if (!shapes.empty()) return entry_for(impl, shapes);
  if (auto latest = impl.core->latest()) return latest;
  return entry_for(impl, default_shapes(impl.core->graph(), 1));
}

// What tactics were chosen on.
std::string made_for(const EngineImpl& impl) {
  const plan::Device* device = impl.core->config().backends[0]->device();
  return device == nullptr ? plan::cpu_key() : device->key();
}

MemoryReport memory_of(const EngineImpl& impl, const runtime::ShapeEntry& entry) {
  const plan::Plan& plan = entry.plan();
  MemoryReport report;
  report.weights_bytes = impl.core->weights_bytes();
  report.activation_bytes = plan.arena_bytes;
  report.workspace_bytes = plan.workspace_bytes;
  report.peak_bytes = report.weights_bytes + report.activation_bytes + report.workspace_bytes;
  report.activation_lower_bound_bytes = plan.arena_lower_bound_bytes;
  report.naive_activation_bytes = plan.naive_activation_bytes;
  report.file_bytes = impl.file_bytes;
  if (!plan.steps.empty()) {
    report.peak_layer = plan.graph.node(plan.steps[static_cast<size_t>(plan.peak_step)].node).name;
  }
  return report;
}

std::string precision_of(const plan::Plan& plan, const ir::Node& node) {
  const auto has = [&](DType a, DType b) {
    const auto match = [&](ir::ValueId id) {
      return plan.graph.value(id).dtype == a || plan.graph.value(id).dtype == b;
    };
    return std::any_of(node.inputs.begin(), node.inputs.end(), match) ||
           std::any_of(node.outputs.begin(), node.outputs.end(), match);
  };
  if (has(DType::S8, DType::U8)) return "int8";
  return has(DType::BF16, DType::BF16) ? "bf16" : "fp32";
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
  for (ir::ValueId id = 0; id < image.graph.value_count(); ++id) {
    Tensor& constant = image.graph.value(id).constant;
    if (!constant.defined() || constant.bytes() >= runtime::kLargeConstantBytes) continue;
    Tensor own(constant.dtype(), constant.shape());
    if (own.bytes() > 0) std::memcpy(own.mutable_data(), constant.data(), own.bytes());
    constant = std::move(own);
  }
  const bool changed = (!onednn::has_bf16() || on_device) && undo_bf16(image.graph);
  if (on_device) to_signed(image.graph);
  if (undone != nullptr) *undone = changed;
  return image;
}

}  // namespace

}  // namespace detail

Engine Engine::load(const std::filesystem::path& path, const EngineOptions& options) {
  const auto file = MappedFile::open(path);
  return from_bytes(file->text(), file, options, path.string());
}

Engine Engine::from_bytes(std::string_view bytes, std::shared_ptr<const void> owner, const EngineOptions& options,
                          const std::string& name) {
  bool undone = false;
  const bool on_device = gpu_of_device(options.device) >= 0;
  plan::EngineImage image = detail::read_engine_image({bytes, std::move(owner)}, name, on_device, &undone);
  auto impl = std::make_shared<detail::EngineImpl>();
  EngineOptions used = options;
  if (used.threads == 0) used.threads = image.threads;
  impl->core = std::make_unique<runtime::EngineCore>(std::move(image.graph), detail::engine_config(used));
  impl->model_hash = image.model_hash;
  impl->precision = image.precision;
  impl->options = image.options;
  impl->report = image.report;
  impl->file_bytes = bytes.size();
  impl->timing_cache = options.timing_cache;
  if (image.cpu == detail::made_for(*impl)) {
    for (plan::PlanRecord& record : image.plans) impl->core->recall(std::move(record));
  } else {
    impl->notices.push_back(fmt::format("'{}' was built on another {} ({}): tactics are chosen anew on this one", name,
                                        on_device ? "device" : "CPU", image.cpu));
  }
  if (undone) {
    impl->notices.push_back(
        fmt::format("'{}' has layers in bfloat16, which this {} has no arithmetic for: they compute in FP32 here", name,
                    on_device ? "backend" : "CPU"));
  }
  return Engine(std::move(impl));
}

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
  std::vector<Shape> shapes;
  for (const ir::GraphOutput& out : entry->plan().graph.outputs) {
    shapes.push_back(entry->plan().descs[static_cast<size_t>(out.value)].shape);
  }
  return shapes;
}

void Engine::prepare(const std::vector<Shape>& input_shapes) const { detail::entry_for(*impl_, input_shapes)->lease(); }

bool Engine::planned(const std::vector<Shape>& input_shapes) const { return impl_->core->planned(input_shapes); }
std::vector<PlanSummary> Engine::plans() const {
  std::vector<PlanSummary> all;
  for (const auto& entry : impl_->core->entries()) all.push_back({entry->shapes(), detail::memory_of(*impl_, *entry)});
  return all;
}
int64_t Engine::evictions() const { return impl_->core->evictions(); }

std::vector<NamedTensor> Engine::run(const std::vector<NamedTensor>& inputs) const {
  const detail::BoundInputs bound = detail::bind_inputs(impl_->core->graph(), inputs);
  const auto entry = detail::entry_for(*impl_, bound.shapes);
  detail::OutputBuffers outputs = detail::make_outputs(entry->plan());
  entry->lease()->run(bound.addresses, outputs.addresses);
  return std::move(outputs.tensors);
}

void Engine::run_into(const std::vector<NamedTensor>& inputs, const std::vector<void*>& outputs) const {
  const detail::BoundInputs bound = detail::bind_inputs(impl_->core->graph(), inputs);
  if (outputs.size() != impl_->core->graph().outputs.size()) {
    fail<InvalidArgument>("run_into: got {} outputs, expected {}", outputs.size(), impl_->core->graph().outputs.size());
  }
  detail::entry_for(*impl_, bound.shapes)->lease()->run(bound.addresses, outputs);
}

void Engine::run_on_device(const std::vector<Shape>& input_shapes, const std::vector<const void*>& inputs,
                           const std::vector<void*>& outputs, void* stream) const {
  const ir::Graph& graph = impl_->core->graph();
  if (inputs.size() != graph.inputs.size() || outputs.size() != graph.outputs.size() ||
      input_shapes.size() != graph.inputs.size()) {
    fail<InvalidArgument>("run_on_device: got {} shapes, {} inputs and {} outputs, expected {} inputs and {} outputs",
                          input_shapes.size(), inputs.size(), outputs.size(), graph.inputs.size(),
                          graph.outputs.size());
  }
  const auto check_address = [&](const void* address, const std::string& name) {
    constexpr uintptr_t kAddressAlignment = 16;
    if (address == nullptr || reinterpret_cast<uintptr_t>(address) % kAddressAlignment != 0) {
      fail<InvalidArgument>("run_on_device: the address of '{}' is {}, expected a multiple of {}", name, address,
                            kAddressAlignment);
    }
  };
  for (size_t i = 0; i < inputs.size(); ++i) check_address(inputs[i], graph.value(graph.inputs[i]).name);
  for (size_t i = 0; i < outputs.size(); ++i) check_address(outputs[i], graph.outputs[i].name);
  detail::entry_for(*impl_, input_shapes)->lease()->run_on_device(inputs, outputs, stream);
}

std::string Engine::precision() const { return impl_->precision; }
bool Engine::quantized() const {
  const ir::Graph& graph = impl_->core->graph();
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    if (graph.value(id).quant.defined()) return true;
  }
  return false;
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

MemoryReport Engine::memory(const std::vector<Shape>& input_shapes) const {
  return detail::memory_of(*impl_, *detail::entry_or_default(*impl_, input_shapes));
}

std::vector<LayerProfile> Engine::profile(const std::vector<NamedTensor>& inputs, int runs) const {
  if (runs < 1) fail<InvalidArgument>("profile: got {} runs, expected at least 1", runs);
  const detail::BoundInputs bound = detail::bind_inputs(impl_->core->graph(), inputs);
  const auto entry = detail::entry_for(*impl_, bound.shapes);
  const plan::Plan& plan = entry->plan();
  const detail::OutputBuffers outputs = detail::make_outputs(plan);
  std::vector<std::vector<double>> times(plan.steps.size());
  const auto lease = entry->lease();
  for (int run = 0; run <= runs; ++run) {
    lease->run_observed(bound.addresses, outputs.addresses, [&](int step, double elapsed_us) {
      if (run > 0) times[static_cast<size_t>(step)].push_back(elapsed_us);  // the first run warms up
    });
  }
  std::vector<LayerProfile> layers;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const plan::Step& step = plan.steps[i];
    const ir::Node& node = plan.graph.node(step.node);
    std::nth_element(times[i].begin(), times[i].begin() + runs / 2, times[i].end());
    layers.push_back({node.name, node.op, detail::precision_of(plan, node), step.backend,
                      step.elided ? "in place" : step.tactic.name, times[i][static_cast<size_t>(runs / 2)],
                      plan.graph.value(node.outputs[0]).shape.str()});
  }
  return layers;
}

std::string Engine::report_json() const { return impl_->report; }
std::vector<std::string> Engine::notices() const { return impl_->notices; }
std::string Engine::dump() const { return ir::print(impl_->core->graph(), ir::PrintMode::Dump); }

}  // namespace tfengine
