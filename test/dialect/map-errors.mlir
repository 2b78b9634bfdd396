// RUN: attn-opt %s -split-input-file -verify-diagnostics
// map_c1: each way of typing a scalar function, broken once.

func.func @arity(%x: f64) {
  // expected-error @below {{(map_c1) add takes 2 operands, not 1}}
  %0 = attn.map add(%x) : f64
  return
}

// -----

// expected-error @below {{(map_c1) uniform takes at least one operand}}
// expected-error @below {{failed to infer returned types}}
%0 = "attn.map"() <{fn = #attn<fn uniform>}> : () -> f64

// -----

func.func @arith(%x: i32, %y: i64) {
  // expected-error @below {{(map_c1) add takes reals, or integers of one width}}
  %0 = attn.map add(%x, %y) : i32, i64
  return
}

// -----

func.func @real(%x: i32) {
  // expected-error @below {{(map_c1) exp takes reals}}
  %0 = attn.map exp(%x) : i32
  return
}

// -----

func.func @integer(%x: f64) {
  // expected-error @below {{(map_c1) mod takes integers of one width}}
  %0 = attn.map mod(%x, %x) : f64, f64
  return
}

// -----

func.func @compare(%x: f64, %y: i32) {
  // expected-error @below {{(map_c1) lt compares operands of one type}}
  %0 = attn.map lt(%x, %y) : f64, i32
  return
}

// -----

func.func @logic(%x: i32) {
  // expected-error @below {{(map_c1) not takes bools}}
  %0 = attn.map not(%x) : i32
  return
}

// -----

func.func @real_to_bool(%x: i32) {
  // expected-error @below {{(map_c1) isnan takes a real}}
  %0 = attn.map isnan(%x) : i32
  return
}

// -----

func.func @real_to_int(%x: i32) {
  // expected-error @below {{(map_c1) bits takes a real}}
  %0 = attn.map bits(%x) : i32
  return
}

// -----

func.func @int_to_real(%x: f64) {
  // expected-error @below {{(map_c1) uniform takes integers}}
  %0 = attn.map uniform(%x) : f64
  return
}
