//===- Formatter.h - the canonical text of an .attn file --------*- C++ -*-===//
//
// One spelling for every program: spaces, indentation, and aligned `=`. The
// author's line breaks inside a statement and all comments stay. Formatting
// keeps the syntax tree, and formatting twice changes nothing.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_FORMATTER_H
#define ATTN_FRONTENDS_TEXT_FORMATTER_H

#include "frontends/text/Diagnostics.h"
#include <optional>

namespace attn::text {

/// Nothing if the file does not parse; the errors are in `diagnostics` then.
std::optional<std::string> formatSource(const SourceFile &file,
                                        Diagnostics &diagnostics);

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_FORMATTER_H
