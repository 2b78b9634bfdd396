//===- Drawings.cpp - graph and tile map as SVG -----------------*- C++ -*-===//
#include "compiler/explain/Drawings.h"
#include "compiler/explain/Layout.h"
#include "compiler/explain/Print.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace attn::explain;
using llvm::ArrayRef;
using llvm::formatv;
using llvm::StringRef;

std::string attn::explain::escaped(StringRef text) {
  std::string result;
  llvm::raw_string_ostream os(result);
  llvm::printHTMLEscaped(text, os);
  return result;
}

//===----------------------------------------------------------------------===//
// Graph
//===----------------------------------------------------------------------===//

static void drawEdge(const Layout::Edge &edge, llvm::raw_ostream &os) {
  ArrayRef<Point> points = edge.points;
  os << formatv("<path class='edge{0}' marker-end='url(#tip)' d='",
                edge.isBack ? " back" : "");
  if (edge.isBack) {
    // Around the right side, from the lower side of one to that of the other.
    Point a = points.front(), b = points.back();
    double out = std::max(a.x, b.x) + 90;
    os << formatv("M{0:f1} {1:f1} C{2:f1} {3:f1} {2:f1} {4:f1} {5:f1} {6:f1}",
                  a.x, a.y, out, a.y + 40, b.y + 40, b.x, b.y + 4);
  } else {
    os << formatv("M{0:f1} {1:f1}", points[0].x, points[0].y);
    for (size_t i = 1; i < points.size(); ++i) {
      Point a = points[i - 1], b = points[i];
      double bend = (b.y - a.y) / 2;
      double end = i + 1 == points.size() ? b.y - 4 : b.y;
      os << formatv(" C{0:f1} {1:f1} {2:f1} {3:f1} {2:f1} {4:f1}", a.x,
                    a.y + bend, b.x, b.y - bend, end);
    }
  }
  os << "'/>\n";
}

