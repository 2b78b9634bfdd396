//===- Drawings.h - figures of the page as SVG ------------------*- C++ -*-===//
// Colours are classes of the page's style sheet (Style.cpp), so that one
// drawing serves light and dark.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_EXPLAIN_DRAWINGS_H
#define ATTN_COMPILER_EXPLAIN_DRAWINGS_H

#include "compiler/explain/Report.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

namespace attn::explain {

void drawGraph(const Report &report, llvm::raw_ostream &os);
void drawTiles(const TileMap &map, llvm::raw_ostream &os);
void drawRoofline(const Report &report, llvm::raw_ostream &os);

/// With <, >, & and quotes escaped.
std::string escaped(llvm::StringRef text);
extern const llvm::StringLiteral styleSheet;

} // namespace attn::explain
#endif // ATTN_COMPILER_EXPLAIN_DRAWINGS_H
