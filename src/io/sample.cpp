// SPDX-License-Identifier: Apache-2.0
#include "io/sample.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "io/image.h"

namespace tfengine::io {

namespace {

constexpr int64_t kMaxSide = 1 << 16;

template <typename T>
void normalize_into(const Tensor& tensor, const DataOptions& options, float* dst) {
  const T* src = tensor.as<T>();
  const int64_t last = tensor.shape().rank() == 0 ? 1 : tensor.shape().back();
  const int64_t channels = last == 2 || last == 3 ? last : 1;
  for (int64_t i = 0, count = tensor.elements(); i < count; ++i) {
    const auto c = static_cast<size_t>(i % channels);
    dst[i] = (static_cast<float>(src[i]) - options.mean[c]) * options.scale[c];
  }
}

bool is_float(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F64 || dtype == DType::F16 || dtype == DType::BF16;
}

// The values of a feature under the sample's shape; a list of their number where no shape is given.
Shape sample_shape(const DataOptions& options, size_t count, const char* what) {
  const Shape& shape = options.feature_shape;
  if (shape.rank() == 0) return count == 1 ? Shape{} : Shape{static_cast<int64_t>(count)};
  if (shape.elements() != static_cast<int64_t>(count)) {
    fail<InvalidModel>("feature '{}' has {} {}, expected {} of shape {}", options.feature, count, what,
                       shape.elements(), shape.str());
  }
  return shape;
}

// Integers become float32 unless they are to be kept and nothing is to be computed.
Tensor finish(Tensor tensor, const DataOptions& options) {
  if (is_identity(options) && (options.keep_dtype || is_float(tensor.dtype()))) return tensor;
  return normalize(tensor, options);
}

Tensor raw_sample(const Feature& feature, const DataOptions& options) {
  if (feature.bytes.size() != 1) {
    fail<InvalidModel>("feature '{}' has {} byte strings, expected 1 to decode as '{}'", options.feature,
                       feature.bytes.size(), options.decode);
  }
  const std::string_view bytes = feature.bytes[0];
  const size_t width = dtype_bytes(options.feature_dtype);
  if (bytes.size() % width != 0) {
    fail<InvalidModel>("feature '{}' has {} bytes, expected a multiple of {} for {}", options.feature, bytes.size(),
                       width, dtype_name(options.feature_dtype));
  }
  Tensor tensor(options.feature_dtype, sample_shape(options, bytes.size() / width, "elements"));
  if (!bytes.empty()) std::memcpy(tensor.mutable_data(), bytes.data(), bytes.size());
  return finish(std::move(tensor), options);
}

// The centre crop's first row or column. A remainder of one goes to the far side.
int64_t crop_begin(int64_t size, int64_t crop, const char* side) {
  if (crop > size)
    fail<InvalidModel>("the image's {} is {} pixels after resizing, expected at least {} to crop", side, size, crop);
  return (size - crop) / 2;
}

Image cropped(const Image& image, const DataOptions& options) {
  const int64_t height = options.crop_h > 0 ? options.crop_h : image.height;
  const int64_t width = options.crop_w > 0 ? options.crop_w : image.width;
  if (height == image.height && width == image.width) return image;
  const int64_t top = crop_begin(image.height, height, "height");
  const int64_t left = crop_begin(image.width, width, "width");
  Image result{height, width, image.channels, {}};
  result.pixels.reserve(static_cast<size_t>(height * width * image.channels));
  for (int64_t y = 0; y < height; ++y) {
    const auto begin = image.pixels.begin() + ((top + y) * image.width + left) * image.channels;
    result.pixels.insert(result.pixels.end(), begin, begin + width * image.channels);
  }
  return result;
}

// Float pixels, from resizing, cut as cropped() does.
Tensor resized_and_cropped(const Image& image, const DataOptions& options) {
  const double factor = static_cast<double>(options.resize) / static_cast<double>(std::min(image.height, image.width));
  const auto side = [&](int64_t length) {
    return std::max<int64_t>(options.resize, std::llround(static_cast<double>(length) * factor));
  };
  const int64_t full_height = side(image.height);
  const int64_t full_width = side(image.width);
  if (full_height > kMaxSide || full_width > kMaxSide)
    fail<InvalidModel>("the image would be {} x {} pixels, expected at most {}", full_height, full_width, kMaxSide);
  const int64_t height = options.crop_h > 0 ? options.crop_h : full_height;
  const int64_t width = options.crop_w > 0 ? options.crop_w : full_width;
  const int64_t top = crop_begin(full_height, height, "height");
  const int64_t left = crop_begin(full_width, width, "width");
  const std::vector<float> pixels = resize_bilinear(image, full_height, full_width);
  Tensor result(DType::F32, {height, width, image.channels});
  float* dst = result.mutable_as<float>();
  for (int64_t y = 0; y < height; ++y) {
    const float* row = pixels.data() + ((top + y) * full_width + left) * image.channels;
    dst = std::copy(row, row + width * image.channels, dst);
  }
  return result;
}

template <typename T>
void reverse_channels(Tensor& tensor) {
  T* pixels = tensor.mutable_as<T>();
  for (int64_t i = 0; i + 2 < tensor.elements(); i += 3) std::swap(pixels[i], pixels[i + 2]);
}

Tensor pixels_of(const Image& image) {
  return Tensor::of(DType::U8, {image.height, image.width, image.channels}, image.pixels);
}

Tensor to_u8(const Tensor& tensor) {
  Tensor result(DType::U8, tensor.shape());
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    result.mutable_as<uint8_t>()[i] =
        static_cast<uint8_t>(std::clamp(std::nearbyint(tensor.as<float>()[i]), 0.0f, 255.0f));
  }
  return result;
}

}  // namespace

