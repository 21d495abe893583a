// SPDX-License-Identifier: Apache-2.0
#include "compiler/memory_budget.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/json_object.h"
#include "compiler/batch_split.h"
#include "compiler/chunks.h"
#include "compiler/outputs.h"

namespace tfengine::detail {

namespace {

// A chunk of fewer samples costs little more than the next smaller one saves.
constexpr size_t kMostChunkSizes = 6;

int64_t batch_of(const std::vector<Shape>& shapes) {
  return shapes.empty() || shapes[0].rank() == 0 ? 1 : shapes[0][0];
}

nlohmann::json point_json(const EnginePoint& point) {
  return json_object({{"time_us", std::round(point.time_us * 10.0) / 10.0},
                      {"weights_bytes", point.weights_bytes},
                      {"activation_bytes", point.activation_bytes},
                      {"workspace_bytes", point.workspace_bytes},
                      {"total_bytes", point.total_bytes()}});
}

std::string advice(const std::vector<Contender>& contenders, const std::vector<std::string>& unsplit, int64_t batch) {
  std::vector<std::string> given;
  for (const Contender& contender : contenders) given.push_back(contender.precision);
  std::string text;
  for (const char* other : {"bf16", "int8"}) {
    if (std::find(given.begin(), given.end(), other) == given.end())
      text += fmt::format("{}'{}'", text.empty() ? "; allow precision " : " or ", other);
  }
  for (const std::string& reason : unsplit) {
    if (!reason.empty())
      return text + fmt::format("; plan for fewer samples than {}, which cannot be run in chunks: {}", batch, reason);
  }
  return text;
}

[[noreturn]] void nothing_fits(Trials& trials, const std::vector<Contender>& contenders, uint64_t budget_bytes,
                               int64_t batch) {
  const EnginePoint* least = nullptr;
  std::string way;
  for (Trial& trial : trials.trials) {
    const EnginePoint& point = trial.trade_off->smallest();
    if (least != nullptr && point.total_bytes() >= least->total_bytes()) continue;
    least = &point;
    way = way_text(contenders[trial.contender].precision, trial.chunk);
  }
  check(least != nullptr, "a memory budget without a trial");
  fail<InvalidArgument>(
      "memory_budget_bytes: got {}, expected at least {}, which the smallest engine takes ({}: weights {}, activations "
      "{}, "
      "workspace {}). Give that much{}",
      budget_bytes, least->total_bytes(), way, least->weights_bytes, least->activation_bytes, least->workspace_bytes,
      advice(contenders, trials.unsplit, batch));
}

}  // namespace

std::string way_text(const std::string& precision, int64_t chunk) {
  return chunk == 0 ? precision : fmt::format("{}, in chunks of {}", precision, chunk);
}

ChunkSizes chunk_sizes(const runtime::EngineCore& core, ir::Graph graph, const std::vector<Shape>& shapes) {
  ChunkSizes result{{0}, std::nullopt};
  const int64_t batch = batch_of(shapes);
  if (batch < 2) return result;
  const auto fixed = [&](const std::vector<Shape>& given) {
    ops::Stages stages = core.config().specialize(graph, given);
    if (stages.split()) fail<InvalidModel>("{}", data_dependence(stages));
    return std::move(stages.front);
  };
  try {
    const ir::Graph whole = fixed(shapes);
    for (int64_t chunk = batch; chunk % 2 == 0 && result.sizes.size() < kMostChunkSizes;) {
      chunk /= 2;
      const ir::Graph part = fixed(with_samples(shapes, chunk));
      result.refusal = splits_by_batch(whole, part);
      if (result.refusal) break;
      result.sizes.push_back(chunk);
    }
    if (result.sizes.size() == 1 && !result.refusal) {  // an odd number: one by one
      const ir::Graph part = fixed(with_samples(shapes, 1));
      result.refusal = splits_by_batch(whole, part);
      if (!result.refusal) result.sizes.push_back(1);
    }
  } catch (const Error& error) {
    result.refusal = Refusal{error.what()};  // the model has no other batch size
  }
  return result;
}

Trials make_trials(const std::vector<Contender>& contenders, const std::vector<Shape>& shapes) {
  Trials all;
  const int64_t batch = batch_of(shapes);
  const ops::Stages stages = contenders.at(0).core->config().specialize(contenders[0].core->whole_graph(), shapes);
  if (stages.split()) {
    fail<InvalidArgument>(
        "memory_budget_bytes: {}; expected shapes that follow from the inputs' shapes. "
        "memory_limit_bytes bounds what such an engine takes",
        data_dependence(stages));
  }
  for (size_t i = 0; i < contenders.size(); ++i) {
    runtime::EngineCore& core = *contenders[i].core;
    const ChunkSizes chunks = chunk_sizes(core, core.whole_graph(), shapes);
    all.unsplit.push_back(chunks.refusal ? chunks.refusal->reason : "");
    for (const int64_t chunk : chunks.sizes) {
      auto trade_off = chunk == 0 ? std::make_unique<TradeOff>(core, shapes, 1)
                                  : std::make_unique<TradeOff>(core, with_samples(shapes, chunk), batch / chunk);
      all.trials.push_back({i, chunk, std::move(trade_off)});
    }
  }
  return all;
}

BudgetChoice choose_within(Trials& trials, const std::vector<Contender>& contenders, uint64_t budget_bytes,
                           int64_t batch) {
  BudgetChoice best;
  bool found = false;
  nlohmann::json tried = nlohmann::json::array();
  for (Trial& trial : trials.trials) {
    const bool timed = contenders[trial.contender].core->config().measure;
    const auto point = trial.trade_off->fastest_within(budget_bytes);
    tried.push_back(json_object({{"precision", contenders[trial.contender].precision},
                                 {"chunk", trial.chunk},
                                 {"fastest", point_json(trial.trade_off->front().front())},
                                 {"smallest", point_json(trial.trade_off->smallest())}}));
    if (point) tried.back()["within"] = point_json(*point);
    const bool better = point && (!found || (timed && point->time_us < best.point.time_us));
    if (!better) continue;
    best = {trial.contender, trial.chunk, *point, ""};
    found = true;
  }
  if (!found) nothing_fits(trials, contenders, budget_bytes, batch);
  best.report = json_object({{"budget_bytes", budget_bytes},
                             {"precision", contenders[best.contender].precision},
                             {"chunk", best.chunk},
                             {"timed", contenders[best.contender].core->config().measure},
                             {"predicted", point_json(best.point)},
                             {"tried", tried}})
                    .dump();
  return best;
}

}  // namespace tfengine::detail
