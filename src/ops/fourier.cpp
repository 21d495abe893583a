// SPDX-License-Identifier: Apache-2.0
// RFFT, IRFFT, FFT, IFFT along the last axis, and what leads from complex numbers back to real ones: Complex, Real, Imag,
// Conj, ComplexAbs, Angle. Transforms are computed in double.
#include <algorithm>
#include <complex>

#include "ops/families.h"
#include "ops/fft.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

using Single = std::complex<float>;
using Double = std::complex<double>;

void require_complex(const InferContext& context, size_t i) {
  const DType dtype = context.inputs[i].dtype;
  if (dtype != DType::C64 && dtype != DType::Invalid) {
    bad_node(context.node, "its input is {}, expected complex64", dtype_name(dtype));
  }
}

// The transform's length: input 1 where there is one, else `own` of the last axis.
int64_t wanted_length(const InferContext& context, int64_t own) {
  if (context.inputs.size() < 2) return own;
  const auto length = known_ints(context, 1);
  if (!length) return -1;
  if (length->size() != 1 || (*length)[0] < 0 || (*length)[0] > (int64_t{1} << 30)) {
    bad_node(context.node, "fft_length is [{}], expected one size", fmt::join(*length, ","));
  }
  return length->front();
}

const Shape& transformed(const InferContext& context) {
  const Shape& shape = context.inputs[0].shape;
  if (shape.ranked() && shape.rank() == 0) bad_node(context.node, "its input is a scalar, expected rank 1 or more");
  return shape;
}

std::vector<TypeInfo> infer_rfft(const InferContext& context) {
  require_inputs(context, 2);
  Shape out = transformed(context);
  const DType dtype = context.inputs[0].dtype;
  if (dtype != DType::F32 && dtype != DType::Invalid)
    bad_node(context.node, "its input is {}, expected float32", dtype_name(dtype));
  const int64_t length = wanted_length(context, -1);
  if (out.ranked()) out[out.rank() - 1] = length < 0 ? -1 : length / 2 + (length > 0 ? 1 : 0);
  return {{DType::C64, out}};
}

std::vector<TypeInfo> infer_irfft(const InferContext& context) {
  require_inputs(context, 2);
  require_complex(context, 0);
  Shape out = transformed(context);
  if (out.ranked()) out[out.rank() - 1] = wanted_length(context, -1);
  return {{DType::F32, out}};
}

std::vector<TypeInfo> infer_fft(const InferContext& context) {
  require_inputs(context, 1);
  require_complex(context, 0);
  transformed(context);
  return {context.inputs[0]};
}

struct Rows {
  int64_t count, in, out;
};
Rows rows_of(const Tensor& input, const Tensor& output) {
  const int64_t in = input.shape().back(), out = output.shape().back();
  return {out > 0 ? output.elements() / out : 0, in, out};
}

// What is missing to the transform's length is zero, what is more is left out.
std::vector<Tensor> evaluate_rfft(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_rfft, node, inputs);
  const Rows rows = rows_of(inputs[0], output);
  const int64_t length = as_ints(inputs[1])[0];
  if (rows.count == 0) return {output};
  const Fft fft(length);
  std::vector<Double> work(static_cast<size_t>(length));
  for (int64_t r = 0; r < rows.count; ++r) {
    std::fill(work.begin(), work.end(), Double{});
    std::copy_n(inputs[0].as<float>() + r * rows.in, std::min(rows.in, length), work.begin());
    fft.forward(work.data());
    std::copy_n(work.begin(), rows.out, output.mutable_as<Single>() + r * rows.out);
  }
  return {output};
}

std::vector<Tensor> evaluate_irfft(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_irfft, node, inputs);
  const Rows rows = rows_of(inputs[0], output);
  const int64_t length = rows.out;
  if (rows.count == 0) return {output};
  const Fft fft(length);
  std::vector<Double> work(static_cast<size_t>(length));
  for (int64_t r = 0; r < rows.count; ++r) {
    std::fill(work.begin(), work.end(), Double{});
    const Single* x = inputs[0].as<Single>() + r * rows.in;
    for (int64_t k = 0; k < std::min(rows.in, length / 2 + 1); ++k) {
      work[static_cast<size_t>(k)] = x[k];
      // The spectrum of real numbers mirrors itself; its own mirror image counts as real.
      const int64_t mirror = (length - k) % length;
      if (mirror == k)
        work[static_cast<size_t>(k)] = x[k].real();
      else
        work[static_cast<size_t>(mirror)] = std::conj(Double(x[k]));
    }
    fft.backward(work.data());
    float* y = output.mutable_as<float>() + r * length;
    for (int64_t k = 0; k < length; ++k) {
      y[k] = static_cast<float>(work[static_cast<size_t>(k)].real() / static_cast<double>(length));
    }
  }
  return {output};
}

