// RUN: attn-opt %s | attn-opt | FileCheck %s
// Every part of a port by itself.

// CHECK-LABEL: attn.cascade @ports
attn.cascade @ports attributes {
  ranks = [#attn.rank<"d">],
  // CHECK: #attn.port<"H0">, #attn.port<"W" init 7 : i32>
  // CHECK-SAME: #attn.port<"K" quant <"K_scale" per["d"], bf16>>
  inputs = [#attn.port<"H0">, #attn.port<"W" init 7 : i32>,
            #attn.port<"K" quant<"K_scale" per ["d"], bf16>>],
  // CHECK: #attn.port<"H1" into "H0">
  outputs = [#attn.port<"H1" into "H0">]
} {
^bb0(%H0: !attn.tensor<["d"], f32>, %W: !attn.tensor<[], i32>,
     %K: !attn.tensor<["d"], i8>):
  attn.return %H0 : !attn.tensor<["d"], f32>
}
