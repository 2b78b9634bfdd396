#!/usr/bin/python3
"""Checks the references themselves, without the compiler: every case of every
program runs, and inputs and outputs have the types and shapes of the ports,
absent points included. Arguments select programs by a part of their label."""

import sys
import warnings

import numpy as np

import zoo

KIND = {"float": "f", "int": "iu", "bool": "b"}
STORAGE = {"bf16": np.float32, "f16": np.float16, "f32": np.float32,
           "f64": np.float64, "i64": np.int64, "i32": np.int32,
           "i8": np.int8, "u8": np.uint8, "bool": np.bool_}


def kind(dtype):
    if dtype == "bool":
        return "bool"
    return "int" if dtype[0] in "iu" else "float"


def need(condition, text):
    if not condition:
        raise AssertionError(text)


def check_shape(port, array, extents):
    """Axes agree with each other, with static extents and with the case."""
    need(array.ndim == len(port.axes or []),
         f"{port.name} has {array.ndim} axes")
    for (rank, static), extent in zip(port.axes or [], array.shape):
        if static and static.isdigit():
            extents.setdefault(rank, int(static))
        need(extents.setdefault(rank, extent) == extent,
             f"{port.name}: rank {rank} is {extents[rank]} and {extent}")


def check_inputs(ports, inputs, case, extents):
    runtime = [p for p in ports if not p.const]
    need(set(inputs) == {p.name for p in runtime},
         f"inputs {sorted(inputs)} are not the ports")
    for port in runtime:
        array = inputs[port.name]
        need(isinstance(array, np.ndarray), f"{port.name} is no array")
        need(array.dtype == STORAGE[port.dtype],
             f"{port.name} is stored as {array.dtype}")
        if port.dtype == "bf16":
            bits = np.ascontiguousarray(array).view(np.uint32)
            need(not np.any(bits & 0xFFFF), f"{port.name} is not in bf16")
        check_shape(port, array, extents)
        if port.axes is None:
            need(port.name in case["scalars"],
                 f"the case gives no scalar {port.name}")


def check_case(program, case):
    ins, outs = program.signature()
    consts = case["consts"]
    known = {p.name for p in ins if p.const}
    need(set(consts) <= known, f"consts {set(consts) - known} are unknown")
    required = {p.name for p in ins if p.const and p.default is None}
    need(required <= set(consts), f"consts {required} are not given")

    extents = dict(case["shape"])
    inputs = program.make_inputs(case)
    check_inputs(ins, inputs, case, extents)
    used = {rank for p in ins for rank, _ in p.axes or []}
    need(set(case["shape"]) <= used,
         f"shape names {set(case['shape']) - used}, no axes of an input")

    again = program.make_inputs(case)
    for name, array in inputs.items():
        need(np.array_equal(array, again[name], equal_nan=kind(
            str(array.dtype)) == "float"), f"{name} changes from call to call")

    before = {name: array.copy() for name, array in inputs.items()}
    outputs = program.reference(inputs, consts)
    for name, array in inputs.items():
        need(array.tobytes() == before[name].tobytes(),
             f"the reference writes to {name}")
    need(set(outputs) == {p.name for p in outs},
         f"outputs {sorted(outputs)} are not the ports")
    allowed = case.get("nonfinite", ())
    for port in outs:
        array = np.asarray(outputs[port.name])
        need(array.dtype.kind in KIND[kind(port.dtype)],
             f"{port.name} is returned as {array.dtype}")
        if kind(port.dtype) == "float":
            need(array.dtype == np.float64, f"{port.name} is {array.dtype}")
            need(port.name in allowed or "*" in allowed
                 or np.isfinite(array).all(), f"{port.name} is not finite")
        check_shape(port, array, extents)
    return {name: np.asarray(a).shape for name, a in outputs.items()}


def main(wanted):
    passed = failed = 0
    for program in zoo.discover():
        if wanted and not any(w in program.label for w in wanted):
            continue
        cases = program.cases()
        names = [case["name"] for case in cases]
        try:
            need(len(cases) >= 3, "fewer than three cases")
            need(len(set(names)) == len(names), "two cases share a name")
        except AssertionError as error:
            failed += 1
            print(f"FAIL {program.label}: {error}")
        for case in cases:
            label = f"{program.label}/{case['name']}"
            try:
                shapes = check_case(program, case)
            except Exception as error:  # a broken reference is one failure
                failed += 1
                print(f"FAIL {label}: {type(error).__name__}: {error}")
                continue
            passed += 1
            print(f"ok   {label} " + " ".join(
                f"{n}{list(s)}" for n, s in shapes.items()))
    print(f"{passed} passed, {failed} failed")
    return failed != 0 or passed == 0


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)  # inf and NaN are data
    sys.exit(main(sys.argv[1:]))
