// SPDX-License-Identifier: Apache-2.0
#include "kernels/eltwise.h"

#include <limits>

#include "kernels/eltwise_testing.h"

namespace tfengine::kernels {
namespace {

EltwiseProgram one_step(EltwiseOp op, float alpha = 0, float beta = 0) {
  EltwiseProgram p;
  p.num_inputs = is_binary(op) ? 2 : 1;
  p.num_steps = 1;
  p.steps[0] = {op, 2, 0, 1, alpha, beta};
  return p;
}

std::vector<float> run_unary(EltwiseOp op, const std::vector<float>& x, float alpha = 0, float beta = 0,
                             int threads = 1) {
  std::vector<float> y(x.size());
  const void* inputs[] = {x.data()};
  EltwiseProgram p = one_step(op, alpha, beta);
  const int64_t n = int64_t(x.size());
  p.inputs[0].pixel_stride = n;
  eltwise_run(p, {1, 1, n, n}, inputs, y.data(), threads);
  return y;
}

struct Accuracy {
  EltwiseOp op;
  float low, high;
  double relative, absolute;  // of the result
  float alpha = 0, beta = 0;
};

// A few units in the last place (6e-8) for arithmetic; 1e-6 for functions. Absolute errors where a result is a difference
// of numbers near 1 by its definition in TensorFlow, too (gelu), or where the result underflows.
const Accuracy kAccuracy[] = {
    {EltwiseOp::Identity, -10, 10, 0, 0},
    {EltwiseOp::Abs, -10, 10, 0, 0},
    {EltwiseOp::Neg, -10, 10, 0, 0},
    {EltwiseOp::Square, -10, 10, 1e-7, 0},
    {EltwiseOp::Sqrt, 0, 1000, 1e-7, 0},
    {EltwiseOp::Rsqrt, 1e-3f, 1000, 2e-7, 0},
    {EltwiseOp::Exp, -87, 88.5f, 1e-6, 0},
    {EltwiseOp::Exp, -1, 1, 2e-7, 0},
    {EltwiseOp::Log, 1e-30f, 1e30f, 1e-6, 0},
    {EltwiseOp::Log, 0.5f, 2, 1e-6, 0},
    {EltwiseOp::Sigmoid, -80, 80, 1e-6, 0},
    {EltwiseOp::Tanh, -12, 12, 1e-6, 0},
    {EltwiseOp::Tanh, -0.01f, 0.01f, 1e-6, 0},
    {EltwiseOp::Erf, -6, 6, 1e-6, 0},
    {EltwiseOp::Erf, -0.01f, 0.01f, 1e-6, 0},
    {EltwiseOp::Erfc, -6, 9, 1e-6, 0},
    {EltwiseOp::Relu, -10, 10, 0, 0},
    {EltwiseOp::Relu6, -10, 10, 0, 0},
    {EltwiseOp::Clip, -10, 10, 0, 0, -2.5f, 3.5f},
    {EltwiseOp::LeakyRelu, -10, 10, 1e-7, 0, 0.3f},
    {EltwiseOp::Elu, -20, 20, 1e-6, 0, 0.7f},
    {EltwiseOp::Elu, -0.01f, 0.01f, 1e-6, 0, 1.0f},
    {EltwiseOp::Selu, -20, 20, 1e-6, 0},
    {EltwiseOp::Softplus, -50, 50, 1e-6, 0},
    {EltwiseOp::Softsign, -50, 50, 2e-7, 0},
    {EltwiseOp::HardSwish, -8, 8, 3e-7, 2e-7},
    {EltwiseOp::HardSigmoid, -8, 8, 3e-7, 2e-7},
    {EltwiseOp::Swish, -80, 80, 1e-6, 1e-30},
    {EltwiseOp::GeluErf, -8, 8, 1e-6, 1.5e-6},
    {EltwiseOp::GeluTanh, -8, 8, 1e-6, 1.5e-6},
    {EltwiseOp::Reciprocal, -50, 50, 1e-7, 0},
    {EltwiseOp::Floor, -50, 50, 0, 0},
    {EltwiseOp::Ceil, -50, 50, 0, 0},
    {EltwiseOp::Round, -50, 50, 0, 0},
    {EltwiseOp::Sign, -2, 2, 0, 0},
    {EltwiseOp::Affine, -50, 50, 2e-7, 1e-6, 1.7f, -3.0f},
};

TEST(Eltwise, UnaryAccuracy) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for (const Accuracy& a : kAccuracy) {
    SCOPED_TRACE("op " + std::to_string(int(a.op)));
    std::vector<float> x = random_floats(rng, 20011, a.low, a.high);
    if (a.low > 0) {  // many magnitudes
      std::uniform_real_distribution<float> exponent(std::log(a.low), std::log(a.high));
      for (float& v : x) v = std::exp(exponent(rng));
    }
    x[0] = a.low, x[1] = a.high;
    if (a.low < 0) x[2] = 0.5f, x[3] = -0.5f, x[4] = 1.5f, x[5] = -1.5f, x[6] = 2.5f;
    if (a.low < 0 && a.op != EltwiseOp::Reciprocal) x[7] = 0.0f;
    for_each_target([&] {
      const std::vector<float> y = run_unary(a.op, x, a.alpha, a.beta);
      for (size_t i = 0; i < x.size(); ++i) {
        const double expected = eltwise_reference(a.op, double(x[i]), 0, double(a.alpha), double(a.beta));
        ASSERT_TRUE(close_enough(Elem::F32, expected, double(y[i]), a.relative, a.absolute + 1e-44)) << "x = " << x[i];
      }
    });
  }
}

TEST(Eltwise, SpecialValues) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for_each_target([&] {
    const std::vector<float> x = {inf, -inf, nan, 0.0f, 200.0f, -200.0f, 3e38f, -3e38f};
    const auto expect = [&](EltwiseOp op, std::vector<float> expected) {
      const std::vector<float> y = run_unary(op, x, 1.0f);
      for (size_t i = 0; i < x.size(); ++i) {
        if (std::isnan(expected[i])) {
          EXPECT_TRUE(std::isnan(y[i])) << "op " << int(op) << " of " << x[i] << " is " << y[i];
        } else if (std::isinf(expected[i])) {
          EXPECT_EQ(y[i], expected[i]) << "op " << int(op) << " of " << x[i];
        } else {
          EXPECT_NEAR(y[i], expected[i], 1e-6) << "op " << int(op) << " of " << x[i];
        }
      }
    };
    expect(EltwiseOp::Exp, {inf, 0, nan, 1, inf, 0, inf, 0});
    expect(EltwiseOp::Sigmoid, {1, 0, nan, 0.5f, 1, 0, 1, 0});
    expect(EltwiseOp::Tanh, {1, -1, nan, 0, 1, -1, 1, -1});
    expect(EltwiseOp::Erf, {1, -1, nan, 0, 1, -1, 1, -1});
    expect(EltwiseOp::Erfc, {0, 2, nan, 1, 0, 2, 0, 2});
    expect(EltwiseOp::Elu, {inf, -1, nan, 0, 200, -1, 3e38f, -1});
    const std::vector<float> y = run_unary(EltwiseOp::Log, {inf, 0.0f, -1.0f, nan, 1.0f, 1e-42f});
    EXPECT_EQ(y[0], inf);
    EXPECT_EQ(y[1], -inf);
    EXPECT_TRUE(std::isnan(y[2]));
    EXPECT_TRUE(std::isnan(y[3]));
    EXPECT_EQ(y[4], 0.0f);
    EXPECT_NEAR(y[5], std::log(1e-42), 1e-3);
  });
}

