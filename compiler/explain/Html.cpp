//===- Html.cpp - a report as one page --------------------------*- C++ -*-===//
#include "compiler/explain/Drawings.h"
#include "compiler/explain/Print.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace attn::explain;
using llvm::ArrayRef;
using llvm::formatv;
using llvm::StringRef;

namespace {
class Page {
public:
  Page(StringRef file, const Report &r, llvm::raw_ostream &os)
      : file(file), r(r), os(os) {}
  void print();

private:
  void glance();
  void graph();
  void passes();
  void laws();
  void chain(StringRef label, const Passes &passes);
  void kernels();
  void tiles(const TileMap &map);
  void memory();
  void roofline();
  void cost(StringRef label, const Cost &cost);
  void extents();
  void card(const std::string &value, const std::string &what) {
    os << formatv("<div><b>{0}</b><span>{1}</span></div>\n", value, what);
  }

  StringRef file;
  const Report &r;
  llvm::raw_ostream &os;
};
} // namespace

static std::string bytes(double value) { return quantity(value, "B"); }

static std::string percent(double share) {
  return formatv("{0:f0} %", 100 * share).str();
}

void Page::glance() {
  os << "<div class='glance'>\n";
  for (const PassRow &row : r.passes)
    if (row.written.count != "1" || row.derived.count != "1")
      card(row.written.count + " &#8594; " + row.derived.count,
           "passes over " + escaped(row.rank));
  card(std::to_string(r.kernels.size()),
       r.kernels.size() == 1 ? "kernel" : "kernels");
  card(r.workspace, "workspace in the sequence");
  for (const TileMap &map : ArrayRef(r.maps).take_front(2))
    card(percent(double(map.visited()) / (map.rows * map.columns)),
         (map.isSkipped ? "of the tiles visited, " : "of the tiles present, ") +
             escaped(map.row + " x " + map.column));
  card(quantity(r.derived.intensity()), "operations a byte");
  os << "</div>\n";
}

/// A sample of a class of the drawings.
static void swatch(llvm::raw_ostream &os, StringRef shape, StringRef label) {
  os << "<li><svg width='18' height='14'>" << shape << "</svg>" << label
     << "</li>";
}

static std::string square(StringRef style) {
  return ("<rect class='" + style + "' width='14' height='14'/>").str();
}

void Page::graph() {
  os << "<h2>Cascade</h2>\n<figure><div class='scroll'>";
  drawGraph(r, os);
  os << "</div>\n<ul class='legend'>";
  for (StringRef kind :
       {"input", "map", "reduction", "recurrence", "selection"})
    if (llvm::any_of(r.statements, [&](const Statement &s) {
          return kindName(s.kind) == kind;
        }))
      swatch(os,
             ("<g class='node " + kind +
              "'><rect x='1' y='1' width='15' height='12' rx='" +
              (kind == "input" ? "6" : "2") + "'/></g>")
                 .str(),
             kind);
  swatch(os,
         "<g class='node output'><rect x='2' y='2' width='14' "
         "height='10' rx='2'/></g>",
         "output");
  if (llvm::any_of(r.statements,
                   [](const Statement &s) { return !s.where.empty(); }))
    swatch(os, "<circle class='masked' cx='8' cy='7' r='4.5'/>",
           "keeps the points of a mask alone");
  os << "</ul></figure>\n";
}

void Page::chain(StringRef label, const Passes &passes) {
  os << "<div class='chain'><em>" << label << "</em>";
  for (auto [i, end] : llvm::enumerate(passes.chain)) {
    os << (i ? "<i>then</i>" : "")
       << formatv("<span class='chip'><code>{0}</code> <small>{1}</small>",
                  escaped(end.statement), escaped(end.does));
    for (const std::string &law : end.laws)
      os << "<span class='law'>" << escaped(law) << "</span>";
    os << "</span>";
  }
  if (!passes.repeated.empty())
    os << "<i>repeated along " << escaped(passes.repeated) << "</i>";
  os << "</div>";
}

