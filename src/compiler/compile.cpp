// SPDX-License-Identifier: Apache-2.0
// The straight line from a model to an engine; each step's data can be seen with `tfengine dump --after=STEP`.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "backends/list.h"
#include "backends/onednn/cpu_features.h"
#include "base/check.h"
#include "base/host_memory.h"
#include "compiler/chunks.h"
#include "compiler/engine_impl.h"
#include "compiler/fast_chunk.h"
#include "compiler/ladder.h"
#include "compiler/measures.h"
#include "compiler/memory_budget.h"
#include "compiler/model_impl.h"
#include "compiler/recipe.h"
#include "compiler/report.h"
#include "compiler/sample_share.h"
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

std::vector<std::vector<Shape>> shapes_to_plan(const ir::Graph& graph, const ConvertOptions& options) {
  if (!options.input_shapes.empty()) return options.input_shapes;
  return {detail::default_shapes(graph, options.batch_size)};
}

// Within the noise of the measurement INT8 wins, for its smaller tensors and weights. Steps timed apart find their tensors in
// the cache, where float ones of four times the size will not be: so the whole has to gain clearly.
constexpr detail::SlowRule kSlowInt8{1.15, 2.0, 0.93};
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
    recipe_.precision = precision_;
    recipe_.nodes_denylist = options.nodes_denylist;
    recipe_.disabled_passes = options.disabled_passes;
    recipe_.int8_grid = on_device() && options.int8_grid == "auto" ? "tensorrt" : options.int8_grid;
    recipe_.strict_ranges = options.strict_ranges;
    recipe_.float_gates = options.float_gates;
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
    if (precision_ == "int8") graph = int8_graph(graph, shapes);
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
    for (const std::vector<Shape>& set : shapes) core->entry(set);
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

  ir::Graph int8_graph(const ir::Graph& optimized, const std::vector<std::vector<Shape>>& shapes) {
    detail::Int8Maker maker(model_, options_, optimized, recipe_, host_config_, report_);
    detail::Int8Maker::Made made = make_int8(maker, optimized);
    recipe_ = made.recipe;
    if (recipe_.ranges.empty() && !options_.strict_ranges) {
      report_.notes.emplace_back("precision int8 was asked for, but there are no ranges: the engine is float");
      return std::move(made.graph);
    }
    quantize::RewriteCache cache;
    // What strictness or the options refuse, it refuses before anything is timed.
    quantize::RewriteResult result = detail::rewrite(made.graph, recipe_, &cache);
    const bool timed = options_.avoid_slow_int8 && detail::can_time(config_);
    detail::StepTimes wide, narrow;
    if (timed) {
      wide = detail::time_steps(made.graph, config_, shapes);
      narrow = keep_slow_float(made.graph, wide, shapes, cache);
      result = detail::rewrite(made.graph, recipe_, &cache);
    }
    note_missing_ranges(result.report.missing);
    report_.rewrite = std::move(result.report);
    explain(maker, made, result.graph);
    if (timed) note_times(maker, wide, narrow, shapes);
    return std::move(result.graph);
  }

  // Gives the times of the graph that comes of it.
  detail::StepTimes keep_slow_float(const ir::Graph& graph, const detail::StepTimes& wide,
                                    const std::vector<std::vector<Shape>>& shapes, quantize::RewriteCache& cache) {
    const auto int8 = [&](const std::set<std::string>& slow) {
      recipe_.slow = slow;
      return detail::time_steps(detail::rewrite(graph, recipe_, &cache).graph, config_, shapes);
    };
    detail::SlowNodes found = detail::slow_nodes(wide, int8, kSlowInt8);
    report_.notes.push_back(
        fmt::format("steps measured apart: float {:.0f} us, int8 {:.0f} us; {} nodes stay float because "
                    "they are faster so",
                    found.wide_us, found.narrow.total_us, found.names.size()));
    recipe_.slow = std::move(found.names);
    return std::move(found.narrow);
  }

  // What INT8 gains each layer, and what the ladder's measures and floats cost.
  void note_times(detail::Int8Maker& maker, const detail::StepTimes& wide, const detail::StepTimes& made,
                  const std::vector<std::vector<Shape>>& shapes) {
    for (const auto& [name, us] : made.by_node) {
      const auto found = wide.by_node.find(name);
      if (found != wide.by_node.end()) report_.times[name] = {found->second, us};
    }
    if (report_.ladder.rungs.size() <= 1) return;
    detail::Measures given = detail::parse_measures(options_.measures);
    given.automatic = false;
    const detail::Int8Maker::Made plain = maker.make(given);
    report_.ladder.plain_us =
        detail::time_steps(detail::rewrite(plain.graph, plain.recipe).graph, config_, shapes).total_us;
    report_.ladder.final_us = made.total_us;
  }

  void explain(const detail::Int8Maker& maker, const detail::Int8Maker::Made& made, const ir::Graph& int8) {
    report_.measures = made.measures.names();
    if (options_.calibration != nullptr) {
      report_.calibrator = made.calibrator;
      report_.explanations = detail::explain_grids(report_.rewrite, maker.histograms(made));
    }
    if (!options_.explain || options_.samples == nullptr) return;
    constexpr int64_t kSamples = 8;  // the figures of a tensor settle after a few
    detail::explain_on(report_.explanations, report_.rewrite, made.graph, int8, *options_.samples, kSamples,
                       host_config_);
  }

  // The measures that were asked for, or those that the accuracy contract takes.
  detail::Int8Maker::Made make_int8(detail::Int8Maker& maker, const ir::Graph& optimized) {
    detail::Measures measures = detail::parse_measures(options_.measures);
    const bool contract = options_.target.share != 0.0;
    if (!contract && !measures.automatic) return maker.make(measures);
    AccuracyTarget target = options_.target;
    BatchSource* data = contract && target.data != nullptr ? target.data : options_.samples;
    if (data == nullptr) fail<InvalidArgument>("target accuracy: give calibration data, or labelled data");
    if (!contract) {
      target = {};
      target.share = 1.0;
      target.max_samples = std::max<int64_t>(options_.max_samples / 2, 1);
    }
    if (data == options_.samples && detail::can_share(*data)) {
      fitted_.emplace(*data, detail::Share::Fitted);
      aside_.emplace(*data, detail::Share::Aside);
      maker.fit_on(*fitted_);
      data = &*aside_;
    }
    measures.automatic = false;
    const detail::Judge judge(optimized, target, *data, host_config_);
    return detail::climb(maker, judge, measures, contract, report_.ladder);
  }

  void note_missing_ranges(const std::vector<std::string>& missing) {
    if (missing.empty()) return;
    report_.notes.push_back(detail::missing_ranges_text(missing) +
                            ". Ranges come of calibration data, a calibration table, or a FakeQuantWithMinMaxVars or "
                            "QuantizeAndDequantizeV2 node behind the tensor; strict_ranges makes this an error");
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
    impl->options = nlohmann::json{
        {"precision", precision_},
        {"float_precision", float_precision_},
        {"int8_grid", options_.int8_grid},
        {"calibrator", options_.calibrator},
        {"nodes_denylist", options_.nodes_denylist},
        {"max_workspace_size_bytes", options_.engine.max_workspace_size_bytes},
        {"threads", config_.threads},
        {"chunk", chunk_},
        {"tag",
         options_.tag}}.dump();
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
  // Shares of the samples, where measures are judged by them too.
  std::optional<detail::SampleShare> fitted_, aside_;
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
      options_.push_back(std::make_unique<ConvertOptions>(options));
      options_.back()->precision = known;
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