void attn::explain::drawGraph(const Report &report, llvm::raw_ostream &os) {
  Layout layout = layOut(report.statements);
  double right = layout.width;
  for (const Layout::Edge &edge : layout.edges)
    if (edge.isBack)
      right = std::max(
          right, std::max(edge.points.front().x, edge.points.back().x) + 90);
  os << formatv("<svg class='graph' role='img' aria-label='statements of {0}' "
                "viewBox='0 0 {1:f0} {2:f0}' width='{1:f0}' "
                "height='{2:f0}'>\n",
                escaped(report.name), right, layout.height)
     << "<defs><marker id='tip' viewBox='0 0 8 8' refX='6' refY='4' "
        "markerWidth='7' markerHeight='7' orient='auto'><path class='tip' "
        "d='M0 .8 7 4 0 7.2z'/></marker></defs>\n";
  for (const Layout::Edge &edge : layout.edges)
    drawEdge(edge, os);
  for (auto [box, s] : llvm::zip(layout.boxes, report.statements)) {
    double left = box.at.x - box.width / 2, top = box.at.y - box.height / 2;
    os << formatv("<g class='node {0}{1}'><title>{2}: {3}{4}{5}</title>",
                  kindName(s.kind), s.isOutput ? " output" : "",
                  escaped(s.name), escaped(s.type),
                  s.does.empty() ? "" : ", " + escaped(s.does),
                  s.where.empty() ? "" : ", where " + escaped(s.where));
    os << formatv("<rect x='{0:f1}' y='{1:f1}' width='{2:f1}' height='{3:f1}' "
                  "rx='{4}'/>",
                  left, top, box.width, box.height,
                  s.kind == Statement::Input ? 20 : 6);
    os << formatv("<text class='name' x='{0:f1}' y='{1:f1}'>{2}</text>"
                  "<text class='note' x='{0:f1}' y='{3:f1}'>{4}</text></g>\n",
                  box.at.x, box.at.y - 4, escaped(s.name), box.at.y + 12,
                  escaped(s.does.empty() ? s.type : s.does));
    if (!s.where.empty())
      os << formatv("<circle class='masked' cx='{0:f1}' cy='{1:f1}' r='4.5'/>",
                    left + box.width - 1, top + 1);
  }
  os << "</svg>\n";
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

namespace {
/// Cells of the picture: tiles, or groups of them where there are many.
struct Raster {
  explicit Raster(const TileMap &map);
  int64_t rows, columns;
  std::vector<TileMap::Tile> cells;
};
} // namespace

constexpr int64_t mostCells = 128;

Raster::Raster(const TileMap &map)
    : rows(std::min(map.rows, mostCells)),
      columns(std::min(map.columns, mostCells)) {
  for (int64_t y = 0; y < rows; ++y)
    for (int64_t x = 0; x < columns; ++x) {
      bool seen[4] = {};
      for (int64_t i = y * map.rows / rows; i < (y + 1) * map.rows / rows; ++i)
        for (int64_t j = x * map.columns / columns;
             j < (x + 1) * map.columns / columns; ++j)
          seen[map.tiles[i * map.columns + j]] = true;
      cells.push_back(seen[TileMap::RunTime] ? TileMap::RunTime
                      : seen[TileMap::Partial] ||
                              (seen[TileMap::Empty] && seen[TileMap::Full])
                          ? TileMap::Partial
                      : seen[TileMap::Full] ? TileMap::Full
                                            : TileMap::Empty);
    }
}

void attn::explain::drawTiles(const TileMap &map, llvm::raw_ostream &os) {
  Raster raster(map);
  constexpr double side = 420, left = 46, top = 34;
  double cell = std::min(
      28.0, std::max(2.0, side / std::max(raster.rows, raster.columns)));
  double width = cell * raster.columns, height = cell * raster.rows;
  double gap = cell >= 5 ? 0.8 : 0;
  os << formatv("<svg class='tiles' role='img' aria-label='tiles of {0}' "
                "viewBox='0 0 {1:f0} {2:f0}' width='{1:f0}' "
                "height='{2:f0}'>\n",
                escaped(map.kernel), left + width + 8, top + height + 8);
  os << formatv("<text class='axis' x='{0:f1}' y='14'>{1} &#8594;</text>"
                "<text class='tick' x='{2}' y='28'>0</text>"
                "<text class='tick end' x='{3:f1}' y='28'>{4}</text>\n",
                left + width / 2, escaped(map.column), left, left + width,
                map.columns * map.columnTile);
  os << formatv("<text class='axis' x='14' y='{0:f1}' "
                "transform='rotate(-90 14 {0:f1})'>&#8592; {1}</text>"
                "<text class='tick end' x='{2}' y='{3}'>0</text>"
                "<text class='tick end' x='{2}' y='{4:f1}'>{5}</text>\n",
                top + height / 2, escaped(map.row), left - 5, top + 9,
                top + height, map.rows * map.rowTile);
  os << formatv("<rect class='empty' x='{0}' y='{1}' width='{2:f1}' "
                "height='{3:f1}'/>",
                left, top, width, height);
  // One rectangle a run of equal cells where no gaps show.
  for (int64_t y = 0; y < raster.rows; ++y)
    for (int64_t x = 0; x < raster.columns;) {
      TileMap::Tile tile = raster.cells[y * raster.columns + x];
      int64_t end = x + 1;
      while (gap == 0 && end < raster.columns &&
             raster.cells[y * raster.columns + end] == tile)
        ++end;
      if (tile != TileMap::Empty)
        os << formatv("<rect class='{0}' x='{1:f2}' y='{2:f2}' width='{3:f2}' "
                      "height='{4:f2}'/>",
                      tileName(tile), left + x * cell, top + y * cell,
                      (end - x) * cell - gap, cell - gap);
      x = end;
    }
  os << "\n</svg>\n";
}
