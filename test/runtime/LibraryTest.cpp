//===- LibraryTest.cpp - the loader ----------------------------*- C++ -*-===//
// Sealed libraries load; missing, truncated, altered ones, and those of other
// versions, are refused with a message before any of their code is mapped.
//===----------------------------------------------------------------------===//
#include "Entries.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

using namespace attn::test;
namespace fs = std::filesystem;

namespace {

struct Close {
  void operator()(attn_library *library) const { attn_library_close(library); }
};

struct LibraryTest : testing::Test {
  fs::path folder, path;

  void SetUp() override {
    folder = fs::temp_directory_path() /
             ("attn-library-" + std::to_string(getpid()));
    fs::create_directories(folder);
    path = folder / "tiny.so";
    copy(TINY_LIBRARY);
  }
  void TearDown() override { fs::remove_all(folder); }

  /// Copies get new inodes: dlopen knows files by them.
  void copy(const char *from) {
    fs::remove(path);
    fs::copy_file(from, path);
  }
  std::string read() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string &bytes) const {
    fs::remove(path);
    std::ofstream(path, std::ios::binary) << bytes;
  }
  void seal() { ASSERT_EQ(attn_library_seal(path.c_str()), ATTN_OK); }

  int open() {
    attn_library *raw = reinterpret_cast<attn_library *>(1);
    int status = attn_library_open(path.c_str(), &raw);
    EXPECT_EQ(status == ATTN_OK, raw != nullptr);
    library.reset(raw);
    return status;
  }
  void expectRefused(int expected, const std::string &message) {
    EXPECT_EQ(open(), expected);
    EXPECT_EQ(attn_last_error(), path.string() + ": " + message);
  }

  std::unique_ptr<attn_library, Close> library;
};

TEST_F(LibraryTest, LoadsAndRuns) {
  seal();
  ASSERT_EQ(open(), ATTN_OK) << attn_last_error();
  const attn_library_info *info = attn_library_get_info(library.get());
  ASSERT_NE(info, nullptr);
  EXPECT_EQ(info->num_entries, 1u);
  EXPECT_STREQ(info->compiler_version, "by hand");
  EXPECT_STREQ(attn_library_manifest(library.get()),
               "{\"entries\": [\"double_it\"]}");
  const attn_entry_desc *entry = attn_library_find(library.get(), "double_it");
  ASSERT_NE(entry, nullptr);
  Tensor<float> x = f32({3}, 4), y = f32({3});
  DLTensor *tensors[] = {&x.dl, &y.dl};
  EXPECT_EQ(attn_invoke(nullptr, entry, tensors), ATTN_OK);
  EXPECT_EQ(y.values, std::vector<float>(3, 8.f));
}

TEST_F(LibraryTest, RelativePathIsAFile) {
  seal();
  fs::path before = fs::current_path();
  fs::current_path(folder);
  path = "tiny.so";
  EXPECT_EQ(open(), ATTN_OK) << attn_last_error();
  fs::current_path(before);
}

TEST_F(LibraryTest, UnknownEntry) {
  seal();
  ASSERT_EQ(open(), ATTN_OK);
  EXPECT_EQ(attn_library_find(library.get(), "attend"), nullptr);
  EXPECT_STREQ(attn_last_error(),
               "no entry attend in the library; it has: double_it");
}

TEST_F(LibraryTest, NullArguments) {
  attn_library *raw = nullptr;
  EXPECT_EQ(attn_library_open(nullptr, &raw), ATTN_ERROR_NULL);
  EXPECT_EQ(attn_library_open(path.c_str(), nullptr), ATTN_ERROR_NULL);
  EXPECT_EQ(attn_library_seal(nullptr), ATTN_ERROR_NULL);
  EXPECT_EQ(attn_library_find(nullptr, "f"), nullptr);
  EXPECT_EQ(attn_library_get_info(nullptr), nullptr);
  EXPECT_EQ(attn_library_manifest(nullptr), nullptr);
  attn_library_close(nullptr);
}

TEST_F(LibraryTest, Missing) {
  fs::remove(path);
  expectRefused(ATTN_ERROR_LOAD, "cannot open: No such file or directory");
  EXPECT_EQ(attn_library_seal(path.c_str()), ATTN_ERROR_LOAD);
}

TEST_F(LibraryTest, NotAFile) {
  fs::remove(path);
  fs::create_directory(path);
  expectRefused(ATTN_ERROR_LOAD, "not a regular file");
}

