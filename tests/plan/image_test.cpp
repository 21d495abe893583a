// SPDX-License-Identifier: Apache-2.0
#include "plan/image.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <random>

#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "plan/image_format.h"
#include "tfengine/error.h"

namespace tfengine::plan {
namespace {

constexpr const char* kGraph = R"(
graph @net(%x: f32[?,4,4,2]) {
  %xq = Quantize(%x) -> u8[?,4,4,2] quant(scale=0.5)
  %w = const s8[1,1,2,3] [1, 2, 3, 4, 5, 6] quant(scales=[0.1, 0.2, 0.3], axis=3)
  %b = const f32[3] [1, 2, 3]
  %c = Conv2D(%xq, %w, %b) {strides=[1,1,1,1], padding="SAME"} epilogue(bias=2, after=Clip(0,6)) -> f32[?,4,4,3]
  return %c
}
)";

struct Stored {
  std::vector<std::byte> bytes;
};

std::shared_ptr<Stored> stored(const EngineImage& image) {
  const ImageBytes pieces = write_image(image);
  auto result = std::make_shared<Stored>();
  result->bytes = pieces.head;
  for (const ImageBytes::Piece& piece : pieces.constants) {
    const auto* from = static_cast<const std::byte*>(piece.data);
    result->bytes.insert(result->bytes.end(), from, from + piece.bytes);
    result->bytes.resize(result->bytes.size() + piece.padding);
  }
  EXPECT_EQ(result->bytes.size(), pieces.total_bytes);
  return result;
}

EngineImage example() {
  EngineImage image;
  image.graph = ir::parse(kGraph);
  image.model_hash = "hash";
  image.precision = "int8";
  image.cpu = "cpu";
  image.threads = 2;
  PlanRecord record;
  record.threads = 2;
  record.input_shapes = {Shape{1, 4, 4, 2}};
  record.tactics["c"] = {"onednn", "own", 3.5, {}};
  image.plans.push_back(record);
  return image;
}

EngineImage read(const std::shared_ptr<Stored>& file) {
  return read_image("net.tfe", file->bytes.data(), file->bytes.size(), file);
}

std::string message_of(const std::shared_ptr<Stored>& file) {
  try {
    read(file);
  } catch (const InvalidModel& error) {
    return error.what();
  }
  return "";
}

TEST(Image, RoundTrip) {
  const EngineImage image = example();
  const EngineImage again = read(stored(image));
  EXPECT_EQ(ir::print(again.graph), ir::print(image.graph));
  ir::verify(again.graph);
  EXPECT_EQ(again.precision, "int8");
  EXPECT_EQ(again.threads, 2);
  ASSERT_EQ(again.plans.size(), 1u);
  EXPECT_EQ(again.plans[0].input_shapes, image.plans[0].input_shapes);
  EXPECT_EQ(again.plans[0].tactics.at("c").tactic, "own");
}

TEST(Image, RegionsComeBackWithTheirConstants) {
  EngineImage image = example();
  image.graph = ir::parse(R"(graph @net(%x: f32[2], %p: bool[]) {
  %y = If(%p, %x) -> f32[2]
    graph @then(%a: f32[2]) {
      %w = const f32[2] [1.0, 2.0]
      %b = Mul(%a, %w) -> f32[2]
      return %b
    }
    graph @else(%c: f32[2]) {
      %d = If(%c, %c)
        graph @then(%e: f32[2]) {
          return %e
        }
        graph @else(%f: f32[2]) {
          %v = const f32[2] [3.0, 4.0]
          return %v
        }
      return %d as "other"
    }
  return %y
}
)");
  const EngineImage again = read(stored(image));
  EXPECT_EQ(ir::print(again.graph), ir::print(image.graph));
  image.graph.node(0).regions[0].inputs.clear();
  EXPECT_NE(message_of(stored(image)).find("'a', which nothing defines"), std::string::npos);
}

TEST(Image, FusedNodesComeBack) {
  EngineImage image = example();
  image.graph = ir::parse(R"(graph @net(%x: f32[2]) {
  %y = FusedElementwise(%x) -> f32[2]
    graph @y(%a: f32[2]) {
      %half = const f32[] [0.5]
      %b = Mul(%a, %half) -> f32[2]
      %c = Tanh(%b) -> f32[2]
      return %c
    }
  return %y
}
)");
  const EngineImage again = read(stored(image));
  EXPECT_EQ(ir::print(again.graph), ir::print(image.graph));
}

TEST(Image, ConstantsAreAlignedViews) {
  const auto file = stored(example());
  const EngineImage image = read(file);
  const ir::Value& weights = image.graph.value(image.graph.find_value("w"));
  const auto* data = static_cast<const std::byte*>(weights.constant.data());
  EXPECT_GE(data, file->bytes.data());
  EXPECT_LT(data, file->bytes.data() + file->bytes.size());
  EXPECT_EQ((data - file->bytes.data()) % 64, 0);
}

