// RUN: attn-opt %s --attn-check-bounds -split-input-file -verify-diagnostics
// Every access is proved inside, or refused with a counterexample.

// A condition around the access bounds it; grouped heads are determined.
attn.cascade @conditions attributes {
  ranks = [#attn.rank<"h">, #attn.rank<"g">, #attn.rank<"n">,
           #attn.rank<"y", <()[s0, s1] -> (s0 ceildiv s1), ["h", "g"]>>,
           #attn.rank<"j", <()[s0] -> (s0), ["n"]>>,
           #attn.rank<"p", <()[s0] -> (s0 ceildiv 16), ["n"]>>,
           #attn.rank<"i", <() -> (16)>>],
  relations = [#attn.product<"h" = ["g", "y"]>, #attn.product<"n" = ["p", "i"]>],
  inputs = [#attn.port<"Q">, #attn.port<"K">, #attn.port<"T">],
  outputs = [#attn.port<"O">]
} {
^bb0(%Q: !attn.tensor<["h", "n"], f32>, %K: !attn.tensor<["g", "n"], f32>,
     %T: !attn.tensor<["p"], f32>):
  %O = attn.einsum ["O"] over ["h", "n"] reduce #attn.reduce<sum> ["j"] {
  ^bb0(%h: i32, %n: i32, %j: i32):
    %y = attn.extent "y"
    %g = attn.map floordiv(%h, %y) : i32, i32
    %i = attn.map sub(%n, %j) : i32, i32
    %k = attn.read %K[%g, %i : i32, i32] : !attn.tensor<["g", "n"], f32>
    %c = attn.map le(%j, %n) : i32, i32
    %kc = attn.where %k, %c : f64
    %c16 = arith.constant 16 : i32
    %p = attn.map floordiv(%n, %c16) : i32, i32
    %t = attn.read %T[%p : i32] : !attn.tensor<["p"], f32>
    %x = attn.map mul(%kc, %t) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["h", "n"], f32>
  attn.return %O : !attn.tensor<["h", "n"], f32>
}

// -----

attn.cascade @below attributes {
  ranks = [#attn.rank<"b">, #attn.rank<"g">, #attn.rank<"n">, #attn.rank<"d">,
           #attn.rank<"j", <() -> (4)>>],
  inputs = [#attn.port<"K">], outputs = [#attn.port<"O">]
} {
^bb0(%K: !attn.tensor<["b", "g", "n", "d"], f32>):
  %O = attn.einsum ["O"] over ["b", "g", "n", "d"] reduce #attn.reduce<sum> ["j"] {
  ^bb0(%b: i32, %g: i32, %n: i32, %d: i32, %j: i32):
    %i = attn.map sub(%n, %j) : i32, i32
    // expected-error @below {{K[b,g,n-j,d] may leave rank n: n - j = -1 at n = 0, j = 1}}
    // expected-note @below {{hint: `?` (absent), `else 0` (counted), or a `where` before it}}
    %k = attn.read %K[%b, %g, %i, %d : i32, i32, i32, i32] : !attn.tensor<["b", "g", "n", "d"], f32>
    attn.yield %k : f64
  } : !attn.tensor<["b", "g", "n", "d"], f32>
  attn.return %O : !attn.tensor<["b", "g", "n", "d"], f32>
}

// -----

attn.cascade @above attributes {
  ranks = [#attn.rank<"n">],
  inputs = [#attn.port<"V">], outputs = [#attn.port<"O">]
} {
^bb0(%V: !attn.tensor<["n"], f32>):
  %O = attn.einsum ["O"] over ["n"] {
  ^bb0(%n: i32):
    %one = arith.constant 1 : i32
    %i = attn.map add(%n, %one) : i32, i32
    // expected-error @below {{V[n+1] may leave rank n: n + 1 = 1 at n = 0, |n| = 1}}
    // expected-note @below {{hint}}
    %v = attn.read %V[%i : i32] : !attn.tensor<["n"], f32>
    attn.yield %v : f64
  } : !attn.tensor<["n"], f32>
  attn.return %O : !attn.tensor<["n"], f32>
}

// -----

attn.cascade @always attributes {
  ranks = [#attn.rank<"b">, #attn.rank<"n">, #attn.rank<"e">],
  inputs = [#attn.port<"V">], outputs = [#attn.port<"O">]
} {
^bb0(%V: !attn.tensor<["b", "n", "e"], f32>):
  %O = attn.einsum ["O"] over ["b", "e"] {
  ^bb0(%b: i32, %e: i32):
    %n = attn.extent "n"
    // expected-error @below {{V[b,|n|,e] is outside rank n at every point}}
    // expected-note @below {{hint: the last index is `|n|-1`}}
    %v = attn.read %V[%b, %n, %e : i32, i32, i32] absent : !attn.tensor<["b", "n", "e"], f32>
    attn.yield %v : f64
  } : !attn.tensor<["b", "e"], f32>
  attn.return %O : !attn.tensor<["b", "e"], f32>
}

// -----

attn.cascade @neither attributes {
  ranks = [#attn.rank<"t">, #attn.rank<"l">, #attn.rank<"s", <()[s0] -> (s0), ["t"]>>],
  inputs = [#attn.port<"lam">, #attn.port<"X">], outputs = [#attn.port<"O">]
} {
^bb0(%lam: !attn.tensor<["l"], f32>, %X: !attn.tensor<["t"], f32>):
  %O = attn.einsum ["O"] over ["t"] reduce #attn.reduce<sum> ["s"] {
  ^bb0(%t: i32, %s: i32):
    %x = attn.map xor(%t, %s) : i32, i32
    %m = attn.map msb(%x) : i32
    // expected-error @below {{index msb(xor(t, s)) cannot be bounded}}
    // expected-note @below {{hint: add `?`}}
    %v = attn.read %lam[%m : i32] : !attn.tensor<["l"], f32>
    attn.yield %v : f64
  } : !attn.tensor<["t"], f32>
  attn.return %O : !attn.tensor<["t"], f32>
}

// -----

// Two clamped windows: eight pieces, each proved.
attn.cascade @natten attributes {
  ranks = [#attn.rank<"y">, #attn.rank<"v", <()[s0] -> (s0), ["y"]>>, #attn.rank<"s", <() -> (5)>>],
  inputs = [#attn.port<"bias">, #attn.port<"Q">], outputs = [#attn.port<"O">]
} {
^bb0(%bias: !attn.tensor<["s"], f32>, %Q: !attn.tensor<["y"], f32>):
  %O = attn.einsum ["O"] over ["y", "v"] {
  ^bb0(%y: i32, %v: i32):
    %zero = arith.constant 0 : i32
    %one = arith.constant 1 : i32
    %two = arith.constant 2 : i32
    %three = arith.constant 3 : i32
    %e = attn.extent "y"
    %last = attn.map sub(%e, %three) : i32, i32
    %y1 = attn.map sub(%y, %one) : i32, i32
    %low = attn.map max(%y1, %zero) : i32, i32
    %start = attn.map min(%low, %last) : i32, i32
    %off = attn.map sub(%v, %start) : i32, i32
    %c0 = attn.map le(%zero, %off) : i32, i32
    %c1 = attn.map lt(%off, %three) : i32, i32
    %c = attn.map and(%c0, %c1) : i1, i1
    %d = attn.map sub(%v, %y) : i32, i32
    %d2 = attn.map add(%d, %two) : i32, i32
    %b = attn.read %bias[%d2 : i32] : !attn.tensor<["s"], f32>
    %q = attn.read %Q[%y : i32] : !attn.tensor<["y"], f32>
    %sum = attn.map add(%b, %q) : f64, f64
    %x = attn.where %sum, %c : f64
    attn.yield %x : f64
  } : !attn.tensor<["y", "v"], f32>
  attn.return %O : !attn.tensor<["y", "v"], f32>
}

// -----

// A part of a sum rank, chosen by `else`; the second part is read only where
// the first is absent.
attn.cascade @sum_rank attributes {
  ranks = [#attn.rank<"p">, #attn.rank<"n">,
           #attn.rank<"c", <()[s0, s1] -> (s0 + s1), ["p", "n"]>>],
  relations = [#attn.sum<"c" = ["p", "n"]>],
  inputs = [#attn.port<"K0">, #attn.port<"K1">], outputs = [#attn.port<"O">]
} {
^bb0(%K0: !attn.tensor<["p"], f32>, %K1: !attn.tensor<["n"], f32>):
  %O = attn.einsum ["O"] over ["c"] {
  ^bb0(%c: i32):
    %e = attn.extent "p"
    %k0 = attn.read %K0[%c : i32] absent : !attn.tensor<["p"], f32>
    %n = attn.map sub(%c, %e) : i32, i32
    %k1 = attn.read %K1[%n : i32] : !attn.tensor<["n"], f32>
    %x = attn.else %k0, %k1 : f64
    attn.yield %x : f64
  } : !attn.tensor<["c"], f32>
  attn.return %O : !attn.tensor<["c"], f32>
}

// -----

// Pooling with a stride, a subexpression under its reader's condition, and the
// final state of a recurrence with a base point.
attn.cascade @mixed attributes {
  ranks = [#attn.rank<"n">, #attn.rank<"r">,
           #attn.rank<"c", <()[s0, s1] -> ((s0 - s1) floordiv 4 + 1), ["n", "r"]>>,
           #attn.rank<"m", <()[s0] -> (s0), ["n"]>>, #attn.rank<"t", <()[s0] -> (s0), ["n"]>>],
  inputs = [#attn.port<"K">, #attn.port<"w">], outputs = [#attn.port<"O">, #attn.port<"P">, #attn.port<"F">]
} {
^bb0(%K: !attn.tensor<["n"], f32>, %w: !attn.tensor<["r"], f32>):
  %O = attn.einsum ["O"] over ["c"] reduce #attn.reduce<sum> ["r"] {
  ^bb0(%c: i32, %r: i32):
    %four = arith.constant 4 : i32
    %a = attn.map mul(%c, %four) : i32, i32
    %i = attn.map add(%a, %r) : i32, i32
    %k = attn.read %K[%i : i32] : !attn.tensor<["n"], f32>
    %x = attn.read %w[%r : i32] : !attn.tensor<["r"], f32>
    %y = attn.map mul(%k, %x) : f64, f64
    attn.yield %y : f64
  } : !attn.tensor<["c"], f32>
  %P.0 = attn.einsum ["P.0"] over ["m"] reduce #attn.reduce<sum> ["r"] {
  ^bb0(%m: i32, %r: i32):
    %i = attn.map sub(%m, %r) : i32, i32
    %k = attn.read %K[%i : i32] : !attn.tensor<["n"], f32>
    attn.yield %k : f64
  } : !attn.tensor<["m"], f32>
  %P = attn.einsum ["P"] over ["m"] {
  ^bb0(%m: i32):
    %e = attn.extent "r"
    %k = attn.read %P.0[%m : i32] : !attn.tensor<["m"], f32>
    %c = attn.map ge(%m, %e) : i32, i32
    %x = attn.where %k, %c : f64
    attn.yield %x : f64
  } : !attn.tensor<["m"], f32>
  %H0 = attn.einsum ["H0"] over [] {
    %x = arith.constant 0.0 : f64
    attn.yield %x : f64
  } : !attn.tensor<[], f32>
  %H1 = attn.einsum ["H1"] over ["t"] {
  ^bb0(%t: i32):
    %one = arith.constant 1 : i32
    %i = attn.map sub(%t, %one) : i32, i32
    %h = attn.read %H[%i : i32] : !attn.tensor<["t"], f32>
    %k = attn.read %K[%t : i32] : !attn.tensor<["n"], f32>
    %x = attn.map add(%h, %k) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["t"], f32>
  %H = attn.equations "H"(%H0, %H1) [[#attn.extent<() -> (-1)>], ["t"]] : (!attn.tensor<[], f32>, !attn.tensor<["t"], f32>) -> !attn.tensor<["t"], f32>
  %F = attn.einsum ["F"] over [] {
    %e = attn.extent "t"
    %one = arith.constant 1 : i32
    %i = attn.map sub(%e, %one) : i32, i32
    %h = attn.read %H[%i : i32] : !attn.tensor<["t"], f32>
    attn.yield %h : f64
  } : !attn.tensor<[], f32>
  attn.return %O, %P, %F : !attn.tensor<["c"], f32>, !attn.tensor<["m"], f32>, !attn.tensor<[], f32>
}