void Page::passes() {
  os << "<h2>Passes</h2>\n<table class='passes'><thead><tr><th>rank</th>"
        "<th class='n'>as written</th><th class='n'>as derived</th>"
        "<th>each completes a reduction that the next one needs</th></tr>"
        "</thead><tbody>\n";
  for (const PassRow &row : r.passes) {
    os << formatv("<tr><td class='big mono'>{0}</td><td class='n big'>{1}</td>"
                  "<td class='n big'>{2}</td><td>",
                  escaped(row.rank), escaped(row.written.count),
                  escaped(row.derived.count));
    chain("written", row.written);
    if (row.written.count != row.derived.count && !row.derived.chain.empty())
      chain("derived", row.derived);
    os << "</td></tr>\n";
  }
  os << "</tbody></table>\n";
  laws();
}

void Page::laws() {
  if (r.laws.empty() && r.refusals.empty())
    return;
  os << "<table class='laws'><thead><tr><th>law</th><th>at</th><th>identity, "
        "or the condition that failed</th></tr></thead><tbody>\n";
  auto row = [&](const LawFired &law, const std::string &text) {
    os << formatv("<tr><td><span class='law'>{0}</span></td>"
                  "<td><code>{1}</code></td><td>{2}</td></tr>\n",
                  escaped(law.law), escaped(law.statement), text);
  };
  for (const LawFired &law : r.laws)
    row(law, "<code>" + escaped(law.identity) + "</code>");
  for (const LawFired &law : r.refusals)
    row(law, "refused: " + escaped(law.condition));
  os << "</tbody></table>\n";
}

void Page::kernels() {
  os << "<h2>Kernels</h2>\n<table class='kernels'><thead><tr><th class='n'>"
        "</th><th>how it runs</th><th>writes</th><th class='n'>operations</th>"
        "<th class='n'>memory</th><th class='n'>op/B</th></tr></thead>"
        "<tbody>\n";
  for (auto [i, kernel] : llvm::enumerate(r.kernels)) {
    os << formatv("<tr><td class='n'>{0}</td><td>{1}", i + 1,
                  escaped(describe(kernel)));
    if (!kernel.inside.empty())
      os << "<br><span class='legend'>keeps " << kernel.inside.size()
         << " intermediates to itself</span>";
    os << "</td><td>";
    for (const Tensor &tensor : kernel.results)
      os << formatv("<code>{0}</code> <small>{1}{2}</small><br>",
                    escaped(tensor.name), escaped(tensor.type),
                    tensor.isOutput ? ", output" : "");
    os << formatv("</td><td class='n'>{0}</td><td class='n'>{1}</td>"
                  "<td class='n'>{2}</td></tr>\n",
                  quantity(kernel.cost.flops), bytes(kernel.cost.bytes),
                  quantity(kernel.cost.intensity()));
  }
  os << "</tbody></table>\n";
}

void Page::tiles(const TileMap &map) {
  os << formatv("<h2>Tiles of <code>{0}</code></h2>\n<div class='pair'>"
                "<figure>",
                escaped(map.kernel));
  if (!llvm::is_contained(map.counts, map.rows * map.columns))
    drawTiles(map, os);
  os << "</figure><div><ul class='legend column'>";
  constexpr TileMap::Tile order[] = {TileMap::Full, TileMap::Partial,
                                     TileMap::Empty, TileMap::RunTime};
  double all = double(map.rows) * map.columns;
  for (TileMap::Tile tile : order)
    if (map.counts[tile])
      swatch(os, square(tileName(tile)),
             formatv("<span><b>{0}</b> {1}, {2}</span>", map.counts[tile],
                     tile == TileMap::RunTime ? "decided at run time"
                     : tile == TileMap::Empty && map.isSkipped
                         ? "empty, not visited"
                         : tileName(tile),
                     percent(map.counts[tile] / all))
                 .str());
  os << formatv("</ul><figcaption>{0} x {1} in tiles of {2} x {3}{4}",
                escaped(map.row), escaped(map.column), map.rowTile,
                map.columnTile,
                map.isSkipped ? "" : "; this kernel walks all of them");
  if (!map.condition.empty())
    os << "<br>where <code>" << escaped(map.condition) << "</code>";
  os << "</figcaption></div></div>\n";
}

