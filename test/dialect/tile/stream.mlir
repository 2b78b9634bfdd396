// RUN: attn-opt %s | attn-opt | FileCheck %s
// Causal one-pass attention as the schedule passes hand it to a back end:
// lanes are queries, the stream walks keys 64 at a time.

// CHECK-LABEL: attn.cascade @causal
attn.cascade @causal attributes {
  ranks = [#attn.rank<"b">, #attn.rank<"h">, #attn.rank<"m">, #attn.rank<"d">,
           #attn.rank<"n">, #attn.rank<"e">,
           #attn.rank<"m1", <()[s0] -> (s0 ceildiv 64), ["m"]>>,
           #attn.rank<"m0", <()[] -> (64)>>,
           #attn.rank<"n1", <()[s0] -> (s0 ceildiv 64), ["n"]>>,
           #attn.rank<"n0", <()[] -> (64)>>],
  relations = [#attn.product<"m" = ["m1", "m0"]>, #attn.product<"n" = ["n1", "n0"]>],
  inputs = [#attn.port<"Q">, #attn.port<"K">, #attn.port<"V">],
  outputs = [#attn.port<"O">]
} {
^bb0(%Q: !attn.tensor<["b", "h", "m", "d"], bf16>,
     %K: !attn.tensor<["b", "h", "n", "d"], bf16>,
     %V: !attn.tensor<["b", "h", "n", "e"], bf16>):
  // CHECK: tile.kernel "causal_0" grid ["b", "h", "m1"]
  %O = tile.kernel "causal_0" grid ["b", "h", "m1"] {
  ^bb0(%b: i32, %h: i32, %m1: i32):
    %k64 = arith.constant 64 : i32
    %k63 = arith.constant 63 : i32
    %zero = arith.constant 0 : i32
    %mbase = attn.map mul(%m1, %k64) : i32, i32
    // CHECK: tile.load
    %q = tile.load %Q {
    ^bb0(%d: i32, %m0: i32):
      %m = attn.map add(%mbase, %m0) : i32, i32
      tile.yield %b, %h, %m, %d : i32, i32, i32, i32
    } : !attn.tensor<["b", "h", "m", "d"], bf16> -> !tile.tile<["d", "m0"] [-1, 64], f32>
    %rm0 = tile.einsum () {
    ^bb0(%m0: i32):
      %c = arith.constant 0xFFF0000000000000 : f64
      tile.yield %c : f64
    } : () -> !tile.tile<["m0"] [64], f32>
    %l0 = tile.einsum () {
    ^bb0(%m0: i32):
      %c = arith.constant 0.0 : f64
      tile.yield %c : f64
    } : () -> !tile.tile<["m0"] [64], f32>
    %a0 = tile.einsum () {
    ^bb0(%e: i32, %m0: i32):
      %c = arith.constant 0.0 : f64
      tile.yield %c : f64
    } : () -> !tile.tile<["e", "m0"] [-1, 64], f32>
    // n <= m: steps up to the last row's key; all of a tile up to the first's.
    %ne = attn.extent "n"
    %one = arith.constant 1 : i32
    %m1p = attn.map add(%m1, %one) : i32, i32
    %n1e = attn.extent "n1"
    %upper = attn.map min(%m1p, %n1e) : i32, i32
    %nfull = attn.map floordiv(%ne, %k64) : i32, i32
    %fullUpper = attn.map min(%m1, %nfull) : i32, i32
    // CHECK: tile.stream "n1" in
    %rm, %l, %a = tile.stream "n1" in %zero, %zero, %fullUpper, %upper carry (%rm0, %l0, %a0) {
    ^bb0(%n1: i32, %rmp: !tile.tile<["m0"] [64], f32>, %lp: !tile.tile<["m0"] [64], f32>, %ap: !tile.tile<["e", "m0"] [-1, 64], f32>):
      %nbase = attn.map mul(%n1, %k64) : i32, i32
      %k = tile.load %K {
      ^bb0(%n0: i32, %d: i32):
        %n = attn.map add(%nbase, %n0) : i32, i32
        tile.yield %b, %h, %n, %d : i32, i32, i32, i32
      } : !attn.tensor<["b", "h", "n", "d"], bf16> -> !tile.tile<["n0", "d"] [64, -1], f32>
      %v = tile.load %V {
      ^bb0(%n0: i32, %e: i32):
        %n = attn.map add(%nbase, %n0) : i32, i32
        tile.yield %b, %h, %n, %e : i32, i32, i32, i32
      } : !attn.tensor<["b", "h", "n", "e"], bf16> -> !tile.tile<["n0", "e"] [64, -1], f32>
      %dot = tile.einsum (%k, %q) reduce #attn.reduce<sum> ["d"] [-1] {
      ^bb0(%n0: i32, %m0: i32, %d: i32, %kk: f64, %qq: f64):
        %x = attn.map mul(%kk, %qq) : f64, f64
        tile.yield %x : f64
      } : (!tile.tile<["n0", "d"] [64, -1], f32>, !tile.tile<["d", "m0"] [-1, 64], f32>) -> !tile.tile<["n0", "m0"] [64, 64], f32>
      %s = tile.einsum (%dot) {
      ^bb0(%n0: i32, %m0: i32, %x: f64):
        %n = attn.map add(%nbase, %n0) : i32, i32
        %m = attn.map add(%mbase, %m0) : i32, i32
        %scale = arith.constant 0.125 : f64
        %y = attn.map mul(%x, %scale) : f64, f64
        %causal = attn.map le(%n, %m) {bounded} : i32, i32
        %ragged = attn.map lt(%n, %ne) {bounded} : i32, i32
        %in = attn.map and(%causal, %ragged) : i1, i1
        %z = attn.where %y, %in : f64
        %inf = arith.constant 0xFFF0000000000000 : f64
        %data = attn.map ne(%z, %inf) : f64, f64
        %w = attn.where %z, %data : f64
        tile.yield %w : f64
      } : (!tile.tile<["n0", "m0"] [64, 64], f32>) -> !tile.tile<["n0", "m0"] [64, 64], f32, masked = true>
      %rmn = tile.einsum (%s) init (%rmp) reduce #attn.reduce<max> ["n0"] [64] {
      ^bb0(%m0: i32, %n0: i32, %x: f64):
        tile.yield %x : f64
      } : (!tile.tile<["n0", "m0"] [64, 64], f32, masked = true>, !tile.tile<["m0"] [64], f32>) -> !tile.tile<["m0"] [64], f32>
      %hrep = tile.einsum (%rmp, %rmn) {
      ^bb0(%m0: i32, %old: f64, %new: f64):
        %x = attn.map sub(%old, %new) : f64, f64
        %y = attn.map exp(%x) : f64
        %same = attn.map eq(%old, %new) : f64, f64
        %c1 = arith.constant 1.0 : f64
        %g = attn.where %c1, %same : f64
        %z = attn.else %g, %y : f64
        tile.yield %z : f64
      } : (!tile.tile<["m0"] [64], f32>, !tile.tile<["m0"] [64], f32>) -> !tile.tile<["m0"] [64], f32>
      %p = tile.einsum (%s, %rmn) {
      ^bb0(%n0: i32, %m0: i32, %x: f64, %max: f64):
        %y = attn.map sub(%x, %max) : f64, f64
        %z = attn.map exp(%y) : f64
        tile.yield %z : f64
      } : (!tile.tile<["n0", "m0"] [64, 64], f32, masked = true>, !tile.tile<["m0"] [64], f32>) -> !tile.tile<["n0", "m0"] [64, 64], f32, masked = true>
      %lh = tile.einsum (%lp, %hrep) {
      ^bb0(%m0: i32, %x: f64, %y: f64):
        %z = attn.map mul(%x, %y) : f64, f64
        tile.yield %z : f64
      } : (!tile.tile<["m0"] [64], f32>, !tile.tile<["m0"] [64], f32>) -> !tile.tile<["m0"] [64], f32>
      %ln = tile.einsum (%p) init (%lh) reduce #attn.reduce<sum> ["n0"] [64] {
      ^bb0(%m0: i32, %n0: i32, %x: f64):
        tile.yield %x : f64
      } : (!tile.tile<["n0", "m0"] [64, 64], f32, masked = true>, !tile.tile<["m0"] [64], f32>) -> !tile.tile<["m0"] [64], f32>
      %ah = tile.einsum (%ap, %hrep) {
      ^bb0(%e: i32, %m0: i32, %x: f64, %y: f64):
        %z = attn.map mul(%x, %y) : f64, f64
        tile.yield %z : f64
      } : (!tile.tile<["e", "m0"] [-1, 64], f32>, !tile.tile<["m0"] [64], f32>) -> !tile.tile<["e", "m0"] [-1, 64], f32>
      %an = tile.einsum (%p, %v) init (%ah) reduce #attn.reduce<sum> ["n0"] [64] {
      ^bb0(%e: i32, %m0: i32, %n0: i32, %x: f64, %y: f64):
        %z = attn.map mul(%x, %y) : f64, f64
        tile.yield %z : f64
      } : (!tile.tile<["n0", "m0"] [64, 64], f32, masked = true>, !tile.tile<["n0", "e"] [64, -1], f32>, !tile.tile<["e", "m0"] [-1, 64], f32>) -> !tile.tile<["e", "m0"] [-1, 64], f32>
      tile.yield %rmn, %ln, %an : !tile.tile<["m0"] [64], f32>, !tile.tile<["m0"] [64], f32>, !tile.tile<["e", "m0"] [-1, 64], f32>
    } : (!tile.tile<["m0"] [64], f32>, !tile.tile<["m0"] [64], f32>, !tile.tile<["e", "m0"] [-1, 64], f32>) -> (!tile.tile<["m0"] [64], f32>, !tile.tile<["m0"] [64], f32>, !tile.tile<["e", "m0"] [-1, 64], f32>)
    %o = tile.einsum (%a, %l) {
    ^bb0(%e: i32, %m0: i32, %x: f64, %y: f64):
      %z = attn.map div(%x, %y) : f64, f64
      %czero = arith.constant 0.0 : f64
      %none = attn.map eq(%y, %czero) : f64, f64
      %g = attn.where %czero, %none : f64
      %r = attn.else %g, %z : f64
      tile.yield %r : f64
    } : (!tile.tile<["e", "m0"] [-1, 64], f32>, !tile.tile<["m0"] [64], f32>) -> !tile.tile<["e", "m0"] [-1, 64], f32>
    // CHECK: tile.store
    tile.store %o to 0 {
    ^bb0(%e: i32, %m0: i32):
      %m = attn.map add(%mbase, %m0) : i32, i32
      tile.yield %b, %h, %m, %e : i32, i32, i32, i32
    } : !tile.tile<["e", "m0"] [-1, 64], f32>
  } : !attn.tensor<["b", "h", "m", "e"], bf16>
  attn.return %O : !attn.tensor<["b", "h", "m", "e"], bf16>
}
