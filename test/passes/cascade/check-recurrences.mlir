// RUN: attn-opt %s --attn-check-recurrences -split-input-file -verify-diagnostics | FileCheck %s
// The walk order of recurrences, and what is refused.

// A state with a base equation, and a definition of the cycle that reads it.
// CHECK-LABEL: @delta
// CHECK: ["U"]
// CHECK: {attn.iterate = {{\[}}["t", 1]], attn.scc = 0 : i64}
// CHECK: ["H.t"]
// CHECK: attn.iterate = {{\[}}["t", 1]]
// CHECK: equations "H"
// CHECK-SAME: attn.iterate = {{\[}}["t", 1]], attn.scc = 0 : i64
// CHECK: ["O"]
// CHECK-NOT: attn.iterate
attn.cascade @delta attributes {
  ranks = [#attn.rank<"t">, #attn.rank<"d">],
  inputs = [#attn.port<"K">, #attn.port<"H0">], outputs = [#attn.port<"O">]
} {
^bb0(%K: !attn.tensor<["t", "d"], f32>, %H0: !attn.tensor<["d"], f32>):
  %U = attn.einsum ["U"] over ["t"] reduce #attn.reduce<sum> ["d"] {
  ^bb0(%t: i32, %d: i32):
    %one = arith.constant 1 : i32
    %i = attn.map sub(%t, %one) : i32, i32
    %h = attn.read %H[%i, %d : i32, i32] : !attn.tensor<["t", "d"], f32>
    %k = attn.read %K[%t, %d : i32, i32] : !attn.tensor<["t", "d"], f32>
    %x = attn.map mul(%h, %k) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["t"], f32>
  %Ht = attn.einsum ["H.t"] over ["t", "d"] {
  ^bb0(%t: i32, %d: i32):
    %one = arith.constant 1 : i32
    %i = attn.map sub(%t, %one) : i32, i32
    %h = attn.read %H[%i, %d : i32, i32] : !attn.tensor<["t", "d"], f32>
    %u = attn.read %U[%t : i32] : !attn.tensor<["t"], f32>
    %x = attn.map add(%h, %u) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["t", "d"], f32>
  %H = attn.equations "H"(%H0, %Ht) [[#attn.extent<() -> (-1)>, "d"], ["t", "d"]] : (!attn.tensor<["d"], f32>, !attn.tensor<["t", "d"], f32>) -> !attn.tensor<["t", "d"], f32>
  %O = attn.einsum ["O"] over ["d"] {
  ^bb0(%d: i32):
    %e = attn.extent "t"
    %one = arith.constant 1 : i32
    %i = attn.map sub(%e, %one) : i32, i32
    %h = attn.read %H[%i, %d : i32, i32] : !attn.tensor<["t", "d"], f32>
    attn.yield %h : f64
  } : !attn.tensor<["d"], f32>
  attn.return %O : !attn.tensor<["d"], f32>
}

// -----

// Backward, history under a guard, a chart, a tree.
// CHECK-LABEL: @directions
// CHECK: ["back"]
// CHECK: attn.iterate = {{\[}}["t", -1]]
// CHECK: ["history"]
// CHECK: attn.iterate = {{\[}}["t", 1]]
// CHECK: ["chart"]
// CHECK: attn.iterate = {{\[}}["t", 1]]
// CHECK: ["tree"]
// CHECK: attn.iterate = {{\[}}["t", -1]]
attn.cascade @directions attributes {
  ranks = [#attn.rank<"t">, #attn.rank<"j", <()[s0] -> (s0), ["t"]>>],
  inputs = [#attn.port<"X">],
  outputs = [#attn.port<"back">, #attn.port<"history">, #attn.port<"chart">, #attn.port<"tree">]
} {
^bb0(%X: !attn.tensor<["t"], f32>):
  %back = attn.einsum ["back"] over ["t"] {
  ^bb0(%t: i32):
    %one = arith.constant 1 : i32
    %zero = arith.constant 0.0 : f64
    %i = attn.map add(%t, %one) : i32, i32
    %h = attn.read %back[%i : i32] absent : !attn.tensor<["t"], f32>
    %x = attn.else %h, %zero : f64
    attn.yield %x : f64
  } : !attn.tensor<["t"], f32>
  %history = attn.einsum ["history"] over ["t"] reduce #attn.reduce<sum> ["j"] {
  ^bb0(%t: i32, %j: i32):
    %h = attn.read %history[%j : i32] : !attn.tensor<["t"], f32>
    %c = attn.map lt(%j, %t) : i32, i32
    %x = attn.where %h, %c : f64
    attn.yield %x : f64
  } : !attn.tensor<["t"], f32>
  %chart = attn.einsum ["chart"] over ["t"] reduce #attn.reduce<sum> ["j"] {
  ^bb0(%t: i32, %j: i32):
    %one = arith.constant 1 : i32
    %r = attn.map sub(%t, %one) : i32, i32
    %s = attn.map sub(%r, %j) : i32, i32
    %a = attn.read %chart[%j : i32] : !attn.tensor<["t"], f32>
    %b = attn.read %chart[%s : i32] : !attn.tensor<["t"], f32>
    %y = attn.map mul(%a, %b) : f64, f64
    %c = attn.map lt(%j, %t) : i32, i32
    %x = attn.where %y, %c : f64
    attn.yield %x : f64
  } : !attn.tensor<["t"], f32>
  %tree = attn.einsum ["tree"] over ["t"] {
  ^bb0(%t: i32):
    %one = arith.constant 1 : i32
    %two = arith.constant 2 : i32
    %zero = arith.constant 0.0 : f64
    %d = attn.map mul(%two, %t) : i32, i32
    %l = attn.map add(%d, %one) : i32, i32
    %r = attn.map add(%d, %two) : i32, i32
    %a = attn.read %tree[%l : i32] absent : !attn.tensor<["t"], f32>
    %b = attn.read %tree[%r : i32] absent : !attn.tensor<["t"], f32>
    %a0 = attn.else %a, %zero : f64
    %b0 = attn.else %b, %zero : f64
    %x = attn.map add(%a0, %b0) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["t"], f32>
  attn.return %back, %history, %chart, %tree : !attn.tensor<["t"], f32>, !attn.tensor<["t"], f32>, !attn.tensor<["t"], f32>, !attn.tensor<["t"], f32>
}

// -----

// Two iterative ranks, and a gradient taken at the start of a chunk.
// CHECK-LABEL: @two
// CHECK: ["D"]
// CHECK: attn.iterate = {{\[}}["i", 1], ["j", 1]]
// CHECK: ["G"]
// CHECK: attn.iterate = {{\[}}["t", 1]]
// CHECK: ["W.t"]
// CHECK: attn.iterate = {{\[}}["t", 1]]
attn.cascade @two attributes {
  ranks = [#attn.rank<"i">, #attn.rank<"j">, #attn.rank<"t">, #attn.rank<"u", <() -> (16)>>,
           #attn.rank<"c", <()[s0] -> (s0 ceildiv 16), ["t"]>>],
  relations = [#attn.product<"t" = ["c", "u"]>],
  inputs = [#attn.port<"X">, #attn.port<"Y">], outputs = [#attn.port<"D">, #attn.port<"W">]
} {
^bb0(%X: !attn.tensor<["i", "j"], f32>, %Y: !attn.tensor<["t"], f32>):
  %D = attn.einsum ["D"] over ["i", "j"] {
  ^bb0(%i: i32, %j: i32):
    %one = arith.constant 1 : i32
    %zero = arith.constant 0.0 : f64
    %i1 = attn.map sub(%i, %one) : i32, i32
    %j1 = attn.map sub(%j, %one) : i32, i32
    %a = attn.read %D[%i1, %j : i32, i32] absent : !attn.tensor<["i", "j"], f32>
    %b = attn.read %D[%i, %j1 : i32, i32] absent : !attn.tensor<["i", "j"], f32>
    %a0 = attn.else %a, %zero : f64
    %b0 = attn.else %b, %zero : f64
    %x = attn.map min(%a0, %b0) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["i", "j"], f32>
  %G = attn.einsum ["G"] over ["c"] {
  ^bb0(%c: i32):
    %one = arith.constant 1 : i32
    %C = arith.constant 16 : i32
    %a = attn.map mul(%c, %C) : i32, i32
    %i = attn.map sub(%a, %one) : i32, i32
    %w = attn.read %W[%i : i32] : !attn.tensor<["t"], f32>
    attn.yield %w : f64
  } : !attn.tensor<["c"], f32>
  %W0 = attn.einsum ["W.0"] over [] {
    %zero = arith.constant 0.0 : f64
    attn.yield %zero : f64
  } : !attn.tensor<[], f32>
  %Wt = attn.einsum ["W.t"] over ["t"] {
  ^bb0(%t: i32):
    %one = arith.constant 1 : i32
    %C = arith.constant 16 : i32
    %i = attn.map sub(%t, %one) : i32, i32
    %c = attn.map floordiv(%t, %C) : i32, i32
    %w = attn.read %W[%i : i32] : !attn.tensor<["t"], f32>
    %g = attn.read %G[%c : i32] : !attn.tensor<["c"], f32>
    %x = attn.map sub(%w, %g) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["t"], f32>
  %W = attn.equations "W"(%W0, %Wt) [[#attn.extent<() -> (-1)>], ["t"]] : (!attn.tensor<[], f32>, !attn.tensor<["t"], f32>) -> !attn.tensor<["t"], f32>
  attn.return %D, %W : !attn.tensor<["i", "j"], f32>, !attn.tensor<["t"], f32>
}

// -----

attn.cascade @no_base attributes {
  ranks = [#attn.rank<"b">, #attn.rank<"t">, #attn.rank<"d">],
  inputs = [#attn.port<"K">], outputs = [#attn.port<"H">]
} {
^bb0(%K: !attn.tensor<["b", "t", "d"], f32>):
  %H = attn.einsum ["H"] over ["b", "t", "d"] {
  ^bb0(%b: i32, %t: i32, %d: i32):
    %one = arith.constant 1 : i32
    %i = attn.map sub(%t, %one) : i32, i32
    // expected-error @below {{H is read at t = -1 and has no equation there}}
    // expected-note @below {{hint: add `H[b,-1,d] = 0`, or the input state}}
    %h = attn.read %H[%b, %i, %d : i32, i32, i32] : !attn.tensor<["b", "t", "d"], f32>
    attn.yield %h : f64
  } : !attn.tensor<["b", "t", "d"], f32>
  attn.return %H : !attn.tensor<["b", "t", "d"], f32>
}

// -----

attn.cascade @no_end attributes {
  ranks = [#attn.rank<"t">],
  inputs = [#attn.port<"K">], outputs = [#attn.port<"H">]
} {
^bb0(%K: !attn.tensor<["t"], f32>):
  %H = attn.einsum ["H"] over ["t"] {
  ^bb0(%t: i32):
    %one = arith.constant 1 : i32
    %i = attn.map add(%t, %one) : i32, i32
    // expected-error @below {{H is read at t = |t| and has no equation there}}
    // expected-note @below {{hint: add `H[|t|] = 0`, or the input state}}
    %h = attn.read %H[%i : i32] : !attn.tensor<["t"], f32>
    attn.yield %h : f64
  } : !attn.tensor<["t"], f32>
  attn.return %H : !attn.tensor<["t"], f32>
}

// -----

attn.cascade @cycle attributes {
  ranks = [#attn.rank<"b">, #attn.rank<"m">, #attn.rank<"n">],
  inputs = [#attn.port<"K">], outputs = [#attn.port<"S">]
} {
^bb0(%K: !attn.tensor<["b", "m", "n"], f32>):
  // expected-error @below {{cyclic definition: S[b,m,n] needs P[b,m,n] needs S[b,m,n]}}
  // expected-note @below {{hint: a recurrence needs an earlier step}}
  %S = attn.einsum ["S"] over ["b", "m", "n"] {
  ^bb0(%b: i32, %m: i32, %n: i32):
    %x = attn.read %P[%b, %m, %n : i32, i32, i32] : !attn.tensor<["b", "m", "n"], f32>
    attn.yield %x : f64
  } : !attn.tensor<["b", "m", "n"], f32>
  %P = attn.einsum ["P"] over ["b", "m", "n"] {
  ^bb0(%b: i32, %m: i32, %n: i32):
    %x = attn.read %S[%b, %m, %n : i32, i32, i32] : !attn.tensor<["b", "m", "n"], f32>
    attn.yield %x : f64
  } : !attn.tensor<["b", "m", "n"], f32>
  attn.return %S : !attn.tensor<["b", "m", "n"], f32>
}

// -----

attn.cascade @both attributes {
  ranks = [#attn.rank<"t">], inputs = [#attn.port<"X">], outputs = [#attn.port<"H">]
} {
^bb0(%X: !attn.tensor<["t"], f32>):
  %H = attn.einsum ["H"] over ["t"] {
  ^bb0(%t: i32):
    %one = arith.constant 1 : i32
    %p = attn.map sub(%t, %one) : i32, i32
    %n = attn.map add(%t, %one) : i32, i32
    %a = attn.read %H[%p : i32] absent : !attn.tensor<["t"], f32>
    // expected-error @below {{H is read at t-1 and t+1 in one cycle}}
    // expected-note @below {{hint: split it into two tensors}}
    %b = attn.read %H[%n : i32] absent : !attn.tensor<["t"], f32>
    %c = attn.else %a, %b : f64
    %x = attn.read %X[%t : i32] : !attn.tensor<["t"], f32>
    %y = attn.else %c, %x : f64
    attn.yield %y : f64
  } : !attn.tensor<["t"], f32>
  attn.return %H : !attn.tensor<["t"], f32>
}

// -----

attn.cascade @guarded attributes {
  ranks = [#attn.rank<"b">, #attn.rank<"t">, #attn.rank<"d">],
  inputs = [#attn.port<"H0">, #attn.port<"on">], outputs = [#attn.port<"H">, #attn.port<"G">]
} {
^bb0(%H0: !attn.tensor<["b", "d"], f32>, %on: !attn.tensor<["b", "t"], i1>):
  %Ht = attn.einsum ["H.t"] over ["b", "t", "d"] {
  ^bb0(%b: i32, %t: i32, %d: i32):
    %one = arith.constant 1 : i32
    %i = attn.map sub(%t, %one) : i32, i32
    %h = attn.read %H[%b, %i, %d : i32, i32, i32] : !attn.tensor<["b", "t", "d"], f32>
    %c = attn.read %on[%b, %t : i32, i32] : !attn.tensor<["b", "t"], i1>
    // expected-warning @below {{H stays absent from the first step where `on[b,t]` is false}}
    // expected-note @below {{hint: identity step: `else H[b,t-1,d]`; a stop: read it with `last`}}
    %x = attn.where %h, %c : f64
    attn.yield %x : f64
  } : !attn.tensor<["b", "t", "d"], f32>
  %H = attn.equations "H"(%H0, %Ht) [["b", #attn.extent<() -> (-1)>, "d"], ["b", "t", "d"]] : (!attn.tensor<["b", "d"], f32>, !attn.tensor<["b", "t", "d"], f32>) -> !attn.tensor<["b", "t", "d"], f32>
  %Gt = attn.einsum ["G.t"] over ["b", "t", "d"] {
  ^bb0(%b: i32, %t: i32, %d: i32):
    %one = arith.constant 1 : i32
    %i = attn.map sub(%t, %one) : i32, i32
    %h = attn.read %G[%b, %i, %d : i32, i32, i32] : !attn.tensor<["b", "t", "d"], f32>
    %c = attn.read %on[%b, %t : i32, i32] : !attn.tensor<["b", "t"], i1>
    %h2 = attn.map add(%h, %h) : f64, f64
    %x = attn.where %h2, %c : f64
    %y = attn.else %x, %h : f64
    attn.yield %y : f64
  } : !attn.tensor<["b", "t", "d"], f32>
  %G = attn.equations "G"(%H0, %Gt) [["b", #attn.extent<() -> (-1)>, "d"], ["b", "t", "d"]] : (!attn.tensor<["b", "d"], f32>, !attn.tensor<["b", "t", "d"], f32>) -> !attn.tensor<["b", "t", "d"], f32>
  attn.return %H, %G : !attn.tensor<["b", "t", "d"], f32>, !attn.tensor<["b", "t", "d"], f32>
}
