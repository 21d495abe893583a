// SPDX-License-Identifier: Apache-2.0
#include "quantize/solver.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "quantize/solvers/solvers.h"

namespace tfengine::quantize {

namespace {

using SolveFn = double (*)(const Magnitudes&, const SolverOptions&);

struct Calibrator {
  std::string_view name;
  SolveFn solve;
};

constexpr std::array kCalibrators = {
    Calibrator{"auto", solve_auto},         Calibrator{"entropy", solve_entropy},
    Calibrator{"entropy1", solve_entropy1}, Calibrator{"legacy", solve_legacy},
    Calibrator{"minmax", solve_minmax},     Calibrator{"moving_average", solve_moving_average},
    Calibrator{"mse", solve_mse},           Calibrator{"percentile", solve_percentile},
};

constexpr auto kNames = [] {
  std::array<std::string_view, kCalibrators.size()> names;
  std::transform(kCalibrators.begin(), kCalibrators.end(), names.begin(), [](const Calibrator& c) { return c.name; });
  return names;
}();

const Calibrator& find_calibrator(std::string_view name) {
  for (const Calibrator& calibrator : kCalibrators) {
    if (calibrator.name == name) return calibrator;
  }
  fail<InvalidArgument>("calibrator '{}' is unknown, expected one of {}", name, fmt::join(kNames, ", "));
}

}  // namespace

std::span<const std::string_view> calibrator_names() { return kNames; }

void check_solver_options(const SolverOptions& options) {
  find_calibrator(options.calibrator);
  if (!(options.percentile > 0.0 && options.percentile <= 100.0)) {
    fail<InvalidArgument>("percentile is {}, expected a number above 0 and up to 100", options.percentile);
  }
  if (options.levels < 1) fail<InvalidArgument>("a grid of {} levels, expected at least 1", options.levels);
}

float solve_max_abs(const Histogram& histogram, const SolverOptions& options) {
  check_solver_options(options);
  const Magnitudes magnitudes = magnitudes_of(histogram);
  if (magnitudes.pieces.empty()) return 0.0f;
  const double bound = find_calibrator(options.calibrator).solve(magnitudes, options);
  return std::min(static_cast<float>(bound), histogram.moments().max_abs());
}

bool maximum_erases_bulk(const Magnitudes& magnitudes, int levels) {
  return percentile_of(magnitudes, 99.9) < magnitudes.max / levels;
}

double bulk_bound(const Magnitudes& magnitudes) {
  return std::min(percentile_of(magnitudes, kBulkPercent), 4 * percentile_of(magnitudes, 99.9));
}

double guarded(const Magnitudes& magnitudes, double max_abs, int levels) {
  if (!(max_abs > 0.0) || max_abs >= magnitudes.max) return magnitudes.max;
  if (maximum_erases_bulk(magnitudes, levels)) return max_abs;
  const double bulk_max = percentile_of(magnitudes, kBulkPercent);
  const double error = capped_error(magnitudes, max_abs, levels, bulk_max);
  return error <= capped_error(magnitudes, magnitudes.max, levels, bulk_max) ? max_abs : magnitudes.max;
}

}  // namespace tfengine::quantize