void check_options(const DataOptions& options) {
  if (options.batch_size < 1) fail<InvalidArgument>("batch_size is {}, expected 1 or more", options.batch_size);
  if (options.limit < -1) fail<InvalidArgument>("limit is {}, expected -1 (all) or more", options.limit);
  constexpr std::string_view kDecode[] = {"raw", "jpeg", "png", "floats", "ints"};
  if (std::find(std::begin(kDecode), std::end(kDecode), options.decode) == std::end(kDecode)) {
    fail<InvalidArgument>("decode is '{}', expected raw, jpeg, png, floats or ints", options.decode);
  }
  if (dtype_bytes(options.feature_dtype) == 0)
    fail<InvalidArgument>("feature_dtype is {}, expected a type of numbers", dtype_name(options.feature_dtype));
  if (!options.feature_shape.is_static())
    fail<InvalidArgument>("feature_shape is {}, expected known dimensions", options.feature_shape.str());
  if (options.channel_order != "rgb" && options.channel_order != "bgr") {
    fail<InvalidArgument>("channel_order is '{}', expected rgb or bgr", options.channel_order);
  }
  for (const int64_t side : {options.resize, options.crop_h, options.crop_w}) {
    if (side < 0 || side > kMaxSide)
      fail<InvalidArgument>("resize and crop are {}, {} x {}, expected 0 to {}", options.resize, options.crop_h,
                            options.crop_w, kMaxSide);
  }
}

bool is_identity(const DataOptions& options) {
  return options.mean == std::array<float, 3>{0, 0, 0} && options.scale == std::array<float, 3>{1, 1, 1};
}

Tensor normalize(const Tensor& tensor, const DataOptions& options) {
  Tensor result(DType::F32, tensor.shape());
  float* dst = result.mutable_as<float>();
  switch (tensor.dtype()) {
    case DType::F32:
      normalize_into<float>(tensor, options, dst);
      break;
    case DType::F64:
      normalize_into<double>(tensor, options, dst);
      break;
    case DType::S8:
      normalize_into<int8_t>(tensor, options, dst);
      break;
    case DType::U8:
    case DType::Bool:
      normalize_into<uint8_t>(tensor, options, dst);
      break;
    case DType::S16:
      normalize_into<int16_t>(tensor, options, dst);
      break;
    case DType::U16:
      normalize_into<uint16_t>(tensor, options, dst);
      break;
    case DType::S32:
      normalize_into<int32_t>(tensor, options, dst);
      break;
    case DType::U32:
      normalize_into<uint32_t>(tensor, options, dst);
      break;
    case DType::S64:
      normalize_into<int64_t>(tensor, options, dst);
      break;
    case DType::U64:
      normalize_into<uint64_t>(tensor, options, dst);
      break;
    default:
      fail<InvalidArgument>("{} data cannot be normalised; leave mean and scale out", dtype_name(tensor.dtype()));
  }
  return result;
}

