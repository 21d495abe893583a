// SPDX-License-Identifier: Apache-2.0
#include "compiler/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tfengine::detail {

namespace {

constexpr double kWidth = 560, kHeight = 360;
constexpr double kLeft = 64, kRight = 20, kTop = 44, kBottom = 56;
constexpr const char* kColours[] = {"#1b6ca8", "#c8553d", "#3a7d44", "#7b4ea3", "#8a6d1d", "#444444"};

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20)
      result += c;
  }
  return result;
}

std::string text_at(double x, double y, const std::string& text, const char* anchor, const char* more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, more,
                     escaped(text));
}

std::string line_at(double x1, double y1, double x2, double y2, const char* colour) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"/>\n", x1, y1, x2, y2,
                     colour);
}

// 1, 2 or 5 times a power of ten, so that about five ticks cover `range`.
double tick_of(double range) {
  const double rough = range / 5.0, power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10.0 * power;
}

class Panel {
 public:
  Panel(const Chart& chart, double x) : chart_(chart), origin_(x) {
    least_ = 1e300;
    for (const Series& series : chart.series) {
      for (const auto& [bytes, y] : series.points) {
        if (bytes > 0.0) least_ = std::min(least_, bytes);
        has_zero_ = has_zero_ || bytes <= 0.0;
        most_ = std::max(most_, bytes);
        top_ = std::max(top_, y);
      }
    }
    if (least_ > most_) least_ = most_ = 1.0;
    low_ = std::floor(std::log2(least_)) - (has_zero_ ? 1.0 : 0.0);
    high_ = std::max(low_ + 1.0, std::ceil(std::log2(most_)));
    if (top_ <= 0.0) top_ = 1.0;
    tick_ = tick_of(top_);
    top_ = std::ceil(top_ / tick_) * tick_;
  }

  std::string svg() const {
    std::string out = text_at(origin_ + kWidth / 2, 20, chart_.title, "middle", " font-weight=\"bold\"");
    out += axes();
    for (size_t i = 0; i < chart_.series.size(); ++i) out += curve(i);
    return out;
  }

 private:
  double x_of(double bytes) const {
    const double at = bytes <= 0.0 ? low_ : std::log2(bytes);
    return origin_ + kLeft + (at - low_) / (high_ - low_) * (kWidth - kLeft - kRight);
  }
  double y_of(double y) const { return kHeight - kBottom - y / top_ * (kHeight - kTop - kBottom); }

  std::string axes() const {
    std::string out;
    const int ticks = static_cast<int>(std::lround(top_ / tick_));  // top_ is a multiple
    for (int i = 0; i <= ticks; ++i) {
      const double y = tick_ * i;
      out += line_at(x_of(0), y_of(y), origin_ + kWidth - kRight, y_of(y), i == 0 ? "#333" : "#ddd");
      out += text_at(x_of(0) - 6, y_of(y) + 4, fmt::format("{:g}", y), "end");
    }
    const int powers = static_cast<int>(std::lround(high_ - low_));
    const int step = std::max(1, (powers + 6) / 7);
    for (int power = 0; power <= powers; power += step) {
      const double bytes = has_zero_ && power == 0 ? 0.0 : std::exp2(low_ + power);
      out += line_at(x_of(bytes), y_of(0), x_of(bytes), y_of(0) + 4, "#333");
      out += text_at(x_of(bytes), y_of(0) + 18, short_bytes(bytes), "middle");
    }
    out += text_at(origin_ + kLeft + (kWidth - kLeft - kRight) / 2, kHeight - 14, chart_.x_title, "middle");
    out += text_at(origin_ + 8, kTop - 10, chart_.y_title, "start");
    return out;
  }

  std::string curve(size_t index) const {
    const Series& series = chart_.series[index];
    const char* colour = kColours[index % std::size(kColours)];
    std::string path, dots;
    double before = 0.0;
    for (size_t i = 0; i < series.points.size(); ++i) {
      const auto& [bytes, y] = series.points[i];
      if (i > 0) path += fmt::format("L{:.1f} {:.1f} ", x_of(bytes), before);
      path += fmt::format("{}{:.1f} {:.1f} ", i == 0 ? "M" : "L", x_of(bytes), y_of(y));
      before = y_of(y);
      dots +=
          fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"{}\"/>\n", x_of(bytes), y_of(y), colour);
    }
    std::string out =
        fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>\n{}", path, colour, dots);
    const double y = kTop + 6 + 16.0 * static_cast<double>(index), x = origin_ + kWidth - kRight - 90;
    out += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{2:.1f}\" y2=\"{1:.1f}\" stroke=\"{3}\" "
        "stroke-width=\"3\"/>\n",
        x, y, x + 20, colour);
    return out + text_at(x + 26, y + 4, series.name, "start");
  }

  const Chart& chart_;
  double origin_;
  double least_ = 0.0, most_ = 0.0, top_ = 0.0, tick_ = 1.0;
  double low_ = 0.0, high_ = 1.0;  // powers of two
  bool has_zero_ = false;
};

}  // namespace

std::string short_bytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024.0 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024.0;
    ++unit;
  }
  return bytes == 0.0 ? "0" : fmt::format("{:.4g} {}", bytes, kUnits[unit]);
}

std::string to_svg(const std::vector<Chart>& charts) {
  const double width = kWidth * static_cast<double>(charts.size());
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"white\"/>\n",
      width, kHeight);
  for (size_t i = 0; i < charts.size(); ++i) out += Panel(charts[i], kWidth * static_cast<double>(i)).svg();
  return out + "</svg>\n";
}

}  // namespace tfengine::detail
