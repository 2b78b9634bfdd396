//===- Roofline.cpp - where kernels can be on the machine -------*- C++ -*-===//
// Logarithmic axes. A point stands at the intensity of the cascade and at the
// height of the roof there: what one core can reach at most.
//===----------------------------------------------------------------------===//
#include "compiler/explain/Drawings.h"
#include "compiler/explain/Print.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace attn::explain;
using llvm::formatv;
using llvm::StringRef;

namespace {
class Chart {
public:
  Chart(const Report &report, llvm::raw_ostream &os)
      : report(report), m(report.machine), os(os) {
    double low = 0.125, high = 4096;
    for (const Cost *cost : {&report.written, &report.derived}) {
      if (cost->intensity() > 0)
        low = std::min(low, cost->intensity() / 2);
      high = std::max(high, cost->intensity() * 4);
    }
    minX = std::floor(std::log2(low));
    maxX = std::ceil(std::log2(high));
    maxY = std::ceil(std::log2(std::max(m.matrix, m.vector) * 1.5));
    minY = std::floor(std::log2(std::max(m.bandwidth * low, 1e-3)));
  }
  void draw();

private:
  static constexpr double width = 620, height = 330, left = 64, right = 14,
                          top = 14, bottom = 48;
  double x(double intensity) const {
    return left + (std::log2(intensity) - minX) / (maxX - minX) *
                      (width - left - right);
  }
  double y(double rate) const {
    return height - bottom -
           (std::log2(rate) - minY) / (maxY - minY) * (height - top - bottom);
  }
  void axes();
  void roof(double peak, StringRef style, const std::string &label);
  void point(const Cost &cost, StringRef style, StringRef label, double below);

  const Report &report;
  const Machine &m;
  llvm::raw_ostream &os;
  double minX, maxX, minY, maxY;
};
} // namespace

static std::string power(int exponent) {
  if (exponent < 0)
    return "1/" + std::to_string(1 << -exponent);
  return exponent < 10 ? std::to_string(1 << exponent)
                       : std::to_string(1 << (exponent - 10)) + " k";
}

void Chart::axes() {
  for (int i = minX; i <= maxX; i += 2)
    os << formatv("<line class='grid' x1='{0:f1}' x2='{0:f1}' y1='{1}' "
                  "y2='{2}'/><text class='tick mid' x='{0:f1}' "
                  "y='{3}'>{4}</text>",
                  x(std::exp2(i)), top, height - bottom, height - bottom + 16,
                  power(i));
  for (int i = minY; i <= maxY; i += 2)
    os << formatv("<line class='grid' x1='{0}' x2='{1}' y1='{2:f1}' "
                  "y2='{2:f1}'/><text class='tick end' x='{3}' "
                  "y='{4:f1}'>{5}</text>",
                  left, width - right, y(std::exp2(i)), left - 6,
                  y(std::exp2(i)) + 3.5, power(i));
  os << formatv("\n<text class='axis' x='{0:f1}' y='{1}'>operations a byte of "
                "memory</text><text class='axis' x='14' y='{2:f1}' "
                "transform='rotate(-90 14 {2:f1})'>GFLOP/s of one "
                "core</text>\n",
                (left + width - right) / 2, height - 8,
                (top + height - bottom) / 2);
}

void Chart::roof(double peak, StringRef style, const std::string &label) {
  double ridge = peak / m.bandwidth, start = std::exp2(minX);
  os << formatv("<path class='roof {0}' d='M{1:f1} {2:f1} L{3:f1} {4:f1} "
                "L{5:f1} {4:f1}'/><text class='label' x='{6:f1}' "
                "y='{7:f1}'>{8}</text>\n",
                style, x(start), y(m.bandwidth * start), x(ridge), y(peak),
                width - right, x(ridge) + 4, y(peak) - 10, label);
}

void Chart::point(const Cost &cost, StringRef style, StringRef label,
                  double below) {
  if (cost.intensity() <= 0)
    return;
  double rate = attainable(m, cost.intensity(), false);
  double px = x(cost.intensity()), py = y(rate);
  bool isRight = px > width - 190;
  os << formatv("<line class='drop' x1='{0:f1}' x2='{0:f1}' y1='{1:f1}' "
                "y2='{2}'/><circle class='mark {3}' cx='{0:f1}' cy='{1:f1}' "
                "r='5.5'/><text class='label{4}' x='{5:f1}' "
                "y='{6:f1}'>{7}</text>\n",
                px, py, height - bottom, style, isRight ? " end" : "",
                px + (isRight ? -10 : 10), py + below,
                escaped(label) + ": " + quantity(cost.intensity()) + " flop/B");
}

void Chart::draw() {
  os << formatv("<svg class='roofline' role='img' aria-label='roofline of "
                "{0}' viewBox='0 0 {1} {2}' width='{1}' height='{2}'>\n",
                escaped(m.target), width, height);
  axes();
  if (m.matrix > m.vector)
    roof(m.matrix, "matrix", "bf16 " + quantity(m.matrix * 1e9, "FLOP/s"));
  roof(m.vector, "vector", "f32 " + quantity(m.vector * 1e9, "FLOP/s"));
  point(report.written, "written", "as written", /*below=*/20);
  point(report.derived, "derived", "as derived", /*below=*/38);
  os << "</svg>\n";
}

void attn::explain::drawRoofline(const Report &report, llvm::raw_ostream &os) {
  Chart(report, os).draw();
}