struct Operand {
  AnyTensor tensor;
  EltwiseInput info;

  double at(const EltwiseShape& s, int64_t pixel, int64_t c) const {
    switch (info.broadcast) {
      case Broadcast::None:
        return tensor.real(size_t(pixel * info.pixel_stride + c));
      case Broadcast::Channel:
        return tensor.real(size_t(c));
      case Broadcast::ImageChannel:
        return tensor.real(size_t(pixel / s.pixels * s.channels + c));
      case Broadcast::Pixel:
        return tensor.real(size_t(pixel));
      case Broadcast::Scalar:
        return tensor.real(0);
    }
    return 0;
  }
};

Operand make_operand(Rng& rng, const EltwiseShape& s, Elem elem, Broadcast broadcast, int64_t gap) {
  Operand o;
  o.info.elem = elem;
  o.info.scale = elem == Elem::F32 ? 1.0f : 0.03f;
  o.info.broadcast = broadcast;
  o.info.pixel_stride = s.channels + gap;
  const int64_t pixels = s.batch * s.pixels;
  const int64_t sizes[] = {(pixels - 1) * o.info.pixel_stride + s.channels, s.channels, s.batch * s.channels, pixels,
                           1};
  o.tensor = AnyTensor(elem, o.info.scale, size_t(sizes[int(broadcast)]));
  o.tensor.fill(rng);
  if (elem == Elem::F32) {  // away from 0, where a quotient has no bound
    float* x = static_cast<float*>(o.tensor.data());
    for (size_t i = 0; i < o.tensor.size(); ++i) x[i] += x[i] < 0 ? -0.1f : 0.1f;
  }
  return o;
}

