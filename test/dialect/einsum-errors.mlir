// RUN: attn-opt %s -split-input-file -verify-diagnostics
// Each constraint of an einsum and of a monoid, broken once.

// expected-error @below {{has 2 names and 1 results}}
%0 = attn.einsum ["x", "y"] over [] {
  %c = arith.constant 0.0 : f64
  attn.yield %c : f64
} : !attn.tensor<[], f32>

// -----

// expected-error @below {{(einsum_c1) rank "n" occurs twice}}
%0 = attn.einsum ["x"] over ["n"] reduce #attn.reduce<sum> ["n"] {
^bb0(%n: i32, %m: i32):
  %c = arith.constant 0.0 : f64
  attn.yield %c : f64
} : !attn.tensor<["n"], f32>

// -----

attn.cascade @undeclared attributes {ranks = [], inputs = [], outputs = []} {
  // expected-error @below {{(einsum_c1) rank "n" is not declared}}
  %0 = attn.einsum ["x"] over ["n"] {
  ^bb0(%n: i32):
    %c = arith.constant 0.0 : f64
    attn.yield %c : f64
  } : !attn.tensor<["n"], f32>
  attn.return
}

// -----

// expected-error @below {{(einsum_c1) reduces without a monoid}}
%0 = "attn.einsum"() <{names = ["x"], space = [], reduced = ["n"]}> ({
^bb0(%n: i32):
  %c = arith.constant 0.0 : f64
  attn.yield %c : f64
}, {}) : () -> !attn.tensor<[], f32>

// -----

// expected-error @below {{(einsum_c2) result ranks are not the space: '!attn.tensor<["m"], f32>'}}
%0 = attn.einsum ["x"] over ["n"] {
^bb0(%n: i32):
  %c = arith.constant 0.0 : f64
  attn.yield %c : f64
} : !attn.tensor<["m"], f32>

// -----

// expected-error @below {{(einsum_c3) the map takes one i32 a rank}}
%0 = attn.einsum ["x"] over ["n"] {
^bb0(%n: i64):
  %c = arith.constant 0.0 : f64
  attn.yield %c : f64
} : !attn.tensor<["n"], f32>

// -----

// expected-error @below {{(einsum_c3) the guard takes one i32 a rank of space}}
%0 = attn.einsum ["x"] over ["n"] {
^bb0(%n: i32):
  %c = arith.constant 0.0 : f64
  attn.yield %c : f64
} guard {
  %true = arith.constant true
  attn.yield %true : i1
} : !attn.tensor<["n"], f32>

// -----

// expected-error @below {{(einsum_c4) the map ends with attn.yield}}
%0 = attn.einsum ["x"] over [] {
  %c = arith.constant 0.0 : f64
} : !attn.tensor<[], f32>

// -----

// expected-error @below {{(einsum_c4) yields 2 values for 1 results}}
%0 = attn.einsum ["x"] over [] {
  %c = arith.constant 0.0 : f64
  attn.yield %c, %c : f64, f64
} : !attn.tensor<[], f32>

// -----

// expected-error @below {{(einsum_c4) a built-in reduction has one result}}
%0:2 = attn.einsum ["x", "y"] over [] reduce #attn.reduce<sum> ["n"] {
^bb0(%n: i32):
  %c = arith.constant 0.0 : f64
  attn.yield %c, %c : f64, f64
} : !attn.tensor<[], f32>, !attn.tensor<[], f32>

// -----

attn.cascade @no_monoid attributes {ranks = [#attn.rank<"n", <()[] -> (4)>>], inputs = [], outputs = []} {
  // expected-error @below {{(einsum_c4) no monoid @none}}
  %0 = attn.einsum ["x"] over [] reduce @none ["n"] {
  ^bb0(%n: i32):
    %c = arith.constant 0.0 : f64
    attn.yield %c : f64
  } : !attn.tensor<[], f32>
  attn.return
}

// -----

attn.monoid @one attributes {names = ["a"], identity = [0.0]} {
^bb0(%a: f64, %b: f64):
  attn.yield %a : f64
}
attn.cascade @components attributes {ranks = [#attn.rank<"n", <()[] -> (4)>>], inputs = [], outputs = []} {
  // expected-error @below {{(einsum_c4) monoid @one has 1 components}}
  %0:2 = attn.einsum ["x", "y"] over [] reduce @one ["n"] {
  ^bb0(%n: i32):
    %c = arith.constant 0.0 : f64
    attn.yield %c, %c : f64, f64
  } : !attn.tensor<[], f32>, !attn.tensor<[], f32>
  attn.return
}

// -----

// expected-error @below {{(einsum_c5) yields 'f64' for a result of type '!attn.tensor<[], i32>'}}
%0 = attn.einsum ["x"] over [] {
  %c = arith.constant 0.0 : f64
  attn.yield %c : f64
} : !attn.tensor<[], i32>

// -----

// expected-error @below {{(einsum_c5) any takes bool operands}}
%0 = attn.einsum ["x"] over [] reduce #attn.reduce<any> ["n"] {
^bb0(%n: i32):
  attn.yield %n : i32
} : !attn.tensor<[], i32>

// -----

// expected-error @below {{(einsum_c5) reduces 'f64' to a tensor of 'i32'}}
%0 = attn.einsum ["x"] over [] reduce #attn.reduce<sum> ["n"] {
^bb0(%n: i32):
  %c = arith.constant 0.0 : f64
  attn.yield %c : f64
} : !attn.tensor<[], i32>

// -----

// expected-error @below {{(einsum_c5) argmax gives i32}}
%0 = attn.einsum ["x"] over [] reduce #attn.reduce<argmax> ["n"] {
^bb0(%n: i32):
  %c = arith.constant 0.0 : f64
  attn.yield %c : f64
} : !attn.tensor<[], f32>

// -----

// expected-error @below {{(einsum_c5) first takes one rank}}
%0 = attn.einsum ["x"] over [] reduce #attn.reduce<first> ["m", "n"] {
^bb0(%m: i32, %n: i32):
  attn.yield %n : i32
} : !attn.tensor<[], i32>

// -----

// expected-error @below {{(einsum_c6) the guard yields one i1}}
%0 = attn.einsum ["x"] over ["n"] {
^bb0(%n: i32):
  attn.yield %n : i32
} guard {
^bb0(%n: i32):
  attn.yield %n : i32
} : !attn.tensor<["n"], i32>

// -----

// expected-error @below {{(monoid_c1) the region ends with attn.yield}}
attn.monoid @open attributes {names = ["a"], identity = [0.0]} {
^bb0(%a: f64, %b: f64):
  %c = arith.constant 0.0 : f64
}

// -----

// expected-error @below {{(monoid_c1) 1 components, 2 identities, 2 arguments, 1 yielded values}}
attn.monoid @counts attributes {names = ["a"], identity = [0.0, 0.0]} {
^bb0(%a: f64, %b: f64):
  attn.yield %a : f64
}

// -----

// expected-error @below {{(monoid_c1) types of component "a" differ}}
attn.monoid @types attributes {names = ["a"], identity = [0 : i32]} {
^bb0(%a: f64, %b: f64):
  attn.yield %a : f64
}

// -----

// expected-error @below {{(monoid_c2) reads a tensor}}
attn.monoid @reads attributes {names = ["a"], identity = [0.0]} {
^bb0(%a: f64, %b: f64):
  %t = builtin.unrealized_conversion_cast %a : f64 to !attn.tensor<[], f32>
  %c = attn.read %t[] : !attn.tensor<[], f32>
  attn.yield %c : f64
}
