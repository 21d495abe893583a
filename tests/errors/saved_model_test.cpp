// SPDX-License-Identifier: Apache-2.0
// SavedModel folders with something missing or damaged, with the exact messages.
#include <gtest/gtest.h>

#include "errors/messages.h"
#include "ir/graph.h"
#include "tfgraph/read.h"

namespace tfengine {
namespace {

using namespace testing_errors;
namespace fs = std::filesystem;

const fs::path kData = fs::path(TFE_SOURCE_DIR) / "tests/tfgraph/data";

class SavedModelErrors : public testing::Test {
 protected:
  void SetUp() override {
    model_ = folder_.path() / "model";
    fs::copy(kData / "keras", model_, fs::copy_options::recursive);
  }
  fs::path index() const { return model_ / "variables/variables.index"; }
  fs::path data() const { return model_ / "variables/variables.data-00000-of-00001"; }
  void write(const fs::path& path, const std::string& contents) const {
    std::ofstream(path, std::ios::binary) << contents;
  }
  void expect(const fs::path& file, const std::string& message) const {
    expect_message<InvalidModel>("'" + file.string() + "': " + message, [&] { tfgraph::read_model(model_); });
  }

  Folder folder_;
  fs::path model_;
};

TEST_F(SavedModelErrors, FolderWithoutModel) {
  fs::remove(model_ / "saved_model.pb");
  expect_message<InvalidArgument>(
      "'" + model_.string() + "': the folder has no saved_model.pb; expected a SavedModel folder or a GraphDef file",
      [&] { tfgraph::read_model(model_); });
}

TEST_F(SavedModelErrors, EmptyModel) {
  write(model_ / "saved_model.pb", "");
  expect(model_ / "saved_model.pb", "the file is empty");
}

TEST_F(SavedModelErrors, NoMetaGraph) {
  write(model_ / "saved_model.pb", number(1, 1));
  expect(model_ / "saved_model.pb", "this is no SavedModel: it has no MetaGraph");
}

TEST_F(SavedModelErrors, NoVariables) {
  fs::remove_all(model_ / "variables");
  expect(
      model_ / "saved_model.pb",
      "variable 'sequential/conv2d/kernel_1' has no value: the graph is not frozen and there is no 'variables' folder "
      "beside it");
}

TEST_F(SavedModelErrors, NoData) {
  fs::remove(data());
  expect_message<InvalidArgument>("'" + data().string() + "': no such file", [&] { tfgraph::read_model(model_); });
}

TEST_F(SavedModelErrors, DataCutShort) {
  fs::resize_file(data(), 100);
  try {
    tfgraph::read_model(model_);
    ADD_FAILURE();
  } catch (const InvalidModel& error) {
    EXPECT_NE(std::string(error.what()).find("the file has 100; it is cut short or of another model"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(SavedModelErrors, DataFlipped) {
  std::string bytes = read_bytes(data());
  for (char& byte : bytes) byte ^= 16;
  write(data(), bytes);
  try {
    tfgraph::read_model(model_);
    ADD_FAILURE();
  } catch (const InvalidModel& error) {
    EXPECT_NE(std::string(error.what()).find("is wrong: its data is corrupt"), std::string::npos) << error.what();
  }
}

TEST_F(SavedModelErrors, IndexEmpty) {
  write(index(), "");
  expect(index(), "the file is empty");
}

TEST_F(SavedModelErrors, IndexShort) {
  write(index(), "abc");
  expect(index(), "the index table has 3 bytes, expected at least 48");
}

TEST_F(SavedModelErrors, IndexOfAnotherFormat) {
  write(index(), std::string(100, 'a'));
  expect(index(), "this is no table file, or it is cut short: it ends in 6161616161616161, expected db4775248b80fb57");
}

TEST_F(SavedModelErrors, IndexFlipped) {
  std::string bytes = read_bytes(index());
  bytes[10] ^= 1;
  write(index(), bytes);
  expect(index(), "the index table is corrupt: the checksum of the block at 0 is wrong");
}

// Handles in the footer whose sum overflows: what a reader that adds before it compares would follow.
TEST_F(SavedModelErrors, IndexWithHostileHandles) {
  std::string bytes = read_bytes(index());
  std::string footer = varint(0) + varint(0) + varint(16) + varint(UINT64_MAX - 3);
  footer.resize(40, '\0');
  bytes.replace(bytes.size() - 48, 40, footer);
  write(index(), bytes);
  expect(index(), "the index table is corrupt: a block of 18446744073709551612 bytes at 16 in a file of " +
                      std::to_string(bytes.size()) + " bytes");
}

TEST_F(SavedModelErrors, VariablesOfAnotherModel) {
  fs::remove_all(model_ / "variables");
  fs::copy(kData / "tf1/variables", model_ / "variables");
  try {
    tfgraph::read_model(model_);
    ADD_FAILURE();
  } catch (const InvalidModel& error) {
    EXPECT_NE(std::string(error.what()).find("variable 'sequential/conv2d/kernel_1' has no value: '"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace tfengine
