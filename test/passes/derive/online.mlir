// RUN: attn-opt %S/../../dialect/cascade.mlir --attn-normalise --attn-derive-online | FileCheck %s
// Three passes over n become one: the streamed rank is (n1, n0), every
// reduction a recurrence over n1, the division leaves the sum.

// CHECK-LABEL: attn.cascade @gqa
// CHECK-SAME: #attn.rank<"n1", <()[s0] -> (s0 ceildiv 64), ["n"]>>
// CHECK: %O = attn.kernel {
// Scores stay in the tile.
// CHECK: ["S_dot"] over ["b", "h", "m", "n1", "n0"] reduce #attn.reduce<sum> ["d"]
// CHECK: ["M.tile"] over ["b", "h", "m", "n1"] reduce #attn.reduce<max> ["n0"]
// CHECK: attn.equations "M"(%M.first, %M.step)
// The repair h(M before, M now), 1 while M stands still.
// CHECK: ["L.repair"] over ["b", "h", "m", "n1"]
// CHECK: attn.map{{ +}}eq
// CHECK: attn.else
// CHECK: attn.map{{ +}}exp
// CHECK: attn.equations "L"
// CHECK: attn.equations "O"
// Divided once, by the finished sum, and 0 for a row without points.
// CHECK: ["O"] over ["b", "h", "m", "e"] {
// CHECK: attn.map{{ +}}div
// CHECK: attn.where
// CHECK: attn.else
// CHECK: schedule = #attn.schedule<parallel["b", "h", "m"] stream "n1" tile {n0 = 64 : i64}>
// CHECK: attn.return %O