void check_binary(Rng& rng, EltwiseOp op, const EltwiseShape& s, const Operand& a, const Operand& b, Elem dst_elem,
                  const Act& act) {
  const int64_t pixels = s.batch * s.pixels;
  EltwiseOutput out{dst_elem, dst_elem == Elem::F32 ? 1.0f : 25.0f, act};
  for (int threads : {1, 2}) {
    AnyTensor dst(dst_elem, 1.0f, size_t((pixels - 1) * s.dst_pixel_stride + s.channels));
    dst.fill(rng);
    const AnyTensor before = dst;
    eltwise_binary(op, s, a.info, a.tensor.data(), b.info, b.tensor.data(), out, dst.data(), threads);
    for (int64_t i = 0; i < int64_t(dst.size()); ++i) {
      const int64_t p = i / s.dst_pixel_stride, c = i % s.dst_pixel_stride;
      if (c >= s.channels) {
        ASSERT_EQ(dst.raw(size_t(i)), before.raw(size_t(i))) << "written between pixels";
        continue;
      }
      double r = eltwise_reference(op, a.at(s, p, c), b.at(s, p, c), 0, 0);
      if (op == EltwiseOp::Div && !std::isfinite(r)) continue;
      r = to_steps(dst_elem, apply_act_reference(act, r), double(out.inv_scale));
      ASSERT_TRUE(close_enough(dst_elem, r, dst.raw(size_t(i)), 2e-6, 2e-6))
          << "op " << int(op) << " a " << int(a.info.elem) << "/" << int(a.info.broadcast) << " b " << int(b.info.elem)
          << "/" << int(b.info.broadcast) << " dst " << int(dst_elem) << " pixel " << p << " channel " << c << " of "
          << s.channels << " threads " << threads;
    }
  }
}

TEST(Eltwise, BinaryTypesAndBroadcasts) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  const Elem elems[] = {Elem::F32, Elem::S8, Elem::U8};
  const Broadcast broadcasts[] = {Broadcast::None, Broadcast::Channel, Broadcast::ImageChannel, Broadcast::Pixel,
                                  Broadcast::Scalar};
  const EltwiseShape shapes[] = {{2, 6, 19, 19}, {1, 3, 600, 611}, {3, 40, 8, 8}};
  for_each_target([&] {
    for (const EltwiseShape& s : shapes) {
      for (EltwiseOp op = EltwiseOp::Add; op <= EltwiseOp::SquaredDifference; op = EltwiseOp(int(op) + 1)) {
        for (Elem a : elems) {
          for (Elem b : elems) {
            for (Broadcast broadcast : broadcasts) {
              const Operand x = make_operand(rng, s, a, Broadcast::None, s.dst_pixel_stride - s.channels);
              const Operand y = make_operand(rng, s, b, broadcast, 0);
              check_binary(rng, op, s, x, y, elems[rng() % 3], {});
              check_binary(rng, op, s, y, x, elems[rng() % 3], {ActKind::Relu, 0, 0});
              if (HasFatalFailure()) return;
            }
          }
        }
      }
    }
  });
}

