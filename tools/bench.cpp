// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <thread>
#include <utility>

#include "command.h"
#include "options.h"
#include "progress.h"
#include "tfengine/convert.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string engine;
  int64_t batch_size = 1;
  int iterations = 0;
  double seconds = 2.0;
  uint32_t seed = 1;
  bool no_layers = false;
  std::vector<std::string> shapes;
  LoadOptions load;
  EngineOptions engine_options;
};

Engine open(const Options& options, const std::string& device) {
  EngineOptions engine_options = options.engine_options;
  engine_options.device = device;
  if (is_engine_file(options.engine) || options.engine.ends_with(".tfe")) {
    return Engine::load(options.engine, engine_options);
  }
  ConvertOptions convert_options;
  convert_options.engine = std::move(engine_options);
  convert_options.batch_size = options.batch_size;
  return convert(Model::load(options.engine, options.load), convert_options);
}

// Seeded values in [0, 1) for floats, small integers for the rest.
Tensor random_input(const TensorSpec& spec, const Shape& shape, std::mt19937& random) {
  Tensor tensor(spec.dtype, shape);
  if (spec.dtype == DType::F32) {
    std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
    std::generate_n(tensor.mutable_as<float>(), tensor.elements(), [&] { return uniform(random); });
  } else if (spec.dtype == DType::U8 || spec.dtype == DType::S8) {
    std::generate_n(tensor.mutable_as<uint8_t>(), tensor.elements(),
                    [&] { return static_cast<uint8_t>(random() & 127); });
  }
  return tensor;
}

std::vector<Shape> input_shapes(const Options& options, const Engine& engine) {
  std::vector<Shape> shapes;
  for (size_t i = 0; i < engine.inputs().size(); ++i) {
    const TensorSpec spec = engine.inputs()[i];
    Shape shape = i < options.shapes.size() ? parse_shape(options.shapes[i]) : spec.shape;
    if (shape.ranked() && shape.rank() > 0 && shape[0] < 0) shape[0] = options.batch_size;
    if (!shape.is_static()) {
      throw InvalidArgument(
          fmt::format("bench: input '{}' has shape {}, give --input-shapes", spec.name, spec.shape.str()));
    }
    shapes.push_back(shape);
  }
  return shapes;
}

struct Timing {
  std::vector<double> ms;  // sorted
  double percentile(double p) const {
    return ms[std::min(ms.size() - 1, static_cast<size_t>(p / 100.0 * static_cast<double>(ms.size())))];
  }
};

Timing measure(const Options& options, const Engine& engine, const std::vector<NamedTensor>& inputs) {
  using Clock = std::chrono::steady_clock;
  std::vector<NamedTensor> outputs = engine.run(inputs);
  std::vector<void*> addresses;
  for (NamedTensor& out : outputs) addresses.push_back(out.tensor.mutable_data());
  std::vector<Shape> shapes;
  for (const NamedTensor& in : inputs) shapes.push_back(in.tensor.shape());
  const std::vector<Shape> made = engine.output_shapes(shapes);
  const bool fixed = std::all_of(made.begin(), made.end(), [](const Shape& shape) { return shape.is_static(); });
  // Where shapes depend on data, nobody can give the memory for outputs.
  const auto run = [&] { fixed ? engine.run_into(inputs, addresses) : static_cast<void>(engine.run(inputs)); };
  for (int i = 0; i < 3; ++i) run();
  Timing timing;
  const auto begin = Clock::now();
  while (true) {
    const auto start = Clock::now();
    run();
    const auto end = Clock::now();
    timing.ms.push_back(std::chrono::duration<double, std::milli>(end - start).count());
    const double spent = std::chrono::duration<double>(end - begin).count();
    const bool enough = options.iterations > 0 ? static_cast<int>(timing.ms.size()) >= options.iterations
                                               : spent >= options.seconds && timing.ms.size() >= 5;
    if (enough) break;
  }
  std::sort(timing.ms.begin(), timing.ms.end());
  return timing;
}

