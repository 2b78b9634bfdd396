//===- Parser.h - from text to syntax tree ----------------------*- C++ -*-===//
//
// Recursive descent with precedence climbing over the grammar of the language.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_PARSER_H
#define ATTN_FRONTENDS_TEXT_PARSER_H

#include "frontends/text/Ast.h"
#include "frontends/text/Diagnostics.h"

namespace attn::text {

/// Parses one file. Errors go to `diagnostics`; the tree then holds what could
/// be parsed (whole statements and declarations only) and should not be used
/// further unless `!diagnostics.hasErrors()`.
/// With `widePorts`, ports of 16-bit reals are of f32.
Ast parse(const SourceFile &file, Diagnostics &diagnostics,
          bool widePorts = false);

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_PARSER_H
