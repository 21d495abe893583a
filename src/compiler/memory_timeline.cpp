// SPDX-License-Identifier: Apache-2.0
// The arena over the steps as an SVG picture.
#include <fmt/format.h>

#include <algorithm>

#include "tfengine/memory_report.h"

namespace tfengine {

namespace {

// Pixels.
constexpr double kWidth = 1200, kHeight = 560, kLeft = 80, kRight = 20, kTop = 64, kBottom = 56;

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '&') {
      safe += "&amp;";
    } else if (c == '<') {
      safe += "&lt;";
    } else if (c == '>') {
      safe += "&gt;";
    } else if (c == '"') {
      safe += "&quot;";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      safe += ' ';  // not allowed in XML
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string mib(uint64_t bytes) { return fmt::format("{:.2f} MiB", static_cast<double>(bytes) / (1024 * 1024)); }

// 1, 2 or 5 times a power of ten (of bytes: of MiB), so that some five lines fit.
double tick_of(double most) {
  double tick = 1.0 / 1024;
  for (int i = 0; most / tick > 6; ++i) tick *= i % 3 == 1 ? 2.5 : 2.0;
  return tick;
}

class Picture {
 public:
  explicit Picture(const MemoryDetails& details) : details_(details) {
    steps_ = std::max<double>(1.0, static_cast<double>(details.steps.size()));
    most_ = std::max<double>(1.0, static_cast<double>(details.report.activation_bytes));
  }

  std::string draw(const std::string& title) {
    text_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
        kWidth, kHeight);
    const MemoryReport& report = details_.report;
    label(kLeft, 22, title, "font-size=\"16\" font-weight=\"bold\"");
    label(kLeft, 42,
          fmt::format("arena {} (lower bound {}, every tensor apart {}), weights {}, workspace {}; fullest at {}",
                      mib(report.activation_bytes), mib(report.activation_lower_bound_bytes),
                      mib(report.naive_activation_bytes), mib(report.weights_bytes), mib(report.workspace_bytes),
                      report.peak_layer));
    axes();
    for (size_t i = 0; i < details_.tensors.size(); ++i) tensor(i);
    if (!details_.steps.empty()) peak();
    return text_ + "</svg>\n";
  }

 private:
  double x(double step) const { return kLeft + step / steps_ * (kWidth - kLeft - kRight); }
  double y(double bytes) const { return kHeight - kBottom - bytes / most_ * (kHeight - kTop - kBottom); }

  void label(double at_x, double at_y, const std::string& words, const char* style = "") {
    text_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", at_x, at_y, style, escaped(words));
  }

  void axes() {
    constexpr double kMiB = 1024 * 1024;
    const double tick = tick_of(most_ / kMiB);
    for (int i = 0; i * tick * kMiB <= most_; ++i) {
      const double value = i * tick;
      const double at = y(value * kMiB);
      text_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#dddddd\"/>\n",
                           kLeft, at, kWidth - kRight, at);
      label(kLeft - 8, at + 4, fmt::format("{:g}", value), "text-anchor=\"end\"");
    }
    label(16, kTop - 8, "MiB");
    label(kLeft, kHeight - 16, "steps, in the order in which they run", "fill=\"#555555\"");
    label(kWidth - kRight, kHeight - 16, fmt::format("{} steps", details_.steps.size()),
          "text-anchor=\"end\" fill=\"#555555\"");
  }

  // Neighbours get colours far apart on the wheel.
  void tensor(size_t index) {
    const ArenaTensor& box = details_.tensors[index];
    const double hue = static_cast<double>(index * 137 % 360);
    const double left = x(box.first_step), right = x(box.last_step + 1.0);
    const double top = y(static_cast<double>(box.offset + box.bytes)), bottom = y(static_cast<double>(box.offset));
    text_ += fmt::format(
        "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"hsl({:.0f},55%,70%)\" "
        "stroke=\"#666666\" stroke-width=\"0.4\"><title>{}: {} at offset {}, steps {} to {}</title></rect>\n",
        left, top, right - left, bottom - top, hue, escaped(box.name), mib(box.bytes), box.offset, box.first_step,
        box.last_step);
  }

  void peak() {
    const double at = x(details_.peak_step + 0.5);
    text_ += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"#c00000\" "
        "stroke-dasharray=\"4 3\"/>\n",
        at, kTop, kHeight - kBottom);
    const bool left_half = at < kWidth / 2;
    label(at + (left_half ? 6 : -6), kTop - 4,
          fmt::format("peak: step {}, {}", details_.peak_step,
                      details_.steps[static_cast<size_t>(details_.peak_step)].name),
          left_half ? "fill=\"#c00000\"" : "fill=\"#c00000\" text-anchor=\"end\"");
  }

  const MemoryDetails& details_;
  double steps_ = 1.0, most_ = 1.0;
  std::string text_;
};

}  // namespace

std::string memory_timeline_svg(const MemoryDetails& details, const std::string& title) {
  return Picture(details).draw(title);
}

}  // namespace tfengine