TEST(Eltwise, BinaryEveryChannelCount) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int64_t channels = 1; channels <= 67; ++channels) {
      for (Elem elem : {Elem::F32, Elem::S8, Elem::U8}) {
        const EltwiseShape s{2, 5, channels, channels + channels % 3};
        const Operand x = make_operand(rng, s, elem, Broadcast::None, channels % 2);
        const Operand y = make_operand(rng, s, elem, Broadcast::ImageChannel, 0);
        check_binary(rng, EltwiseOp::Mul, s, x, y, elem, {});
        check_binary(rng, EltwiseOp::Add, s, x, x, elem, {ActKind::Clip, 0, 6});
        if (HasFatalFailure()) return;
      }
    }
  });
}

TEST(Eltwise, BinaryInPlace) {
  for_each_target([&] {
    std::vector<uint8_t> a(1000, 100);
    const std::vector<uint8_t> b(1000, 60);
    const EltwiseInput info{Elem::U8, 0.5f, Broadcast::None, 1000};
    eltwise_binary(EltwiseOp::Add, {1, 1, 1000, 1000}, info, a.data(), info, b.data(), {Elem::U8, 2.0f, {}}, a.data(),
                   1);
    for (uint8_t x : a) ASSERT_EQ(x, 160);
  });
}

TEST(Eltwise, StridedBroadcast) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  const Elem elems[] = {Elem::F32, Elem::S8, Elem::U8};
  for_each_target([&] {
    for (int round = 0; round < 100; ++round) {
      StridedShape s;
      s.rank = int(rng() % 7);
      int64_t total = 1, size_a = 1, size_b = 1;
      for (int i = s.rank - 1; i >= 0; --i) {
        s.dims[i] = 1 + int64_t(rng() % 6);
        total *= s.dims[i];
        if (rng() % 3) s.a_strides[i] = size_a, size_a *= s.dims[i];
        if (rng() % 3) s.b_strides[i] = size_b, size_b *= s.dims[i];
      }
      AnyTensor a(elems[rng() % 3], 0.02f, size_t(size_a)), b(elems[rng() % 3], 0.03f, size_t(size_b));
      a.fill(rng), b.fill(rng);
      for (int threads : {1, 2}) {
        AnyTensor dst(elems[rng() % 3], 1.0f, size_t(total));
        const EltwiseOutput out{dst.elem, dst.elem == Elem::F32 ? 1.0f : 20.0f, {}};
        eltwise_binary_strided(EltwiseOp::Sub, s, {a.elem, a.scale}, a.data(), {b.elem, b.scale}, b.data(), out,
                               dst.data(), threads);
        for (int64_t i = 0; i < total; ++i) {
          int64_t index = i, at_a = 0, at_b = 0;
          for (int k = s.rank - 1; k >= 0; --k) {
            at_a += index % s.dims[k] * s.a_strides[k];
            at_b += index % s.dims[k] * s.b_strides[k];
            index /= s.dims[k];
          }
          const double r = to_steps(dst.elem, a.real(size_t(at_a)) - b.real(size_t(at_b)), double(out.inv_scale));
          ASSERT_TRUE(close_enough(dst.elem, r, dst.raw(size_t(i)))) << "round " << round << " element " << i;
        }
      }
    }
  });
}

