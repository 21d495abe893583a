// SPDX-License-Identifier: Apache-2.0
#include "plan/timing_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>

#include "base/check.h"

namespace tfengine::plan {

namespace {

constexpr std::string_view kHeader = "# tfengine timing cache 1: time_us <tab> cpu | step | tactic";

std::string line_key(const std::string& step, const std::string& tactic) {
  return fmt::format("{} | {} | {}", cpu_key(), step, tactic);
}

std::string act_text(const Act& act) {
  return act.kind == ActKind::None ? "" : fmt::format("{}({},{})", static_cast<int>(act.kind), act.alpha, act.beta);
}

std::string attr_text(const ir::Attr& attr) {
  return std::visit(
      [](const auto& value) -> std::string {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, Tensor>) {
          return "tensor";
        } else if constexpr (std::is_same_v<T, DType>) {
          return std::string(dtype_name(value));
        } else if constexpr (std::is_same_v<T, Shape>) {
          return value.str();
        } else if constexpr (std::is_same_v<T, std::vector<Shape>> || std::is_same_v<T, std::vector<DType>>) {
          return "list";
        } else {
          return fmt::format("{}", value);
        }
      },
      attr);
}

void add_attrs(const ir::Node& node, std::string& key) {
  for (const auto& [name, attr] : node.attrs) {
    if (!name.starts_with("_")) key += fmt::format(" {}={}", name, attr_text(attr));
  }
}

void add_epilogue(const ir::Epilogue& fused, std::string& key) {
  if (fused.empty()) return;
  key +=
      fmt::format(" b{} {} r{} {}", fused.bias, act_text(fused.before_add), fused.residual, act_text(fused.after_add));
}

// What a region computes, without names.
void add_region(const ir::Graph& region, std::string& key) {
  key += " {";
  for (const ir::NodeId id : region.order()) {
    const ir::Node& node = region.node(id);
    key += fmt::format("{}(", node.op);
    for (const ir::ValueId input : node.inputs) key += fmt::format("{},", input);
    key += fmt::format(")={}", node.outputs[0]);
    add_attrs(node, key);
    add_epilogue(node.epilogue, key);
    key += ";";
  }
  key += "}";
}

}  // namespace

const std::string& cpu_key() {
  static const std::string key = [] {
    std::ifstream info("/proc/cpuinfo");
    std::string line, vendor, family, model, vectors;
    while (std::getline(info, line) && !line.empty()) {
      const auto colon = line.find(':');
      if (colon == std::string::npos) continue;
      const std::string value = colon + 2 <= line.size() ? line.substr(colon + 2) : "";
      if (line.starts_with("vendor_id")) vendor = value;
      if (line.starts_with("cpu family")) family = value;
      if (line.starts_with("model\t")) model = value;
      if (line.starts_with("flags")) {
        std::istringstream flags(value);
        for (std::string flag; flags >> flag;) {
          if (flag == "avx2" || flag == "fma" || flag.starts_with("avx512") || flag.starts_with("avx_vnni") ||
              flag.starts_with("amx")) {
            vectors += "+" + flag;
          }
        }
      }
    }
    return fmt::format("{}-{}-{}{}", vendor, family, model, vectors);
  }();
  return key;
}

std::string step_key(const StepSpec& spec) {
  const ir::Node& node = *spec.node;
  std::string key = spec.device == nullptr ? fmt::format("{} t{}", node.op, spec.threads)
                                           : fmt::format("{} {}", node.op, spec.device->key());
  add_attrs(node, key);
  for (const ir::Graph& region : node.regions) add_region(region, key);
  const auto describe = [&](const TensorDesc& desc) {
    key += fmt::format(" {}{}", dtype_name(desc.dtype), desc.shape.str());
    if (!desc.dense()) key += fmt::format("/{}", desc.pixel_stride);
  };
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    describe(spec.inputs[i]);
    if (spec.constants[i].defined()) key += "c";
  }
  if (spec.cold_weights) key += " cold";
  key += " ->";
  for (const TensorDesc& desc : spec.outputs) describe(desc);
  add_epilogue(node.epilogue, key);
  return key;
}

void TimingCache::load(const std::filesystem::path& path) {
  const std::lock_guard lock(mutex_);
  std::ifstream file(path);
  if (!file) return;
  std::string line;
  if (!std::getline(file, line) || line != kHeader) {
    fail<InvalidModel>("timing cache '{}': first line is '{}', expected '{}'", path.string(), line.substr(0, 80),
                       kHeader);
  }
  for (int number = 2; std::getline(file, line); ++number) {
    const auto tab = line.find('\t');
    double time_us = 0.0;
    const auto end = line.data() + (tab == std::string::npos ? 0 : tab);
    const auto parsed = std::from_chars(line.data(), end, time_us);
    if (tab == std::string::npos || parsed.ec != std::errc() || parsed.ptr != end || !(time_us >= 0.0)) {
      fail<InvalidModel>("timing cache '{}': line {} is malformed, expected 'time_us <tab> key'", path.string(),
                         number);
    }
    times_[line.substr(tab + 1)] = time_us;
  }
}

void TimingCache::save(const std::filesystem::path& path) const {
  const std::lock_guard lock(mutex_);
  const std::filesystem::path temporary = path.string() + fmt::format(".tmp{}", getpid());
  {
    std::ofstream file(temporary);
    file << kHeader << '\n';
    for (const auto& [key, time_us] : times_) file << fmt::format("{:.3f}\t{}\n", time_us, key);
    if (!file.flush()) {
      std::filesystem::remove(temporary);
      fail<InvalidArgument>("timing cache '{}' cannot be written", path.string());
    }
  }
  std::filesystem::rename(temporary, path);
}

std::optional<double> TimingCache::find(const std::string& key, const std::string& tactic) const {
  const std::lock_guard lock(mutex_);
  const auto found = times_.find(line_key(key, tactic));
  return found == times_.end() ? std::nullopt : std::optional(found->second);
}

void TimingCache::add(const std::string& key, const std::string& tactic, double time_us) {
  const std::lock_guard lock(mutex_);
  times_[line_key(key, tactic)] = time_us;
  changed_ = true;
}

size_t TimingCache::size() const {
  const std::lock_guard lock(mutex_);
  return times_.size();
}

}  // namespace tfengine::plan
