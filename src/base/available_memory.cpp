// SPDX-License-Identifier: Apache-2.0
#include "base/available_memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

namespace tfengine {

namespace {

namespace fs = std::filesystem;

// Version 1 says 2^63 rounded down to pages where there is no limit.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;

// The number that a file holds; nothing for "max", for no limit, and for no such file.
std::optional<uint64_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  uint64_t number = 0;
  if (!(file >> number) || number >= kNoLimit) return std::nullopt;
  return number;
}

// Bytes behind a name of /proc/meminfo.
std::optional<uint64_t> meminfo(const fs::path& root, const std::string& name) {
  std::ifstream file(root / "proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    uint64_t kib = 0;
    if (words >> key >> kib && key == name + ":") return kib * 1024;
  }
  return std::nullopt;
}

struct Bound {
  uint64_t bytes = UINT64_MAX;
  uint64_t free_bytes = UINT64_MAX;
  void take(uint64_t limit, uint64_t used) {
    bytes = std::min(bytes, limit);
    free_bytes = std::min(free_bytes, limit - std::min(limit, used));
  }
};

// A group's limit holds for the groups below it. In a container the path may be one of the host, which is not there: then the
// folder's root is the container's own group.
void bound_by_group(Bound& bound, const fs::path& mount, std::string group, const char* limit_file,
                    const char* usage_file) {
  while (true) {
    const fs::path folder = mount / fs::path(group).relative_path();
    if (const auto limit = number_in(folder / limit_file)) {
      bound.take(*limit, number_in(folder / usage_file).value_or(0));
    }
    if (group.empty() || group == "/") return;
    group = fs::path(group).parent_path().string();
  }
}

// Lines are "number:controllers:path"; of version 2 there is one, "0::path".
Bound bound_by_groups(const fs::path& root) {
  Bound bound;
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") {
      for (const char* mount : {"sys/fs/cgroup", "sys/fs/cgroup/unified"}) {
        bound_by_group(bound, root / mount, group, "memory.max", "memory.current");
      }
    } else if (controllers.find(",memory,") != std::string::npos) {
      bound_by_group(bound, root / "sys/fs/cgroup/memory", group, "memory.limit_in_bytes", "memory.usage_in_bytes");
    }
  }
  return bound;
}

}  // namespace

AvailableMemory available_memory_under(const fs::path& root, uint64_t address_space_bytes) {
  AvailableMemory memory;
  memory.source = "machine";
  memory.bytes = meminfo(root, "MemTotal").value_or(UINT64_MAX);
  memory.free_bytes = std::min(memory.bytes, meminfo(root, "MemAvailable").value_or(memory.bytes));
  const auto take = [&](uint64_t bytes, uint64_t free_bytes, const char* source) {
    if (bytes < memory.bytes) {
      memory.bytes = bytes;
      memory.source = source;
    }
    memory.free_bytes = std::min(memory.free_bytes, free_bytes);
  };
  const Bound groups = bound_by_groups(root);
  if (groups.bytes != UINT64_MAX) take(groups.bytes, groups.free_bytes, "cgroup");
  if (address_space_bytes != UINT64_MAX) take(address_space_bytes, address_space_bytes, "RLIMIT_AS");
  return memory;
}

AvailableMemory available_memory() {
  rlimit limit{};
  const bool bounded = getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return available_memory_under("/", bounded ? static_cast<uint64_t>(limit.rlim_cur) : UINT64_MAX);
}

}  // namespace tfengine
