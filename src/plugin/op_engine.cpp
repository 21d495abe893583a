// SPDX-License-Identifier: Apache-2.0
#include "plugin/op_engine.h"

#include <algorithm>

#include "backends/list.h"
#include "base/check.h"
#include "base/host_memory.h"
#include "compiler/model_impl.h"
#include "plugin/left_calibrations.h"
#include "plugin/runners.h"
#include "quantize/channel_means.h"
#include "tfengine/gpu.h"

namespace tfengine::plugin {

namespace {

// Shapes whose build failed are not tried again while they are remembered; a host that meets ever new shapes must not fill
// the memory with them.
constexpr size_t kMaxFailures = 64;
// A segment that never could be built is given up, whatever the shapes.
constexpr int kMaxFailedBuilds = 3;

std::vector<Shape> shapes_of(const std::vector<NamedTensor>& tensors) {
  std::vector<Shape> shapes;
  for (const NamedTensor& tensor : tensors) shapes.push_back(tensor.tensor.shape());
  return shapes;
}

// Buffers are given before the outputs are computed.
std::vector<Shape> fixed(std::vector<Shape> shapes) {
  for (const Shape& shape : shapes) {
    if (shape.is_static()) continue;
    fail<InvalidModel>("an output has shape {} that depends on data; expected one that follows from the inputs' shapes",
                       shape.str());
  }
  return shapes;
}

std::string text_of(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& shape : shapes) text += (text.empty() ? "" : ", ") + shape.str();
  return text;
}

Model model_of(SegmentGraph segment, const std::string& name) {
  LoadOptions load;
  load.inputs = segment.inputs;
  load.outputs = segment.outputs;
  return detail::model_of_graph_def(segment.bytes, std::move(segment.owner), load, name, std::move(segment.outside));
}

Outcome failed(std::exception_ptr error) { return {Outcome::Kind::Failed, {}, std::move(error)}; }
Outcome native(std::string reason) { return {Outcome::Kind::Native, std::move(reason), nullptr}; }

}  // namespace

OpPlace::OpPlace(std::string device_name, std::shared_ptr<Allocator> device_memory,
                 std::shared_ptr<Allocator> host_memory)
    : device(std::move(device_name)),
      gpu(gpu_of_device(device)),
      memory(std::move(device_memory)),
      host(std::move(host_memory)) {}

OpEngine::OpEngine(OpConfig config, std::function<SegmentGraph()> segment, OpPlace place)
    : config_(std::move(config)), segment_(std::move(segment)), place_(std::move(place)) {
  if (config_.channel_means.empty()) return;
  try {
    quantize::parse_channel_means(config_.channel_means, "its channel means");
  } catch (const InvalidModel& error) {
    // An engine that is a little less accurate is worth more than none.
    config_.notice("means " + config_.name,
                   "'" + config_.name + "': " + error.what() + ". Its INT8 engine is built without bias correction");
    config_.channel_means.clear();
  }
}

OpEngine::~OpEngine() {
  try {
    if (calibrator_ == nullptr || calibrator_->samples() == 0) return;
    leave_calibration(config_.name, {calibrator_->result(), config_.calibrator, config_.percentile});
  } catch (const std::exception& error) {
    config_.notice("left " + config_.name, "the calibration of '" + config_.name + "' is lost: " + error.what());
  }
}

EngineOptions OpEngine::engine_options() const {
  EngineOptions options;
  options.threads = config_.threads;
  options.max_workspace_size_bytes = config_.max_workspace_size_bytes;
  options.device = place_.device;
  options.allocator = place_.memory.get();
  options.maximum_cached_engines = std::max(1, config_.maximum_cached_engines);
  return options;
}

bool OpEngine::adopt(Engine engine, bool surely_ours) {
  if (!surely_ours && !config_.tag.empty() && (engine.tag() != config_.tag || engine.precision() != config_.precision))
    return false;
  const std::lock_guard lock(mutex_);
  if (engine_ == nullptr) engine_ = std::make_shared<const Engine>(std::move(engine));
  return true;
}

OpEngine::Next OpEngine::decide(const Shapes& shapes, Call& call, std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (engine_ == nullptr && config_.calibrate && !calibration_) return Next::Calibrate;
  if (engine_ != nullptr && engine_->planned(shapes)) return Next::Execute;
  const auto known = std::find_if(failed_.begin(), failed_.end(), [&](const auto& f) { return f.first == shapes; });
  if (known != failed_.end()) {
    reason = known->second;
    return Next::Native;
  }
  if (engine_ == nullptr && failed_builds_ >= kMaxFailedBuilds) {
    reason = failed_.front().second;
    return Next::Native;
  }
  if (!call.allow_build) {
    reason = "no engine was built for these shapes, and building at run time is not allowed";
    return Next::Native;
  }
  std::vector<Call>& waiting = waiting_[text_of(shapes)];
  waiting.push_back(std::move(call));
  return waiting.size() == 1 ? Next::Build : Next::Wait;
}

