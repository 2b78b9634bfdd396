//===- Prelude.h - the library written in the language ----------*- C++ -*-===//
//
// The text of prelude.attn, embedded at build time.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_PRELUDE_H
#define ATTN_FRONTENDS_TEXT_PRELUDE_H

#include "llvm/ADT/StringRef.h"

namespace attn::text {

inline constexpr llvm::StringLiteral preludeName = "prelude.attn";
llvm::StringRef preludeText();

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_PRELUDE_H
