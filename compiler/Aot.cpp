//===- Aot.cpp - compiled cascades as files ---------------------*- C++ -*-===//
#include "compiler/Aot.h"
#include "attn/runtime.h"
#include "compiler/Link.h"
#include "compiler/Manifest.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"

using namespace attn;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

llvm::Error attn::emitArtifact(Generated &generated, const Target &target,
                               Artifact kind, llvm::raw_pwrite_stream &os) {
  auto machine = makeTargetMachine(target);
  if (!machine)
    return machine.takeError();
  llvm::Module &module = *generated.module;
  module.setTargetTriple((*machine)->getTargetTriple());
  module.setDataLayout((*machine)->createDataLayout());
  module.setPICLevel(llvm::PICLevel::BigPIC);
  optimise(module, **machine);
  if (kind == Artifact::LLVM) {
    module.print(os, nullptr);
    return llvm::Error::success();
  }
  CodegenScope scope(module);
  llvm::legacy::PassManager passes;
  auto type = kind == Artifact::Object ? llvm::CodeGenFileType::ObjectFile
                                       : llvm::CodeGenFileType::AssemblyFile;
  if ((*machine)->addPassesToEmitFile(passes, os, nullptr, type))
    return llvm::createStringError("the target writes no such file");
  passes.run(module);
  return llvm::Error::success();
}

namespace {

/// A file that takes its place only when all are complete.
class Staged {
public:
  static llvm::Expected<Staged> create(const llvm::Twine &destination) {
    std::string name = destination.str();
    // Renaming over a directory or a device would replace more than a file.
    if (fs::exists(name) &&
        (!fs::is_regular_file(name) || !fs::can_write(name)))
      return llvm::createStringError(name +
                                     ": is not a file that can be replaced");
    auto temp =
        fs::TempFile::create(name + ".%%%%%%", fs::all_read | fs::all_write);
    if (!temp)
      return llvm::createStringError(name + ": " +
                                     llvm::toString(temp.takeError()));
    return Staged(std::move(name), std::move(*temp));
  }
  Staged(Staged &&) = default;

  llvm::StringRef temporary() const { return temp.TmpName; }
  llvm::Error write(llvm::StringRef text) {
    llvm::raw_fd_ostream os(temp.FD, /*shouldClose=*/false);
    os << text;
    os.flush();
    if (!os.has_error())
      return llvm::Error::success();
    std::error_code code = os.error();
    os.clear_error();
    return llvm::createStringError(code, destination + ": " + code.message());
  }
  llvm::Error keep() { return temp.keep(destination); }
  void discard() { llvm::consumeError(temp.discard()); }

private:
  Staged(std::string destination, fs::TempFile temp)
      : destination(std::move(destination)), temp(std::move(temp)) {}
  std::string destination;
  fs::TempFile temp;
};

/// Directory of the program that runs, then ../lib.
std::string defaultRuntimeDirectory() {
  std::string program = fs::getMainExecutable(
      nullptr, reinterpret_cast<void *>(&defaultRuntimeDirectory));
  llvm::SmallString<128> directory(
      path::parent_path(path::parent_path(program)));
  path::append(directory, "lib");
  return directory.str().str();
}

llvm::Error fill(Staged &library, Staged &header, Staged &manifest,
                 Generated generated, mlir::ModuleOp cascades,
                 const Target &target, const LibraryOptions &options,
                 llvm::StringRef stem) {
  if (llvm::Error error =
          header.write(writeHeader(cascades, stem, options.source)))
    return error;
  if (llvm::Error error = manifest.write(generated.manifest))
    return error;
  llvm::SmallString<128> object;
  int descriptor;
  if (std::error_code code =
          fs::createTemporaryFile("attnc", "o", descriptor, object))
    return llvm::createStringError(code, "temporary file");
  llvm::FileRemover remover(object);
  {
    llvm::raw_fd_ostream os(descriptor, /*shouldClose=*/true);
    if (llvm::Error error =
            emitArtifact(generated, target, Artifact::Object, os))
      return error;
  }
  std::string runtime = options.runtimeDirectory.empty()
                            ? defaultRuntimeDirectory()
                            : options.runtimeDirectory;
  if (llvm::Error error =
          linkLibrary(object, library.temporary(), path::filename(options.path),
                      target, runtime))
    return error;
  if (attn_library_seal(library.temporary().str().c_str()))
    return llvm::createStringError(attn_last_error());
  return llvm::Error::success();
}

} // namespace

llvm::Error attn::writeLibrary(Generated generated, mlir::ModuleOp cascades,
                               const Target &target,
                               const LibraryOptions &options) {
  llvm::StringRef stem = path::stem(options.path);
  if (stem.size() > 3)
    stem.consume_front("lib");
  llvm::SmallString<128> base(path::parent_path(options.path));
  path::append(base, stem);

  std::vector<Staged> files;
  llvm::Error error = llvm::Error::success();
  for (const std::string &name :
       {options.path, (base + ".h").str(), (base + ".json").str()}) {
    auto file = Staged::create(name);
    if (!file) {
      error = llvm::joinErrors(std::move(error), file.takeError());
      break;
    }
    files.push_back(std::move(*file));
  }
  if (!error)
    error = fill(files[0], files[1], files[2], std::move(generated), cascades,
                 target, options, stem);
  // The library last: what is complete is found complete.
  for (Staged &file : llvm::reverse(files)) {
    if (error)
      file.discard();
    else
      error = file.keep();
  }
  return error;
}
