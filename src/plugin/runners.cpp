// SPDX-License-Identifier: Apache-2.0
#include "plugin/runners.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <system_error>

#include "base/check.h"

namespace tfengine::plugin {

namespace {

int usable_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return std::max(1, CPU_COUNT(&allowed));
}

}  // namespace

Runners::Runners(int cores) : cores_(std::max(1, cores)), free_(cores_) {}

Runners::~Runners() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

// Under the lock. The system may refuse a thread: then those that are there have to do, and there must be one.
void Runners::grow() {
  if (ending_) return;  // those that are there finish the work
  try {
    threads_.emplace_back([this] { serve(); });
    ++idle_;  // at once, so that a call that comes before it runs does not make another
  } catch (const std::system_error& error) {
    if (!threads_.empty()) return;
    tasks_.pop_back();
    fail<BackendFailure>("no thread to run engines on: {}", error.what());
  }
}

void Runners::run(int threads, std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back({std::clamp(threads, 1, cores_), std::move(task)});
    // A thread more only if it could work at once: teams that wait cost memory and nothing else, but are not needed.
    if (idle_ == 0 && can_start()) grow();
  }
  wake_.notify_one();
}

int Runners::size() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(threads_.size());
}

void Runners::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return can_start() || (ending_ && tasks_.empty()); });
    if (tasks_.empty()) return;
    --idle_;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    free_ -= task.cores;
    // Others may fit beside it.
    if (can_start()) {
      if (idle_ == 0) grow();
      wake_.notify_one();
    }
    lock.unlock();
    task.work();
    task.work = nullptr;  // what it holds is freed before the cores are
    lock.lock();
    free_ += task.cores;
    ++idle_;
    if (ending_) wake_.notify_all();
  }
}

Runners& Runners::engines() {
  static auto* runners = new Runners(usable_cores());
  return *runners;
}

Runners& Runners::builds() {
  static auto* runners = new Runners(1);
  return *runners;
}

void Runners::release_team() { omp_pause_resource_all(omp_pause_soft); }

}  // namespace tfengine::plugin
