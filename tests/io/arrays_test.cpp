// SPDX-License-Identifier: Apache-2.0
// .npy and .npz as NumPy writes them (make_data.py), and batches of them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tfengine/data.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(TFE_SOURCE_DIR) / "tests/io/data";

struct TempFolder {
  TempFolder() {
    std::string name = (fs::temp_directory_path() / "tfengine-io-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~TempFolder() { fs::remove_all(path); }
  fs::path path;
};

template <typename T>
std::vector<T> values(const Tensor& tensor) {
  return {tensor.as<T>(), tensor.as<T>() + tensor.elements()};
}

template <typename T>
void expect_ramp(DType dtype) {
  const Tensor tensor = read_npy(kData / (std::string(dtype_name(dtype)) + ".npy"));
  EXPECT_EQ(tensor.dtype(), dtype);
  EXPECT_EQ(tensor.shape(), (Shape{3, 2}));
  EXPECT_EQ(values<T>(tensor), (std::vector<T>{0, 1, 2, 3, 4, 5})) << dtype_name(dtype);
}

TEST(Npy, EveryType) {
  expect_ramp<float>(DType::F32);
  expect_ramp<double>(DType::F64);
  expect_ramp<int8_t>(DType::S8);
  expect_ramp<uint8_t>(DType::U8);
  expect_ramp<int16_t>(DType::S16);
  expect_ramp<uint16_t>(DType::U16);
  expect_ramp<int32_t>(DType::S32);
  expect_ramp<uint32_t>(DType::U32);
  expect_ramp<int64_t>(DType::S64);
  expect_ramp<uint64_t>(DType::U64);
  EXPECT_EQ(values<uint16_t>(read_npy(kData / "float16.npy")),
            (std::vector<uint16_t>{0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500}));
  EXPECT_EQ(values<uint16_t>(read_npy(kData / "bfloat16.npy")),
            (std::vector<uint16_t>{0, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0}));
  EXPECT_EQ(values<uint8_t>(read_npy(kData / "bool.npy")), (std::vector<uint8_t>{0, 1, 0, 1, 0, 1}));
}

TEST(Npy, OrdersAndVersions) {
  EXPECT_EQ(values<float>(read_npy(kData / "big_endian.npy")), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  const Tensor fortran = read_npy(kData / "fortran.npy");
  EXPECT_EQ(fortran.shape(), (Shape{3, 2, 4}));
  for (int64_t i = 0; i < 24; ++i) EXPECT_EQ(fortran.as<float>()[i], static_cast<float>(i));
  for (const char* version : {"version1.npy", "version2.npy", "version3.npy"}) {
    EXPECT_EQ(values<float>(read_npy(kData / version)), (std::vector<float>{0, 1, 2, 3, 4, 5})) << version;
  }
}

TEST(Npy, ReadsWhatItWrites) {
  const TempFolder folder;
  for (const char* name : {"float32", "float16", "bfloat16", "bool", "int64", "uint8", "fortran"}) {
    const Tensor tensor = read_npy(kData / (std::string(name) + ".npy"));
    const fs::path path = folder.path / "copy.npy";
    write_npy(path, tensor);
    const Tensor copy = read_npy(path);
    EXPECT_EQ(copy.dtype(), tensor.dtype());
    EXPECT_EQ(copy.shape(), tensor.shape());
    EXPECT_EQ(std::string(static_cast<const char*>(copy.data()), copy.bytes()),
              std::string(static_cast<const char*>(tensor.data()), tensor.bytes()));
  }
  write_npy(folder.path / "scalar.npy", Tensor::of<float>(DType::F32, {}, {4.0f}));
  EXPECT_EQ(read_npy(folder.path / "scalar.npy").shape(), Shape{});
  write_npy(folder.path / "list.npy", Tensor::of<float>(DType::F32, {2}, {4.0f, 5.0f}));
  EXPECT_EQ(read_npy(folder.path / "list.npy").shape(), Shape{2});
}

TEST(Npy, NumPyWouldReadTheSameBytes) {
  const TempFolder folder;
  write_npy(folder.path / "x.npy", read_npy(kData / "float32.npy"));
  const auto bytes = [](const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_EQ(bytes(folder.path / "x.npy"), bytes(kData / "float32.npy"));
}

std::vector<int64_t> batch_sizes(BatchSource& source) {
  std::vector<int64_t> sizes;
  Batch batch;
  while (source.next(batch)) sizes.push_back(batch[0].tensor.shape()[0]);
  return sizes;
}

TEST(ArrayData, BatchesAndLimit) {
  DataOptions options;
  options.batch_size = 2;
  const auto source = open_data(kData / "stored.npz", options);
  EXPECT_EQ(source->samples(), 5);
  EXPECT_EQ(batch_sizes(*source), (std::vector<int64_t>{2, 2, 1}));
  EXPECT_EQ(batch_sizes(*source), std::vector<int64_t>{});
  source->rewind();
  EXPECT_EQ(batch_sizes(*source), (std::vector<int64_t>{2, 2, 1}));
  options.limit = 3;
  const auto limited = open_data(kData / "stored.npz", options);
  EXPECT_EQ(limited->samples(), 3);
  EXPECT_EQ(batch_sizes(*limited), (std::vector<int64_t>{2, 1}));
}

TEST(ArrayData, NamedArraysOfAnArchive) {
  for (const char* file : {"stored.npz", "deflated.npz"}) {
    DataOptions options;
    options.batch_size = 3;
    options.label_feature = "label";
    const auto source = open_data(kData / file, options);
    Batch batch;
    ASSERT_TRUE(source->next(batch));
    ASSERT_TRUE(source->next(batch));
    ASSERT_EQ(batch.size(), 3u);
    EXPECT_EQ(batch[0].name, "image");
    EXPECT_EQ(batch[0].tensor.shape(), (Shape{2, 2, 2}));
    EXPECT_EQ(values<float>(batch[0].tensor), (std::vector<float>{12, 13, 14, 15, 16, 17, 18, 19}));
    EXPECT_EQ(batch[1].name, "mask");
    EXPECT_EQ(values<int64_t>(batch[2].tensor), (std::vector<int64_t>{3, 4}));
  }
}

TEST(ArrayData, FoldersAreReadInOrderOfNames) {
  const TempFolder folder;
  for (const char* name : {"b.npy", "a.npy", "c.npy"}) {
    write_npy(folder.path / name, Tensor::of<float>(DType::F32, {3, 1}, {static_cast<float>(name[0]), 1, 2}));
  }
  DataOptions options;
  options.batch_size = 4;
  const auto source = open_data(folder.path, options);
  Batch batch;
  ASSERT_TRUE(source->next(batch));
  EXPECT_EQ(values<float>(batch[0].tensor), (std::vector<float>{'a', 1, 2, 'b'}));
  ASSERT_TRUE(source->next(batch));
  EXPECT_EQ(values<float>(batch[0].tensor), (std::vector<float>{1, 2, 'c', 1}));
  source->rewind();
  EXPECT_EQ(batch_sizes(*source), (std::vector<int64_t>{4, 4, 1}));
}

TEST(ArrayData, Normalised) {
  DataOptions options;
  options.mean = {1, 0, 0};
  options.scale = {0.5f, 1, 1};
  options.batch_size = 1;
  const auto source = open_data(kData / "stored.npz", options);
  Batch batch;
  ASSERT_TRUE(source->next(batch));
  // Two in the last dimension: channels.
  EXPECT_EQ(values<float>(batch[0].tensor), (std::vector<float>{-0.5f, 1, 0.5f, 3}));
}

}  // namespace
}  // namespace tfengine