Tensor image_sample(std::string_view file, const DataOptions& options) {
  const Shape& wanted = options.feature_shape;
  const int64_t channels = wanted.rank() == 3 && wanted.back() == 1 ? 1 : 3;
  const Image image = decode_image(file, channels);
  Tensor tensor = options.resize > 0 ? resized_and_cropped(image, options) : pixels_of(cropped(image, options));
  if (options.channel_order == "bgr" && channels == 3) {
    if (tensor.dtype() == DType::F32)
      reverse_channels<float>(tensor);
    else
      reverse_channels<uint8_t>(tensor);
  }
  if (options.keep_dtype && is_identity(options)) return tensor.dtype() == DType::F32 ? to_u8(tensor) : tensor;
  return normalize(tensor, options);
}

Tensor feature_sample(const Feature& feature, const DataOptions& options) {
  if (options.decode == "raw") return raw_sample(feature, options);
  if (options.decode == "floats") {
    if (feature.floats.empty())
      fail<InvalidModel>("feature '{}' has no floats, expected some to decode as 'floats'", options.feature);
    return finish(Tensor::of(DType::F32, sample_shape(options, feature.floats.size(), "floats"), feature.floats),
                  options);
  }
  if (options.decode == "ints") {
    if (feature.ints.empty())
      fail<InvalidModel>("feature '{}' has no integers, expected some to decode as 'ints'", options.feature);
    return finish(Tensor::of(DType::S64, sample_shape(options, feature.ints.size(), "integers"), feature.ints),
                  options);
  }
  if (feature.bytes.size() != 1)
    fail<InvalidModel>("feature '{}' has {} byte strings, expected 1 to decode as '{}'", options.feature,
                       feature.bytes.size(), options.decode);
  return image_sample(feature.bytes[0], options);
}

Tensor label_of(const Feature& feature, const std::string& name) {
  const auto shape = [](size_t count) { return count == 1 ? Shape{} : Shape{static_cast<int64_t>(count)}; };
  if (!feature.ints.empty()) return Tensor::of(DType::S64, shape(feature.ints.size()), feature.ints);
  if (!feature.floats.empty()) return Tensor::of(DType::F32, shape(feature.floats.size()), feature.floats);
  fail<InvalidModel>("feature '{}' has no numbers, expected a label", name);
}

void BatchBuilder::add(const Tensor& sample, const std::string& what) {
  if (!samples_.empty()) {
    const Tensor& first = samples_.front();
    if (first.dtype() != sample.dtype() || first.shape() != sample.shape()) {
      fail<InvalidModel>("{} is {} {}, expected {} {} as the samples before it", what, dtype_name(sample.dtype()),
                         sample.shape().str(), dtype_name(first.dtype()), first.shape().str());
    }
  }
  samples_.push_back(sample);
}

Tensor BatchBuilder::take() {
  const Tensor& first = samples_.front();
  std::vector<int64_t> dims = {size()};
  dims.insert(dims.end(), first.shape().begin(), first.shape().end());
  Tensor batch(first.dtype(), Shape(std::move(dims)));
  auto* dst = static_cast<std::byte*>(batch.mutable_data());
  for (const Tensor& sample : samples_) {
    if (sample.bytes() > 0) std::memcpy(dst, sample.data(), sample.bytes());
    dst += sample.bytes();
  }
  samples_.clear();
  return batch;
}

}  // namespace tfengine::io
