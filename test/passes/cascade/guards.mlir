// RUN: attn-opt %s --attn-guards -split-input-file | FileCheck %s
// Guards of reductions: the hoisted presence formula, written out.

// A condition on the reduced rank is not one on the result; one free of it is.
// CHECK-LABEL: @hoist
attn.cascade @hoist attributes {
  ranks = [#attn.rank<"m">, #attn.rank<"n">],
  inputs = [#attn.port<"Q">, #attn.port<"K">, #attn.port<"len">],
  outputs = [#attn.port<"O">, #attn.port<"R">, #attn.port<"T">]
} {
^bb0(%Q: !attn.tensor<["m"], f32>, %K: !attn.tensor<["n"], f32>, %len: !attn.tensor<[], i32>):
  %S = attn.einsum ["S"] over ["m", "n"] {
  ^bb0(%m: i32, %n: i32):
    %q = attn.read %Q[%m : i32] : !attn.tensor<["m"], f32>
    %k = attn.read %K[%n : i32] : !attn.tensor<["n"], f32>
    %x = attn.map mul(%q, %k) : f64, f64
    %l = attn.read %len[] : !attn.tensor<[], i32>
    %a = attn.map le(%n, %m) : i32, i32
    %b = attn.map lt(%m, %l) : i32, i32
    %c = attn.map and(%a, %b) : i1, i1
    %y = attn.where %x, %c : f64
    attn.yield %y : f64
  } : !attn.tensor<["m", "n"], f32>
  // CHECK: %O = attn.einsum ["O"] over ["m"]
  // CHECK: guard {
  // CHECK-NEXT: ^bb0(%[[M:.*]]: i32):
  // CHECK-NEXT: %[[L:.*]] = attn.read %len
  // CHECK-NEXT: %[[C:.*]] = attn.map lt(%[[M]], %[[L]])
  // CHECK-NEXT: attn.yield %[[C]] : i1
  %O = attn.einsum ["O"] over ["m"] reduce #attn.reduce<sum> ["n"] {
  ^bb0(%m: i32, %n: i32):
    %x = attn.read %S[%m, %n : i32, i32] : !attn.tensor<["m", "n"], f32>
    attn.yield %x : f64
  } : !attn.tensor<["m"], f32>
  // CHECK: %R = attn.einsum ["R"] over ["n"]
  // CHECK: guard {
  // CHECK-NEXT: ^bb0
  // CHECK-NEXT: %[[T:.*]] = arith.constant true
  // CHECK-NEXT: attn.yield %[[T]] : i1
  %R = attn.einsum ["R"] over ["n"] reduce #attn.reduce<sum> ["m"] {
  ^bb0(%n: i32, %m: i32):
    %x = attn.read %S[%m, %n : i32, i32] : !attn.tensor<["m", "n"], f32>
    attn.yield %x : f64
  } : !attn.tensor<["n"], f32>
  // The second reduction inherits the first one's guard at its own reduced
  // rank, where it is no condition.
  // CHECK: %T = attn.einsum ["T"] over []
  // CHECK: guard {
  // CHECK-NEXT: %[[T:.*]] = arith.constant true
  // CHECK-NEXT: attn.yield %[[T]] : i1
  %T = attn.einsum ["T"] over [] reduce #attn.reduce<sum> ["m"] {
  ^bb0(%m: i32):
    %x = attn.read %O[%m : i32] : !attn.tensor<["m"], f32>
    attn.yield %x : f64
  } : !attn.tensor<[], f32>
  attn.return %O, %R, %T : !attn.tensor<["m"], f32>, !attn.tensor<["n"], f32>, !attn.tensor<[], f32>
}

// -----

