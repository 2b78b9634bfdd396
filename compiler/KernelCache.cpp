//===- KernelCache.cpp - compiled kernels on disk ---------------*- C++ -*-===//
// A file is  magic, hash of the rest, length of the name, name, object.
//===----------------------------------------------------------------------===//
#include "compiler/KernelCache.h"
#include "compiler/Ptx.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/CachePruning.h"
#include "llvm/Support/Caching.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/EndianStream.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/xxhash.h"
#include <dlfcn.h>

using namespace attn;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static constexpr llvm::StringLiteral magic = "attnker1";
static constexpr uint64_t largest = 256 << 20; // bytes kept in all

std::string KernelCache::defaultDirectory() {
  if (auto chosen = llvm::sys::Process::GetEnv("ATTN_CACHE_DIR"))
    return *chosen;
  llvm::SmallString<128> directory;
  if (!path::cache_directory(directory))
    return "";
  path::append(directory, "attnc");
  return directory.str().str();
}

/// When and how large the file was built that this code is loaded from: its
/// version number alone would keep the mistakes of yesterday's build.
static std::string ownBuild() {
  Dl_info own;
  fs::file_status status;
  if (!dladdr(reinterpret_cast<void *>(&ownBuild), &own) ||
      fs::status(own.dli_fname, status))
    return "";
  auto time = status.getLastModificationTime().time_since_epoch().count();
  return std::to_string(time) + "." + std::to_string(status.getSize());
}

std::string KernelCache::key(llvm::ArrayRef<llvm::StringRef> parts,
                             const CodegenOptions &options) {
  static const std::string build = ownBuild();
  llvm::BLAKE3 hash;
  auto add = [&](llvm::StringRef part) {
    hash.update(std::to_string(part.size()) + ":");
    hash.update(part);
  };
  for (llvm::StringRef part : parts)
    add(part);
  for (llvm::StringRef part :
       {compilerVersion(), llvm::StringRef(LLVM_VERSION_STRING),
        llvm::StringRef(build)})
    add(part);
  for (const Target *target : options.targets)
    for (llvm::StringRef part :
         {llvm::StringRef(target->name), llvm::StringRef(target->cpu),
          llvm::StringRef(target->features)})
      add(part);
  if (options.gpu) {
    add(options.gpu->arch);
    add(options.assemble ? findPtxas() : "");
  }
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

/// Nothing if `file` is not what was written.
static std::optional<CachedKernel> unpack(llvm::StringRef file) {
  if (!file.consume_front(magic) || file.size() < 12)
    return std::nullopt;
  uint64_t hash = llvm::support::endian::read64le(file.data());
  file = file.drop_front(8);
  if (llvm::xxh3_64bits(file) != hash)
    return std::nullopt;
  uint32_t length = llvm::support::endian::read32le(file.data());
  file = file.drop_front(4);
  if (length > file.size())
    return std::nullopt;
  // A copy is aligned as object files want to be.
  return CachedKernel{
      file.take_front(length).str(),
      llvm::MemoryBuffer::getMemBufferCopy(file.drop_front(length), "kernel")};
}

static std::string pack(llvm::StringRef cascade, llvm::StringRef object) {
  std::string rest, file;
  llvm::raw_string_ostream text(rest), os(file);
  llvm::support::endian::write(text, uint32_t(cascade.size()),
                               llvm::endianness::little);
  text << cascade << object;
  os << magic;
  llvm::support::endian::write(os, llvm::xxh3_64bits(rest),
                               llvm::endianness::little);
  os << rest;
  return file;
}

/// `found` gets the file, if there is one; else the result writes it.
static llvm::AddStreamFn ask(llvm::StringRef directory, llvm::StringRef key,
                             std::unique_ptr<llvm::MemoryBuffer> &found) {
  auto cache = llvm::localCache(
      "attnc", "attnc", directory,
      [&](unsigned, const llvm::Twine &,
          std::unique_ptr<llvm::MemoryBuffer> b) { found = std::move(b); });
  if (!cache) {
    llvm::consumeError(cache.takeError());
    return {};
  }
  auto stream = (*cache)(0, key, "kernel");
  if (stream)
    return std::move(*stream);
  llvm::consumeError(stream.takeError());
  return {};
}

std::optional<CachedKernel> KernelCache::find(llvm::StringRef key) const {
  if (directory.empty())
    return std::nullopt;
  std::unique_ptr<llvm::MemoryBuffer> file;
  ask(directory, key, file);
  if (!file)
    return std::nullopt;
  auto kernel = unpack(file->getBuffer());
  if (!kernel)
    fs::remove(directory + "/llvmcache-" + key); // as LLVM's cache names it
  return kernel;
}

void KernelCache::store(llvm::StringRef key, llvm::StringRef cascade,
                        llvm::StringRef object) const {
  if (directory.empty())
    return;
  std::unique_ptr<llvm::MemoryBuffer> found;
  llvm::AddStreamFn add = ask(directory, key, found);
  if (!add)
    return;
  auto stream = add(0, "kernel");
  if (!stream)
    return llvm::consumeError(stream.takeError());
  *(*stream)->OS << pack(cascade, object);
  llvm::consumeError((*stream)->commit());
  llvm::CachePruningPolicy policy;
  policy.MaxSizeBytes = largest;
  llvm::pruneCache(directory, policy);
}