TEST(Image, NamesWhatIsWrong) {
  auto file = stored(example());
  const size_t size = file->bytes.size();
  file->bytes.resize(10);
  EXPECT_EQ(message_of(file),
            "engine file 'net.tfe': has 10 bytes, expected at least 64: it is truncated or no engine");
  file = stored(example());
  file->bytes.resize(size - 1);
  EXPECT_EQ(message_of(file), "engine file 'net.tfe': has " + std::to_string(size - 1) +
                                  " bytes, fewer than its header announces: it is truncated");
  file = stored(example());
  std::memcpy(file->bytes.data(), "NOTANENG", 8);
  EXPECT_EQ(message_of(file), "engine file 'net.tfe': does not start with 'TFENGINE': it is no engine");
  file = stored(example());
  file->bytes[8] = std::byte{9};
  EXPECT_EQ(message_of(file),
            "engine file 'net.tfe': has format version 9, expected 3: convert the model again with this version");
  file = stored(example());
  file->bytes[100] ^= std::byte{1};
  EXPECT_EQ(message_of(file), "engine file 'net.tfe': its checksum does not match: it is damaged");
}

TEST(Image, AGraphThatReadsWhatNobodyMakesIsRefused) {
  EngineImage image = example();
  image.graph.inputs.clear();
  EXPECT_EQ(
      message_of(stored(image)),
      "engine file 'net.tfe': its graph is malformed: graph verifier: Quantize 'xq' uses 'x', which nothing defines");
}

TEST(Image, EveryTruncationIsRefused) {
  const auto whole = stored(example());
  for (size_t size = 0; size < whole->bytes.size(); ++size) {
    auto part = std::make_shared<Stored>(*whole);
    part->bytes.resize(size);
    EXPECT_NE(message_of(part), "") << size << " bytes";
  }
}

ImageHeader header_of(const Stored& file) {
  ImageHeader header;
  std::memcpy(&header, file.bytes.data(), sizeof header);
  return header;
}

// An image with a report that is worth deflating.
EngineImage talkative() {
  EngineImage image = example();
  for (int i = 0; i < 20000; ++i) image.report += "node " + std::to_string(i) + ": runs in INT8\n";
  return image;
}

// A few bytes of the structure are others. The checksum is made right again, so that the checks behind it are what is
// tested.
std::shared_ptr<Stored> damaged(const Stored& whole, std::mt19937& random) {
  auto file = std::make_shared<Stored>(whole);
  ImageHeader header = header_of(whole);
  for (unsigned n = random() % 4 + 1; n > 0; --n) {
    file->bytes[sizeof header + random() % header.structure_bytes] = static_cast<std::byte>(random());
  }
  header.checksum =
      image_checksum(reinterpret_cast<const uint8_t*>(file->bytes.data()) + sizeof header, header.structure_bytes);
  std::memcpy(file->bytes.data(), &header, sizeof header);
  return file;
}

void expect_answer(const std::shared_ptr<Stored>& file) {
  try {
    read(file);
  } catch (const InvalidModel&) {
  }
}

void expect_answers_to_damage(const EngineImage& image, int rounds) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto whole = stored(image);
  for (int round = 0; round < rounds; ++round) expect_answer(damaged(*whole, random));
}

TEST(Image, DamagedStructureNeverCrashes) { expect_answers_to_damage(example(), 3000); }

TEST(Image, LargeStructuresAreDeflated) {
  const EngineImage image = talkative();
  const auto file = stored(image);
  EXPECT_LT(file->bytes.size(), image.report.size() / 2);
  const EngineImage again = read(file);
  EXPECT_EQ(again.report, image.report);
  EXPECT_EQ(ir::print(again.graph), ir::print(image.graph));
}

TEST(Image, DamagedDeflatedStructureNeverCrashes) { expect_answers_to_damage(talkative(), 300); }

TEST(Image, TheInflatedSizeHasToBeTrue) {
  const auto claim = [](uint64_t flatbuffer_bytes) {
    auto file = stored(talkative());
    std::memcpy(file->bytes.data() + offsetof(ImageHeader, flatbuffer_bytes), &flatbuffer_bytes, 8);
    return message_of(file);
  };
  EXPECT_EQ(claim(70000), "engine file 'net.tfe': its structure cannot be unpacked: it is damaged");
  EXPECT_EQ(claim(1000000), "engine file 'net.tfe': its structure cannot be unpacked: it is damaged");
  const auto header = header_of(*stored(talkative()));
  EXPECT_EQ(claim(uint64_t{1} << 50), "engine file 'net.tfe': says that " + std::to_string(header.structure_bytes) +
                                          " bytes of structure unpack to 1125899906842624");
}

}  // namespace
}  // namespace tfengine::plan
