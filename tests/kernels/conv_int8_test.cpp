// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv_int8.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <optional>

#include "conv_testing.h"
#include "hwy/highway.h"

namespace tfengine::kernels {
namespace {

// Highway picks the best instruction set; tests run every one that this CPU has.
void for_each_target(const std::function<void(const char*)>& f) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    f(hwy::TargetName(target));
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

// A buffer whose surroundings must stay as they were.
class Guarded {
 public:
  explicit Guarded(size_t bytes) : bytes_(bytes), data_(std::aligned_alloc(64, round(bytes)), &std::free) {
    std::memset(data_.get(), 0xA5, round(bytes));
  }
  std::byte* data() { return static_cast<std::byte*>(data_.get()) + 64; }
  bool intact() const {
    const auto* p = static_cast<const uint8_t*>(data_.get());
    const auto untouched = [](uint8_t b) { return b == 0xA5; };
    return std::all_of(p, p + 64, untouched) && std::all_of(p + 64 + bytes_, p + round(bytes_), untouched);
  }

 private:
  static size_t round(size_t n) { return (n + 64 + 64 + 63) / 64 * 64; }
  size_t bytes_;
  std::unique_ptr<void, decltype(&std::free)> data_;
};

ConvShape conv(int64_t batch, int64_t in, int64_t in_c, int64_t out_c, int64_t kernel, int64_t stride = 1,
               int64_t dilation = 1, int64_t groups = 1) {
  ConvShape s;
  s.batch = batch;
  s.in_h = in;
  s.in_w = in + 1;  // not square: rows and columns must not be mixed up
  s.in_c = s.src_pixel_stride = in_c;
  s.out_c = s.dst_pixel_stride = out_c;
  s.kernel_h = s.kernel_w = kernel;
  s.stride_h = s.stride_w = stride;
  s.dilation_h = s.dilation_w = dilation;
  s.groups = groups;
  // TensorFlow's SAME.
  const auto same = [&](int64_t size, int64_t& out, int64_t& pad) {
    out = (size + stride - 1) / stride;
    pad = std::max<int64_t>(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size) / 2;
  };
  same(s.in_h, s.out_h, s.pad_top);
  same(s.in_w, s.out_w, s.pad_left);
  return s;
}

ConvShape valid(ConvShape s) {
  s.pad_top = s.pad_left = 0;
  s.out_h = (s.in_h - (s.kernel_h - 1) * s.dilation_h - 1) / s.stride_h + 1;
  s.out_w = (s.in_w - (s.kernel_w - 1) * s.dilation_w - 1) / s.stride_w + 1;
  return s;
}

ConvShape slices(ConvShape s) {
  s.src_pixel_stride += 5;
  s.dst_pixel_stride += 3;
  return s;
}

std::vector<ConvShape> shapes() {
  std::vector<ConvShape> all = {conv(1, 1, 1, 1, 1),
                                conv(1, 7, 64, 32, 1),
                                conv(2, 5, 3, 17, 1),
                                slices(conv(1, 6, 40, 24, 1)),
                                conv(1, 9, 16, 33, 1, 2),
                                conv(2, 8, 31, 16, 1, 3),
                                conv(1, 7, 16, 16, 3),
                                conv(2, 9, 7, 5, 3),
                                slices(conv(2, 9, 10, 20, 3)),
                                conv(1, 12, 32, 48, 3),
                                conv(3, 4, 24, 16, 3),
                                conv(1, 5, 2, 64, 3),
                                conv(1, 11, 3, 8, 3, 2),
                                conv(1, 33, 3, 64, 7, 2),
                                valid(conv(1, 20, 3, 16, 7, 2)),
                                conv(2, 10, 12, 18, 5),
                                conv(1, 10, 12, 18, 5, 2),
                                conv(1, 13, 8, 16, 3, 1, 2),
                                conv(1, 13, 5, 9, 3, 2, 3),
                                conv(2, 6, 24, 36, 3, 1, 1, 3),
                                conv(1, 6, 24, 24, 1, 1, 1, 4),
                                conv(1, 7, 6, 6, 3, 1, 1, 6),
                                valid(conv(2, 9, 16, 16, 3)),
                                valid(slices(conv(1, 17, 20, 40, 3))),
                                conv(1, 2, 16, 16, 3),
                                conv(1, 1, 16, 16, 3),
                                conv(1, 40, 33, 16, 3),
                                conv(1, 60, 70, 8, 3),
                                conv(1, 3, 512, 20, 3),
                                conv(1, 3, 600, 16, 1),
                                dense_shape(1, 300, 50),
                                dense_shape(5, 64, 1000),
                                dense_shape(33, 129, 10)};
  ConvShape wide = conv(1, 6, 8, 16, 3);  // 1x7 of Inception
  wide.kernel_h = 1;
  wide.kernel_w = 7;
  wide.pad_top = 0;
  wide.pad_left = 3;
  all.push_back(wide);
  std::swap(wide.kernel_h, wide.kernel_w);
  std::swap(wide.pad_top, wide.pad_left);
  all.push_back(wide);
  ConvShape padded = conv(1, 5, 16, 16, 1);  // a pad folded into a pointwise convolution
  padded.pad_top = padded.pad_left = 1;
  padded.out_h += 2;
  padded.out_w += 2;
  all.push_back(padded);
  return all;
}

struct Data {
  ConvShape shape;
  Elem src_elem;
  std::vector<uint8_t> src;  // s8 values as bytes when signed
  std::vector<int8_t> weights;
  std::vector<float> scale, bias;
  std::vector<int64_t> sums;

