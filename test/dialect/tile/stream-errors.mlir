// RUN: attn-opt %s -split-input-file -verify-diagnostics
// Each constraint of a stream, broken once.

func.func @arguments(%s: i32) {
  // expected-error @below {{(stream_c1) the step, then the carried tiles}}
  tile.stream "n1" in %s, %s, %s, %s carry () {
    tile.yield
  } : () -> ()
  return
}

// -----

func.func @carried(%s: i32, %t: !tile.tile<[] [], f32>, %u: !tile.tile<[] [], i32>) {
  // expected-error @below {{(stream_c2) types of the carried tiles differ}}
  %0 = tile.stream "n1" in %s, %s, %s, %s carry (%t) {
  ^bb0(%n1: i32, %state: !tile.tile<[] [], f32>):
    tile.yield %u : !tile.tile<[] [], i32>
  } : (!tile.tile<[] [], f32>) -> !tile.tile<[] [], f32>
  return
}

// -----

func.func @classify(%s: i32) {
  // expected-error @below {{(stream_c3) classify maps an i32 to two bools}}
  tile.stream "n1" in %s, %s, %s, %s carry () {
  ^bb0(%n1: i32):
    tile.yield
  } classify {
  ^bb0(%n1: i32):
    %true = arith.constant true
    tile.yield %true : i1
  } : () -> ()
  return
}

// -----

func.func @parts(%s: i32) {
  // expected-error @below {{(stream_c4) parts maps three i32 to three bools}}
  tile.stream "n1" in %s, %s, %s, %s carry () {
  ^bb0(%n1: i32):
    tile.yield
  } parts 16 {
  ^bb0(%n1: i32, %i: i32, %j: i32):
    tile.yield %n1, %i, %j : i32, i32, i32
  } : () -> ()
  return
}

// -----

func.func @part_size(%s: i32) {
  // expected-error @below {{(stream_c4) parts needs a positive size}}
  "tile.stream"(%s, %s, %s, %s) <{rank = "n1", operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0>}> ({
  ^bb0(%n1: i32):
    tile.yield
  }, {}, {
  ^bb0(%n1: i32, %i: i32, %j: i32):
    %true = arith.constant true
    tile.yield %true, %true, %true : i1, i1, i1
  }) : (i32, i32, i32, i32) -> ()
  return
}
