// SPDX-License-Identifier: Apache-2.0
// The run that counts: samples through the float model, and what is noted of them.
#include <algorithm>
#include <cstddef>
#include <mutex>
#include <optional>
#include <set>
#include <span>

#include "backends/list.h"
#include "base/check.h"
#include "compiler/calibration_impl.h"
#include "compiler/device_observer.h"
#include "compiler/engine_impl.h"
#include "compiler/inputs.h"
#include "compiler/model_impl.h"
#include "compiler/normalisation.h"
#include "compiler/observer.h"
#include "compiler/outputs.h"
#include "compiler/sample_inputs.h"
#include "passes/split_at_data.h"
#include "quantize/bias_correction.h"
#include "quantize/range_table.h"
#include "quantize/rules.h"
#include "runtime/engine_core.h"
#include "tfengine/calibrate.h"

namespace tfengine {

namespace detail {

namespace {

// What is known before the first sample.
quantize::HistogramSet empty_histograms(const ModelImpl& model, const ir::Graph& graph,
                                        const std::vector<std::string>& names, const SampleInputs& inputs) {
  quantize::HistogramSet set;
  set.model_hash = model.hash;
  set.samples_seen = quantize::SampleLog(names, inputs.described());
  const std::set<std::string> non_negative = quantize::non_negative_names(graph);
  const quantize::RangeTable given = quantize::custom_ranges(graph);
  for (const auto& [name, entry] : given.entries()) {
    set.given[name] = {entry.max_abs, non_negative.count(name) > 0, entry.origin};
  }
  return set;
}

// Whether all inputs and outputs leave their first dimension open.
bool takes_any_batch(const ir::Graph& graph) {
  std::vector<ir::ValueId> values = graph.inputs;
  for (const ir::GraphOutput& out : graph.outputs) values.push_back(out.value);
  return !graph.inputs.empty() && std::all_of(values.begin(), values.end(), [&](ir::ValueId id) {
    const Shape& shape = graph.value(id).shape;
    return shape.ranked() && shape.rank() > 0 && shape[0] < 0;
  });
}

bool has_regions(const ir::Graph& graph) {
  const std::vector<ir::NodeId> order = graph.order();
  return std::any_of(order.begin(), order.end(), [&](ir::NodeId id) { return !graph.node(id).regions.empty(); });
}

runtime::EngineConfig host_config(const CalibrateOptions& options) {
  runtime::EngineConfig config;
  config.backends = backends_by_name("");
  config.threads = resolve_threads(options.threads);
  config.allocator = options.allocator == nullptr ? &default_allocator() : options.allocator;
  config.max_workspace_size_bytes = options.max_workspace_size_bytes;
  config.specialize = passes::specialize_in_stages;
  return config;
}

// Tensors of loops are the host's: a graph with any is run there.
bool runs_on_device(const CalibrateOptions& options, const ir::Graph& graph) {
  return gpu_of_device(options.device) >= 0 && !has_regions(graph);
}

runtime::EngineConfig run_config(const CalibrateOptions& options, bool on_device) {
  EngineOptions engine;
  engine.device = options.device;
  engine.threads = options.threads;
  engine.allocator = options.allocator;
  engine.max_workspace_size_bytes = options.max_workspace_size_bytes;
  runtime::EngineConfig config = on_device ? engine_config(engine) : host_config(options);
  // Choosing tactics by measurement costs more than it gains over a few hundred images.
  config.measure = false;
  config.fuse = nullptr;  // tensors are looked at by name
  // A device counts beside the steps that follow.
  config.keep_all = on_device;
  return config;
}

}  // namespace

}  // namespace detail

struct Calibrator::Impl {
  Impl(const Model& model, const CalibrateOptions& options)
      : samples(*model.impl()),
        optimized(detail::optimize(*model.impl(), options.nodes_denylist)),
        names(quantize::names_in(optimized.graph, quantize::tensors_to_observe)),
        averaged(quantize::names_in(optimized.graph, quantize::tensors_to_average)),
        histograms(detail::empty_histograms(*model.impl(), optimized.graph, names, samples)),
        by_samples(detail::takes_any_batch(optimized.graph)),
        normalised(detail::normalised_tensors(model.impl()->imported)),
        on_device(detail::runs_on_device(options, optimized.graph)),
        core(std::move(optimized.graph), detail::run_config(options, on_device)) {}

  const plan::Device* device() const { return core.config().backends[0]->device(); }