TEST_F(LibraryTest, NotALibrary) {
  write("");
  expectRefused(ATTN_ERROR_LOAD,
                "not a library written by attnc, or truncated (0 bytes)");
  write(std::string(5000, 'x'));
  expectRefused(ATTN_ERROR_LOAD,
                "not a library written by attnc, or truncated (5000 bytes)");
}

TEST_F(LibraryTest, NeverSealed) {
  expectRefused(ATTN_ERROR_LOAD,
                "no seal of attnc at its end: truncated, or not a library "
                "written by attnc");
}

TEST_F(LibraryTest, SealedTwice) {
  seal();
  std::string once = read();
  EXPECT_EQ(attn_library_seal(path.c_str()), ATTN_ERROR_LOAD);
  EXPECT_EQ(attn_last_error(), path.string() + ": sealed already");
  EXPECT_EQ(read(), once);
}

TEST_F(LibraryTest, TruncatedAnywhere) {
  seal();
  std::string whole = read();
  for (size_t left = 0; left < whole.size(); left += 997) {
    write(whole.substr(0, left));
    EXPECT_EQ(open(), ATTN_ERROR_LOAD) << left;
  }
  for (size_t cut = 1; cut <= 40; ++cut) {
    write(whole.substr(0, whole.size() - cut));
    EXPECT_EQ(open(), ATTN_ERROR_LOAD) << cut;
  }
  write(whole.substr(0, whole.size() / 2));
  expectRefused(ATTN_ERROR_LOAD,
                "truncated: " + std::to_string(whole.size() / 2) +
                    " bytes are left of the library");
  // The middle is missing, the seal is there.
  write(whole.substr(0, 1000) + whole.substr(whole.size() - 32));
  expectRefused(ATTN_ERROR_LOAD,
                "truncated: has 1000 bytes, was written with " +
                    std::to_string(whole.size() - 32));
}

TEST_F(LibraryTest, AppendedTo) {
  seal();
  std::string whole = read();
  write(whole + "x");
  EXPECT_EQ(open(), ATTN_ERROR_LOAD);
  write("x" + whole);
  EXPECT_EQ(open(), ATTN_ERROR_LOAD);
  EXPECT_NE(std::string(attn_last_error()).find("altered: has"),
            std::string::npos);
}

TEST_F(LibraryTest, AlteredAnywhere) {
  seal();
  std::string whole = read();
  for (size_t at = 0; at < whole.size(); at += 313) {
    std::string altered = whole;
    altered[at] ^= 1 << at % 8;
    write(altered);
    ASSERT_EQ(open(), ATTN_ERROR_LOAD) << at;
  }
  for (size_t at = whole.size() - 32; at < whole.size(); ++at) {
    std::string altered = whole;
    altered[at] ^= 0x10;
    write(altered);
    ASSERT_NE(open(), ATTN_OK) << at;
  }
  whole[whole.size() / 2] ^= 1;
  write(whole);
  EXPECT_EQ(open(), ATTN_ERROR_LOAD);
  EXPECT_NE(std::string(attn_last_error()).find(": altered: checksum is "),
            std::string::npos);
}

TEST_F(LibraryTest, SealOfAnotherVersion) {
  seal();
  std::string whole = read();
  whole[whole.size() - 24] = 7;
  write(whole);
  expectRefused(ATTN_ERROR_VERSION,
                "made for version 7 of the runtime interface, this runtime "
                "has 1: compile it again");
}

TEST_F(LibraryTest, TablesOfAnotherVersion) {
  copy(TINY_OTHER_LIBRARY);
  seal();
  expectRefused(ATTN_ERROR_VERSION,
                "its tables are of version 7, this runtime has 1: compile it "
                "again");
}

TEST_F(LibraryTest, WithoutTables) {
  copy(TINY_BARE_LIBRARY);
  seal();
  expectRefused(ATTN_ERROR_LOAD, "has no symbol attn_library");
}

TEST_F(LibraryTest, MalformedTables) {
  copy(TINY_MALFORMED_LIBRARY);
  seal();
  expectRefused(ATTN_ERROR_LOAD, "table of entry 1 is malformed");
}

TEST_F(LibraryTest, SealedGarbage) {
  write(std::string(5000, 'x'));
  seal();
  EXPECT_EQ(open(), ATTN_ERROR_LOAD);
}

} // namespace
