// SPDX-License-Identifier: Apache-2.0
// The straight line from a model to an engine; each step's data can be seen with `tfengine dump --after=STEP`.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <set>

#include "backends/list.h"
#include "backends/onednn/cpu_features.h"
#include "base/check.h"
#include "base/host_memory.h"
#include "base/json_object.h"
#include "compiler/chunks.h"
#include "compiler/engine_impl.h"
#include "compiler/fast_chunk.h"
#include "compiler/int8_stage.h"
#include "compiler/memory_budget.h"
#include "compiler/model_impl.h"
#include "compiler/outputs.h"
#include "compiler/recipe.h"
#include "compiler/report.h"
#include "compiler/slow_steps.h"
#include "compiler/to_bf16.h"
#include "tfengine/convert.h"
#include "tfengine/tune.h"

namespace tfengine {

namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string checked_precision(const std::string& wanted) {
  const std::string precision = lower(wanted);
  if (precision != "fp32" && precision != "fp16" && precision != "bf16" && precision != "int8") {
    fail<InvalidArgument>("precision '{}' is unknown, expected fp32, fp16, bf16 or int8", precision);
  }
  return precision;
}

std::string checked_float_precision(const std::string& wanted) {
  const std::string precision = lower(wanted);
  if (precision != "fp32" && precision != "fp16" && precision != "bf16") {
    fail<InvalidArgument>("float_precision '{}' is unknown, expected fp32, fp16 or bf16", precision);
  }
  return precision;
}

// Options of INT8 that another precision would leave without effect, and names that are none.
void check_int8_options(const ConvertOptions& options, const std::string& precision) {
  detail::parse_measures(options.measures);
  quantize::check_solver_options({.calibrator = options.calibrator, .percentile = options.percentile});
  if (precision == "int8") return;
  std::vector<std::string_view> given;
  if (options.target.share != 0.0) given.emplace_back("a target accuracy");
  if (!options.measures.empty()) given.emplace_back("measures");
  if (options.strict_ranges) given.emplace_back("strict_ranges");
  if (!options.calibration_table.empty()) given.emplace_back("a calibration table");
  if (options.explain) given.emplace_back("explain");
  if (given.empty()) return;
  fail<InvalidArgument>("precision '{}' was asked for with {}: expected int8, whose options these are", precision,
                        fmt::join(given, ", "));
}

// What of the options a precision has a use for.
ConvertOptions for_precision(ConvertOptions options, const std::string& precision) {
  options.precision = precision;
  if (precision == "int8") return options;
  options.target = {};
  options.measures.clear();
  options.strict_ranges = options.explain = false;
  options.calibration_table.clear();
  return options;
}

std::vector<std::vector<Shape>> shapes_to_plan(const ir::Graph& graph, const ConvertOptions& options) {
  if (!options.input_shapes.empty()) return options.input_shapes;
  return {detail::default_shapes(graph, options.batch_size)};
}

// In a bf16 engine the noise speaks for bfloat16, too; in an INT8 engine for FP32, which it stays without good reason.
constexpr detail::SlowRule kSlowBf16{1.15, 2.0, 1.0};
constexpr detail::SlowRule kNotFasterInBf16{0.95, 0.0, 1.06};

class Compiler {
 public:
  Compiler(const Model& model, const ConvertOptions& options)
      : model_(*model.impl()),
        kept_model_(model.impl()),
        options_(options),
        precision_(checked_precision(options.precision)),
        float_precision_(checked_float_precision(options.float_precision)),
        config_(detail::engine_config(options.engine, detail::is_half(precision_, float_precision_))),
        host_config_(detail::engine_config(on_host(options.engine))) {
    check_int8_options(options, precision_);
    recipe_.precision = precision_;
    recipe_.nodes_denylist = options.nodes_denylist;
    recipe_.disabled_passes = options.disabled_passes;
    recipe_.int8_grid = on_device() && options.int8_grid == "auto" ? "tensorrt" : options.int8_grid;
    recipe_.strict_ranges = options.strict_ranges;
    recipe_.float_gates = options.float_gates;
    if (!options.per_channel_weights) recipe_.weight_range = quantize::WeightRange::PerTensor;
    recipe_.backend = config_.backends[0];
    if (options.progress) {
      config_.progress = [this](int done, int total, const std::string&) {
        options_.progress("choosing tactics", done, total);
      };
    }
  }

  Engine run() {
    auto core = make_core();
    auto planned = shapes(*core);
    if (options_.split_batch && planned.size() == 1) planned = {split(*core, planned[0])};
    return plan(std::move(core), planned);
  }

