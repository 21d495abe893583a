// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/compiled_plans.h"

#include <algorithm>
#include <cstdlib>

#include "backends/cuda/error.h"
#include "tfengine/error.h"

namespace tfengine::cuda {

namespace {

// ResNet-50 has 24 different problems, for which an H100 has some 150 configurations each; half of the best ones are one and
// the same, and what wins is close to the best elsewhere. Its first ten problems have four sizes of images; with four
// problems, all of one size, the best configuration of the small ones was lost (0.24 ms instead of 0.21 at batch 1).
constexpr int kProblemsToLearnFrom = 10;
constexpr size_t kProposalsToKeep = 8;
constexpr size_t kLikely = 40;
constexpr double kClose = 0.25;  // of the best time

std::string key_of(const ConvProblem& problem) { return {reinterpret_cast<const char*>(&problem), sizeof problem}; }

// Plans are programs of the GPU: whoever does not trust a file's origin has them compiled anew.
bool takes_stored_plans() {
  const char* value = std::getenv("TFENGINE_STORED_GPU_PLANS");
  return value == nullptr || std::string_view(value) != "0";
}

}  // namespace

CudnnHandle& CompiledPlans::handle() {
  if (handle_ == nullptr) {
    const UseGpu use(gpu_);
    handle_ = std::make_unique<CudnnHandle>();
  }
  return *handle_;
}

std::vector<CompiledPlan> CompiledPlans::all(const ConvProblem& problem, bool first_only) {
  const std::lock_guard lock(mutex_);
  const UseGpu use(gpu_);
  const std::string key = key_of(problem) + (first_only ? "1" : "");
  const auto found = compiled_.find(key);
  if (found != compiled_.end()) return found->second;
  std::vector<ConvConfig> configs = conv_configs(handle(), problem);
  if (!first_only) keep_likely(problem.n, configs);
  std::vector<CompiledPlan> plans;
  if (first_only) {
    for (size_t i = 0; i < configs.size() && plans.empty(); ++i)
      plans = compile_plans(gpu_, handle(), problem, {configs[i]});
  } else {
    plans = compile_plans(gpu_, handle(), problem, configs);
  }
  return compiled_.emplace(key, std::move(plans)).first->second;
}

void CompiledPlans::measured(int64_t batch, const std::vector<std::pair<std::string, double>>& times_us) {
  const std::lock_guard lock(mutex_);
  double best = 1e30;
  for (const auto& [name, time_us] : times_us) best = std::min(best, time_us);
  Experience& experience = experience_[batch];
  ++experience.problems;
  for (const auto& [name, time_us] : times_us) {
    const double slower = time_us / best - 1.0;
    if (slower < kClose) experience.scores[name] += 1.0 - slower / kClose;
  }
}

void CompiledPlans::keep_likely(int64_t batch, std::vector<ConvConfig>& configs) const {
  const auto found = experience_.find(batch);
  if (found == experience_.end() || found->second.problems < kProblemsToLearnFrom) return;
  const auto score = [&](const ConvConfig& config) {
    const auto at = found->second.scores.find(config.name());
    return at == found->second.scores.end() ? 0.0 : at->second;
  };
  const size_t proposals = std::min<size_t>(configs.size(), kProposalsToKeep);
  const auto rest = configs.begin() + static_cast<std::ptrdiff_t>(proposals);
  std::stable_sort(rest, configs.end(), [&](const ConvConfig& a, const ConvConfig& b) { return score(a) > score(b); });
  configs.resize(std::min<size_t>(configs.size(), proposals + kLikely));
}

std::shared_ptr<const ConvPlan> CompiledPlans::one(const ConvProblem& problem, const ConvConfig& config,
                                                   const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  const UseGpu use(gpu_);
  std::weak_ptr<const ConvPlan>& slot = loaded_[key_of(problem) + config.name()];
  if (auto plan = slot.lock()) return plan;
  const auto attempt = [&](auto&& how) -> std::shared_ptr<const ConvPlan> {
    try {
      const std::lock_guard use_handle(handle().mutex());
      return std::make_shared<const ConvPlan>(handle(), problem, how);
    } catch (const BackendFailure&) {
      return nullptr;
    }
  };
  std::shared_ptr<const ConvPlan> plan;
  if (!bytes.empty() && takes_stored_plans()) plan = attempt(bytes);
  if (plan == nullptr) plan = attempt(config);
  slot = plan;
  return plan;
}

void CompiledPlans::forget() {
  const std::lock_guard lock(mutex_);
  compiled_.clear();
  std::erase_if(loaded_, [](const auto& entry) { return entry.second.expired(); });
  end_workers();
}

}  // namespace tfengine::cuda
