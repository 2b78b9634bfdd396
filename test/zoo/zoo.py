"""Finds the example programs and their references.

A reference is a module beside its program: examples/NAME_reference.py for
examples/NAME.attn, reference.py in examples/zoo/ID-NAME/. It defines, or for a
file of several cascades lists in ENTRIES = {cascade: (cases, make_inputs,
reference)}:

  cases()                   list of {"name", "shape", "seed"} and, where
                            needed, "consts", "scalars", "inputs" (special
                            data), "nonfinite" (outputs that may hold inf or
                            NaN; "*" for all), "tol" = (share of the largest
                            value that is allowed beside the oracle rule, why)
  make_inputs(case)         {input: array}; bf16 values sit in float32 arrays,
                            scalars are 0-d
  reference(inputs, consts) {output: array}, float64, int or bool; absent
                            points hold 0, -1, False

What the mathematics allows is written down before the compiler tries:

  expected()                dict with any of "passes" {rank: (as written, best
                            lawful)}, "kernels", "workspace" ("none", "linear",
                            "quadratic" in the sequence length), "sequence"
                            (ranks that grow with it; m, n, t if not given),
                            "why"; and, where the compiler does less today,
                            "today": dict of "passes" {rank: as derived, or
                            (as written, as derived) where the analysis counts
                            more than the author}, "workspace". `attnc zoo`
                            fails on more than that and notes less.
"""

import collections
import importlib.util
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

EXPECTED = {"passes", "kernels", "workspace", "sequence", "why", "today"}

Port = collections.namedtuple("Port", "name const dtype axes default")


class Program(collections.namedtuple("Program", "id path entry module")):
    """One cascade of one .attn file, with its reference module."""

    @property
    def functions(self):
        entries = getattr(self.module, "ENTRIES", None)
        m = self.module
        return (entries[self.entry] if entries
                else (m.cases, m.make_inputs, m.reference))

    @property
    def name(self):
        """Of the row: its folder without the id, or the plain example."""
        folder = self.path.parent.name
        return (folder[len(self.id) + 1:] if folder.startswith(self.id + "-")
                else self.path.stem)

    def expected(self):
        """What the module expects of the compiler; empty if it is silent."""
        get = getattr(self.module, "expected", None)
        found = get() if get else {}
        unknown = set(found) - EXPECTED
        if unknown:
            raise ValueError(f"expected() says {sorted(unknown)}")
        return found

    def pinned(self):
        """What the compiler must report: passes {rank: [as written, as
        derived]} and workspace; empty where nothing is expected."""
        found = self.expected()
        today = found.get("today", {})
        passes = {}
        for rank, (written, best) in found.get("passes", {}).items():
            now = today.get("passes", {}).get(rank, best)
            pair = now if isinstance(now, tuple) else (written, now)
            passes[rank] = [str(count) for count in pair]
        return {"passes": passes, "workspace": today.get(
            "workspace", found.get("workspace", ""))}

    @property
    def label(self):
        return f"{self.id}:{self.entry}"

    def cases(self):
        return [{"consts": {}, "scalars": {}, **case}
                for case in self.functions[0]()]

    def make_inputs(self, case):
        return self.functions[1](case)

    def reference(self, inputs, consts):
        return self.functions[2](inputs, consts)

    def signature(self):
        return signature(self.path.read_text(), self.entry)


def load(path):
    name = "reference_" + re.sub(r"\W", "_", str(path.relative_to(EXAMPLES)))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows():
    """{id: (id, texts, reference)} in the order of the ids."""
    found = []
    for path in EXAMPLES.glob("*_reference.py"):
        stem = path.stem[: -len("_reference")]
        found.append((stem, [path.with_name(stem + ".attn")], path))
    for path in EXAMPLES.glob("zoo/*/reference.py"):
        match = re.match(r"([a-z]+-\d+)-", path.parent.name)
        texts = sorted(path.parent.glob("*.attn"))
        found.append((match[1] if match else path.parent.name, texts, path))
    return {item[0]: item for item in sorted(found)}


def discover():
    """All programs that have a reference."""
    return [program for row in rows().values() for program in programs(*row)]


def programs(ident, texts, reference):
    """The cascades of `texts` that the module at `reference` speaks of."""
    module = load(reference)
    where = {c: t for t in texts for c in cascades(t.read_text())}
    entries = getattr(module, "ENTRIES", None) or list(where)[-1:]
    for entry in entries:
        if entry not in where:
            raise ValueError(f"{reference}: no cascade {entry} beside it")
        yield Program(ident, where[entry], entry, module)


def cascades(text):
    """Names of the cascades of a program text; the last is its main one."""
    return re.findall(r"^cascade\s+(\w+'*)\s*\(", text, re.M)


def signature(text, entry):
    """(inputs, outputs) of a cascade as lists of Port. Reads the plain port
    syntax only; axes are (rank, extent text or None), None for a scalar."""
    text = re.sub(r"#.*", "", text)
    head = re.search(rf"^cascade\s+{entry}\s*\(", text, re.M)
    ins, rest = parenthesised(text[head.end():])
    rest = rest[rest.index("->") + 2:].lstrip()
    if rest.startswith("("):
        outs = parenthesised(rest[1:])[0]
    else:
        outs = re.match(r"[^\[{]*(\[[^\]]*\])?", rest)[0]
    return [[port(p) for p in split(s)] for s in (ins, outs)]


def parenthesised(text):
    """Splits after the parenthesis that closes one opened before `text`."""
    depth = 1
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return text[:at], text[at + 1:]
    raise ValueError("unbalanced parentheses")


def split(text):
    """At the commas outside of brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def port(text):
    const, name, dtype, axes, rest = re.match(
        r"(const\s+)?(\w+'*)\s*:\s*(\w+)\s*(\[[^\]]*\])?(.*)", text, re.S
    ).groups()
    if axes is not None:
        pairs = (axis.partition("=") for axis in split(axes[1:-1]))
        axes = [(r.strip(), ext.strip() or None) for r, _, ext in pairs]
    default = re.match(r".*=\s*(\S+)\s*$", rest, re.S)
    return Port(name, bool(const), dtype, axes, default and default[1])