  // The graph, not planned yet.
  std::unique_ptr<runtime::EngineCore> make_core() {
    const std::string wrong = on_device() ? "bf16" : "fp16";
    if (precision_ == wrong || float_precision_ == wrong) {
      fail<InvalidArgument>("precision {} is not for device '{}': half precision is bf16 on a CPU and fp16 on a GPU",
                            wrong, on_device() ? options_.engine.device : "cpu");
    }
    detail::Optimized optimized = detail::optimize(model_, recipe_);
    report_.passes = optimized.report;
    report_.notes = optimized.report.notes;
    report_.segments = segment::segment(optimized.graph, [&](const ir::Graph& graph, const ir::Node& node) {
                         return config_.backends[0]->refuses(graph, node);
                       }).report;
    const auto shapes = shapes_to_plan(optimized.graph, options_);
    ir::Graph graph = std::move(optimized.graph);
    if (precision_ == "int8") {
      // On a GPU floats were never the faster ones, and a trial would compile hundreds of kernels.
      const bool timed = !on_device();
      graph = detail::Int8Stage(model_, options_, host_config_, timed, recipe_, report_).run(graph, shapes);
    }
    if (precision_ == "bf16") graph = bf16_graph(std::move(graph), shapes, kSlowBf16);
    if (precision_ == "int8" && float_precision_ == "bf16") {
      if (onednn::has_bf16()) {
        graph = bf16_graph(std::move(graph), shapes, kNotFasterInBf16);
      } else {
        report_.notes.emplace_back(
            "float_precision bf16: this CPU has no bfloat16 arithmetic, what is not INT8 is FP32");
      }
    }
    return std::make_unique<runtime::EngineCore>(std::move(graph), config_);
  }

  std::vector<std::vector<Shape>> shapes(const runtime::EngineCore& core) const {
    return shapes_to_plan(core.graph(), options_);
  }

  Engine plan(std::unique_ptr<runtime::EngineCore> core, const std::vector<std::vector<Shape>>& shapes) {
    // More than one plan: the constants stay for the next.
    const bool one = shapes.size() == 1;
    if (one) free_constants(*core, true);
    for (const std::vector<Shape>& set : shapes) note_data_dependence(*core->entry(set));
    if (!one) free_constants(*core, false);
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    return finish(std::move(core));
  }

  // The engine that was chosen within the memory budget.
  Engine plan(std::unique_ptr<runtime::EngineCore> core, const detail::BudgetChoice& choice) {
    report_.memory_budget = choice.report;
    chunk_ = choice.chunk;
    core->recall(choice.point.record);
    Engine engine = plan(std::move(core), {choice.point.record.input_shapes});
    const MemoryReport memory = engine.memory(choice.point.record.input_shapes);
    check(memory.peak_bytes <= options_.memory_budget_bytes, "an engine of {} bytes was made within a budget of {}",
          memory.peak_bytes, options_.memory_budget_bytes);
    return engine;
  }

 private:
  // The shapes to plan for, of a chunk where the batch is faster so.
  std::vector<Shape> split(runtime::EngineCore& core, const std::vector<Shape>& shapes) {
    const detail::FastChunk fast = detail::fastest_chunk(core, shapes);
    chunk_ = fast.samples;
    if (chunk_ == 0) return shapes;
    report_.notes.push_back(
        fmt::format("a batch of {} is run in chunks of {}: steps measured apart take {:.0f} us instead of {:.0f} us",
                    shapes[0][0], chunk_, fast.chunks_us, fast.whole_us));
    return detail::with_samples(shapes, chunk_);
  }
  // Samples are run and judged on the host, whatever the engine is for.
  static EngineOptions on_host(EngineOptions options) {
    if (gpu_of_device(options.device) < 0) return options;
    options.device.clear();
    options.backend.clear();
    options.allocator = nullptr;
    return options;
  }
  bool on_device() const { return config_.backends[0]->device() != nullptr; }

  void note_data_dependence(const runtime::ShapeEntry& entry) {
    if (entry.next() == nullptr) return;
    report_.notes.push_back(detail::data_dependence(entry.next()->stages()) +
                            ": what stands behind it is planned in a run, when its shapes are known");
  }

  ir::Graph bf16_graph(ir::Graph graph, const std::vector<std::vector<Shape>>& shapes, const detail::SlowRule& rule) {
    const std::set<std::string> all = detail::bf16_nodes(graph);
    recipe_.bf16 = true;
    if (!all.empty() && detail::can_time(config_)) {
      const auto bf16 = [&](const std::set<std::string>& slow) {
        return detail::time_steps(detail::to_bf16(graph, slow), config_, shapes);
      };
      detail::SlowNodes found = detail::slow_nodes(detail::time_steps(graph, config_, shapes), bf16, rule);
      if (found.narrow.total_us > found.wide_us) found.names = all;
      report_.notes.push_back(fmt::format(
          "float steps measured apart: fp32 {:.0f} us, bf16 {:.0f} us; {} of {} layers stay fp32 because they are "
          "faster so",
          found.wide_us, found.narrow.total_us, found.names.size(), all.size()));
      recipe_.fp32 = std::move(found.names);
    }
    return detail::float_layers(std::move(graph), recipe_);
  }

