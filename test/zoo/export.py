#!/usr/bin/python3
"""Writes the inputs and reference outputs of the examples as .npy files, with
a list of the cases: what `attnc zoo` runs against.

    export.py OUT [--family a,b] [--id x,y] [--cases N]

OUT/rows.json is a list of {"id", "name", "error", "expected", "sequence",
"cases"}: "error" says why the reference gives no cases, "expected" is what the
compiler must report of it, "sequence" names the ranks that grow with the sequence.
A case is {"label", "path", "entry", "consts", "shape", "tol", "nonfinite",
"inputs": {port: file}, "outputs": {port: file}}; outputs that compilers may
hold in bf16 are float64 here, as the reference returns them."""

import argparse
import functools
import json
import multiprocessing
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


def tolerance(case):
    """Beside the oracle rule; a reference that needs one says why."""
    tol = case.get("tol")
    if tol is None:
        return 0
    value, why = tol
    if not isinstance(why, str) or not why:
        raise ValueError("tol is (value, why)")
    return value


def export(program, case, stem):
    inputs = program.make_inputs(case)
    outputs = program.reference(inputs, case["consts"])
    files = {}
    for kind, arrays in ("in", inputs), ("out", outputs):
        files[kind] = {}
        for name, array in arrays.items():
            file = f"{stem}-{kind}-{name}.npy".replace("'", "_")
            # A 0-d array stays one; np.ascontiguousarray would add an axis.
            np.save(file, np.asarray(array, order="C"))
            files[kind][name] = file
    return {
        "label": f"{program.label}/{case['name']}",
        "path": str(program.path), "entry": program.entry,
        "consts": {n: str(v) for n, v in case["consts"].items()},
        "shape": {r: int(e) for r, e in case["shape"].items()},
        "tol": tolerance(case), "nonfinite": list(case.get("nonfinite", ())),
        "inputs": files["in"], "outputs": files["out"],
    }


def export_row(ids, families, cases, out, ident):
    """One row, so that rows are written side by side; None: not selected."""
    warnings.simplefilter("ignore", RuntimeWarning)  # inf and NaN are data
    row = {"id": ident, "name": "", "error": "", "expected": {},
           "sequence": ["m", "n", "t"], "cases": []}
    try:
        found = [p for p in zoo.programs(*zoo.rows()[ident])
                 if selected(p, families, ids)]
        if not found:
            return None
        row["name"] = found[-1].name
        row["expected"] = found[-1].pinned()
        row["sequence"] = list(found[-1].expected().get("sequence",
                                                        row["sequence"]))
        for program in found:
            for case in program.cases()[:cases or None]:
                stem = out / f"{ident}-{len(row['cases'])}"
                row["cases"].append(export(program, case, stem))
    except Exception as error:  # of one reference; the others go on
        family = ident.rsplit("-", 1)[0] if "-" in ident else "plain"
        if ((families and family not in families)
                or (ids and not {ident, row["name"]} & set(ids))):
            return None
        row["error"] = f"{type(error).__name__}: {error}"
    return row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    for flag in "--family", "--id":
        parser.add_argument(flag, default=[], type=lambda s: s.split(","))
    parser.add_argument("--cases", default=0, type=int)
    args = parser.parse_args()
    work = functools.partial(export_row, args.id, args.family, args.cases,
                             args.out)
    with multiprocessing.Pool() as pool:
        found = pool.map(work, zoo.rows(), chunksize=1)
    listed = [row for row in found if row]
    (args.out / "rows.json").write_text(json.dumps(listed, indent=1))


if __name__ == "__main__":
    main()