  void plan_for(const std::vector<Shape>& shapes) {
    if (entry != nullptr && entry->shapes() == shapes) return;
    // The new plan may fail: a plan must not be without what is looked at.
    entry.reset();
    auto planned = core.entry(shapes);
    if (device() != nullptr && planned->next() != nullptr) {
      fail<InvalidArgument>(
          "calibration: the model has shapes that depend on its data, which is calibrated on the CPU; got device '{}'",
          device()->name());
    }
    if (device() != nullptr) {
      look_on_device(*planned, shapes);
    } else {
      if (observer == nullptr) {
        observer = std::make_unique<detail::Observer>(core.config().threads, names, averaged, histograms);
      }
      observer->look_at(planned->prepared());
    }
    entry = std::move(planned);
    if (resumed && histograms.tensors.size() != *resumed) {
      fail<InvalidArgument>(
          "calibration: the earlier run counted {} tensors, this one counts {}: nodes_denylist or the "
          "version of tfengine differ",
          *resumed, histograms.tensors.size());
    }
  }

  void look_on_device(const runtime::ShapeEntry& planned, const std::vector<Shape>& shapes) {
    if (device_observer == nullptr) {
      device_observer = std::make_unique<detail::DeviceObserver>(*device(), names, averaged, histograms);
    }
    device_observer->look_at(planned.prepared(), samples_in(shapes));
  }

  // What the batch's samples are, in order.
  std::vector<quantize::SampleRecord> records_of(const detail::BoundInputs& inputs, int64_t first,
                                                 int64_t count) const {
    std::vector<quantize::SampleRecord> records;
    for (int64_t n = first; n < first + count; ++n) records.push_back(samples.record(inputs, n, samples_in(inputs)));
    return records;
  }

  // One run, on `count` samples of the batch from `first`.
  void run_observed(const std::vector<const void*>& sources, const std::vector<void*>& results,
                    const detail::BoundInputs& inputs, int64_t first, int64_t count) {
    std::vector<quantize::SampleRecord> records;
    const auto look_at_inputs = [&] { records = records_of(inputs, first, count); };
    const auto lease = entry->lease();
    if (device_observer != nullptr) {
      lease->run_tapped(sources, results, device_observer->tap(), look_at_inputs);
      device_observer->ran();
    } else {
      look_at_inputs();  // first: the host may hand its buffers over to the run
      lease->run_observed(sources, results, observer->watch(count));
    }
    for (int64_t n = 0; n < count; ++n) {
      note_sample(std::move(records[static_cast<size_t>(n)]),
                  device_observer != nullptr ? device_observer->peaks_of_sample(n) : observer->peaks_of_sample(n));
    }
  }

  // Brings what a device counted.
  void collect() {
    if (device_observer != nullptr) device_observer->collect();
  }

  void resume(const quantize::HistogramSet& earlier) {
    check(entry == nullptr, "a calibration is resumed before its first batch");
    if (earlier.model_hash != histograms.model_hash) {
      fail<InvalidArgument>("calibration: the earlier run was of another model (fingerprint {}, this model has {})",
                            earlier.model_hash, histograms.model_hash);
    }
    if (earlier.samples_seen.tensors() != names) {
      fail<InvalidArgument>(
          "calibration: the earlier run looked at {} tensors, this one looks at {}: nodes_denylist or "
          "the version of tfengine differ",
          earlier.samples_seen.tensors().size(), names.size());
    }
    histograms = earlier;
    resumed = histograms.tensors.size();
    for (const quantize::SampleRecord& record : earlier.samples_seen.records()) expected.insert(record.content);
    // A log that is full holds the smallest fingerprints: nothing is known of larger ones.
    const bool all = expected.size() == earlier.samples;
    known_below = all ? UINT64_MAX : expected.empty() ? 0 : *expected.rbegin();
  }

  // A batch whose samples an earlier run counted. Whether there are more of them than that is the caller's question.
  void pass_over(const detail::BoundInputs& inputs) {
    for (const uint64_t content : samples.contents(inputs, samples_in(inputs))) {
      const auto found = expected.find(content);
      if (found != expected.end()) {
        expected.erase(found);
      } else if (!expected.empty() && content < known_below) {
        fail<InvalidArgument>(
            "calibration: sample {} of the data is not among the {} samples that the earlier run counted; expected the "
            "data that it was made with",
            order.size(), histograms.samples);
      }
      order.push_back(content);
    }
  }