  Engine finish(std::unique_ptr<runtime::EngineCore> core) {
    std::vector<std::string>& ignored = report_.rewrite.ignored;
    ignored.insert(ignored.end(), report_.passes.ignored_ranges.begin(), report_.passes.ignored_ranges.end());
    auto impl = std::make_shared<detail::EngineImpl>();
    core->end_progress();
    impl->core = std::move(core);
    impl->model_hash = model_.hash;
    impl->precision = precision_;
    impl->chunk = chunk_;
    impl->timing_cache = options_.engine.timing_cache;
    impl->options = json_object({{"precision", precision_},
                                 {"float_precision", float_precision_},
                                 {"int8_grid", options_.int8_grid},
                                 {"calibrator", options_.calibrator},
                                 {"nodes_denylist", options_.nodes_denylist},
                                 {"max_workspace_size_bytes", config_.max_workspace_size_bytes},
                                 {"threads", config_.threads},
                                 {"chunk", chunk_},
                                 {"tag", options_.tag}})
                        .dump();
    impl->report = detail::to_json(report_);
    detail::save_timings(*impl);
    return Engine(std::move(impl));
  }

  // The constants that were made of the model's go; what they are needed for later, the recipe makes again. Of the caller's
  // model, or of this one, which then stays: of a file, that is its mapping.
  void free_constants(runtime::EngineCore& core, bool plan_first) const {
    core.free_constants(
        [recipe = recipe_, again = options_.model_again, own = options_.model_again ? nullptr : kept_model_,
         hash = model_.hash] {
          const Model model = own == nullptr ? again() : Model(own);
          check(model.impl()->hash == hash, "model_again gave another model (fingerprint {}, expected {})",
                model.impl()->hash, hash);
          return detail::make_graph(*model.impl(), recipe);
        },
        plan_first);
  }

  const detail::ModelImpl& model_;
  std::shared_ptr<const detail::ModelImpl> kept_model_;
  const ConvertOptions& options_;
  std::string precision_;
  std::string float_precision_;
  runtime::EngineConfig config_;
  runtime::EngineConfig host_config_;
  detail::Recipe recipe_;
  detail::ConversionReport report_;
  int64_t chunk_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The model in every precision that is allowed, and what engines of them would take.
class Tuner {
 public:
  Tuner(const Model& model, const ConvertOptions& options) {
    const std::vector<std::string> one = {options.precision};
    for (const std::string& precision : options.allowed_precisions.empty() ? one : options.allowed_precisions) {
      const std::string known = checked_precision(precision);
      if (known == "bf16" && !precision_available(known)) continue;
      options_.push_back(std::make_unique<ConvertOptions>(for_precision(options, known)));
      compilers_.push_back(std::make_unique<Compiler>(model, *options_.back()));
      cores_.push_back(compilers_.back()->make_core());
      contenders_.push_back({known, cores_.back().get()});
    }
    if (contenders_.empty()) fail<InvalidArgument>("allowed_precisions: this CPU has no bfloat16 arithmetic");
    const auto sets = compilers_[0]->shapes(*cores_[0]);
    if (sets.size() != 1)
      fail<InvalidArgument>("memory_budget_bytes: got {} sets of input shapes, expected one", sets.size());
    shapes_ = sets[0];
    trials_ = detail::make_trials(contenders_, shapes_);
  }

  Engine within(uint64_t budget_bytes) {
    detail::BudgetChoice choice = detail::choose_within(trials_, contenders_, budget_bytes, batch());
    if (contenders_[0].core->config().measure) {
      auto report = nlohmann::json::parse(choice.report);
      report["trade_off"] = nlohmann::json::parse(sweep().to_json())["by_total"];
      choice.report = report.dump();
    }
    trials_.trials.clear();
    std::unique_ptr<runtime::EngineCore> core = std::move(cores_[choice.contender]);
    return compilers_[choice.contender]->plan(std::move(core), choice);
  }

  MemorySweep sweep() { return detail::sweep(trials_, contenders_, cores_[0]->graph().name, batch()); }

 private:
  int64_t batch() const { return shapes_.empty() || shapes_[0].rank() == 0 ? 1 : shapes_[0][0]; }

  std::vector<std::unique_ptr<ConvertOptions>> options_;
  std::vector<std::unique_ptr<Compiler>> compilers_;
  std::vector<std::unique_ptr<runtime::EngineCore>> cores_;
  std::vector<detail::Contender> contenders_;
  std::vector<Shape> shapes_;
  detail::Trials trials_;
};

}  // namespace

bool precision_available(const std::string& precision) {
  const std::string known = checked_precision(precision);
  return known != "fp16" && (known != "bf16" || onednn::has_bf16());
}

Engine convert(const Model& model, const ConvertOptions& options) {
  // Constants that are made on the way count with the process's memory.
  const HostMemoryScope scope(scratch_memory());
  if (options.memory_budget_bytes == 0) return Compiler(model, options).run();
  return Tuner(model, options).within(options.memory_budget_bytes);
}

MemorySweep memory_sweep(const Model& model, const ConvertOptions& options) {
  const HostMemoryScope scope(scratch_memory());
  return Tuner(model, options).sweep();
}

}  // namespace tfengine
