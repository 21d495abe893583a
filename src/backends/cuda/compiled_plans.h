// SPDX-License-Identifier: Apache-2.0
// The plans of cuDNN that a process has for one GPU: each problem's configurations are compiled once while a network is
// planned, and equal steps share what is loaded.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/cuda/plan_workers.h"

namespace tfengine::cuda {

class CompiledPlans {
 public:
  explicit CompiledPlans(int gpu) : gpu_(gpu) {}

  // Every configuration that compiles; only the heuristics' first one where `first_only`.
  std::vector<CompiledPlan> all(const ConvProblem& problem, bool first_only);
  // The one configuration, from bytes that an earlier plan kept where they are of use. Null: it does not compile.
  std::shared_ptr<const ConvPlan> one(const ConvProblem& problem, const ConvConfig& config, const std::string& bytes);
  // Times of the plans of one problem by configurations' names: those that come close to the best for several problems are
  // what is compiled for the next ones of as many images, beside the heuristics' proposals.
  void measured(int64_t batch, const std::vector<std::pair<std::string, double>>& times_us);
  // What was compiled and is not in use goes.
  void forget();

 private:
  void keep_likely(int64_t batch, std::vector<ConvConfig>& configs) const;
  CudnnHandle& handle();

  int gpu_;
  std::mutex mutex_;
  std::unique_ptr<CudnnHandle> handle_;
  std::map<std::string, std::vector<CompiledPlan>> compiled_;    // by problem
  std::map<std::string, std::weak_ptr<const ConvPlan>> loaded_;  // by problem and configuration
  struct Experience {
    int problems = 0;
    std::map<std::string, double> scores;  // by configuration
  };
  std::map<int64_t, Experience> experience_;  // by batch size
};

}  // namespace tfengine::cuda
