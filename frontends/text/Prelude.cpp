//===- Prelude.cpp - the library written in the language ------------------===//
//
// Prelude.inc is prelude.attn as one raw string literal (EmbedText.cmake).
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Prelude.h"

static constexpr char text[] =
#include "frontends/text/Prelude.inc"
    ;

llvm::StringRef attn::text::preludeText() {
  return llvm::StringRef(::text, sizeof(::text) - 1);
}
