//===- Style.cpp - the style sheet of the page ------------------*- C++ -*-===//
// Light and dark follow the reader; on paper the page is light.
//===----------------------------------------------------------------------===//
#include "compiler/explain/Drawings.h"

const llvm::StringLiteral attn::explain::styleSheet = R"css(
:root {
  color-scheme: light dark;
  --paper: #fcfbf8; --panel: #ffffff; --ink: #20242b; --soft: #5d6570;
  --rule: #e2ded5; --faint: #f2efe8; --blue: #2c5f91; --blue-wash: #e4edf6;
  --gold: #d99a2b; --violet: #8a63a8; --violet-wash: #f0e8f5; --red: #b4472f;
  --green: #4d7d4a; --green-wash: #e7f0e4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --panel: #1b1f25; --ink: #e8e6e1; --soft: #9da5b0;
    --rule: #313740; --faint: #232830; --blue: #76aee3; --blue-wash: #20344a;
    --gold: #e3b04f; --violet: #b995d3; --violet-wash: #352a40; --red: #e58267;
    --green: #8fbf89; --green-wash: #24352a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 28px 64px; }
h1, h2 { font-family: "Iowan Old Style", Palatino, "Palatino Linotype",
  "Book Antiqua", Georgia, serif; font-weight: 600; line-height: 1.2; }
h1 { font-size: 34px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 21px; margin: 44px 0 12px; padding-top: 14px;
  border-top: 1px solid var(--rule); }
.from { color: var(--soft); margin: 0 0 22px; }
code, pre, .mono, table .n { font-family: ui-monospace, "SF Mono", "Cascadia Mono",
  "DejaVu Sans Mono", Menlo, Consolas, monospace; }
code { font-size: 13px; }
pre { background: var(--panel); border: 1px solid var(--rule); border-radius: 8px;
  padding: 14px 16px; font-size: 12.5px; line-height: 1.5; overflow-x: auto;
  margin: 0 0 18px; }
.glance { display: grid; gap: 12px; margin: 0 0 20px;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.glance div { background: var(--panel); border: 1px solid var(--rule);
  border-radius: 8px; padding: 12px 14px; }
.glance b { display: block; font-size: 23px; line-height: 1.25; font-weight: 600;
  font-variant-numeric: tabular-nums; }
.glance span { color: var(--soft); font-size: 13px; }
figure { margin: 0; }
figcaption, .legend { color: var(--soft); font-size: 13.5px; margin-top: 10px; }
.scroll { overflow-x: auto; background: var(--panel); border: 1px solid var(--rule);
  border-radius: 8px; padding: 14px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; }
th, td { padding: 7px 12px 7px 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; font-size: 13px; }
.laws { margin-top: 22px; }
.cost { margin-top: 14px; }
.big { font-size: 18px; font-weight: 600; }
.chain { display: flex; flex-wrap: wrap; gap: 6px; align-items: baseline; }
.chain + .chain { margin-top: 6px; }
.chain i { color: var(--soft); font-style: normal; }
.chain em { min-width: 62px; color: var(--soft); font-style: normal;
  font-size: 13px; }
.chip { background: var(--blue-wash); border-radius: 5px; padding: 1px 8px;
  font-size: 13px; }
.chip small { color: var(--soft); font-size: 12px; }
.law { border: 1px solid var(--violet); color: var(--violet); border-radius: 9px;
  padding: 0 7px; font-size: 11px; margin-left: 5px; white-space: nowrap; }
.pair { display: flex; flex-wrap: wrap; gap: 32px; align-items: flex-start; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; align-items: center;
  list-style: none; padding: 0; }
.legend li { display: flex; align-items: center; gap: 7px; }
.legend svg { flex: none; }
.column { flex-direction: column; align-items: flex-start; margin-top: 34px; }
svg { max-width: none; display: block; margin: 0 auto; }
.pair svg, .legend svg { margin: 0; }
svg text { fill: var(--ink); font: 12px system-ui, "Segoe UI", Arial, sans-serif; }
svg .name { text-anchor: middle; font: 600 12.5px ui-monospace, "SF Mono",
  "DejaVu Sans Mono", Menlo, Consolas, monospace; }
svg .note { text-anchor: middle; font: 11px ui-monospace, "SF Mono",
  "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: var(--soft); }
svg .axis { text-anchor: middle; fill: var(--soft); }
svg .tick { fill: var(--soft); font-size: 11px; }
svg .end { text-anchor: end; }
svg .mid { text-anchor: middle; }
.node rect { fill: var(--faint); stroke: var(--rule); stroke-width: 1.2; }
.node.input rect { fill: var(--panel); stroke: var(--soft); }
.node.reduction rect { fill: var(--blue-wash); stroke: var(--blue); }
.node.recurrence rect { fill: var(--violet-wash); stroke: var(--violet); }
.node.selection rect { fill: var(--green-wash); stroke: var(--green); }
.node.output rect { stroke: var(--ink); stroke-width: 2.4; }
.edge { fill: none; stroke: var(--soft); stroke-width: 1.1; opacity: .75; }
.edge.back { stroke: var(--violet); stroke-dasharray: 4 3; }
.tip { fill: var(--soft); }
.masked, rect.partial { fill: var(--gold); }
rect.full { fill: var(--blue); }
rect.empty { fill: var(--faint); }
rect.run-time { fill: var(--violet); }
.legend rect.empty { stroke: var(--rule); }
.grid { stroke: var(--rule); }
.roof { fill: none; stroke: var(--blue); stroke-width: 2.2; }
.roof.matrix { stroke-dasharray: 7 4; opacity: .7; }
.drop { stroke: var(--soft); stroke-dasharray: 2 3; }
.mark { stroke: var(--red); stroke-width: 2; fill: var(--panel); }
.mark.derived { fill: var(--red); }
footer { margin-top: 48px; color: var(--soft); font-size: 13px; }
@media print { main { max-width: none; padding: 0; } h2 { break-after: avoid; }
  figure { break-inside: avoid; } }
)css";
