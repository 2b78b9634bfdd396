"""The table of examples/README.md, from what the compiler says of each row.

    table.py [--attnc PATH] [--id x,y] [--check]

Writes the part of examples/README.md between its two marks; --check says
instead whether it is up to date. Numbers come from `attnc explain --json`,
expectations from expected() of the references."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

import zoo

README = zoo.EXAMPLES / "README.md"
BEGIN = "<!-- begin of what test/zoo/table.py writes -->"
END = "<!-- end of what test/zoo/table.py writes -->"
HEAD = """| id | program | title | passes, written -> derived | kernels | workspace | fused, or materialised because |
|---|---|---|---|---|---|---|"""
WORST = ["none", "linear", "quadratic", "unknown"]


def title(program):
    """The publication that the program's comment quotes, else its start."""
    lines = re.match(r"(?:#.*\n)*", program.path.read_text())[0]
    text = re.sub(r"\s*\n?#\s*", " ", lines).strip()
    quoted = re.search(r'"([^"]+)"', text)
    return (quoted[1] if quoted else re.split(r"[:.;](?:\s|$)", text)[0])


def explain(attnc, program, sequence):
    command = [attnc, "explain", "--json", "--target", "x86-64-v3",
               "--entry", program.entry]
    for name, value in program.cases()[0]["consts"].items():
        command += ["--const", f"{name}={value}"]
    # The expectation is of all entries of the file.
    text = re.search(rf"cascade {program.entry}\(.*?^}}", program.path.read_text(),
                     re.DOTALL | re.MULTILINE)[0]
    own = [r for r in sequence or () if re.search(rf"\b{r}\b", text)]
    if own:
        command += ["--sequence", ",".join(own)]
    done = subprocess.run(command + [str(program.path)], text=True,
                          capture_output=True)
    if done.returncode:
        return None
    return json.loads(done.stdout)["cascades"][0]


def fewer(x, y):
    """Of counts of passes: "2" of "3", "4" of "3 + 1 a step of t"."""
    numbers = [[int(n) for n in re.findall(r"\d+", text)] for text in (x, y)]
    return (len(numbers[0]), numbers[0]) < (len(numbers[1]), numbers[1])


def passes(report, expected):
    """"n 3 -> 1", with what would be lawful where that is less."""
    texts = []
    for row in report["passes"]:
        before, after = row["written"]["count"], row["derived"]["count"]
        if before == after == "1":
            continue
        text = f"{row['rank']} {before} → {after}"
        best = str(expected.get("passes", {}).get(row["rank"], ("", after))[1])
        if fewer(best, after):
            text += f" (lawful: {best})"
        texts.append(text)
    return ", ".join(texts) or "1"


def verdict(reports):
    """Why something is in memory; one reason each."""
    reasons = {}
    for report in reports:
        for tensor in report["kept"]:
            names = reasons.setdefault(tensor["why"], [])
            if tensor["name"] not in names:
                names.append(tensor["name"])
    if not reasons:
        return "fused"
    parts = []
    for why, names in list(reasons.items())[:2]:
        shown = ", ".join(f"`{n}`" for n in names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        parts.append(f"{shown}{more}: {why}")
    rest = sum(len(n) for n in list(reasons.values())[2:])
    return "; ".join(parts) + (f"; {rest} more" if rest else "")


def unique(texts):
    return list(dict.fromkeys(texts))


def line(attnc, row):
    programs = list(zoo.programs(*row))
    main = programs[-1]
    expected = main.expected()
    reports = [explain(attnc, p, expected.get("sequence")) for p in programs]
    folder = os.path.relpath(main.path, zoo.EXAMPLES)
    cells = ["" if row[0] == main.name else row[0],
             f"[`{main.name}`]({folder})", title(main)]
    if None in reports:
        cells += ["", "", "", "not explained"]
    else:
        growth = max((r["workspace"]["growth"] for r in reports),
                     key=WORST.index)
        allowed = expected.get("workspace", growth)
        if WORST.index(growth) > WORST.index(allowed):
            growth += f" (lawful: {allowed})"
        cells += ["; ".join(unique(passes(r, expected) for r in reports)),
                  ", ".join(unique(str(len(r["kernels"])) for r in reports)),
                  growth, verdict(reports)]
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--attnc",
                        default=zoo.ROOT / "build/release/bin/attnc")
    parser.add_argument("--id", default=[], type=lambda s: s.split(","))
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    rows = [row for ident, row in zoo.rows().items()
            if not args.id or ident in args.id]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        lines = list(pool.map(lambda row: line(args.attnc, row), rows))
    table = "\n".join([HEAD, *lines])
    if args.id:
        print(table)
        return 0
    text = README.read_text()
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    made = f"{text[:start]}\n{table}\n{text[end:]}"
    if args.check:
        good = made == text
        print("examples/README.md is up to date" if good else
              "examples/README.md is not what test/zoo/table.py writes")
        return 0 if good else 1
    README.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