TEST(Eltwise, RandomPrograms) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  const Elem elems[] = {Elem::F32, Elem::S8, Elem::U8};
  const EltwiseOp ops[] = {EltwiseOp::Abs,    EltwiseOp::Sigmoid, EltwiseOp::Tanh, EltwiseOp::Relu6,
                           EltwiseOp::Affine, EltwiseOp::Add,     EltwiseOp::Sub,  EltwiseOp::Mul,
                           EltwiseOp::Max,    EltwiseOp::Min,     EltwiseOp::Swish};
  for_each_target([&] {
    for (int round = 0; round < 60; ++round) {
      EltwiseShape s{1 + int64_t(rng() % 3), 1 + int64_t(rng() % 50), 1 + int64_t(rng() % 300), 0};
      s.dst_pixel_stride = s.channels + int64_t(rng() % 2) * 3;
      EltwiseProgram p;
      p.num_inputs = 1 + int(rng() % 4);
      std::vector<Operand> operands;
      std::vector<const void*> inputs;
      for (int i = 0; i < p.num_inputs; ++i) {
        const Broadcast broadcast = i == 0 ? Broadcast::None : Broadcast(rng() % 5);
        operands.push_back(make_operand(rng, s, elems[rng() % 3], broadcast, int64_t(rng() % 2)));
        p.inputs[i] = operands.back().info;
      }
      for (const Operand& o : operands) inputs.push_back(o.tensor.data());
      p.num_steps = int(rng() % 9);
      int known = p.num_inputs;
      for (int i = 0; i < p.num_steps; ++i) {
        EltwiseStep& step = p.steps[i];
        step = {ops[rng() % std::size(ops)],    0,    uint8_t(rng() % size_t(known)),
                uint8_t(rng() % size_t(known)), 0.5f, -0.25f};
        step.dst = uint8_t(p.num_inputs + int(rng() % size_t(known - p.num_inputs + 1)));
        known = std::max(known, step.dst + 1);
      }
      p.output = {elems[rng() % 3], 10.0f, {rng() % 2 ? ActKind::Relu : ActKind::None, 0, 0}};
      ASSERT_EQ(eltwise_program_error(p), nullptr);
      const int64_t pixels = s.batch * s.pixels;
      AnyTensor dst(p.output.elem, 1.0f, size_t((pixels - 1) * s.dst_pixel_stride + s.channels));
      eltwise_run(p, s, inputs.data(), dst.data(), 1 + int(rng() % 2));
      for (int64_t pixel = 0; pixel < pixels; ++pixel) {
        for (int64_t c = 0; c < s.channels; ++c) {
          double r[EltwiseProgram::kMaxRegisters];
          for (int i = 0; i < p.num_inputs; ++i) r[i] = operands[size_t(i)].at(s, pixel, c);
          double result = r[0];
          for (int i = 0; i < p.num_steps; ++i) {
            const EltwiseStep& step = p.steps[i];
            result = eltwise_reference(step.op, r[step.a], r[step.b], double(step.alpha), double(step.beta));
            r[step.dst] = result;
          }
          result = to_steps(p.output.elem, apply_act_reference(p.output.act, result), 10.0);
          ASSERT_TRUE(close_enough(p.output.elem, result, dst.raw(size_t(pixel * s.dst_pixel_stride + c)), 1e-4, 1e-4))
              << "round " << round << " pixel " << pixel << " channel " << c;
        }
      }
    }
  });
}

TEST(Eltwise, ProgramErrors) {
  EltwiseProgram p = one_step(EltwiseOp::Add);
  EXPECT_EQ(eltwise_program_error(p), nullptr);
  p.steps[0].b = 5;
  EXPECT_STREQ(eltwise_program_error(p), "a second register is above 15 or read before it is written");
  p = one_step(EltwiseOp::Abs);
  p.steps[0].dst = 0;
  EXPECT_STREQ(eltwise_program_error(p), "a step writes an input");
  p.steps[0] = {EltwiseOp::Abs, 16, 0, 0, 0, 0};
  EXPECT_STREQ(eltwise_program_error(p), "a register is above 15");
  p.steps[0] = {EltwiseOp::Abs, 1, 3, 0, 0, 0};
  EXPECT_STREQ(eltwise_program_error(p), "a register is read before it is written");
  p.num_inputs = 0;
  EXPECT_STREQ(eltwise_program_error(p), "the number of inputs is not 1 to 8");
}

}  // namespace
}  // namespace tfengine::kernels
