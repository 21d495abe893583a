// SPDX-License-Identifier: Apache-2.0
// Small good files, cut short and with bits flipped at random: reading gives a result or an error of tfengine's
// family that names the file, and never anything else. The seed is printed with a failure.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <random>

#include "errors/messages.h"
#include "ir/verifier.h"
#include "tfengine/data.h"
#include "tfgraph/read.h"

namespace tfengine {
namespace {

using namespace testing_errors;
namespace fs = std::filesystem;

const fs::path kTests = fs::path(TFE_SOURCE_DIR) / "tests";

// TFENGINE_DAMAGE=20 does twenty times as much: every length of most files, and thousands of flips.
int effort() {
  const char* factor = std::getenv("TFENGINE_DAMAGE");
  return factor == nullptr ? 1 : std::max(1, std::atoi(factor));
}

// Which file is damaged, and how it is read.
struct Target {
  fs::path file;
  std::function<void()> read;
};

// True if reading succeeded.
bool survives(const Target& target, const std::string& contents) {
  fs::remove(target.file);  // overwriting makes ext4 write the data out at once
  std::ofstream(target.file, std::ios::binary | std::ios::trunc)
      .write(contents.data(), static_cast<std::streamsize>(contents.size()));
  try {
    target.read();
    return true;
  } catch (const InternalError& error) {
    ADD_FAILURE() << "a defect of tfengine's own: " << error.what();
  } catch (const Error& error) {
    EXPECT_EQ(error.what()[0], '\'') << "the file is not named: " << error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "an exception of another family: " << error.what();
  }
  return false;
}

void cut_everywhere(const Target& target, int allowed_survivors) {
  const std::string good = read_bytes(target.file);
  ASSERT_TRUE(survives(target, good));
  int survivors = 0;
  // Odd, so that it meets every alignment.
  const size_t step = good.size() / (400 * static_cast<size_t>(effort())) | 1;
  for (size_t length = 0; length < good.size(); length += step)
    survivors += survives(target, good.substr(0, length)) ? 1 : 0;
  EXPECT_LE(survivors, allowed_survivors);
}

void flip_bits(const Target& target, uint32_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  const std::string good = read_bytes(target.file);
  std::mt19937 random(seed);
  for (int i = 0; i < 300 * effort(); ++i) {
    std::string bad = good;
    for (uint32_t flips = 1 + random() % 4; flips > 0; --flips)
      bad[random() % bad.size()] ^= static_cast<char>(1 << (random() % 8));
    survives(target, bad);
    if (testing::Test::HasFailure()) FAIL() << "flip " << i;
  }
}

class Damage : public testing::Test {
 protected:
  Target model(const std::string& name) {
    const fs::path path = folder_.path() / name;
    fs::copy_file(kTests / "tfgraph/data" / name, path);
    return {path, [path] {
              ir::verify(tfgraph::read_model(path));
              tfgraph::summarize_model(path);
            }};
  }
  Target saved_model(const std::string& name, const std::string& file) {
    const fs::path path = folder_.path() / name;
    fs::copy(kTests / "tfgraph/data" / name, path, fs::copy_options::recursive);
    return {path / file, [path] {
              ir::verify(tfgraph::read_model(path));
              tfgraph::summarize_model(path);
            }};
  }
  Target data(const std::string& name, const DataOptions& options = {}) {
    const fs::path path = folder_.path() / name;
    fs::copy_file(kTests / "io/data" / name, path);
    return {path, [path, options] {
              const auto source = open_data(path, options);
              Batch batch;
              while (source->next(batch)) {
              }
              source->samples();
            }};
  }
  Folder folder_;
};

// A GraphDef may end after any node: what is left is a graph, of which some are whole.
TEST_F(Damage, FrozenGraphCut) { cut_everywhere(model("frozen.pb"), 25); }
TEST_F(Damage, FrozenGraphFlipped) { flip_bits(model("frozen.pb"), 1); }
TEST_F(Damage, NchwGraphCut) { cut_everywhere(model("nchw.pb"), 20); }
TEST_F(Damage, NchwGraphFlipped) { flip_bits(model("nchw.pb"), 2); }
TEST_F(Damage, SavedModelCut) { cut_everywhere(saved_model("functions", "saved_model.pb"), 2); }
TEST_F(Damage, SavedModelFlipped) { flip_bits(saved_model("functions", "saved_model.pb"), 3); }
TEST_F(Damage, Tf1SavedModelFlipped) { flip_bits(saved_model("tf1", "saved_model.pb"), 4); }
TEST_F(Damage, VariablesIndexCut) { cut_everywhere(saved_model("keras", "variables/variables.index"), 0); }
TEST_F(Damage, VariablesIndexFlipped) { flip_bits(saved_model("keras", "variables/variables.index"), 5); }
// The object graph behind the values is not needed where the restore ops name the keys.
TEST_F(Damage, VariablesDataFlipped) { flip_bits(saved_model("tf1", "variables/variables.data-00000-of-00001"), 6); }

TEST_F(Damage, NpyCut) { cut_everywhere(data("float32.npy"), 0); }
TEST_F(Damage, NpyFlipped) { flip_bits(data("float32.npy"), 7); }
TEST_F(Damage, FortranFlipped) { flip_bits(data("fortran.npy"), 8); }
TEST_F(Damage, StoredNpzCut) { cut_everywhere(data("stored.npz"), 0); }
TEST_F(Damage, StoredNpzFlipped) { flip_bits(data("stored.npz"), 9); }
TEST_F(Damage, DeflatedNpzCut) { cut_everywhere(data("deflated.npz"), 0); }
TEST_F(Damage, DeflatedNpzFlipped) { flip_bits(data("deflated.npz"), 10); }

DataOptions record_options() {
  DataOptions options;
  options.feature = "raw";
  options.feature_shape = {2, 2, 1};
  options.label_feature = "label";
  return options;
}
// Cut between two records it is a shorter file.
TEST_F(Damage, RecordsCut) { cut_everywhere(data("records.tfrecord", record_options()), 3); }
TEST_F(Damage, RecordsFlipped) { flip_bits(data("records.tfrecord", record_options()), 11); }

DataOptions picture_options() {
  DataOptions options;
  options.resize = 8;
  options.crop_h = options.crop_w = 8;
  return options;
}
// A JPEG may miss its end marker and have all pixels.
TEST_F(Damage, JpegCut) { cut_everywhere(data("picture.jpg", picture_options()), 2); }
TEST_F(Damage, JpegFlipped) { flip_bits(data("picture.jpg", picture_options()), 12); }
TEST_F(Damage, PngCut) { cut_everywhere(data("picture.png", picture_options()), 16); }
TEST_F(Damage, PngFlipped) { flip_bits(data("picture.png", picture_options()), 13); }

}  // namespace
}  // namespace tfengine
