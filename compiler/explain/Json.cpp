//===- Json.cpp - a report as JSON ------------------------------*- C++ -*-===//
#include "llvm/Support/JSON.h"
#include "compiler/explain/Print.h"

using namespace attn::explain;
using llvm::StringRef;
using llvm::json::Array;
using llvm::json::Object;
using llvm::json::Value;

template <typename T> static Array list(const std::vector<T> &items) {
  Array array;
  for (const T &item : items)
    array.push_back(item);
  return array;
}

template <typename T>
static Array list(const std::vector<T> &items, Value (*json)(const T &)) {
  Array array;
  for (const T &item : items)
    array.push_back(json(item));
  return array;
}

static Value json(const RankRow &rank) {
  return Object{
      {"name", rank.name}, {"extent", rank.extent}, {"from", rank.from}};
}

static Value json(const Statement &s) {
  Object object{{"name", s.name}, {"kind", kindName(s.kind)}, {"type", s.type}};
  if (!s.does.empty())
    object["does"] = s.does;
  if (!s.where.empty())
    object["where"] = s.where;
  if (s.isOutput)
    object["output"] = true;
  return object;
}

static Value json(const PassEnd &end) {
  Object object{{"statement", end.statement}, {"does", end.does}};
  if (!end.laws.empty())
    object["laws"] = list(end.laws);
  return object;
}

static Value json(const Passes &passes) {
  Object object{{"count", passes.count}, {"chain", list(passes.chain, json)}};
  if (!passes.repeated.empty())
    object["repeated"] = passes.repeated;
  return object;
}

static Value json(const PassRow &row) {
  return Object{{"rank", row.rank},
                {"written", json(row.written)},
                {"derived", json(row.derived)}};
}

static Value json(const LawFired &law) {
  Object object{{"law", law.law}, {"statement", law.statement}};
  if (!law.identity.empty())
    object["identity"] = law.identity;
  if (!law.condition.empty())
    object["condition"] = law.condition;
  return object;
}

static Value json(const Cost &cost) {
  return Object{{"flops", cost.flops},
                {"transcendental", cost.transcendental},
                {"bytes", cost.bytes},
                {"loads", cost.loads},
                {"intensity", cost.intensity()}};
}

static Value json(const Tensor &tensor) {
  Object object{{"name", tensor.name},
                {"type", tensor.type},
                {"bytes", tensor.bytes},
                {"output", tensor.isOutput}};
  if (!tensor.why.empty())
    object["why"] = tensor.why;
  return object;
}

static Value json(const Kernel &kernel) {
  Object object{{"name", kernel.name},
                {"runs", kernel.runs},
                {"parallel", list(kernel.parallel)},
                {"results", list(kernel.results, json)},
                {"cost", json(kernel.cost)}};
  if (!kernel.stream.empty()) {
    object["stream"] = kernel.stream;
    object["streamTile"] = kernel.streamTile;
  }
  if (!kernel.row.empty()) {
    object["row"] = kernel.row;
    object["rowTile"] = kernel.rowTile;
  }
  if (!kernel.inside.empty())
    object["inside"] = list(kernel.inside);
  return object;
}

/// Rows as strings, a sign a tile; large maps say the counts alone.
static Value json(const TileMap &map) {
  Object counts;
  for (unsigned tile = 0; tile < map.counts.size(); ++tile)
    counts[tileName(TileMap::Tile(tile))] = map.counts[tile];
  Object object{{"kernel", map.kernel},         {"row", map.row},
                {"column", map.column},         {"rowTile", map.rowTile},
                {"columnTile", map.columnTile}, {"rows", map.rows},
                {"columns", map.columns},       {"counts", std::move(counts)},
                {"skipped", map.isSkipped}};
  if (!map.condition.empty())
    object["where"] = map.condition;
  if (map.tiles.size() <= 1 << 14) {
    Array rows;
    for (int64_t i = 0; i < map.rows; ++i) {
      std::string row;
      for (int64_t j = 0; j < map.columns; ++j)
        row += ".#+?"[map.tiles[i * map.columns + j]];
      rows.push_back(std::move(row));
    }
    object["tiles"] = std::move(rows);
  }
  return object;
}

static Value json(const Machine &machine) {
  return Object{{"target", machine.target},
                {"gigahertz", machine.gigahertz},
                {"vectorFlops", machine.vectorFlops},
                {"matrixFlops", machine.matrixFlops},
                {"vectorGflops", machine.vector},
                {"matrixGflops", machine.matrix},
                {"gigabytes", machine.bandwidth}};
}

static Value json(const Report &r) {
  Array graph;
  for (const Statement &s : r.statements) {
    Value value = json(s);
    Array reads;
    for (unsigned read : s.reads)
      reads.push_back(r.statements[read].name);
    (*value.getAsObject())["reads"] = std::move(reads);
    graph.push_back(std::move(value));
  }
  const Machine &m = r.machine;
  double intensity = r.derived.intensity();
  return Object{{"name", r.name},
                {"ranks", list(r.ranks, json)},
                {"graph", std::move(graph)},
                {"passes", list(r.passes, json)},
                {"laws", list(r.laws, json)},
                {"refusals", list(r.refusals, json)},
                {"kernels", list(r.kernels, json)},
                {"tiles", list(r.maps, json)},
                {"kept", list(r.kept, json)},
                {"workspace",
                 Object{{"growth", r.workspace}, {"bytes", r.workspaceBytes}}},
                {"cost", Object{{"written", json(r.written)},
                                {"derived", json(r.derived)}}},
                {"machine", json(m)},
                {"roofline", Object{{"f32", attainable(m, intensity, false)},
                                    {"bf16", attainable(m, intensity, true)},
                                    {"bound", intensity * m.bandwidth < m.vector
                                                  ? "memory"
                                                  : "arithmetic"}}}};
}

void attn::explain::printJson(StringRef file, llvm::ArrayRef<Report> reports,
                              llvm::raw_ostream &os) {
  Array cascades;
  for (const Report &report : reports)
    cascades.push_back(json(report));
  Value all = Object{{"file", file}, {"cascades", std::move(cascades)}};
  os << llvm::formatv("{0:2}", all) << "\n";
}
