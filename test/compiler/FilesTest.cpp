//===- FilesTest.cpp - outputs are replaced at once or not at all -*- C++ -*-=//
#include "compiler/Files.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "gtest/gtest.h"

using namespace attn;
namespace fs = llvm::sys::fs;

namespace {

class FilesTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(fs::createUniqueDirectory("attn-files", folder));
    path = (folder + "/out").str();
  }
  void TearDown() override { fs::remove_directories(folder); }
  std::string contents() {
    auto buffer = readFile(path);
    return buffer ? buffer->getBuffer().str() : "(none)";
  }
  bool write(llvm::StringRef to, llvm::StringRef text, bool good = true) {
    return replaceFile(to, [&](llvm::raw_ostream &os) {
      os << text;
      return good;
    });
  }
  int files() {
    std::error_code error;
    int count = 0;
    for (fs::directory_iterator it(folder, error), end; it != end;
         it.increment(error))
      ++count;
    return count;
  }

  llvm::SmallString<64> folder;
  std::string path;
};

TEST_F(FilesTest, ReplacesTheOldFile) {
  EXPECT_TRUE(write(path, "one"));
  EXPECT_TRUE(write(path, "two"));
  EXPECT_EQ(contents(), "two");
  EXPECT_EQ(files(), 1);
}

TEST_F(FilesTest, AFailureLeavesTheOldFileAndNothingElse) {
  EXPECT_TRUE(write(path, "one"));
  EXPECT_FALSE(write(path, "half", /*good=*/false));
  EXPECT_EQ(contents(), "one");
  EXPECT_EQ(files(), 1);
}

TEST_F(FilesTest, AFolderIsNotReplaced) {
  EXPECT_FALSE(write(folder, "text"));
  EXPECT_TRUE(fs::is_directory(folder));
  EXPECT_FALSE(write((folder + "/none/out").str(), "text"));
}

TEST_F(FilesTest, MissingFilesAreReported) {
  EXPECT_EQ(readFile((folder + "/none").str()), nullptr);
}

} // namespace