  // Kernels are chosen by shape, and do not add up in the same order: only the same batch size gives the same bytes. So a
  // batch is run one sample at a time where each input and output is one sample after the other.
  bool splits(const std::vector<Shape>& shapes) const {
    const int64_t count = shapes[0].rank() > 0 ? shapes[0][0] : 1;
    return count > 1 && by_samples &&
           std::all_of(shapes.begin(), shapes.end(), [&](const Shape& shape) { return shape[0] == count; });
  }

  // What is planned for a batch of these shapes: itself, or one sample of it.
  static std::vector<Shape> sample_shapes(std::vector<Shape> shapes) {
    for (Shape& shape : shapes) shape[0] = 1;
    return shapes;
  }

  // Plans for a batch, and gives the types and shapes of its outputs; none, where depends_on_data().
  std::vector<plan::TensorDesc> plan_batch(const std::vector<Shape>& shapes) {
    const bool split = splits(shapes);
    plan_for(split ? sample_shapes(shapes) : shapes);
    if (split && entry->next() != nullptr) {  // how much comes of one sample depends on data
      by_samples = false;
      return plan_batch(shapes);
    }
    std::vector<plan::TensorDesc> outputs;
    if (entry->next() != nullptr) return outputs;
    for (const ir::GraphOutput& out : entry->plan().graph.outputs) {
      outputs.push_back(entry->plan().descs[static_cast<size_t>(out.value)]);
      if (split) outputs.back().shape[0] *= shapes[0][0];
    }
    return outputs;
  }

  void run(const detail::BoundInputs& inputs, std::span<void* const> outputs) {
    const std::vector<plan::TensorDesc> descs = plan_batch(inputs.shapes);
    const int64_t count = samples_in(inputs);
    const bool split = splits(inputs.shapes);
    for (int64_t first = 0; first < count; first += split ? 1 : count) {
      std::vector<const void*> sources = inputs.addresses;
      std::vector<void*> results(outputs.begin(), outputs.end());
      for (size_t i = 0; split && i < sources.size(); ++i) {
        sources[i] = part_of(sources[i], inputs.keep[i].bytes(), first, count);
      }
      for (size_t i = 0; split && i < results.size(); ++i) {
        const size_t bytes = static_cast<size_t>(descs[i].shape.elements()) * dtype_bytes(descs[i].dtype);
        results[i] = const_cast<void*>(part_of(results[i], bytes, first, count));
      }
      run_observed(sources, results, inputs, first, split ? 1 : count);
    }
    histograms.samples += static_cast<uint64_t>(count);
  }

  // The same through all plans of a graph with shapes that depend on data.
  std::vector<Tensor> run_in_stages(const detail::BoundInputs& inputs) {
    const int64_t count = samples_in(inputs);
    std::vector<quantize::SampleRecord> records = records_of(inputs, 0, count);
    std::vector<Tensor> outputs = core.run(*entry, inputs.keep, {observer->watch(count), {}});
    for (int64_t n = 0; n < count; ++n) {
      note_sample(std::move(records[static_cast<size_t>(n)]), observer->peaks_of_sample(n));
    }
    histograms.samples += static_cast<uint64_t>(count);
    return outputs;
  }

  bool depends_on_data() const { return entry->next() != nullptr; }

  static const void* part_of(const void* whole, size_t bytes, int64_t n, int64_t count) {
    return static_cast<const std::byte*>(whole) + bytes / static_cast<size_t>(count) * static_cast<size_t>(n);
  }

  void note_sample(quantize::SampleRecord record, std::span<const float> peaks) {
    record.peaks.assign(peaks.begin(), peaks.end());
    order.push_back(record.content);
    histograms.samples_seen.add(std::move(record));
  }

  static int64_t samples_in(const detail::BoundInputs& inputs) { return samples_in(inputs.shapes); }
  static int64_t samples_in(const std::vector<Shape>& shapes) { return shapes[0].rank() > 0 ? shapes[0][0] : 1; }

