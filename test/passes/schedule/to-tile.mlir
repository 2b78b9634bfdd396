// RUN: attn-opt %S/../../dialect/cascade.mlir --attn-normalise --attn-derive-online --attn-to-tile | FileCheck %s
// The derived kernel as a tile program: queries fill lanes, keys are streamed.

// CHECK-LABEL: attn.cascade @gqa
// CHECK: tile.kernel "gqa.0" grid ["b", "h", "m1"]
// n <= m bounds the stream; Q does not move with it and is loaded once.
// CHECK: attn.map{{ +}}min
// CHECK: tile.load %Q
// CHECK: -> <["d", "m0"] [-1, 64], f32>
// CHECK: tile.stream "n1" in {{.*}} points %
// CHECK: tile.load %K
// The contraction is a plain product: beyond the extent nobody reads it.
// CHECK: reduce <sum> ["d"]
// CHECK: tile.yield
// Conditions that the bounds decide are marked.
// CHECK: attn.map{{ +}}lt{{.*}} {bounded}
// CHECK: attn.map{{ +}}le{{.*}} {bounded}
// CHECK: reduce <max> ["n0"]
// CHECK: tile.load %V
// CHECK: reduce <sum> ["n0"]
// CHECK: tile.store
