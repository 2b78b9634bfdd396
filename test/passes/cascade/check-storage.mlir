// RUN: attn-opt %s --attn-check-storage -split-input-file -verify-diagnostics
// Outputs that share an input's storage, and cuts along a rank.

// State in, state out; an append that changes one row; a sum over what it
// overwrites is finished before.
attn.cascade @legal attributes {
  ranks = [#attn.rank<"b">, #attn.rank<"n">, #attn.rank<"t">],
  inputs = [#attn.port<"X">, #attn.port<"H0">, #attn.port<"K">, #attn.port<"new">, #attn.port<"len">, #attn.port<"Y">],
  outputs = [#attn.port<"H1" into "H0">, #attn.port<"K1" into "K">, #attn.port<"Y1" into "Y">]
} {
^bb0(%X: !attn.tensor<["b", "t"], f32>, %H0: !attn.tensor<["b"], f32>, %K: !attn.tensor<["b", "n"], f32>,
     %new: !attn.tensor<["b"], f32>, %len: !attn.tensor<["b"], i32>, %Y: !attn.tensor<["b", "n"], f32>):
  %Ht = attn.einsum ["H.t"] over ["b", "t"] {
  ^bb0(%b: i32, %t: i32):
    %one = arith.constant 1 : i32
    %i = attn.map sub(%t, %one) : i32, i32
    %h = attn.read %H[%b, %i : i32, i32] : !attn.tensor<["b", "t"], f32>
    %k = attn.read %X[%b, %t : i32, i32] : !attn.tensor<["b", "t"], f32>
    %x = attn.map add(%h, %k) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["b", "t"], f32>
  %H = attn.equations "H"(%H0, %Ht) [["b", #attn.extent<() -> (-1)>], ["b", "t"]] : (!attn.tensor<["b"], f32>, !attn.tensor<["b", "t"], f32>) -> !attn.tensor<["b", "t"], f32>
  %H1 = attn.einsum ["H1"] over ["b"] {
  ^bb0(%b: i32):
    %e = attn.extent "t"
    %one = arith.constant 1 : i32
    %i = attn.map sub(%e, %one) : i32, i32
    %h = attn.read %H[%b, %i : i32, i32] : !attn.tensor<["b", "t"], f32>
    attn.yield %h : f64
  } {rounded} : !attn.tensor<["b"], f32>
  %K1 = attn.einsum ["K1"] over ["b", "n"] {
  ^bb0(%b: i32, %n: i32):
    %k = attn.read %K[%b, %n : i32, i32] : !attn.tensor<["b", "n"], f32>
    %x = attn.read %new[%b : i32] : !attn.tensor<["b"], f32>
    %l = attn.read %len[%b : i32] : !attn.tensor<["b"], i32>
    %c = attn.map eq(%n, %l) : i32, i32
    %w = attn.where %x, %c : f64
    %y = attn.else %w, %k : f64
    attn.yield %y : f64
  } {rounded} : !attn.tensor<["b", "n"], f32>
  %S = attn.einsum ["S"] over ["b"] reduce #attn.reduce<sum> ["n"] {
  ^bb0(%b: i32, %n: i32):
    %k = attn.read %Y[%b, %n : i32, i32] : !attn.tensor<["b", "n"], f32>
    attn.yield %k : f64
  } : !attn.tensor<["b"], f32>
  %Y1 = attn.einsum ["Y1"] over ["b", "n"] {
  ^bb0(%b: i32, %n: i32):
    %k = attn.read %Y[%b, %n : i32, i32] : !attn.tensor<["b", "n"], f32>
    %s = attn.read %S[%b : i32] : !attn.tensor<["b"], f32>
    %x = attn.map div(%k, %s) : f64, f64
    attn.yield %x : f64
  } {rounded} : !attn.tensor<["b", "n"], f32>
  attn.return %H1, %K1, %Y1 : !attn.tensor<["b"], f32>, !attn.tensor<["b", "n"], f32>, !attn.tensor<["b", "n"], f32>
}

// -----

attn.cascade @shifted attributes {
  ranks = [#attn.rank<"b">, #attn.rank<"n">],
  inputs = [#attn.port<"K">], outputs = [#attn.port<"K1" into "K">]
} {
^bb0(%K: !attn.tensor<["b", "n"], f32>):
  %K1 = attn.einsum ["K1"] over ["b", "n"] {
  ^bb0(%b: i32, %n: i32):
    %one = arith.constant 1 : i32
    %i = attn.map add(%n, %one) : i32, i32
    // expected-error @below {{K1 into K: K[b,n+1] is read after its overwrite at n+1}}
    // expected-note @below {{hint: drop `into`, or change the order}}
    %k = attn.read %K[%b, %i : i32, i32] absent : !attn.tensor<["b", "n"], f32>
    attn.yield %k : f64
  } {rounded} : !attn.tensor<["b", "n"], f32>
  attn.return %K1 : !attn.tensor<["b", "n"], f32>
}

// -----

// A sum over the batch is not finished when the first row is overwritten; a
// second output reads the old values after the first was stored.
attn.cascade @late attributes {
  ranks = [#attn.rank<"b">, #attn.rank<"n">, #attn.rank<"a", <()[s0] -> (s0), ["b"]>>],
  inputs = [#attn.port<"K">], outputs = [#attn.port<"K1" into "K">, #attn.port<"O">]
} {
^bb0(%K: !attn.tensor<["b", "n"], f32>):
  %S = attn.einsum ["S"] over ["b", "n"] reduce #attn.reduce<sum> ["a"] {
  ^bb0(%b: i32, %n: i32, %a: i32):
    // expected-error @below {{K1 into K: K[a,n] is read after its overwrite at a}}
    // expected-note @below {{hint}}
    %k = attn.read %K[%a, %n : i32, i32] : !attn.tensor<["b", "n"], f32>
    attn.yield %k : f64
  } : !attn.tensor<["b", "n"], f32>
  %K1 = attn.einsum ["K1"] over ["b", "n"] {
  ^bb0(%b: i32, %n: i32):
    %s = attn.read %S[%b, %n : i32, i32] : !attn.tensor<["b", "n"], f32>
    attn.yield %s : f64
  } {rounded} : !attn.tensor<["b", "n"], f32>
  %O = attn.einsum ["O"] over ["b", "n"] {
  ^bb0(%b: i32, %n: i32):
    %s = attn.read %K1[%b, %n : i32, i32] : !attn.tensor<["b", "n"], f32>
    // expected-error @below {{K1 into K: K[b,n] is read after its overwrite}}
    // expected-note @below {{hint}}
    %k = attn.read %K[%b, %n : i32, i32] : !attn.tensor<["b", "n"], f32>
    %x = attn.map add(%s, %k) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["b", "n"], f32>
  attn.return %K1, %O : !attn.tensor<["b", "n"], f32>, !attn.tensor<["b", "n"], f32>
}

// -----

// A softmax merges along its keys; a relu of a finished sum along them does not.
attn.cascade @cut attributes {
  ranks = [#attn.rank<"n">, #attn.rank<"e">],
  inputs = [#attn.port<"X">, #attn.port<"V">], outputs = [#attn.port<"P">, #attn.port<"O">],
  cut = "n"
} {
^bb0(%X: !attn.tensor<["n"], f32>, %V: !attn.tensor<["n", "e"], f32>):
  %M = attn.einsum ["M"] over [] reduce #attn.reduce<max> ["n"] {
  ^bb0(%n: i32):
    %x = attn.read %X[%n : i32] : !attn.tensor<["n"], f32>
    attn.yield %x : f64
  } : !attn.tensor<[], f32>
  %L = attn.einsum ["L"] over [] reduce #attn.reduce<sum> ["n"] {
  ^bb0(%n: i32):
    %x = attn.read %X[%n : i32] : !attn.tensor<["n"], f32>
    %m = attn.read %M[] : !attn.tensor<[], f32>
    %y = attn.map sub(%x, %m) : f64, f64
    %z = attn.map exp(%y) : f64
    attn.yield %z : f64
  } : !attn.tensor<[], f32>
  %P = attn.einsum ["P"] over ["e"] reduce #attn.reduce<sum> ["n"] {
  ^bb0(%e: i32, %n: i32):
    %x = attn.read %X[%n : i32] : !attn.tensor<["n"], f32>
    %m = attn.read %M[] : !attn.tensor<[], f32>
    %l = attn.read %L[] : !attn.tensor<[], f32>
    %v = attn.read %V[%n, %e : i32, i32] : !attn.tensor<["n", "e"], f32>
    %y = attn.map sub(%x, %m) : f64, f64
    %z = attn.map exp(%y) : f64
    %p = attn.map div(%z, %l) : f64, f64
    %w = attn.map mul(%p, %v) : f64, f64
    attn.yield %w : f64
  } : !attn.tensor<["e"], f32>
  %A = attn.einsum ["A"] over [] reduce #attn.reduce<sum> ["n"] {
  ^bb0(%n: i32):
    %x = attn.read %X[%n : i32] : !attn.tensor<["n"], f32>
    attn.yield %x : f64
  } : !attn.tensor<[], f32>
  // expected-error @below {{cut n: O has no merge along n (relu of an unfinished sum)}}
  %O = attn.einsum ["O"] over ["e"] reduce #attn.reduce<sum> ["n"] {
  ^bb0(%e: i32, %n: i32):
    %x = attn.read %X[%n : i32] : !attn.tensor<["n"], f32>
    %a = attn.read %A[] : !attn.tensor<[], f32>
    %v = attn.read %V[%n, %e : i32, i32] : !attn.tensor<["n", "e"], f32>
    %zero = arith.constant 0.0 : f64
    %y = attn.map sub(%x, %a) : f64, f64
    %z = attn.map max(%y, %zero) : f64, f64
    %w = attn.map mul(%z, %v) : f64, f64
    attn.yield %w : f64
  } : !attn.tensor<["e"], f32>
  attn.return %P, %O : !attn.tensor<["e"], f32>, !attn.tensor<["e"], f32>
}
