// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/plan_workers.h"

#include <dlfcn.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "backends/cuda/error.h"
#include "base/check.h"

namespace tfengine::cuda {

namespace {

constexpr int kMostWorkers = 16;
constexpr uint32_t kMostNameBytes = 4096;
constexpr uint64_t kMostPlanBytes = uint64_t{64} << 20;

struct Request {
  ConvProblem problem;
  uint32_t name_bytes = 0;
};

struct Reply {
  uint32_t compiled = 0;
  uint64_t workspace_bytes = 0;
  uint64_t plan_bytes = 0;
};

bool send_all(int to, const void* data, size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    // A worker that died must not end this process by a signal.
    const ssize_t sent = ::send(to, at, bytes, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += sent;
    bytes -= static_cast<size_t>(sent);
  }
  return true;
}

bool receive_all(int from, void* data, size_t bytes) {
  auto* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t got = ::recv(from, at, bytes, 0);
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

// Beside the library that holds this code, or where an installation puts programs for libraries.
std::string worker_program() {
  if (const char* given = std::getenv("TFENGINE_CUDA_WORKER")) return given;
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&compile_plans), &info) == 0 || info.dli_fname == nullptr) return "";
  const std::filesystem::path folder = std::filesystem::path(info.dli_fname).parent_path();
  std::error_code ignored;
  for (const char* place : {"tfengine-cuda-worker", "../bin/tfengine-cuda-worker", "../libexec/tfengine-cuda-worker"}) {
    const std::filesystem::path path = folder / place;
    if (std::filesystem::exists(path, ignored)) return path.string();
  }
  return "";
}

class Worker {
 public:
  Worker(const std::string& program, int gpu) {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    const std::string index = std::to_string(gpu);
    const char* arguments[] = {program.c_str(), index.c_str(), nullptr};
    const int status =
        ::posix_spawn(&process_, program.c_str(), &actions, nullptr, const_cast<char* const*>(arguments), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (status != 0) {
      ::close(ends[0]);
      process_ = -1;
      return;
    }
    socket_ = ends[0];
  }
  ~Worker() {
    if (socket_ >= 0) ::close(socket_);  // its standard input ends, and with it the program
    if (process_ > 0) ::waitpid(process_, nullptr, 0);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  bool alive() const { return socket_ >= 0; }
  int socket() const { return socket_; }
  bool busy() const { return job_ >= 0; }
  int job() const { return job_; }

  bool ask(const ConvProblem& problem, const ConvConfig& config, int job) {
    const std::string name = config.name();
    const Request request{problem, static_cast<uint32_t>(name.size())};
    if (!send_all(socket_, &request, sizeof request) || !send_all(socket_, name.data(), name.size())) return lose();
    job_ = job;
    return true;
  }
  // The answer to the latest question; bytes empty: it does not compile.
  CompiledPlan answer() {
    job_ = -1;
    CompiledPlan plan;
    Reply reply;
    if (!receive_all(socket_, &reply, sizeof reply) || reply.plan_bytes > kMostPlanBytes) {
      lose();
      return plan;
    }
    plan.workspace_bytes = reply.workspace_bytes;
    plan.bytes.resize(reply.plan_bytes);
    if (!receive_all(socket_, plan.bytes.data(), plan.bytes.size())) {
      lose();
      plan.bytes.clear();
    }
    return plan;
  }

 private:
  bool lose() {
    ::close(socket_);
    socket_ = -1;
    return false;
  }
  pid_t process_ = -1;
  int socket_ = -1;
  int job_ = -1;
};

class Pool {
 public:
  Pool(const std::string& program, int gpu) {
    const int wanted = std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMostWorkers);
    for (int i = 0; i < wanted; ++i) workers_.push_back(std::make_unique<Worker>(program, gpu));
    forget_dead();
  }
  bool empty() const { return workers_.empty(); }

  std::vector<CompiledPlan> compile(const ConvProblem& problem, const std::vector<ConvConfig>& configs) {
    std::vector<CompiledPlan> plans(configs.size());
    size_t next = 0;
    while (true) {
      for (const auto& worker : workers_) {
        if (worker->alive() && !worker->busy() && next < configs.size()) {
          if (worker->ask(problem, configs[next], static_cast<int>(next))) ++next;
        }
      }
      std::vector<pollfd> waiting;
      std::vector<Worker*> busy;
      for (const auto& worker : workers_) {
        if (!worker->alive() || !worker->busy()) continue;
        waiting.push_back({worker->socket(), POLLIN, 0});
        busy.push_back(worker.get());
      }
      if (waiting.empty()) break;
      if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
      for (size_t i = 0; i < waiting.size(); ++i) {
        if (waiting[i].revents == 0) continue;
        const auto job = static_cast<size_t>(busy[i]->job());
        plans[job] = busy[i]->answer();
        plans[job].config = configs[job];
      }
    }
    forget_dead();
    return plans;
  }

 private:
  void forget_dead() {
    std::erase_if(workers_, [](const auto& worker) { return !worker->alive(); });
  }
  std::vector<std::unique_ptr<Worker>> workers_;
};

struct Pools {
  std::mutex mutex;
  std::map<int, std::unique_ptr<Pool>> by_gpu;
};
Pools& pools() {
  static Pools all;
  return all;
}

CompiledPlan compile_here(CudnnHandle& handle, const ConvProblem& problem, const ConvConfig& config) {
  CompiledPlan plan;
  plan.config = config;
  try {
    const ConvPlan made(handle, problem, config);
    plan.workspace_bytes = made.workspace_bytes();
    plan.bytes = made.serialize();
  } catch (const BackendFailure&) {
    plan.bytes.clear();
  }
  return plan;
}

}  // namespace

std::vector<CompiledPlan> compile_plans(int gpu, CudnnHandle& handle, const ConvProblem& problem,
                                        const std::vector<ConvConfig>& configs) {
  std::vector<CompiledPlan> plans;
  const std::string program = worker_program();
  if (!program.empty() && configs.size() > 1) {
    Pools& all = pools();
    const std::lock_guard lock(all.mutex);
    std::unique_ptr<Pool>& pool = all.by_gpu[gpu];
    if (pool == nullptr) pool = std::make_unique<Pool>(program, gpu);
    if (!pool->empty()) plans = pool->compile(problem, configs);
  }
  if (plans.empty()) {
    const std::lock_guard lock(handle.mutex());
    for (const ConvConfig& config : configs) plans.push_back(compile_here(handle, problem, config));
  }
  std::erase_if(plans, [](const CompiledPlan& plan) { return plan.bytes.empty(); });
  return plans;
}

void end_workers() {
  const std::lock_guard lock(pools().mutex);
  pools().by_gpu.clear();
}

int serve_plans(int gpu) {
  const UseGpu use(gpu);
  CudnnHandle handle;
  Request request;
  while (receive_all(STDIN_FILENO, &request, sizeof request)) {
    if (request.name_bytes > kMostNameBytes) return 1;
    std::string name(request.name_bytes, '\0');
    if (!receive_all(STDIN_FILENO, name.data(), name.size())) return 1;
    const CompiledPlan plan = compile_here(handle, request.problem, parse_config(name));
    const Reply reply{plan.bytes.empty() ? 0u : 1u, plan.workspace_bytes, plan.bytes.size()};
    if (!send_all(STDIN_FILENO, &reply, sizeof reply) ||
        !send_all(STDIN_FILENO, plan.bytes.data(), plan.bytes.size())) {
      return 1;
    }
  }
  return 0;
}

}  // namespace tfengine::cuda
