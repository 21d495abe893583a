// SPDX-License-Identifier: Apache-2.0
// The threads that run engines, one set for the whole process. Each owns an OpenMP team, and together they use no more
// cores than there are: any number of sessions and operations share them, first come, first served.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace tfengine::plugin {

class Runners {
 public:
  explicit Runners(int cores);
  // Waits for the tasks that were given.
  ~Runners();
  Runners(const Runners&) = delete;
  Runners& operator=(const Runners&) = delete;

  // Runs the task on one of the threads once `threads` cores are free (all of them, if there are fewer). Tasks start in the
  // order given and must not throw.
  void run(int threads, std::function<void()> task);
  int cores() const { return cores_; }
  // Threads that exist by now.
  int size() const;

  // For engines: as many cores as the process may use. Never destroyed, since hosts may still call while the process ends.
  static Runners& engines();
  // For building engines, one at a time and beside those that run: a build takes seconds and must not hold up others.
  static Runners& builds();
  // Ends the calling thread's OpenMP team. With more teams' threads than cores in the process, OpenMP lets the threads of
  // all of them sleep between regions, which costs an engine of 60 steps milliseconds; so whoever is done gives his up.
  static void release_team();

 private:
  struct Task {
    int cores;
    std::function<void()> work;
  };
  void serve();
  void grow();
  bool can_start() const { return !tasks_.empty() && tasks_.front().cores <= free_; }

  const int cores_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  int free_;
  int idle_ = 0;  // threads without a task, those included that only begin
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tfengine::plugin