void OpEngine::run(Call call) {
  const Shapes shapes = shapes_of(call.inputs);
  std::string reason;
  switch (decide(shapes, call, reason)) {
    case Next::Native:
      count_native(reason);
      call.done(native(std::move(reason)));
      return;
    case Next::Wait:
      return;
    case Next::Build:
      Runners::builds().run(
          1, [self = shared_from_this(), shapes]() mutable { build_and_answer(std::move(self), shapes); });
      return;
    case Next::Calibrate:
    case Next::Execute:
      start(shared_from_this(), std::move(call));
  }
}

void OpEngine::start(std::shared_ptr<OpEngine> self, Call call) {
  // Putting work into a stream is soon done, and keeps the caller's order when the caller's thread does it.
  if (self->place_.on_gpu() && !self->calibrating()) return finish(std::move(self), std::move(call));
  auto shared = std::make_shared<Call>(std::move(call));  // std::function wants copies
  const int threads = self->config_.threads;
  Runners::engines().run(threads, [self = std::move(self), shared = std::move(shared)]() mutable {
    finish(std::move(self), std::move(*shared));
  });
}

// Who waits for `done` may end the process next: the engine must not die on another thread after it.
void OpEngine::finish(std::shared_ptr<OpEngine> self, Call call) {
  Outcome outcome = self->answer(call);
  self.reset();
  const auto done = std::move(call.done);
  call = {};
  done(std::move(outcome));
}

Outcome OpEngine::answer(const Call& call) {
  try {
    if (calibrating()) {
      calibrate(call);
    } else {
      execute(call);
    }
    return {};
  } catch (const OutOfMemory&) {
    return failed(std::current_exception());
  } catch (const Error& error) {
    count_native(error.what());
    return native(error.what());
  } catch (...) {
    return failed(std::current_exception());
  }
}

void OpEngine::execute(const Call& call) {
  const HostMemoryScope memory(place_.host);
  std::shared_ptr<const Engine> engine;
  {
    const std::lock_guard lock(mutex_);
    engine = engine_;
    ++engine_calls_;
  }
  check(engine != nullptr, "'{}' has no engine to run", config_.name);
  if (place_.on_gpu()) {
    engine->run_on_device(call.inputs, call.allocate, call.stream);
  } else {
    engine->run_into(call.inputs, call.allocate);
  }
}

void OpEngine::calibrate(const Call& call) {
  const HostMemoryScope memory(place_.host);
  const std::lock_guard observing(calibrating_);
  if (calibrator_ == nullptr) calibrator_ = make_calibrator();
  if (place_.on_gpu()) return calibrate_with_copies(call);
  calibrator_->run_into(call.inputs, call.allocate(fixed(calibrator_->output_shapes(shapes_of(call.inputs)))));
}

// Samples are observed on the host, whatever device the engine will run on.
void OpEngine::calibrate_with_copies(const Call& call) {
  std::vector<NamedTensor> inputs;
  for (const NamedTensor& input : call.inputs) {
    Tensor copy(input.tensor.dtype(), input.tensor.shape());
    gpu_download(place_.gpu, copy.mutable_data(), input.tensor.data(), copy.bytes(), call.stream);
    inputs.push_back({input.name, std::move(copy)});
  }
  const std::vector<NamedTensor> outputs = calibrator_->run(inputs);
  const std::vector<void*> addresses = call.allocate(shapes_of(outputs));
  check(addresses.size() == outputs.size(), "'{}' was given {} buffers for {} outputs", config_.name, addresses.size(),
        outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    gpu_upload(place_.gpu, addresses[i], outputs[i].tensor.data(), outputs[i].tensor.bytes(), call.stream);
  }
}

std::unique_ptr<Calibrator> OpEngine::make_calibrator() {
  if (!calibration_failure_.empty()) fail<InvalidModel>("{}", calibration_failure_);
  CalibrateOptions options;
  options.threads = config_.threads;
  options.allocator = place_.host.get();
  options.max_workspace_size_bytes = config_.max_workspace_size_bytes;
  try {
    return std::make_unique<Calibrator>(model_of(segment_(), config_.name), options);
  } catch (const OutOfMemory&) {
    throw;
  } catch (const Error& error) {
    calibration_failure_ = fmt::format("'{}' cannot be calibrated: {}", config_.name, error.what());
    throw;
  }
}

