// SPDX-License-Identifier: Apache-2.0
#include "support/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/numeric.h"

namespace tfengine::testing {

namespace {

::testing::AssertionResult same_type(const Tensor& expected, const Tensor& actual) {
  if (expected.dtype() == actual.dtype() && expected.shape() == actual.shape()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "got " << dtype_name(actual.dtype()) << " " << actual.shape().str()
                                       << ", expected " << dtype_name(expected.dtype()) << " "
                                       << expected.shape().str();
}

bool near(double expected, double actual, double allowed) {
  if (std::isnan(expected)) return std::isnan(actual);
  if (std::isinf(expected)) return expected == actual;
  return std::fabs(expected - actual) <= allowed;
}

::testing::AssertionResult all_near(const Tensor& expected, const Tensor& actual, double allowed) {
  const Tensor wide_expected = ops::cast_tensor(expected, DType::F64),
               wide_actual = ops::cast_tensor(actual, DType::F64);
  const double *e = wide_expected.as<double>(), *a = wide_actual.as<double>();
  int64_t wrong = 0, first = -1;
  double worst = 0.0;
  for (int64_t i = 0; i < expected.elements(); ++i) {
    if (near(e[i], a[i], allowed)) continue;
    if (wrong++ == 0) first = i;
    worst = std::max(worst, std::fabs(e[i] - a[i]));
  }
  if (wrong == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << wrong << " of " << expected.elements() << " elements of "
                                       << expected.shape().str() << " differ by more than " << allowed
                                       << ", at most by " << worst << "; element " << first << ": got " << a[first]
                                       << ", expected " << e[first];
}

}  // namespace

::testing::AssertionResult tensors_near(const Tensor& expected, const Tensor& actual, double tolerance) {
  if (auto same = same_type(expected, actual); !same) return same;
  double range = 0.0;
  if (ops::is_float(expected.dtype())) {
    const Tensor wide = ops::cast_tensor(expected, DType::F64);
    for (int64_t i = 0; i < wide.elements(); ++i) {
      if (std::isfinite(wide.as<double>()[i])) range = std::max(range, std::fabs(wide.as<double>()[i]));
    }
  }
  // Denormals may be flushed to zero.
  return all_near(expected, actual, tolerance * range + std::numeric_limits<float>::min());
}

::testing::AssertionResult within_steps(const Tensor& expected, const Tensor& actual, int64_t steps) {
  if (auto same = same_type(expected, actual); !same) return same;
  return all_near(expected, actual, static_cast<double>(steps));
}

}  // namespace tfengine::testing
