//===- Files.cpp - reading inputs, replacing outputs ------------*- C++ -*-===//
#include "compiler/Files.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"

using namespace llvm;

std::unique_ptr<MemoryBuffer> attn::readFile(StringRef path) {
  auto buffer = MemoryBuffer::getFileOrSTDIN(path, /*IsText=*/false,
                                             /*RequiresNullTerminator=*/true);
  if (buffer)
    return std::move(*buffer);
  errs() << "attnc: " << path << ": " << buffer.getError().message() << "\n";
  return nullptr;
}

bool attn::replaceFile(StringRef path,
                       function_ref<bool(raw_ostream &)> write) {
  if (path == "-")
    return write(outs());
  auto complain = [&](const Twine &message) {
    errs() << "attnc: " << path << ": " << message << "\n";
    return false;
  };
  // Renaming over a directory or a device would replace more than a file.
  if (sys::fs::exists(path) && !sys::fs::is_regular_file(path))
    return complain("is not a file that can be replaced");
  if (sys::fs::exists(path) && !sys::fs::can_write(path))
    return complain("cannot be written");
  Expected<sys::fs::TempFile> temp = sys::fs::TempFile::create(
      path + ".%%%%%%", sys::fs::all_read | sys::fs::all_write);
  if (!temp)
    return complain(toString(temp.takeError()));
  bool good;
  {
    raw_fd_ostream os(temp->FD, /*shouldClose=*/false);
    good = write(os);
    os.flush();
    if (os.has_error()) {
      good = complain(os.error().message());
      os.clear_error();
    }
  }
  if (!good) {
    consumeError(temp->discard());
    return false;
  }
  if (Error error = temp->keep(path)) {
    complain(toString(std::move(error)));
    return false;
  }
  return true;
}