void OpEngine::build_engine(const Shapes& shapes) {
  if (config_.refuse_builds) fail<BackendFailure>("TF_TRT_ABORT_CUDA_ENGINE_BUILD is set");
  const HostMemoryScope memory(place_.host);
  std::shared_ptr<const Engine> engine;
  std::optional<Calibration> calibration;
  {
    const std::lock_guard lock(mutex_);
    engine = engine_;
    calibration = calibration_;
  }
  if (engine == nullptr) {
    ConvertOptions options;
    options.precision = config_.precision;
    options.float_precision = place_.on_gpu() ? "fp16" : "bf16";  // INT8 means INT8 and 16-bit floats in TF-TRT
    options.calibration_table = config_.calibration_table;
    options.channel_means = config_.channel_means;
    if (calibration) options.calibration = &*calibration;
    options.calibrator = config_.calibrator;
    options.percentile = static_cast<double>(config_.percentile);
    options.strict_ranges = config_.strict_ranges;
    options.float_without_ranges = true;
    options.input_shapes = {shapes};
    options.split_batch = false;  // TF-TRT has an engine for each set of shapes, whatever is measured
    options.engine = engine_options();
    options.tag = config_.tag;
    options.model_again = [segment = segment_, name = config_.name] { return model_of(segment(), name); };
    engine = std::make_shared<const Engine>(convert(model_of(segment_(), config_.name), options));
    if (engine->precision() == "int8" && !engine->quantized()) {
      config_.notice("int8 " + config_.name,
                     "'" + config_.name +
                         "' is to be INT8, but has neither a calibration table nor quantization "
                         "nodes: its engine computes in float");
    }
  }
  engine->prepare(shapes);
  const std::lock_guard lock(mutex_);
  ++builds_;
  engine_ = std::move(engine);
}

Outcome OpEngine::refused(const Shapes& shapes, const std::exception& error) {
  Outcome outcome = native(fmt::format("no engine for input shapes {}: {}", text_of(shapes), error.what()));
  remember_failure(shapes, outcome.reason);
  return outcome;
}

Outcome OpEngine::build(const Shapes& shapes) {
  try {
    build_engine(shapes);
    return {};
  } catch (const OutOfMemory&) {
    // Memory may be there the next time: nothing is remembered.
    return failed(std::current_exception());
  } catch (const InvalidArgument& error) {
    // Who wants all ranges does not want the segment to run without them, in INT8 or natively.
    if (config_.strict_ranges) return failed(std::current_exception());
    return refused(shapes, error);
  } catch (const std::exception& error) {
    return refused(shapes, error);
  } catch (...) {
    return failed(std::current_exception());
  }
}

std::vector<Call> OpEngine::take_waiting(const Shapes& shapes, const Outcome& outcome) {
  const std::lock_guard lock(mutex_);
  const auto waiting = waiting_.find(text_of(shapes));
  std::vector<Call> calls = std::move(waiting->second);
  waiting_.erase(waiting);
  if (outcome.kind == Outcome::Kind::Native) native_calls_[outcome.reason] += static_cast<int64_t>(calls.size());
  return calls;
}

void OpEngine::build_and_answer(std::shared_ptr<OpEngine> self, const Shapes& shapes) {
  const Outcome outcome = self->build(shapes);
  Runners::release_team();
  std::vector<Call> calls = self->take_waiting(shapes, outcome);
  if (outcome.kind == Outcome::Kind::Done) {
    for (size_t i = 0; i + 1 < calls.size(); ++i) start(self, std::move(calls[i]));
    start(std::move(self), std::move(calls.back()));
    return;
  }
  self.reset();
  for (Call& call : calls) call.done(outcome);
}

void OpEngine::remember_failure(const Shapes& shapes, const std::string& reason) {
  config_.notice("native " + config_.name, "'" + config_.name + "' runs natively: " + reason);
  const std::lock_guard lock(mutex_);
  ++failed_builds_;
  failed_.emplace_front(shapes, reason);
  if (failed_.size() > kMaxFailures) failed_.pop_back();
}

void OpEngine::count_native(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  ++native_calls_[reason];
}

bool OpEngine::calibrating() const {
  const std::lock_guard lock(mutex_);
  return engine_ == nullptr && config_.calibrate && !calibration_;
}

std::string OpEngine::calibration_table() {
  const std::lock_guard observing(calibrating_);
  std::optional<Calibration> finished = calibration();
  if (!finished) {
    if (!config_.calibrate) {
      fail<InvalidArgument>(
          "'{}' is not calibrated: that takes precision INT8, use_calibration and no calibration_data", config_.name);
    }
    if (!calibration_failure_.empty()) fail<InvalidArgument>("{}", calibration_failure_);
    if (calibrator_ == nullptr || calibrator_->samples() == 0) {
      fail<InvalidArgument>(
          "'{}' saw no calibration data: run the graph with inputs that reach it before asking for its table",
          config_.name);
    }
    finished = calibrator_->result();
  }
  std::string table = finished->table(config_.calibrator, static_cast<double>(config_.percentile));
  calibrator_.reset();
  const std::lock_guard lock(mutex_);
  calibration_ = std::move(finished);
  return table;
}

std::optional<Calibration> OpEngine::calibration() const {
  const std::lock_guard lock(mutex_);
  return calibration_;
}

std::optional<Engine> OpEngine::engine() const {
  const std::lock_guard lock(mutex_);
  return engine_ == nullptr ? std::nullopt : std::optional<Engine>(*engine_);
}

}  // namespace tfengine::plugin