// Absent entries of an index table make the sum absent, not 0. Two pieces of a
// sum rank are present everywhere: no guard.
// CHECK-LABEL: @tables
attn.cascade @tables attributes {
  ranks = [#attn.rank<"p">, #attn.rank<"n">, #attn.rank<"d">, #attn.rank<"j", <() -> (8)>>,
           #attn.rank<"c", <()[s0, s1] -> (s0 + s1), ["p", "n"]>>],
  relations = [#attn.sum<"c" = ["p", "n"]>],
  inputs = [#attn.port<"K0">, #attn.port<"K1">],
  outputs = [#attn.port<"S">, #attn.port<"U">]
} {
^bb0(%K0: !attn.tensor<["p", "d"], f32>, %K1: !attn.tensor<["n", "d"], f32>):
  %J = attn.order "J" over ["j"] from "n" to "j" {
  ^bb0(%n: i32):
    %zero = arith.constant 0 : i32
    %k = attn.read %K1[%n, %zero : i32, i32] : !attn.tensor<["n", "d"], f32>
    attn.yield %k : f64
  } : !attn.tensor<["j"], i32>
  // CHECK: %S = attn.einsum
  // CHECK: guard {
  // CHECK-NEXT: ^bb0(%[[J:.*]]: i32):
  // CHECK: %[[I:.*]] = attn.read %J[%[[J]] : i32] data
  // CHECK: attn.map eq(%[[I]], %[[I]])
  // CHECK: attn.yield
  %S = attn.einsum ["S"] over ["j"] reduce #attn.reduce<sum> ["d"] {
  ^bb0(%j: i32, %d: i32):
    %n = attn.read %J[%j : i32] : !attn.tensor<["j"], i32>
    %k = attn.read %K1[%n, %d : i32, i32] data : !attn.tensor<["n", "d"], f32>
    attn.yield %k : f64
  } : !attn.tensor<["j"], f32>
  // CHECK: %U = attn.einsum
  // CHECK: guard {
  // CHECK-NEXT: ^bb0
  // CHECK-NEXT: %[[T:.*]] = arith.constant true
  // CHECK-NEXT: attn.yield %[[T]] : i1
  %U = attn.einsum ["U"] over ["c"] reduce #attn.reduce<sum> ["d"] {
  ^bb0(%c: i32, %d: i32):
    %e = attn.extent "p"
    %k0 = attn.read %K0[%c, %d : i32, i32] absent : !attn.tensor<["p", "d"], f32>
    %n = attn.map sub(%c, %e) : i32, i32
    %k1 = attn.read %K1[%n, %d : i32, i32] absent : !attn.tensor<["n", "d"], f32>
    %x = attn.else %k0, %k1 : f64
    attn.yield %x : f64
  } : !attn.tensor<["c"], f32>
  attn.return %S, %U : !attn.tensor<["j"], f32>, !attn.tensor<["c"], f32>
}

// -----

// A recurrence that stays absent from the first step that `on` switches off has
// a companion; one that is always present has none.
// CHECK-LABEL: @recurrences
attn.cascade @recurrences attributes {
  ranks = [#attn.rank<"t">, #attn.rank<"d">],
  inputs = [#attn.port<"X">, #attn.port<"on">], outputs = [#attn.port<"O">, #attn.port<"P">]
} {
^bb0(%X: !attn.tensor<["t", "d"], f32>, %on: !attn.tensor<["t"], i1>):
  // CHECK-DAG: %[[STEP:.*]] = attn.einsum ["G1.present.d"] over ["t"]
  // CHECK-DAG: %[[BASE:.*]] = attn.einsum ["G0.present.d"] over []
  // CHECK-DAG: %[[G:.*]] = attn.equations "G.present.d"(%[[BASE]], %[[STEP]]) {{.*}}-1{{.*}}, ["t"]]
  %G0 = attn.einsum ["G0"] over ["d"] {
  ^bb0(%d: i32):
    %x = arith.constant 0.0 : f64
    attn.yield %x : f64
  } : !attn.tensor<["d"], f32>
  %G1 = attn.einsum ["G1"] over ["t", "d"] {
  ^bb0(%t: i32, %d: i32):
    %one = arith.constant 1 : i32
    %i = attn.map sub(%t, %one) : i32, i32
    %h = attn.read %G[%i, %d : i32, i32] : !attn.tensor<["t", "d"], f32>
    %k = attn.read %X[%t, %d : i32, i32] : !attn.tensor<["t", "d"], f32>
    %x = attn.map add(%h, %k) : f64, f64
    %c = attn.read %on[%t : i32] : !attn.tensor<["t"], i1>
    %y = attn.where %x, %c : f64
    attn.yield %y : f64
  } : !attn.tensor<["t", "d"], f32>
  %G = attn.equations "G"(%G0, %G1) [[#attn.extent<() -> (-1)>, "d"], ["t", "d"]] : (!attn.tensor<["d"], f32>, !attn.tensor<["t", "d"], f32>) -> !attn.tensor<["t", "d"], f32>
  // CHECK: %O = attn.einsum ["O"]
  // CHECK: guard {
  // CHECK-NEXT: ^bb0(%[[T:.*]]: i32):
  // CHECK-NEXT: %[[C:.*]] = attn.read %[[G]][%[[T]] : i32] absent
  // CHECK-NEXT: attn.yield %[[C]]
  %O = attn.einsum ["O"] over ["t"] reduce #attn.reduce<sum> ["d"] {
  ^bb0(%t: i32, %d: i32):
    %x = attn.read %G[%t, %d : i32, i32] : !attn.tensor<["t", "d"], f32>
    attn.yield %x : f64
  } : !attn.tensor<["t"], f32>
  %H1 = attn.einsum ["H1"] over ["t", "d"] {
  ^bb0(%t: i32, %d: i32):
    %one = arith.constant 1 : i32
    %i = attn.map sub(%t, %one) : i32, i32
    %h = attn.read %H[%i, %d : i32, i32] : !attn.tensor<["t", "d"], f32>
    %k = attn.read %X[%t, %d : i32, i32] : !attn.tensor<["t", "d"], f32>
    %x = attn.map add(%h, %k) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["t", "d"], f32>
  %H = attn.equations "H"(%G0, %H1) [[#attn.extent<() -> (-1)>, "d"], ["t", "d"]] : (!attn.tensor<["d"], f32>, !attn.tensor<["t", "d"], f32>) -> !attn.tensor<["t", "d"], f32>
  // CHECK-NOT: H.present
  // CHECK: %P = attn.einsum ["P"]
  // CHECK: guard {
  // CHECK-NEXT: ^bb0
  // CHECK-NEXT: %[[TRUE:.*]] = arith.constant true
  // CHECK-NEXT: attn.yield %[[TRUE]] : i1
  %P = attn.einsum ["P"] over ["t"] reduce #attn.reduce<sum> ["d"] {
  ^bb0(%t: i32, %d: i32):
    %x = attn.read %H[%t, %d : i32, i32] : !attn.tensor<["t", "d"], f32>
    attn.yield %x : f64
  } : !attn.tensor<["t"], f32>
  attn.return %O, %P : !attn.tensor<["t"], f32>, !attn.tensor<["t"], f32>
}