  Data(const ConvShape& s, Elem elem, std::mt19937& rng, std::optional<std::pair<int, int>> extreme = {})
      : shape(s), src_elem(elem) {
    const auto src_n = static_cast<size_t>(s.batch * s.in_h * s.in_w * s.src_pixel_stride);
    const auto weights_n = static_cast<size_t>(s.kernel_h * s.kernel_w * s.in_c / s.groups * s.out_c);
    const auto [low, high] = elem == Elem::S8 ? std::pair(-128, 127) : std::pair(0, 255);
    src = extreme ? random_bytes<uint8_t>(src_n, rng, extreme->first, extreme->first)
                  : random_bytes<uint8_t>(src_n, rng, low, high);
    weights = extreme ? random_bytes<int8_t>(weights_n, rng, extreme->second, extreme->second)
                      : random_bytes<int8_t>(weights_n, rng, -128, 127);
    sums.resize(static_cast<size_t>(s.batch * s.out_h * s.out_w * s.out_c));
    for_each_product(s, [&](int64_t out, int64_t in, int64_t w) {
      sums[out] += static_cast<int64_t>(element(src_elem, src.data(), in)) * weights[w];
    });
    // Results of the order of 100 steps of 1.
    const double k = static_cast<double>(s.kernel_h * s.kernel_w * s.in_c / s.groups);
    const float unit = static_cast<float>(1.0 / (std::sqrt(k) * 74 * 1.4));
    scale = random_floats(static_cast<size_t>(s.out_c), rng, 0.5f * unit, unit);
    bias = random_floats(static_cast<size_t>(s.out_c), rng, -20.0f, 20.0f);
  }
};

void expect_matches(const Data& d, const Epilogue& e, const void* dst, const std::string& what) {
  const ConvShape& s = d.shape;
  for (int64_t i = 0; i < static_cast<int64_t>(d.sums.size()); ++i) {
    const int64_t pixel = i / s.out_c;
    const int64_t channel = i % s.out_c;
    const double real = reference_epilogue(e, static_cast<double>(d.sums[i]), pixel, channel);
    const double got = element(e.dst_elem, dst, pixel * s.dst_pixel_stride + channel);
    const double want = reference_stored(e, real);
    // 8 bits: one step, and only where the value lies at a border between two steps. Float: a few roundings of the terms.
    const double scaled = std::abs(static_cast<double>(d.sums[i]) * (e.scale ? e.scale[channel] : 1.0f));
    const double tolerance = e.dst_elem == Elem::F32 ? 4e-6 * (scaled + 40.0) : 1.0;
    const double distance = real * e.dst_inv_scale - std::floor(real * e.dst_inv_scale);
    const bool at_border = std::abs(distance - 0.5) < 1e-3;
    ASSERT_TRUE(got == want || (std::abs(got - want) <= tolerance && (e.dst_elem == Elem::F32 || at_border)))
        << what << ": pixel " << pixel << " channel " << channel << " got " << got << " want " << want << " (" << real
        << ")";
  }
}

// Runs all supported algorithms with 1 and 2 threads on every instruction set.
void check(const Data& d, const Epilogue& e) {
  const ConvShape& s = d.shape;
  const size_t elem_bytes = e.dst_elem == Elem::F32 ? 4 : 1;
  const auto dst_bytes = static_cast<size_t>(s.batch * s.out_h * s.out_w * s.dst_pixel_stride) * elem_bytes;
  for (const ConvInt8Algo algo : kConvInt8Algos) {
    if (!conv_int8_supports(algo, s, d.src_elem, d.weights.data())) continue;
    Guarded packed(conv_int8_packed_bytes(algo, s));
    conv_int8_pack(algo, s, d.weights.data(), packed.data());
    ASSERT_TRUE(packed.intact());
    for_each_target([&](const char* target) {
      for (const int threads : {1, 2}) {
        std::ostringstream what;
        what << s << ", " << conv_int8_name(algo) << ", " << target << ", " << threads << " threads";
        Guarded workspace(conv_int8_workspace_bytes(algo, s, d.src_elem, threads));
        Guarded dst(dst_bytes);
        std::vector<std::byte> before(dst.data(), dst.data() + dst_bytes);
        // The sources stand for the next step's weights: to fetch them early must change nothing.
        const Ahead ahead{reinterpret_cast<const std::byte*>(d.src.data()), static_cast<int64_t>(d.src.size())};
        conv_int8_run(algo, s, d.src_elem, d.src.data(), packed.data(), e, dst.data(), workspace.data(), threads,
                      threads == 2 ? ahead : Ahead{});
        ASSERT_NO_FATAL_FAILURE(expect_matches(d, e, dst.data(), what.str()));
        ASSERT_TRUE(dst.intact() && workspace.intact()) << what.str();
        // The channels beside a slice belong to others.
        for (int64_t p = 0; p < s.batch * s.out_h * s.out_w; ++p) {
          const auto begin = static_cast<size_t>(p * s.dst_pixel_stride + s.out_c) * elem_bytes;
          const auto end = static_cast<size_t>((p + 1) * s.dst_pixel_stride) * elem_bytes;
          ASSERT_TRUE(std::equal(before.begin() + begin, before.begin() + end, dst.data() + begin)) << what.str();
        }
      }
    });
  }
}

TEST(Ahead, PartsOfThreadsFollowEachOtherAndAreBounded) {
  const std::vector<std::byte> bytes(1000);
  const Ahead all{bytes.data(), 1000};
  const Ahead first = all.part(0, 3), last = all.part(2, 3);
  EXPECT_EQ(first.begin, bytes.data());
  EXPECT_GE(first.bytes, 333);
  EXPECT_EQ(last.begin + last.bytes, bytes.data() + 1000);
  EXPECT_EQ(Ahead{}.part(1, 2).bytes, 0);
  const Ahead large{bytes.data(), int64_t{1} << 30};
  EXPECT_LE(large.part(0, 2).bytes, 1 << 20);
}

Epilogue plain(const Data& d, Elem dst_elem) {
  Epilogue e;
  e.scale = d.scale.data();
  e.bias = d.bias.data();
  e.dst_elem = dst_elem;
  return e;
}

TEST(ConvInt8, EveryShapeSourceAndDestination) {
  std::mt19937 rng(1);
  for (const ConvShape& s : shapes()) {
    for (const Elem src : {Elem::U8, Elem::S8}) {
      const Data d(s, src, rng);
      for (const Elem dst : {Elem::F32, Elem::S8, Elem::U8}) {
        Epilogue e = plain(d, dst);
        if (dst == Elem::U8) e.after_add.kind = ActKind::Relu;
        check(d, e);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(ConvInt8, ActivationsAndResiduals) {
  std::mt19937 rng(2);
  for (const ConvShape& s : {slices(conv(1, 6, 20, 37, 1)), conv(1, 6, 12, 24, 3), slices(conv(1, 5, 8, 133, 1))}) {
    const Data d(s, Elem::U8, rng);
    const auto n = static_cast<size_t>(s.batch * s.out_h * s.out_w * (s.out_c + 2));
    const auto bytes = random_bytes<uint8_t>(n, rng, 0, 255);
    const auto floats = random_floats(n, rng, -50.0f, 50.0f);
    for (int kind = 0; kind <= static_cast<int>(ActKind::Softplus); ++kind) {
      Act act{static_cast<ActKind>(kind), 0.3f, 0.0f};
      if (act.kind == ActKind::Clip) act = {ActKind::Clip, -7.5f, 60.0f};
      // Without bias and scale too, and with every kind of residual.
      for (int residual = -1; residual < 3; ++residual) {
        for (const Elem dst : {Elem::F32, Elem::S8, Elem::U8}) {
          Epilogue e = plain(d, dst);
          (residual % 2 == 0 ? e.before_add : e.after_add) = act;
          e.dst_inv_scale = 1.7f;
          if (residual >= 0) {
            e.residual_elem = static_cast<Elem>(residual);
            e.residual = e.residual_elem == Elem::F32 ? static_cast<const void*>(floats.data()) : bytes.data();
            e.residual_scale = 0.4f;
            e.residual_pixel_stride = s.out_c + 2;
          }
          check(d, e);
          if (HasFatalFailure()) {
            ADD_FAILURE() << "activation " << kind << ", residual " << residual;
            return;
          }
        }
      }
    }
  }
}

// Values that no 32-bit integer holds saturate like all others; what is not a number becomes the largest result.
TEST(ConvInt8, ResultsFarOutOfRangeSaturate) {
  std::mt19937 rng(6);
  Data d(conv(1, 5, 16, 64 + 48, 1), Elem::U8, rng);
  std::fill(d.scale.begin(), d.scale.end(), 1e30f);
  std::fill(d.bias.begin(), d.bias.end(), 0.0f);
  const float infinity = std::numeric_limits<float>::infinity();
  d.bias[1] = infinity;
  d.bias[2] = -infinity;
  for (const Elem dst : {Elem::S8, Elem::U8}) check(d, plain(d, dst));
  std::fill(d.bias.begin(), d.bias.end(), std::numeric_limits<float>::quiet_NaN());
  for (const ConvInt8Algo algo : kConvInt8Algos) {
    if (!conv_int8_supports(algo, d.shape, d.src_elem, d.weights.data())) continue;
    Guarded packed(conv_int8_packed_bytes(algo, d.shape));
    Guarded workspace(conv_int8_workspace_bytes(algo, d.shape, d.src_elem, 1));
    conv_int8_pack(algo, d.shape, d.weights.data(), packed.data());
    std::vector<uint8_t> dst(d.sums.size());
    conv_int8_run(algo, d.shape, d.src_elem, d.src.data(), packed.data(), plain(d, Elem::U8), dst.data(),
                  workspace.data(), 1);
    EXPECT_EQ(std::count(dst.begin(), dst.end(), 255), static_cast<int64_t>(dst.size())) << conv_int8_name(algo);
  }
}

TEST(ConvInt8, RawSumsWithoutScaleAndBias) {
  std::mt19937 rng(3);
  const Data d(conv(1, 5, 4, 20, 3), Elem::S8, rng);
  Epilogue e;
  check(d, e);
}

// The largest products that 8 bits allow, of equal sign: the sums must not saturate anywhere on the way.
TEST(ConvInt8, LargestSums) {
  std::mt19937 rng(4);
  for (const ConvShape& s :
       {conv(1, 5, 512, 16, 3), conv(1, 9, 114, 16, 3), conv(1, 4, 2048, 16, 1), conv(1, 9, 3, 16, 7, 2)}) {
    for (const auto& [elem, src, weight] : {std::tuple(Elem::U8, 255, -128), std::tuple(Elem::U8, 255, 127),
                                            std::tuple(Elem::S8, 128, -128), std::tuple(Elem::S8, 128, 127)}) {
      const Data d(s, elem, rng, std::pair(src, weight));
      check(d, plain(d, Elem::F32));
      if (HasFatalFailure()) return;
    }
  }
}

// The integer Winograd transforms keep 26 bits of a sum.
TEST(ConvInt8, WinogradRefusesWeightsWhoseSumsCouldOverflow) {
  const ConvShape s = conv(1, 5, 256, 16, 3);
  std::vector<int8_t> weights(9 * 256 * 16, 57);
  EXPECT_TRUE(conv_int8_supports(ConvInt8Algo::Winograd, s, Elem::U8, weights.data()));
  std::fill(weights.begin(), weights.end(), int8_t{58});  // 255 * 58 * 9 * 256 >= 2^25
  EXPECT_FALSE(conv_int8_supports(ConvInt8Algo::Winograd, s, Elem::U8, weights.data()));
}

TEST(ConvInt8, ResidualInPlace) {
  std::mt19937 rng(5);
  // Ends of panels, of vectors and of chunks of pixels; several images; groups.
  for (const ConvShape& s :
       {conv(1, 9, 32, 48, 3), conv(2, 7, 40, 67, 1), conv(1, 1, 96, 10, 1), conv(1, 30, 16, 24, 3),
        conv(3, 13, 24, 130, 3, 2), conv(1, 20, 256, 64, 1), conv(1, 8, 32, 36, 3, 1, 1, 4)}) {
    const Data d(s, Elem::U8, rng);
    for (const ConvInt8Algo algo : kConvInt8Algos) {
      if (!conv_int8_supports(algo, s, d.src_elem, d.weights.data())) continue;
      const auto before = random_bytes<uint8_t>(d.sums.size(), rng, 0, 255);
      auto dst = before;
      Epilogue e = plain(d, Elem::U8);
      e.residual = dst.data();
      e.residual_elem = Elem::U8;
      e.residual_pixel_stride = s.out_c;
      Guarded packed(conv_int8_packed_bytes(algo, s));
      Guarded workspace(conv_int8_workspace_bytes(algo, s, Elem::U8, 2));
      conv_int8_pack(algo, s, d.weights.data(), packed.data());
      conv_int8_run(algo, s, d.src_elem, d.src.data(), packed.data(), e, dst.data(), workspace.data(), 2);
      e.residual = before.data();
      expect_matches(d, e, dst.data(), conv_int8_name(algo));
    }
  }
}

TEST(ConvInt8, RandomShapes) {
  const char* given = std::getenv("TFENGINE_TEST_SEED");
  const unsigned seed = given ? static_cast<unsigned>(std::stoul(given)) : std::random_device{}();
  std::cout << "TFENGINE_TEST_SEED=" << seed << "\n";
  std::mt19937 rng(seed);
  const auto pick = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(rng); };
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (std::chrono::steady_clock::now() < until && !::testing::Test::HasFailure()) {
    const int64_t groups = pick(0, 4) == 0 ? pick(1, 4) : 1;
    ConvShape s = conv(pick(1, 3), pick(1, 18), groups * pick(1, 40), groups * pick(1, 40), pick(0, 1) ? 3 : pick(1, 5),
                       pick(0, 2) ? 1 : pick(1, 3), pick(0, 3) ? 1 : pick(1, 3), groups);
    if (pick(0, 1)) s = slices(s);
    const Data d(s, pick(0, 1) ? Elem::U8 : Elem::S8, rng);
    check(d, plain(d, static_cast<Elem>(pick(0, 2))));
  }
}

}  // namespace
}  // namespace tfengine::kernels
