// RUN: attn-opt %S/../../dialect/cascade.mlir --attn-normalise | FileCheck %s
// Maps move into their readers; what needs fewer ranks is named again.

// CHECK-LABEL: attn.cascade @gqa
// The mask and the exponential are where they are used.
// CHECK: %M = attn.einsum ["M"] over ["b", "h", "m"] reduce #attn.reduce<max> ["n"]
// CHECK: attn.where
// P is no definition any more; its quotient by L needs no rank e.
// CHECK-NOT: ["P"]
// CHECK: %O.part = attn.einsum ["O.part"] over ["b", "h", "m", "n"]
// CHECK: attn.map{{ +}}exp
// CHECK: attn.map{{ +}}div
// What remains of O is a contraction of two tensors.
// CHECK: %O = attn.einsum ["O"] over ["b", "h", "m", "e"] reduce #attn.reduce<sum> ["n"]
// CHECK-DAG: attn.read %V
// CHECK-DAG: attn.read %O.part
// CHECK: attn.map{{ +}}mul
// CHECK-NEXT: attn.yield
