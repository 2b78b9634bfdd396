// RUN: attn-opt %s -split-input-file -verify-diagnostics
// Each constraint of a cascade, a kernel and their types, broken once.

// expected-error @below {{(cascade_c1) has 0 inputs and 1 block arguments}}
attn.cascade @arguments attributes {ranks = [], inputs = [], outputs = []} {
^bb0(%x: !attn.tensor<[], f32>):
  attn.return
}

// -----

// expected-error @below {{(cascade_c1) has 1 outputs and returns 0 tensors}}
attn.cascade @returned attributes {ranks = [], inputs = [], outputs = [#attn.port<"O">]} {
  attn.return
}

// -----

// expected-error @below {{(cascade_c2) rank "n" is declared twice}}
attn.cascade @twice attributes {ranks = [#attn.rank<"n">, #attn.rank<"n">], inputs = [], outputs = []} {
  attn.return
}

// -----

// expected-error @below {{(cascade_c2) rank "m" of x is not declared}}
attn.cascade @type attributes {ranks = [], inputs = [#attn.port<"x">], outputs = []} {
^bb0(%x: !attn.tensor<["m"], f32>):
  attn.return
}

// -----

// expected-error @below {{x is no tensor: 'i32'}}
attn.cascade @no_tensor attributes {ranks = [], inputs = [#attn.port<"x">], outputs = []} {
^bb0(%x: i32):
  attn.return
}

// -----

// expected-error @below {{relation is no product and no sum: "n"}}
attn.cascade @relation attributes {ranks = [], relations = ["n"], inputs = [], outputs = []} {
  attn.return
}

// -----

// expected-error @below {{(cascade_c2) rank "p" is not declared}}
attn.cascade @part attributes {ranks = [#attn.rank<"n">], relations = [#attn.product<"n" = ["p"]>], inputs = [], outputs = []} {
  attn.return
}

// -----

// expected-error @below {{(cascade_c2) rank "n" is not declared}}
attn.cascade @whole attributes {ranks = [#attn.rank<"p">], relations = [#attn.product<"n" = ["p"]>], inputs = [], outputs = []} {
  attn.return
}

// -----

// expected-error @below {{(cascade_c3) the extent of rank "p" uses rank "n", which is not listed before it}}
attn.cascade @extent attributes {ranks = [#attn.rank<"p", <()[s0] -> (s0), ["n"]>>, #attn.rank<"n">], inputs = [], outputs = []} {
  attn.return
}

// -----

// expected-error @below {{(cascade_c4) rank "n" is the whole of two relations}}
attn.cascade @wholes attributes {
  ranks = [#attn.rank<"n">, #attn.rank<"p">, #attn.rank<"i">],
  relations = [#attn.product<"n" = ["p"]>, #attn.sum<"n" = ["i"]>], inputs = [], outputs = []
} {
  attn.return
}

// -----

// expected-error @below {{(cascade_c4) rank n is part of itself}}
attn.cascade @itself attributes {ranks = [#attn.rank<"n">], relations = [#attn.product<"n" = ["n"]>], inputs = [], outputs = []} {
  attn.return
}

// -----

// expected-error @below {{(cascade_c5) rank "n" has no extent and is on no input}}
attn.cascade @free attributes {ranks = [#attn.rank<"n">], inputs = [], outputs = []} {
  attn.return
}

// -----

// expected-error @below {{(cascade_c6) into names "x", which is no input}}
attn.cascade @into attributes {ranks = [], inputs = [], outputs = [#attn.port<"O" into "x">]} {
  attn.return
}

// -----

// expected-error @below {{(cascade_c6) "O" into "x": types differ, '!attn.tensor<[], f32>' and '!attn.tensor<[], f16>'}}
attn.cascade @into_type attributes {ranks = [], inputs = [#attn.port<"x">, #attn.port<"y">], outputs = [#attn.port<"O" into "x">]} {
^bb0(%x: !attn.tensor<[], f16>, %y: !attn.tensor<[], f32>):
  attn.return %y : !attn.tensor<[], f32>
}

// -----

// expected-error @below {{(cascade_c6) cut names n, which is no rank}}
attn.cascade @cut attributes {ranks = [], inputs = [], outputs = [], cut = "n"} {
  attn.return
}

// -----

// expected-error @below {{(cascade_c7) the body ends with attn.return}}
attn.cascade @open attributes {ranks = [], inputs = [], outputs = []} {
  %c = arith.constant 0 : i32
}

// -----

// expected-error @below {{(kernel_c1) the body ends with attn.return of the result types}}
%r = attn.kernel {
  %c = arith.constant 0 : i32
} : !attn.tensor<[], f32>

// -----

// expected-error @below {{rank "n" occurs twice}}
func.func private @ranks(!attn.tensor<["n", "n"], f32>)

// -----

// expected-error @below {{element type 'i16' is not a storage type}}
func.func private @element(!attn.tensor<[], i16>)

// -----

// expected-error @below {{an extent is a map of symbols to at least one result}}
#dimension = #attn.extent<(d0) -> (d0)>

// -----

// expected-error @below {{extent has 1 symbols and 0 ranks}}
#symbols = #attn.extent<()[s0] -> (s0)>