std::vector<NamedTensor> random_inputs(const Options& options, const Engine& engine, const std::vector<Shape>& shapes) {
  std::mt19937 random(options.seed);
  std::vector<NamedTensor> inputs;
  const std::vector<TensorSpec> specs = engine.inputs();
  for (size_t i = 0; i < specs.size(); ++i)
    inputs.push_back({specs[i].name, random_input(specs[i], shapes[i], random)});
  return inputs;
}

int64_t samples_of(const std::vector<Shape>& shapes) {
  return shapes.empty() || shapes[0].rank() == 0 ? 1 : shapes[0][0];
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  if (parts.empty()) parts.emplace_back();
  return parts;
}

// What one device did while all of them ran.
struct Share {
  std::string device;
  int64_t runs = 0;
  double seconds = 0.0;
  std::exception_ptr failure;
};

// One engine and one thread for each device, all at the same time.
std::vector<Share> measure_together(const Options& options, const std::vector<std::string>& devices,
                                    const Output& output, int64_t& samples) {
  using Clock = std::chrono::steady_clock;
  std::vector<Engine> engines;
  std::vector<std::vector<NamedTensor>> inputs;
  for (const std::string& device : devices) {
    engines.push_back(open(options, device));
    for (const std::string& notice : engines.back().notices()) note(output, notice);
    const std::vector<Shape> shapes = input_shapes(options, engines.back());
    samples = samples_of(shapes);
    inputs.push_back(random_inputs(options, engines.back(), shapes));
  }
  std::vector<Share> shares(devices.size());
  std::barrier start(static_cast<std::ptrdiff_t>(devices.size()));
  const auto work = [&](size_t i) {
    Share& share = shares[i];
    share.device = engines[i].device();
    try {
      for (int run = 0; run < 3; ++run) engines[i].run(inputs[i]);
    } catch (...) {
      share.failure = std::current_exception();
      start.arrive_and_drop();
      return;
    }
    start.arrive_and_wait();
    const auto begin = Clock::now();
    try {
      while (share.seconds < options.seconds) {
        engines[i].run(inputs[i]);
        ++share.runs;
        share.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      }
    } catch (...) {
      share.failure = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < devices.size(); ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  for (const Share& share : shares) {
    if (share.failure) std::rethrow_exception(share.failure);
  }
  return shares;
}

void run_together(const Options& options, const std::vector<std::string>& devices, const Output& output) {
  note(output, fmt::format("running on {} devices for about {:.0f} s", devices.size(), options.seconds));
  int64_t samples = 1;
  double total = 0.0;
  nlohmann::json rows = nlohmann::json::array();
  for (const Share& share : measure_together(options, devices, output, samples)) {
    const double per_s = static_cast<double>(share.runs * samples) / share.seconds;
    total += per_s;
    rows.push_back({{"device", share.device}, {"runs", share.runs}, {"throughput_per_s", per_s}});
    if (!output.json) fmt::print("{}: {} runs, {:.1f} samples/s\n", share.device, share.runs, per_s);
  }
  if (output.json) {
    fmt::print("{}\n", nlohmann::json{{"batch_size", samples}, {"devices", rows}, {"throughput_per_s", total}}.dump(1));
  } else {
    fmt::print("together: batch {}, {:.1f} samples/s\n", samples, total);
  }
}

void print_text(const Engine& engine, const Timing& timing, const std::vector<LayerProfile>& layers, int64_t samples,
                const std::vector<Shape>& shapes) {
  fmt::print("{} engine, batch {}, {} threads: {} runs\n", engine.precision(), samples, engine.threads(),
             timing.ms.size());
  fmt::print("latency ms: min {:.3f}, median {:.3f}, p90 {:.3f}, p99 {:.3f}; throughput {:.1f} samples/s\n",
             timing.ms[0], timing.percentile(50), timing.percentile(90), timing.percentile(99),
             1000.0 * static_cast<double>(samples) / timing.percentile(50));
  const MemoryReport memory = engine.memory(shapes);
  fmt::print("memory: weights {}, activations {}, workspace {}\n", bytes_text(memory.weights_bytes),
             bytes_text(memory.activation_bytes), bytes_text(memory.workspace_bytes));
  if (layers.empty()) return;
  double total = 0.0;
  for (const LayerProfile& layer : layers) total += layer.time_us;
  fmt::print("\n{:>10} {:>6}  {:<5} {:<34} {:<22} {}\n", "time us", "%", "prec.", "tactic", "op", "layer");
  for (const LayerProfile& layer : layers) {
    fmt::print("{:>10.1f} {:>6.1f}  {:<5} {:<34} {:<22} {}\n", layer.time_us, 100.0 * layer.time_us / total,
               layer.precision, layer.tactic, layer.op, layer.name);
  }
}

void print_json(const Engine& engine, const Timing& timing, const std::vector<LayerProfile>& layers, int64_t samples) {
  nlohmann::json rows = nlohmann::json::array();
  for (const LayerProfile& layer : layers) {
    rows.push_back({{"name", layer.name},
                    {"op", layer.op},
                    {"precision", layer.precision},
                    {"backend", layer.backend},
                    {"tactic", layer.tactic},
                    {"time_us", layer.time_us},
                    {"output_shape", layer.output_shape}});
  }
  const nlohmann::json document = {{"latency_ms",
                                    {{"min", timing.ms[0]},
                                     {"median", timing.percentile(50)},
                                     {"p90", timing.percentile(90)},
                                     {"p99", timing.percentile(99)}}},
                                   {"throughput_per_s", 1000.0 * static_cast<double>(samples) / timing.percentile(50)},
                                   {"runs", timing.ms.size()},
                                   {"batch_size", samples},
                                   {"threads", engine.threads()},
                                   {"precision", engine.precision()},
                                   {"layers", rows}};
  fmt::print("{}\n", document.dump(1));
}

void run(const Options& options, const Output& output) {
  const std::vector<std::string> devices = split(options.engine_options.device);
  if (devices.size() > 1) return run_together(options, devices, output);
  const Engine engine = open(options, devices[0]);
  for (const std::string& notice : engine.notices()) note(output, notice);
  const std::vector<Shape> shapes = input_shapes(options, engine);
  const std::vector<NamedTensor> inputs = random_inputs(options, engine, shapes);
  note(output, fmt::format("running for about {:.0f} s", options.seconds));
  const Timing timing = measure(options, engine, inputs);
  const std::vector<LayerProfile> layers = options.no_layers ? std::vector<LayerProfile>{} : engine.profile(inputs, 10);
  const int64_t samples = samples_of(shapes);
  if (output.json) {
    print_json(engine, timing, layers, samples);
  } else {
    print_text(engine, timing, layers, samples, shapes);
  }
}

}  // namespace

void add_bench(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("bench", "Time an engine: latency percentiles, throughput, time per layer");
  command->add_option("engine", options->engine, "Engine file (.tfe), or a model to run in fp32")->required();
  command->add_option("--batch-size", options->batch_size, "For unknown first dimensions")->capture_default_str();
  command->add_option("--input-shapes", options->shapes, "One per input, as 1,224,224,3");
  command->add_option("--iterations", options->iterations, "Runs to time (0: for --seconds)")->capture_default_str();
  command->add_option("--seconds", options->seconds, "How long to run")->capture_default_str();
  command->add_option("--seed", options->seed, "Of the random inputs")->capture_default_str();
  command->add_flag("--no-layers", options->no_layers, "Leave the time per layer out");
  add_engine_options(*command, options->engine_options);
  add_model_options(*command, options->load);
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
