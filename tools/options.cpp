// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <fmt/format.h>

#include <fstream>
#include <map>

#include "tfengine/memory.h"

namespace tfengine::tools {

void add_model_options(CLI::App& command, LoadOptions& options) {
  command
      .add_option("--inputs", options.inputs,
                  "Names of the input tensors (default: the placeholders or the signature's)")
      ->delimiter(',');
  command
      .add_option("--outputs", options.outputs, "Names of the output tensors (default: the sinks or the signature's)")
      ->delimiter(',');
  command.add_option("--tags", options.tags, "Tags of the SavedModel's MetaGraph")
      ->delimiter(',')
      ->capture_default_str();
  command.add_option("--signature", options.signature_key, "Signature of the SavedModel")->capture_default_str();
}

void DataFlags::add_to(CLI::App& command) {
  const std::string group = "How DATA is read";
  command.add_option("--batch-size", options_.batch_size, "Samples per batch")->capture_default_str()->group(group);
  command.add_option("--feature", options_.feature, "TFRecord: name of the feature with the sample")
      ->capture_default_str()
      ->group(group);
  command.add_option("--label-feature", options_.label_feature, "TFRecord: name of the int64 feature with the label")
      ->group(group);
  command.add_option("--decode", options_.decode, "TFRecord: raw, jpeg, png, floats or ints")
      ->capture_default_str()
      ->group(group);
  command.add_option("--feature-dtype", dtype_, "TFRecord, raw: element type of the bytes")
      ->capture_default_str()
      ->group(group);
  command.add_option("--feature-shape", shape_, "TFRecord: shape of one sample, as 8,8,1")->group(group);
  command.add_option("--resize", options_.resize, "Images: resize the shorter side to this many pixels (0: leave)")
      ->group(group);
  command.add_option("--crop", crop_, "Images: cut the centre, as 224 or 224x192")->group(group);
  command.add_option("--mean", mean_, "Subtracted from each channel: one number or three")
      ->delimiter(',')
      ->group(group);
  command.add_option("--scale", scale_, "Then multiplied to each channel: one number or three")
      ->delimiter(',')
      ->group(group);
  command.add_option("--channel-order", options_.channel_order, "Images: rgb or bgr")
      ->capture_default_str()
      ->group(group);
  command.add_flag("--keep-dtype", options_.keep_dtype, "Leave integers as they are instead of float32")->group(group);
}

namespace {

void spread(const std::vector<float>& given, const char* flag, std::array<float, 3>& out) {
  if (given.empty()) return;
  if (given.size() != 1 && given.size() != 3)
    throw InvalidArgument(fmt::format("{}: got {} numbers, expected 1 or 3", flag, given.size()));
  for (size_t i = 0; i < 3; ++i) out[i] = given[given.size() == 1 ? 0 : i];
}

}  // namespace

DataOptions DataFlags::parse() const {
  DataOptions options = options_;
  if (options.batch_size < 1)
    throw InvalidArgument(fmt::format("--batch-size: got {}, expected at least 1", options.batch_size));
  if (!shape_.empty()) options.feature_shape = parse_shape(shape_);
  options.feature_dtype = dtype_from_name(dtype_);
  if (options.feature_dtype == DType::Invalid)
    throw InvalidArgument(fmt::format("--feature-dtype: '{}' is unknown", dtype_));
  if (!crop_.empty()) {
    const Shape crop = parse_shape(crop_);
    if (crop.rank() < 1 || crop.rank() > 2)
      throw InvalidArgument(fmt::format("--crop: got '{}', expected 224 or 224x192", crop_));
    options.crop_h = crop[0];
    options.crop_w = crop.back();
  }
  spread(mean_, "--mean", options.mean);
  spread(scale_, "--scale", options.scale);
  return options;
}

void add_memory_budget(CLI::App& command, ConvertOptions& options) {
  command
      .add_option(
          "--memory-budget", options.memory_budget_bytes,
          "Bytes for weights, activations and workspace together, as 20000000 or 20MiB: the fastest engine inside")
      ->transform(CLI::AsSizeValue(false));
  command
      .add_option("--precisions", options.allowed_precisions,
                  "Precisions to choose from, best liked first: fp32, bf16, int8 (default: --precision)")
      ->delimiter(',');
}

namespace {

// The process's limits with one of them changed.
template <typename Change>
void change_limits(const Change& change) {
  MemoryLimits limits = process_memory().limits;
  change(limits);
  set_memory_limits(limits);
}

void add_memory_options(CLI::App& command, EngineOptions& options) {
  const std::string group = "Memory";
  command
      .add_option("--max-workspace-size-bytes", options.max_workspace_size_bytes,
                  "Workspace that a tactic may ask for (default: 1 GiB, of an engine file what it was made with)")
      ->group(group);
  const std::map<std::string, WorkspaceUse> uses = {{"kept", WorkspaceUse::Kept},
                                                    {"running", WorkspaceUse::WhileRunning}};
  command
      .add_option_function<std::string>(
          "--workspace", [&options, uses](const std::string& name) { options.workspace = uses.at(name); },
          "kept between runs (default), or held only while running")
      ->check(CLI::IsMember({"kept", "running"}))
      ->group(group);
  command
      .add_option_function<uint64_t>(
          "--memory-limit-bytes",
          [](const uint64_t& bytes) {
            change_limits([&](MemoryLimits& limits) { limits.memory_limit_bytes = bytes; });
          },
          "The most that all engines of the process may use together")
      ->group(group);
  // TensorFlow's name is the same setting.
  command
      .add_option_function<double>(
          "--memory-fraction,--per-process-gpu-memory-fraction",
          [](const double& fraction) {
            change_limits([&](MemoryLimits& limits) { limits.memory_fraction = fraction; });
          },
          "The same as a share of the memory that the process may have, as 0.25")
      ->group(group);
  command
      .add_flag_callback(
          "--no-memory-growth", [] { change_limits([](MemoryLimits& limits) { limits.allow_growth = false; }); },
          "Take that memory at once, in place of as it is needed")
      ->group(group);
  command
      .add_option("--maximum-cached-engines", options.maximum_cached_engines, "Plans kept, one per set of input shapes")
      ->capture_default_str()
      ->group(group);
  command.add_option("--maximum-cached-bytes", options.maximum_cached_bytes, "The most bytes that plans are kept for")
      ->group(group);
}

}  // namespace

void add_engine_options(CLI::App& command, EngineOptions& options) {
  command.add_option("--threads", options.threads, "Threads (0: the engine's own number, or all cores)")
      ->capture_default_str();
  add_memory_options(command, options);
  command.add_option("--timing-cache", options.timing_cache, "File of measured tactic times, read and extended");
  command.add_flag("!--no-tactic-timing", options.time_tactics,
                   "Take the first tactic of each step untimed: the same engine every time, often a slower one");
  command.add_option("--backend", options.backend, "onednn or reference (default: the best for each step)");
  command.add_option(
      "--device", options.device,
      "cpu, cuda or cuda:N: where the engine runs (default: cpu); bench takes several, as cuda:0,cuda:1");
}

void add_calibrator(CLI::App& command, std::string& calibrator, double& percentile) {
  command
      .add_option("--calibrator", calibrator,
                  "auto, entropy, entropy1, legacy, minmax, moving_average, percentile or mse")
      ->capture_default_str();
  command.add_option("--percentile", percentile, "For --calibrator percentile and legacy")->capture_default_str();
}

Shape parse_shape(const std::string& text) {
  Shape shape;
  std::string number;
  for (const char c : text + ",") {
    if ((c >= '0' && c <= '9') || c == '-') {
      number += c;
    } else if (c == ',' || c == 'x' || c == ']') {
      if (number.empty()) continue;
      try {
        shape.dims().push_back(std::stoll(number));
      } catch (const std::exception&) {
        throw InvalidArgument(fmt::format("shape '{}': '{}' is no number", text, number));
      }
      number.clear();
    } else if (c != '[' && c != ' ') {
      throw InvalidArgument(fmt::format("shape '{}': expected numbers with commas, as 1,224,224,3", text));
    }
  }
  return shape;
}

bool is_engine_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[8] = {};
  return file.read(magic, sizeof magic) && std::string_view(magic, sizeof magic) == "TFENGINE";
}

std::string bytes_text(uint64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes < 1024) return fmt::format("{} B", bytes);
  if (bytes < 1024 * 1024) return fmt::format("{:.1f} KiB", value / 1024);
  return fmt::format("{:.2f} MiB", value / (1024 * 1024));
}

}  // namespace tfengine::tools
