// RUN: attn-opt %s --attn-check-presence -split-input-file -verify-diagnostics
// Where absence or an identity probably surprises.

attn.cascade @sums attributes {
  ranks = [#attn.rank<"m">, #attn.rank<"n">],
  inputs = [#attn.port<"X">, #attn.port<"Y">],
  outputs = [#attn.port<"O">, #attn.port<"P">]
} {
^bb0(%X: !attn.tensor<["m", "n"], f32>, %Y: !attn.tensor<["m", "n"], f32>):
  %A = attn.einsum ["A"] over ["m", "n"] {
  ^bb0(%m: i32, %n: i32):
    %x = attn.read %X[%m, %n : i32, i32] : !attn.tensor<["m", "n"], f32>
    %c = attn.map le(%n, %m) : i32, i32
    %y = attn.where %x, %c : f64
    attn.yield %y : f64
  } : !attn.tensor<["m", "n"], f32>
  %B = attn.einsum ["B"] over ["m", "n"] {
  ^bb0(%m: i32, %n: i32):
    %x = attn.read %Y[%m, %n : i32, i32] : !attn.tensor<["m", "n"], f32>
    %c = attn.map gt(%n, %m) : i32, i32
    %y = attn.where %x, %c : f64
    attn.yield %y : f64
  } : !attn.tensor<["m", "n"], f32>
  %O = attn.einsum ["O"] over ["m", "n"] {
  ^bb0(%m: i32, %n: i32):
    %a = attn.read %A[%m, %n : i32, i32] : !attn.tensor<["m", "n"], f32>
    %b = attn.read %B[%m, %n : i32, i32] : !attn.tensor<["m", "n"], f32>
    // expected-warning @below {{A + B is present only where both are}}
    // expected-note @below {{hint: `A else 0`}}
    %x = attn.map add(%a, %b) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["m", "n"], f32>
  // Filled, or with a tensor that is present everywhere: as it should be.
  %P = attn.einsum ["P"] over ["m", "n"] {
  ^bb0(%m: i32, %n: i32):
    %a = attn.read %A[%m, %n : i32, i32] : !attn.tensor<["m", "n"], f32>
    %b = attn.read %B[%m, %n : i32, i32] : !attn.tensor<["m", "n"], f32>
    %y = attn.read %Y[%m, %n : i32, i32] : !attn.tensor<["m", "n"], f32>
    %zero = arith.constant 0.0 : f64
    %a0 = attn.else %a, %zero : f64
    %x = attn.map add(%a0, %b) : f64, f64
    %z = attn.map add(%x, %y) : f64, f64
    attn.yield %z : f64
  } : !attn.tensor<["m", "n"], f32>
  attn.return %O, %P : !attn.tensor<["m", "n"], f32>, !attn.tensor<["m", "n"], f32>
}

// -----

attn.cascade @identities attributes {
  ranks = [#attn.rank<"b">, #attn.rank<"i">],
  inputs = [#attn.port<"X">, #attn.port<"Q">, #attn.port<"len">],
  outputs = [#attn.port<"O">, #attn.port<"P">]
} {
^bb0(%X: !attn.tensor<["b", "i"], f32>, %Q: !attn.tensor<["b"], f32>, %len: !attn.tensor<["b"], i32>):
  %hi = attn.einsum ["hi"] over ["b"] reduce #attn.reduce<max> ["i"] {
  ^bb0(%b: i32, %i: i32):
    %x = attn.read %X[%b, %i : i32, i32] : !attn.tensor<["b", "i"], f32>
    %l = attn.read %len[%b : i32] : !attn.tensor<["b"], i32>
    %c = attn.map lt(%i, %l) : i32, i32
    %y = attn.where %x, %c : f64
    attn.yield %y : f64
  } : !attn.tensor<["b"], f32>
  %O = attn.einsum ["O"] over ["b"] {
  ^bb0(%b: i32):
    %q = attn.read %Q[%b : i32] : !attn.tensor<["b"], f32>
    %h = attn.read %hi[%b : i32] : !attn.tensor<["b"], f32>
    // expected-warning @below {{max[i](..) may be -inf over an empty fibre and enters `*`}}
    // expected-note @below {{hint: guard with `where`}}
    %x = attn.map mul(%q, %h) : f64, f64
    attn.yield %x : f64
  } : !attn.tensor<["b"], f32>
  %P = attn.einsum ["P"] over ["b"] {
  ^bb0(%b: i32):
    %q = attn.read %Q[%b : i32] : !attn.tensor<["b"], f32>
    %h = attn.read %hi[%b : i32] : !attn.tensor<["b"], f32>
    %x = attn.map mul(%q, %h) : f64, f64
    %l = attn.read %len[%b : i32] : !attn.tensor<["b"], i32>
    %zero = arith.constant 0 : i32
    %c = attn.map gt(%l, %zero) : i32, i32
    %y = attn.where %x, %c : f64
    attn.yield %y : f64
  } : !attn.tensor<["b"], f32>
  attn.return %O, %P : !attn.tensor<["b"], f32>, !attn.tensor<["b"], f32>
}