void Page::memory() {
  os << formatv("<h2>Memory</h2>\n<p>Beside inputs and outputs: {0} here, "
                "{1}{2}.</p>\n",
                bytes(r.workspaceBytes),
                r.workspace == "none" ? "independent of" : r.workspace + " in",
                " the length of the sequence");
  if (r.kept.empty())
    return;
  os << "<table class='kept'><thead><tr><th>materialised</th><th>type</th>"
        "<th class='n'>size</th><th>because</th></tr></thead><tbody>\n";
  for (const Tensor &tensor : r.kept)
    os << formatv("<tr><td><code>{0}</code></td><td><code>{1}</code></td>"
                  "<td class='n'>{2}</td><td>{3}</td></tr>\n",
                  escaped(tensor.name), escaped(tensor.type),
                  bytes(tensor.bytes), escaped(tensor.why));
  os << "</tbody></table>\n";
}

void Page::cost(StringRef label, const Cost &cost) {
  os << formatv("<tr><td>{0}</td><td class='n'>{1}</td><td class='n'>{2}</td>"
                "<td class='n'>{3}</td><td class='n'>{4}</td></tr>\n",
                label, quantity(cost.flops), quantity(cost.transcendental),
                bytes(cost.bytes), quantity(cost.intensity()));
}

void Page::roofline() {
  const Machine &m = r.machine;
  os << "<h2>Roofline</h2>\n<figure><div class='scroll'>";
  drawRoofline(r, os);
  os << formatv("</div><figcaption>One core of <code>{0}</code> at a nominal "
                "{1:f1} GHz, {2} f32 operations a cycle, {3} of memory, "
                "each tensor moved once. As written, every intermediate is a "
                "tensor in memory.</figcaption></figure>\n",
                escaped(m.target), m.gigahertz, m.vectorFlops,
                quantity(m.bandwidth * 1e9, "B/s"));
  os << "<table class='cost'><thead><tr><th></th><th class='n'>operations</th>"
        "<th class='n'>transcendental</th><th class='n'>memory</th>"
        "<th class='n'>op/B</th></tr></thead><tbody>\n";
  cost("as written", r.written);
  cost("as derived", r.derived);
  os << "</tbody></table>\n";
}

void Page::extents() {
  os << "<h2>Extents</h2>\n<p class='mono'>";
  for (const RankRow &rank : r.ranks)
    os << formatv("{0}={1}{2} ", escaped(rank.name), rank.extent,
                  rank.from == "default" ? "*" : "");
  os << "</p>\n<p class='legend'>* by default; <code>--shape</code> gives "
        "others.</p>\n";
}

void Page::print() {
  os << formatv("<section id='{0}'>\n<h1>{0}</h1>\n<p class='from'>{1}</p>\n",
                escaped(r.name), escaped(file));
  glance();
  if (!r.source.empty())
    os << "<pre>" << escaped(r.source) << "</pre>\n";
  graph();
  passes();
  kernels();
  for (const TileMap &map : r.maps)
    tiles(map);
  memory();
  roofline();
  extents();
  os << "</section>\n";
}

void attn::explain::printHtml(StringRef file, ArrayRef<Report> reports,
                              llvm::raw_ostream &os) {
  os << "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, "
        "initial-scale=1'>\n<title>"
     << escaped(reports.empty() ? file : StringRef(reports.front().name))
     << "</title>\n<style>" << styleSheet << "</style>\n</head>\n<body>\n"
     << "<main>\n";
  for (const Report &report : reports)
    Page(file, report, os).print();
  os << "<footer>Written by <code>attnc explain --html</code>.</footer>\n"
     << "</main>\n</body>\n</html>\n";
}
