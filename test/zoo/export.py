#!/usr/bin/python3
"""Writes the inputs and reference outputs of the examples as .npy files, with
a list of the cases: what `attnc zoo` runs against.

    export.py OUT [--family a,b] [--id x,y]

OUT/cases.json is a list of {"label", "path", "entry", "consts", "shape", "tol",
"nonfinite", "inputs": {port: file}, "outputs": {port: file}}; outputs that
compilers may hold in bf16 are float64 here, as the reference returns them."""

import argparse
import json
import pathlib
import warnings

import numpy as np

import zoo


def selected(program, families, ids):
    """Plain examples are of the family "plain"; an id is a row or a name."""
    family = program.id.rsplit("-", 1)[0] if "-" in program.id else "plain"
    names = {program.id, program.entry, program.path.stem}
    return ((not families or family in families)
            and (not ids or names & set(ids)))


def export(program, case, folder, number):
    inputs = program.make_inputs(case)
    outputs = program.reference(inputs, case["consts"])
    files = {}
    for kind, arrays in ("in", inputs), ("out", outputs):
        files[kind] = {}
        for name, array in arrays.items():
            file = folder / f"{number}-{kind}-{name}.npy".replace("'", "_")
            # A 0-d array stays one; np.ascontiguousarray would add an axis.
            np.save(file, np.asarray(array, order="C"))
            files[kind][name] = str(file)
    return {
        "label": f"{program.label}/{case['name']}",
        "path": str(program.path), "entry": program.entry,
        "consts": {n: str(v) for n, v in case["consts"].items()},
        "shape": {r: int(e) for r, e in case["shape"].items()},
        "tol": case.get("tol", 0), "nonfinite": list(case.get("nonfinite", ())),
        "inputs": files["in"], "outputs": files["out"],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    for flag in "--family", "--id":
        parser.add_argument(flag, default=[], type=lambda s: s.split(","))
    args = parser.parse_args()
    programs = [p for p in zoo.discover() if selected(p, args.family, args.id)]
    cases = [(p, case) for p in programs for case in p.cases()]
    listed = [export(p, case, args.out, i) for i, (p, case) in enumerate(cases)]
    (args.out / "cases.json").write_text(json.dumps(listed, indent=1))


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)  # inf and NaN are data
    main()
