// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "plan/backend.h"

namespace tfengine::plan {

namespace {

using Function = std::function<void(const StepArgs&)>;

class BoundFunction : public BoundKernel {
 public:
  BoundFunction(std::shared_ptr<const Function> function, StepArgs args)
      : function_(std::move(function)), args_(std::move(args)) {}
  void run() override { (*function_)(args_); }
  void rebind(const StepArgs& args) override { args_ = args; }

 private:
  std::shared_ptr<const Function> function_;
  StepArgs args_;
};

class FunctionKernel : public Kernel {
 public:
  FunctionKernel(Function function, std::vector<int> packed, std::span<const std::byte> weights)
      : function_(std::make_shared<const Function>(std::move(function))),
        packed_(std::move(packed)),
        weights_(weights) {}
  std::span<const std::byte> weights() const override { return weights_; }
  bool reads(int input) const override { return std::find(packed_.begin(), packed_.end(), input) == packed_.end(); }
  std::unique_ptr<BoundKernel> bind(const StepArgs& args) const override {
    return std::make_unique<BoundFunction>(function_, args);
  }

 private:
  std::shared_ptr<const Function> function_;
  std::vector<int> packed_;
  std::span<const std::byte> weights_;
};

}  // namespace

std::shared_ptr<const Kernel> function_kernel(Function function, std::vector<int> packed,
                                              std::span<const std::byte> weights) {
  return std::make_shared<FunctionKernel>(std::move(function), std::move(packed), weights);
}

}  // namespace tfengine::plan
