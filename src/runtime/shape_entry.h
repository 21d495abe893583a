// SPDX-License-Identifier: Apache-2.0
// What an engine keeps for one set of input shapes: a plan, contexts for calls, and what follows the plan.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/context.h"
#include "runtime/continuation.h"

namespace tfengine::runtime {

class ShapeEntry {
 public:
  // `next`: null where the plan computes the whole graph.
  ShapeEntry(std::vector<Shape> shapes, std::shared_ptr<const PreparedPlan> prepared, ContextMemory memory,
             std::unique_ptr<Continuation> next)
      : shapes_(std::move(shapes)),
        prepared_(std::move(prepared)),
        memory_(std::move(memory)),
        next_(std::move(next)) {}

  // A context nobody else uses: a free one or a new one. It goes back when the handle dies.
  class Lease {
   public:
    Lease(ShapeEntry& entry, std::unique_ptr<Context> context) : entry_(entry), context_(std::move(context)) {}
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Context& operator*() const { return *context_; }
    Context* operator->() const { return context_.get(); }

   private:
    ShapeEntry& entry_;
    std::unique_ptr<Context> context_;
  };
  Lease lease();
  // Gives back the memory of contexts that no call uses, of what follows, too; whether there were any.
  bool release_idle();
  int contexts() const;         // in use and free
  uint64_t held_bytes() const;  // by them, and by what follows
  const std::vector<Shape>& shapes() const { return shapes_; }
  const Continuation* next() const { return next_.get(); }
  const PreparedPlan& prepared() const { return *prepared_; }
  const plan::Plan& plan() const { return prepared_->plan; }

 private:
  std::vector<Shape> shapes_;
  std::shared_ptr<const PreparedPlan> prepared_;
  ContextMemory memory_;
  std::unique_ptr<Continuation> next_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Context>> free_;
  int contexts_ = 0;
  uint64_t held_bytes_ = 0;
};

// Calls `use` for the entry and for the latest plans of what follows it.
void for_each_stage(const ShapeEntry& entry, const std::function<void(const ShapeEntry&)>& use);

}  // namespace tfengine::runtime