template <bool kInverse>
std::vector<Tensor> evaluate_fft(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_fft, node, inputs);
  const Rows rows = rows_of(inputs[0], output);
  if (rows.count == 0) return {output};
  const Fft fft(rows.in);
  std::vector<Double> work(static_cast<size_t>(rows.in));
  const double scale = kInverse ? 1.0 / static_cast<double>(rows.in) : 1.0;
  for (int64_t r = 0; r < rows.count; ++r) {
    std::copy_n(inputs[0].as<Single>() + r * rows.in, rows.in, work.begin());
    kInverse ? fft.backward(work.data()) : fft.forward(work.data());
    std::transform(work.begin(), work.end(), output.mutable_as<Single>() + r * rows.in,
                   [&](Double value) { return Single(value * scale); });
  }
  return {output};
}

std::vector<TypeInfo> infer_to_real(const InferContext& context) {
  require_inputs(context, 1);
  require_complex(context, 0);
  return {{DType::F32, context.inputs[0].shape}};
}

std::vector<TypeInfo> infer_conj(const InferContext& context) {
  require_inputs(context, 1);
  require_complex(context, 0);
  return {context.inputs[0]};
}

template <float (*kFunction)(Single)>
std::vector<Tensor> evaluate_to_real(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_to_real, node, inputs);
  std::transform(inputs[0].as<Single>(), inputs[0].as<Single>() + output.elements(), output.mutable_as<float>(),
                 kFunction);
  return {output};
}

float real_part(Single x) { return x.real(); }
float imaginary_part(Single x) { return x.imag(); }
// In double, whose squares of floats do not overflow.
float magnitude(Single x) {
  const double re = x.real(), im = x.imag();
  return static_cast<float>(std::sqrt(re * re + im * im));
}
float angle(Single x) { return std::atan2(x.imag(), x.real()); }

std::vector<Tensor> evaluate_conj(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_conj, node, inputs);
  std::transform(inputs[0].as<Single>(), inputs[0].as<Single>() + output.elements(), output.mutable_as<Single>(),
                 [](Single x) { return std::conj(x); });
  return {output};
}

std::vector<TypeInfo> infer_complex(const InferContext& context) {
  require_inputs(context, 2);
  return {{DType::C64, broadcast_shapes(context.node, context.inputs[0].shape, context.inputs[1].shape)}};
}

std::vector<Tensor> evaluate_complex(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_complex, node, inputs);
  if (inputs[0].shape() != inputs[1].shape()) {
    bad_node(node, "its parts have shapes {} and {}, expected equal", inputs[0].shape().str(), inputs[1].shape().str());
  }
  const Tensor re = as_f32(inputs[0]), im = as_f32(inputs[1]);
  std::transform(re.as<float>(), re.as<float>() + re.elements(), im.as<float>(), output.mutable_as<Single>(),
                 [](float a, float b) { return Single(a, b); });
  return {output};
}

}  // namespace

std::vector<Op> fourier_ops() {
  return {
      {.name = "RFFT", .infer = infer_rfft, .evaluate = evaluate_rfft},
      {.name = "IRFFT", .infer = infer_irfft, .evaluate = evaluate_irfft},
      {.name = "FFT", .infer = infer_fft, .evaluate = evaluate_fft<false>},
      {.name = "IFFT", .infer = infer_fft, .evaluate = evaluate_fft<true>},
      {.name = "Complex", .infer = infer_complex, .evaluate = evaluate_complex},
      {.name = "Real", .infer = infer_to_real, .evaluate = evaluate_to_real<real_part>},
      {.name = "Imag", .infer = infer_to_real, .evaluate = evaluate_to_real<imaginary_part>},
      {.name = "ComplexAbs",
       .infer = infer_to_real,
       .evaluate = evaluate_to_real<magnitude>,
       .int8 = {.sign = Sign::NonNegative}},
      {.name = "Angle", .infer = infer_to_real, .evaluate = evaluate_to_real<angle>},
      {.name = "Conj", .infer = infer_conj, .evaluate = evaluate_conj},
  };
}

}  // namespace tfengine::ops
