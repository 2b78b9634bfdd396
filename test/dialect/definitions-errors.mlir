// RUN: attn-opt %s -split-input-file -verify-diagnostics
// Each constraint of equations, of an order and of scalars, broken once.

attn.cascade @patterns attributes {ranks = [#attn.rank<"t">], inputs = [#attn.port<"x">], outputs = []} {
^bb0(%x: !attn.tensor<["t"], f32>):
  // expected-error @below {{(equations_c1) has 0 patterns and 1 equations}}
  %0 = attn.equations "H"(%x) [] : (!attn.tensor<["t"], f32>) -> !attn.tensor<["t"], f32>
  attn.return
}

// -----

attn.cascade @indices attributes {ranks = [#attn.rank<"t">], inputs = [#attn.port<"x">], outputs = []} {
^bb0(%x: !attn.tensor<["t"], f32>):
  // expected-error @below {{(equations_c1) a pattern has one index a rank}}
  %0 = attn.equations "H"(%x) [["t", "t"]] : (!attn.tensor<["t"], f32>) -> !attn.tensor<["t"], f32>
  attn.return
}

// -----

attn.cascade @index attributes {ranks = [#attn.rank<"t">], inputs = [#attn.port<"x">], outputs = []} {
^bb0(%x: !attn.tensor<["t"], f32>):
  // expected-error @below {{(equations_c1) no index: 1.000000e+00}}
  %0 = attn.equations "H"(%x) [[1.0]] : (!attn.tensor<["t"], f32>) -> !attn.tensor<["t"], f32>
  attn.return
}

// -----

attn.cascade @other_rank attributes {ranks = [#attn.rank<"t">], inputs = [#attn.port<"x">], outputs = []} {
^bb0(%x: !attn.tensor<["t"], f32>):
  // expected-error @below {{(equations_c2) index "u" stands for rank "t"}}
  %0 = attn.equations "H"(%x) [["u"]] : (!attn.tensor<["t"], f32>) -> !attn.tensor<["t"], f32>
  attn.return
}

// -----

attn.cascade @ranks attributes {ranks = [#attn.rank<"t">], inputs = [#attn.port<"x">], outputs = []} {
^bb0(%x: !attn.tensor<[], f32>):
  // expected-error @below {{(equations_c2) an equation has ranks '!attn.tensor<[], f32>', its pattern is ["t"]}}
  %0 = attn.equations "H"(%x) [["t"]] : (!attn.tensor<[], f32>) -> !attn.tensor<["t"], f32>
  attn.return
}

// -----

attn.cascade @elements attributes {ranks = [#attn.rank<"t">], inputs = [#attn.port<"x">], outputs = []} {
^bb0(%x: !attn.tensor<["t"], i32>):
  // expected-error @below {{(equations_c2) element types differ: '!attn.tensor<["t"], i32>' and '!attn.tensor<["t"], f32>'}}
  %0 = attn.equations "H"(%x) [["t"]] : (!attn.tensor<["t"], i32>) -> !attn.tensor<["t"], f32>
  attn.return
}

// -----

attn.cascade @same_points attributes {ranks = [#attn.rank<"t">], inputs = [#attn.port<"x">], outputs = []} {
^bb0(%x: !attn.tensor<["t"], f32>):
  // expected-error @below {{(equations_c3) two equations define the points ["t"]}}
  %0 = attn.equations "H"(%x, %x) [["t"], ["t"]] : (!attn.tensor<["t"], f32>, !attn.tensor<["t"], f32>) -> !attn.tensor<["t"], f32>
  attn.return
}

// -----

// expected-error @below {{(order_c1) `to` is the last rank of the space and `from` is not in it}}
%0 = attn.order "J" over ["j"] from "n" to "k" {
^bb0(%n: i32):
  attn.yield %n : i32
} : !attn.tensor<["j"], i32>

// -----

attn.cascade @undeclared attributes {ranks = [#attn.rank<"j", <()[] -> (4)>>], inputs = [], outputs = []} {
  // expected-error @below {{(order_c1) a rank is not declared}}
  %0 = attn.order "J" over ["j"] from "n" to "j" {
  ^bb0(%n: i32):
    attn.yield %n : i32
  } : !attn.tensor<["j"], i32>
  attn.return
}

// -----

// expected-error @below {{(order_c1) the keys take one i32 a rank}}
%0 = attn.order "J" over ["j"] from "n" to "j" {
^bb0(%n: i64):
  attn.yield %n : i64
} : !attn.tensor<["j"], i32>

// -----

// expected-error @below {{(order_c2) yields at least one key}}
%0 = attn.order "J" over ["j"] from "n" to "j" {
^bb0(%n: i32):
  attn.yield
} : !attn.tensor<["j"], i32>

// -----

// expected-error @below {{(order_c3) the result is i32 over the space}}
%0 = attn.order "J" over ["j"] from "n" to "j" {
^bb0(%n: i32):
  attn.yield %n : i32
} : !attn.tensor<["j"], f32>

// -----

func.func @read(%x: !attn.tensor<["n"], f32>) {
  // expected-error @below {{(read_c1) has 0 indices for '!attn.tensor<["n"], f32>'}}
  %0 = attn.read %x[] : !attn.tensor<["n"], f32>
  return
}

// -----

func.func @cast(%x: f64) {
  // expected-error @below {{to 'bf16' gives 'f64'}}
  %0 = attn.cast %x to bf16 : f64 -> i32
  return
}
