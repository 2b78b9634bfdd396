// RUN: attn-opt %s | attn-opt | FileCheck %s
// Causal attention with grouped heads, as a front end writes it.

// CHECK-LABEL: attn.cascade @gqa
attn.cascade @gqa attributes {
  ranks = [#attn.rank<"b">, #attn.rank<"h">, #attn.rank<"m">, #attn.rank<"d">,
           #attn.rank<"g">, #attn.rank<"n">, #attn.rank<"e">,
           #attn.rank<"y", <()[s0, s1] -> (s0 ceildiv s1), ["h", "g"]>>],
  relations = [#attn.product<"h" = ["g", "y"]>],
  inputs = [#attn.port<"Q">, #attn.port<"K">, #attn.port<"V">],
  outputs = [#attn.port<"O">]
} {
^bb0(%Q: !attn.tensor<["b", "h", "m", "d"], bf16>,
     %K: !attn.tensor<["b", "g", "n", "d"], bf16>,
     %V: !attn.tensor<["b", "g", "n", "e"], bf16>):
  // CHECK: %S_dot = attn.einsum
  %S_dot = attn.einsum ["S_dot"] over ["b", "h", "m", "n"] reduce #attn.reduce<sum> ["d"] {
  ^bb0(%b: i32, %h: i32, %m: i32, %n: i32, %d: i32):
    %ye = attn.extent "y"
    %g = attn.map floordiv(%h, %ye) : i32, i32
    %q = attn.read %Q[%b, %h, %m, %d : i32, i32, i32, i32] : !attn.tensor<["b", "h", "m", "d"], bf16>
    %k = attn.read %K[%b, %g, %n, %d : i32, i32, i32, i32] : !attn.tensor<["b", "g", "n", "d"], bf16>
    %x = attn.map mul(%q, %k) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["b", "h", "m", "n"], f32>
  %S = attn.einsum ["S"] over ["b", "h", "m", "n"] {
  ^bb0(%b: i32, %h: i32, %m: i32, %n: i32):
    %x = attn.read %S_dot[%b, %h, %m, %n : i32, i32, i32, i32] : !attn.tensor<["b", "h", "m", "n"], f32>
    %c = attn.map le(%n, %m) : i32, i32
    %y = attn.where %x, %c : f64
    attn.yield %y : f64
  } : !attn.tensor<["b", "h", "m", "n"], f32>
  // CHECK: reduce #attn.reduce<max> ["n"]
  %M = attn.einsum ["M"] over ["b", "h", "m"] reduce #attn.reduce<max> ["n"] {
  ^bb0(%b: i32, %h: i32, %m: i32, %n: i32):
    %x = attn.read %S[%b, %h, %m, %n : i32, i32, i32, i32] : !attn.tensor<["b", "h", "m", "n"], f32>
    attn.yield %x : f64
  } : !attn.tensor<["b", "h", "m"], f32>
  %P = attn.einsum ["P"] over ["b", "h", "m", "n"] {
  ^bb0(%b: i32, %h: i32, %m: i32, %n: i32):
    %x = attn.read %S[%b, %h, %m, %n : i32, i32, i32, i32] : !attn.tensor<["b", "h", "m", "n"], f32>
    %max = attn.read %M[%b, %h, %m : i32, i32, i32] : !attn.tensor<["b", "h", "m"], f32>
    %y = attn.map sub(%x, %max) : f64, f64
    %z = attn.map exp(%y) : f64
    attn.yield %z : f64
  } : !attn.tensor<["b", "h", "m", "n"], f32>
  %L = attn.einsum ["L"] over ["b", "h", "m"] reduce #attn.reduce<sum> ["n"] {
  ^bb0(%b: i32, %h: i32, %m: i32, %n: i32):
    %x = attn.read %P[%b, %h, %m, %n : i32, i32, i32, i32] : !attn.tensor<["b", "h", "m", "n"], f32>
    attn.yield %x : f64
  // CHECK: guard
  } guard {
  ^bb0(%b: i32, %h: i32, %m: i32):
    %true = arith.constant true
    attn.yield %true : i1
  } : !attn.tensor<["b", "h", "m"], f32>
  %O = attn.einsum ["O"] over ["b", "h", "m", "e"] reduce #attn.reduce<sum> ["n"] {
  ^bb0(%b: i32, %h: i32, %m: i32, %e: i32, %n: i32):
    %ye = attn.extent "y"
    %g = attn.map floordiv(%h, %ye) : i32, i32
    %p = attn.read %P[%b, %h, %m, %n : i32, i32, i32, i32] : !attn.tensor<["b", "h", "m", "n"], f32>
    %l = attn.read %L[%b, %h, %m : i32, i32, i32] : !attn.tensor<["b", "h", "m"], f32>
    %v = attn.read %V[%b, %g, %n, %e : i32, i32, i32, i32] : !attn.tensor<["b", "g", "n", "e"], bf16>
    %w = attn.map div(%p, %l) : f64, f64
    %x = attn.map mul(%w, %v) : f64, f64
    attn.yield %x : f64
  } {rounded} : !attn.tensor<["b", "h", "m", "e"], bf16>
  attn.return %O : !attn.tensor<["b", "h", "m", "e"], bf16>
}
