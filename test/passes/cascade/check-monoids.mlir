// RUN: attn-opt %s --attn-check-monoids -split-input-file -verify-diagnostics
// Laws of declared monoids, tested on values.

// An affine recurrence composes in order.
attn.monoid @affine attributes {names = ["a", "b"], identity = [1.0, 0.0], ordered} {
^bb0(%a: f64, %b: f64, %c: f64, %d: f64):
  %x = attn.map mul(%a, %c) : f64, f64
  %y = attn.map mul(%c, %b) : f64, f64
  %z = attn.map add(%y, %d) : f64, f64
  attn.yield %x, %z : f64, f64
}

// The partial of a softmax, with its infinite identity.
attn.monoid @part attributes {names = ["m", "s"], identity = [0xFFF0000000000000 : f64, 0.0]} {
^bb0(%m: f64, %s: f64, %n: f64, %t: f64):
  %zero = arith.constant 0.0 : f64
  %inf = arith.constant 0xFFF0000000000000 : f64
  %M = attn.map max(%m, %n) : f64, f64
  %d0 = attn.map sub(%m, %M) : f64, f64
  %e0 = attn.map exp(%d0) : f64
  %c0 = attn.map eq(%m, %inf) : f64, f64
  %z0 = attn.where %zero, %c0 : f64
  %h0 = attn.else %z0, %e0 : f64
  %d1 = attn.map sub(%n, %M) : f64, f64
  %e1 = attn.map exp(%d1) : f64
  %c1 = attn.map eq(%n, %inf) : f64, f64
  %z1 = attn.where %zero, %c1 : f64
  %h1 = attn.else %z1, %e1 : f64
  %p = attn.map mul(%s, %h0) : f64, f64
  %q = attn.map mul(%t, %h1) : f64, f64
  %S = attn.map add(%p, %q) : f64, f64
  attn.yield %M, %S : f64, f64
}

// -----

// expected-error @below {{affine is not commutative: witness (}}
// expected-note @below {{hint: `ordered` lifts commutativity only}}
attn.monoid @affine attributes {names = ["a", "b"], identity = [1.0, 0.0]} {
^bb0(%a: f64, %b: f64, %c: f64, %d: f64):
  %x = attn.map mul(%a, %c) : f64, f64
  %y = attn.map mul(%c, %b) : f64, f64
  %z = attn.map add(%y, %d) : f64, f64
  attn.yield %x, %z : f64, f64
}

// -----

// expected-error @below {{softacc is not associative: witness (}}
// expected-note @below {{hint}}
attn.monoid @softacc attributes {names = ["x"], identity = [0.0]} {
^bb0(%a: f64, %b: f64):
  %p = attn.map abs(%a) : f64
  %q = attn.map abs(%b) : f64
  %r = attn.map mul(%p, %q) : f64, f64
  %x = attn.map add(%a, %b) : f64, f64
  %y = attn.map add(%x, %r) : f64, f64
  attn.yield %y : f64
}

// -----

// expected-error @below {{wrong is not neutral at its defaults: witness (}}
// expected-note @below {{hint}}
attn.monoid @wrong attributes {names = ["n"], identity = [1 : i32]} {
^bb0(%a: i32, %b: i32):
  %x = attn.map add(%a, %b) : i32, i32
  attn.yield %x : i32
}
