//===- Print.h - a report as text, JSON or a page ---------------*- C++ -*-===//
#ifndef ATTN_COMPILER_EXPLAIN_PRINT_H
#define ATTN_COMPILER_EXPLAIN_PRINT_H

#include "compiler/explain/Report.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

namespace attn::explain {

void printText(llvm::ArrayRef<Report> reports, llvm::raw_ostream &os);
void printJson(llvm::StringRef file, llvm::ArrayRef<Report> reports,
               llvm::raw_ostream &os);
/// One page with everything in it: drawings are SVG, nothing is loaded.
void printHtml(llvm::StringRef file, llvm::ArrayRef<Report> reports,
               llvm::raw_ostream &os);

//===--- Shared -----------------------------------------------------------===//

/// "17.2 GB", "37.5": three digits, a prefix, the unit.
std::string quantity(double value, llvm::StringRef unit = "");
std::string join(llvm::ArrayRef<std::string> texts, llvm::StringRef separator);
/// "max over n", then what the statement ends: "O.max (max over n)".
std::string text(const PassEnd &end);
/// "a row is b h m, streams n by 64, 64 rows of m at a time".
std::string describe(const Kernel &kernel);
llvm::StringRef kindName(Statement::Kind kind);
llvm::StringRef tileName(TileMap::Tile tile);
/// What a core reaches at an intensity in bf16 or f32, in GFLOP/s.
double attainable(const Machine &machine, double intensity, bool matrix);

} // namespace attn::explain
#endif // ATTN_COMPILER_EXPLAIN_PRINT_H