  mutable std::mutex mutex;
  detail::SampleInputs samples;
  detail::Optimized optimized;
  std::vector<std::string> names;     // tensors with a histogram
  std::vector<std::string> averaged;  // tensors with channel sums
  quantize::HistogramSet histograms;
  bool by_samples;  // the model takes batches of any size
  std::vector<detail::NormalisedTensor> normalised;
  bool on_device;
  runtime::EngineCore core;
  std::vector<uint64_t> order;  // fingerprints of the samples so far
  std::shared_ptr<runtime::ShapeEntry> entry;
  std::unique_ptr<detail::Observer> observer;
  std::unique_ptr<detail::DeviceObserver> device_observer;  // instead of it on a device
  std::optional<size_t> resumed;                            // tensors that an earlier run counted
  // Fingerprints of the samples that it counted and that were not passed over yet, as far as they are known.
  std::multiset<uint64_t> expected;
  uint64_t known_below = 0;
};

Calibrator::Calibrator(const Model& model, const CalibrateOptions& options)
    : impl_(std::make_unique<Impl>(model, options)) {}
Calibrator::~Calibrator() = default;
Calibrator::Calibrator(Calibrator&&) noexcept = default;
Calibrator& Calibrator::operator=(Calibrator&&) noexcept = default;

std::vector<TensorSpec> Calibrator::inputs() const {
  std::vector<TensorSpec> specs;
  for (const ir::ValueId id : impl_->core.graph().inputs) {
    const ir::Value& value = impl_->core.graph().value(id);
    specs.push_back({value.name, value.dtype, value.shape});
  }
  return specs;
}

std::vector<Shape> Calibrator::output_shapes(const std::vector<Shape>& input_shapes) {
  const std::lock_guard lock(impl_->mutex);
  std::vector<Shape> shapes;
  for (plan::TensorDesc& desc : impl_->plan_batch(input_shapes)) shapes.push_back(std::move(desc.shape));
  return impl_->depends_on_data() ? impl_->entry->next()->stages().output_shapes : shapes;
}

std::vector<NamedTensor> Calibrator::run(const Batch& batch) {
  const std::lock_guard lock(impl_->mutex);
  const detail::BoundInputs inputs = detail::bind_inputs(impl_->core.graph(), batch, true);
  std::vector<NamedTensor> outputs;
  std::vector<void*> addresses;
  const std::vector<plan::TensorDesc> descs = impl_->plan_batch(inputs.shapes);
  if (impl_->depends_on_data()) return detail::named(impl_->core.graph(), impl_->run_in_stages(inputs));
  for (size_t i = 0; i < descs.size(); ++i) {
    outputs.push_back({impl_->core.graph().outputs[i].name, Tensor(descs[i].dtype, descs[i].shape)});
    addresses.push_back(outputs.back().tensor.mutable_data());
  }
  impl_->run(inputs, addresses);
  return outputs;
}

void Calibrator::run_into(const Batch& batch, const std::vector<void*>& outputs) {
  const std::lock_guard lock(impl_->mutex);
  const detail::BoundInputs inputs = detail::bind_inputs(impl_->core.graph(), batch, true);
  const size_t wanted = impl_->core.graph().outputs.size();
  if (outputs.size() != wanted) {
    fail<InvalidArgument>("run_into: got {} outputs, expected {}", outputs.size(), wanted);
  }
  impl_->plan_batch(inputs.shapes);
  detail::require_fixed_outputs(*impl_->entry, "run_into");
  if (impl_->depends_on_data()) return detail::copy_outputs(impl_->run_in_stages(inputs), outputs);
  impl_->run(inputs, outputs);
}

void Calibrator::resume(const Calibration& earlier) {
  const std::lock_guard lock(impl_->mutex);
  impl_->resume(earlier.impl()->histograms);
}

int64_t Calibrator::samples_in(const Batch& batch) const {
  return Impl::samples_in(detail::bind_inputs(impl_->core.graph(), batch, true));
}

int64_t Calibrator::pass_over(const Batch& batch) {
  const std::lock_guard lock(impl_->mutex);
  const detail::BoundInputs inputs = detail::bind_inputs(impl_->core.graph(), batch, true);
  impl_->pass_over(inputs);
  return Impl::samples_in(inputs);
}

int64_t Calibrator::samples() const {
  const std::lock_guard lock(impl_->mutex);
  return static_cast<int64_t>(impl_->histograms.samples);
}

Calibration Calibrator::result() const {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->histograms.samples == 0) fail<InvalidArgument>("calibration: the data holds no sample");
  impl_->collect();
  auto impl = std::make_shared<detail::CalibrationImpl>();
  impl->histograms = impl_->histograms;
  impl->normalisation = detail::judge_normalisation(impl_->normalised, impl->histograms);
  if (impl_->order.size() == impl_->histograms.samples) impl->order = impl_->order;
  return Calibration(std::move(impl));
}

}  // namespace tfengine
