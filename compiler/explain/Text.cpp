//===- Text.cpp - a report as text ------------------------------*- C++ -*-===//
#include "compiler/explain/Print.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

using namespace attn::explain;
using llvm::ArrayRef;
using llvm::StringRef;

//===----------------------------------------------------------------------===//
// Shared
//===----------------------------------------------------------------------===//

std::string attn::explain::quantity(double value, StringRef unit) {
  constexpr const char *prefixes[] = {"", "k", "M", "G", "T", "P"};
  unsigned prefix = 0;
  while (value >= 999.5 && prefix + 1 < std::size(prefixes)) {
    value /= 1000;
    ++prefix;
  }
  const char *format = value >= 99.5 || value == int64_t(value) ? "%.0f"
                       : value >= 9.95                          ? "%.1f"
                                                                : "%.2f";
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::format(format, value) << " " << prefixes[prefix] << unit;
  return StringRef(text).rtrim().str();
}

std::string attn::explain::join(ArrayRef<std::string> texts,
                                StringRef separator) {
  return llvm::join(texts, separator);
}

std::string attn::explain::text(const PassEnd &end) {
  return end.statement + " (" + end.does + ")";
}

std::string attn::explain::describe(const Kernel &kernel) {
  std::string text;
  if (kernel.runs == "points")
    return kernel.parallel.empty()
               ? "one point"
               : "point by point over " + join(kernel.parallel, " ");
  text = kernel.parallel.empty() ? "one row"
                                 : "a row is " + join(kernel.parallel, " ");
  if (!kernel.stream.empty())
    text += ", streams " + kernel.stream;
  if (kernel.streamTile)
    text += " in tiles of " + std::to_string(kernel.streamTile);
  if (kernel.rowTile)
    text += ", " + std::to_string(kernel.rowTile) + " rows of " + kernel.row +
            " at a time";
  if (kernel.stream.empty())
    text += ", all of it kept by one worker";
  return text;
}

StringRef attn::explain::kindName(Statement::Kind kind) {
  constexpr llvm::StringLiteral names[] = {"input", "map", "reduction",
                                           "recurrence", "selection"};
  return names[kind];
}

StringRef attn::explain::tileName(TileMap::Tile tile) {
  constexpr llvm::StringLiteral names[] = {"empty", "full", "partial",
                                           "run-time"};
  return names[tile];
}

double attn::explain::attainable(const Machine &machine, double intensity,
                                 bool matrix) {
  return std::min(matrix ? machine.matrix : machine.vector,
                  machine.bandwidth * intensity);
}

//===----------------------------------------------------------------------===//
// Sections
//===----------------------------------------------------------------------===//

namespace {
class Printer {
public:
  Printer(const Report &r, llvm::raw_ostream &os) : r(r), os(os) {}
  void print() {
    os << "cascade " << r.name << "\n";
    extents();
    graph();
    passes();
    kernels();
    for (const TileMap &map : r.maps)
      tiles(map);
    memory();
    costs();
  }

private:
  void extents();
  void graph();
  void passes();
  void chain(StringRef label, const Passes &passes);
  void kernels();
  void tiles(const TileMap &map);
  void memory();
  void costs();
  void cost(StringRef label, const Cost &cost);

  const Report &r;
  llvm::raw_ostream &os;
};
} // namespace

void Printer::extents() {
  os << "  extents:";
  for (const RankRow &rank : r.ranks)
    os << " " << rank.name << "=" << rank.extent
       << (rank.from == "default" ? "*" : "");
  os << "  (* by default)\n";
}

void Printer::graph() {
  os << "  graph\n";
  for (const Statement &s : r.statements) {
    os << "    "
       << (s.isOutput                   ? "output "
           : s.kind == Statement::Input ? "input "
                                        : "")
       << s.name << ": " << s.type;
    if (!s.does.empty())
      os << ", " << s.does;
    if (!s.where.empty())
      os << ", where " << s.where;
    if (!s.reads.empty()) {
      os << ", of";
      for (auto [i, read] : llvm::enumerate(s.reads))
        os << (i ? ", " : " ") << r.statements[read].name;
    }
    os << "\n";
  }
}

void Printer::chain(StringRef label, const Passes &passes) {
  os << "      " << label << ": ";
  for (auto [i, end] : llvm::enumerate(passes.chain)) {
    os << (i ? ", then " : "") << text(end);
    if (!end.laws.empty())
      os << " [" << join(end.laws, " ") << "]";
  }
  if (!passes.repeated.empty())
    os << ", repeated along " << passes.repeated;
  os << "\n";
}

