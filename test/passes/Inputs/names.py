"""No pass names a variant: prints every line of code below the given folders,
comments aside, that does."""

import pathlib
import re
import sys

NAMES = "softmax|alibi|flash|causal|retention|sliding|sigmoid|gqa"
# "rope" occurs in "property".
WORD = re.compile(rf"{NAMES}|(?<![a-z])rope(?![a-z])", re.IGNORECASE)
# Comments, and the licence-style first line is one.
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
TD_TEXT = re.compile(r"\[\{.*?\}\]", re.DOTALL)

found = 0
for folder in sys.argv[1:]:
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.suffix not in (".cpp", ".h", ".td", ".def"):
            continue
        text = path.read_text()
        blank = lambda m: re.sub(r"[^\n]", " ", m[0])
        code = COMMENT.sub(blank, text)
        if path.suffix == ".td":
            code = TD_TEXT.sub(blank, code)
        for number, line in enumerate(code.splitlines(), 1):
            if WORD.search(line):
                print(f"{path}:{number}: {line.strip()}")
                found += 1
print(f"{found} names of variants")
