// RUN: attn-opt %s -split-input-file -verify-diagnostics
// Each constraint of tiles, kernels, loads, stores and einsums, broken once.

// expected-error @below {{1 ranks and 2 sizes}}
func.func private @sizes(!tile.tile<["n"] [4, 4], f32>)

// -----

// expected-error @below {{a tile computes in f32, f64, i32, i64 or i1, not 'bf16'}}
func.func private @element(!tile.tile<["n"] [4], bf16>)

// -----

// expected-error @below {{(kernel_c1) one i32 argument a grid rank}}
tile.kernel "arguments" grid ["b"] {
}

// -----

// expected-error @below {{(kernel_c2) result 0 is stored 0 times}}
%0 = tile.kernel "stores" grid [] {
} : !attn.tensor<[], f32>

// -----

func.func @arguments(%x: !attn.tensor<[], f32>) {
  // expected-error @below {{(load_c1) one i32 argument a rank of the tile}}
  %0 = tile.load %x {
    tile.yield
  } : !attn.tensor<[], f32> -> !tile.tile<["n"] [4], f32>
  return
}

// -----

func.func @indices(%x: !attn.tensor<["n"], f32>) {
  // expected-error @below {{(load_c2) yields one integer a rank of '!attn.tensor<["n"], f32>'}}
  %0 = tile.load %x {
  ^bb0(%n: i32):
    tile.yield
  } : !attn.tensor<["n"], f32> -> !tile.tile<["n"] [4], f32>
  return
}

// -----

func.func @arguments(%t: !tile.tile<["n"] [4], f32>) {
  %0 = tile.kernel "stores" grid [] {
    // expected-error @below {{(store_c1) one i32 argument a rank of the tile}}
    tile.store %t to 0 {
      tile.yield
    } : !tile.tile<["n"] [4], f32>
  } : !attn.tensor<[], f32>
  return
}

// -----

func.func @indices(%t: !tile.tile<["n"] [4], f32>) {
  %0 = tile.kernel "stores" grid [] {
    // expected-error @below {{(store_c2) yields one integer a rank of '!attn.tensor<["n"], f32>'}}
    tile.store %t to 0 {
    ^bb0(%n: i32):
      tile.yield
    } : !tile.tile<["n"] [4], f32>
  } : !attn.tensor<["n"], f32>
  return
}

// -----

func.func @result(%t: !tile.tile<["n"] [4], f32>) {
  tile.kernel "stores" grid [] {
    // expected-error @below {{(store_c3) the kernel has no result 0}}
    tile.store %t to 0 {
    ^bb0(%n: i32):
      tile.yield %n : i32
    } : !tile.tile<["n"] [4], f32>
  }
  return
}

// -----

// expected-error @below {{(einsum_c1) reduced ranks, sizes and monoid disagree}}
%0 = tile.einsum () reduce #attn.reduce<sum> ["n"] [] {
^bb0(%n: i32):
  %c = arith.constant 0.0 : f64
  tile.yield %c : f64
} : () -> !tile.tile<[] [], f32>

// -----

func.func @space(%t: !tile.tile<["n"] [4], f32>) {
  // expected-error @below {{(einsum_c1) operand '!tile.tile<["n"] [4], f32>' has a rank outside of the iteration space}}
  %0 = tile.einsum (%t) {
  ^bb0(%n: i32, %x: f64):
    tile.yield %x : f64
  } : (!tile.tile<["n"] [4], f32>) -> !tile.tile<["n"] [8], f32>
  return
}

// -----

// expected-error @below {{(einsum_c2) coordinates, then one scalar a tile}}
%0 = tile.einsum () {
  %c = arith.constant 0.0 : f64
  tile.yield %c : f64
} : () -> !tile.tile<["n"] [4], f32>

// -----

func.func @argument(%t: !tile.tile<["n"] [4], f32>) {
  // expected-error @below {{(einsum_c2) argument 'i32' for '!tile.tile<["n"] [4], f32>'}}
  %0 = tile.einsum (%t) {
  ^bb0(%n: i32, %x: i32):
    tile.yield %x : i32
  } : (!tile.tile<["n"] [4], f32>) -> !tile.tile<["n"] [4], i32>
  return
}

// -----

// expected-error @below {{(einsum_c3) yields one value}}
%0 = tile.einsum () {
^bb0(%n: i32):
} : () -> !tile.tile<["n"] [4], i32>

// -----

// expected-error @below {{(einsum_c3) yields 'i32' for '!tile.tile<["n"] [4], f32>'}}
%0 = tile.einsum () {
^bb0(%n: i32):
  tile.yield %n : i32
} : () -> !tile.tile<["n"] [4], f32>

// -----

// expected-error @below {{(einsum_c4) a reduction is present everywhere}}
%0 = tile.einsum () reduce #attn.reduce<sum> ["n"] [4] {
^bb0(%n: i32):
  tile.yield %n : i32
} : () -> !tile.tile<[] [], i32, masked = true>

// -----

func.func @init(%t: !tile.tile<[] [], f32>) {
  // expected-error @below {{(einsum_c4) init has type '!tile.tile<[] [], f32>'}}
  %0 = tile.einsum () init (%t) reduce #attn.reduce<sum> ["n"] [4] {
  ^bb0(%n: i32):
    tile.yield %n : i32
  } : (!tile.tile<[] [], f32>) -> !tile.tile<[] [], i32>
  return
}