void Printer::passes() {
  os << "  passes\n";
  for (const PassRow &row : r.passes) {
    os << "    " << row.rank << ": " << row.written.count << " as written, "
       << row.derived.count << " as derived\n";
    if (row.written.chain.size() > 1)
      chain("written", row.written);
    if (row.derived.count != row.written.count && !row.derived.chain.empty())
      chain("derived", row.derived);
  }
  for (const LawFired &law : r.laws)
    os << "    law " << law.law << " at " << law.statement << "\n";
  for (const LawFired &law : r.refusals)
    os << "    law " << law.law << " refused at " << law.statement << ": "
       << law.condition << "\n";
}

void Printer::kernels() {
  os << "  kernels\n";
  for (auto [i, kernel] : llvm::enumerate(r.kernels)) {
    os << "    kernel " << i + 1 << ": " << describe(kernel) << "\n";
    for (const Tensor &tensor : kernel.results)
      os << "      " << (tensor.isOutput ? "output " : "kept ") << tensor.name
         << ": " << tensor.type << ", " << quantity(tensor.bytes, "B") << "\n";
    for (const std::string &tensor : kernel.inside)
      os << "      a row of " << tensor << "\n";
  }
}

void Printer::tiles(const TileMap &map) {
  constexpr int64_t tall = 16, wide = 32;
  constexpr char signs[] = {'.', '#', '+', '?'};
  os << "  tiles of " << map.kernel << ": " << map.row << " x " << map.column
     << ", " << map.rowTile << " x " << map.columnTile << ": "
     << map.counts[TileMap::Full] << " full, " << map.counts[TileMap::Partial]
     << " partial, " << map.counts[TileMap::Empty] << " empty"
     << (map.isSkipped ? " (skipped)" : " (not skipped)");
  if (map.counts[TileMap::RunTime])
    os << ", " << map.counts[TileMap::RunTime] << " decided at run time";
  os << "\n";
  if (!map.condition.empty())
    os << "    where " << map.condition << "\n";
  if (llvm::is_contained(map.counts, map.rows * map.columns))
    return;
  int64_t high = std::min(tall, map.rows), across = std::min(wide, map.columns);
  for (int64_t y = 0; y < high; ++y) {
    os << "    ";
    for (int64_t x = 0; x < across; ++x) {
      // A picture's cell may stand for several tiles.
      bool seen[4] = {};
      for (int64_t i = y * map.rows / high; i < (y + 1) * map.rows / high; ++i)
        for (int64_t j = x * map.columns / across;
             j < (x + 1) * map.columns / across; ++j)
          seen[map.tiles[i * map.columns + j]] = true;
      os << (seen[TileMap::RunTime]                           ? signs[3]
             : seen[TileMap::Partial] || (seen[0] && seen[1]) ? signs[2]
             : seen[TileMap::Full]                            ? signs[1]
                                                              : signs[0]);
    }
    os << "\n";
  }
  os << "    # full, + partial, . empty"
     << (map.counts[TileMap::RunTime] ? ", ? decided at run time\n" : "\n");
}

void Printer::memory() {
  os << "  memory: workspace " << r.workspace << " in the sequence, "
     << quantity(r.workspaceBytes, "B") << " here\n";
  for (const Tensor &tensor : r.kept)
    os << "    " << tensor.name << ": " << tensor.type << ", "
       << quantity(tensor.bytes, "B") << ": " << tensor.why << "\n";
}

void Printer::cost(StringRef label, const Cost &cost) {
  os << "    " << label << ": " << quantity(cost.flops, "flop") << " ("
     << quantity(cost.transcendental) << " transcendental), "
     << quantity(cost.bytes, "B") << ", " << quantity(cost.intensity())
     << " flop/B\n";
}

static std::string rate(double gigaflops) {
  return quantity(gigaflops * 1e9, "FLOP/s");
}

void Printer::costs() {
  const Machine &m = r.machine;
  os << "  cost\n";
  cost("written", r.written);
  cost("derived", r.derived);
  if (r.derived.loads > 0)
    os << "    tiles load " << quantity(r.derived.loads, "B") << "\n";
  os << "    " << m.target << ", one core at a nominal "
     << llvm::format("%.1f", m.gigahertz) << " GHz: f32 vectors "
     << rate(m.vector) << ", bf16 " << rate(m.matrix) << ", memory "
     << quantity(m.bandwidth * 1e9, "B/s") << "\n";
  double intensity = r.derived.intensity();
  bool isBound = intensity * m.bandwidth < m.vector;
  os << "    roofline: " << rate(attainable(m, intensity, false))
     << " in f32, bound by " << (isBound ? "memory" : "arithmetic")
     << " (written: " << rate(attainable(m, r.written.intensity(), false))
     << ")\n";
}

void attn::explain::printText(ArrayRef<Report> reports, llvm::raw_ostream &os) {
  for (const Report &report : reports)
    Printer(report, os).print();
}
