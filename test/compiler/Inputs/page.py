"""Checks of the page that `attnc explain --html` writes.

    page.py --wellformed PAGE    every element is closed in its parent
    page.py --screenshot PAGE    headless Chromium draws it, light and dark"""

import html.parser
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

VOID = {"meta", "br", "rect", "circle", "line", "path"}

# What the drawings are made of (Style.cpp), light and dark.
COLOURS = {
    False: {"paper": (252, 251, 248), "full tile": (44, 95, 145),
            "partial tile": (217, 154, 43), "mark": (180, 71, 47)},
    True: {"paper": (20, 23, 27), "full tile": (118, 174, 227),
           "partial tile": (227, 176, 79), "mark": (229, 130, 103)},
}


class Checker(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            sys.exit(f"line {self.getpos()[0]}: </{tag}> closes nothing")


def well_formed(page):
    checker = Checker()
    checker.feed(page.read_text())
    if checker.open:
        sys.exit(f"not closed: {checker.open}")


def pixels(path):
    """(width, height, rows of RGB or RGBA bytes, bytes a pixel) of a PNG."""
    data = path.read_bytes()
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    size = {2: 3, 6: 4}[kind]
    assert depth == 8
    at, stream = 8, b""
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at:at + 8])
        if name == b"IDAT":
            stream += data[at + 8:at + 8 + length]
        at += length + 12
    raw, rows = zlib.decompress(stream), []
    stride = width * size
    before = bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        rows.append(unfilter(raw[start],
                             bytearray(raw[start + 1:start + 1 + stride]),
                             before, size))
        before = rows[-1]
    return width, height, rows, size


def unfilter(method, line, up, size):
    if method == 2:
        return bytearray((a + b) & 255 for a, b in zip(line, up))
    for i in range(len(line) if method else 0):
        a = line[i - size] if i >= size else 0
        b, c = up[i], up[i - size] if i >= size else 0
        if method == 1:
            guess = a
        elif method == 3:
            guess = (a + b) // 2
        else:
            p = a + b - c
            guess = min((abs(p - a), 0, a), (abs(p - b), 1, b),
                        (abs(p - c), 2, c))[2]
        line[i] = (line[i] + guess) & 255
    return line


def screenshot(page, dark):
    with tempfile.TemporaryDirectory() as folder:
        picture = pathlib.Path(folder) / "page.png"
        command = [shutil.which("chromium"), "--headless", "--no-sandbox",
                   "--disable-gpu", "--hide-scrollbars",
                   f"--user-data-dir={folder}", "--window-size=900,3600",
                   f"--screenshot={picture}"]
        if dark:
            command.append("--blink-settings=preferredColorScheme=0")
        subprocess.run(command + [page.resolve().as_uri()], check=True,
                       capture_output=True, timeout=120)
        return pixels(picture)


def check_picture(page, dark):
    width, height, rows, size = screenshot(page, dark)
    found = set()
    for row in rows:
        found |= {bytes(row[i:i + 3]) for i in range(0, len(row), size)}
    for what, colour in COLOURS[dark].items():
        if bytes(colour) not in found:
            sys.exit(f"{'dark' if dark else 'light'}: no {what}")
    paper = bytes(COLOURS[dark]["paper"])
    for y, row in enumerate(rows):
        if any(bytes(row[i:i + 3]) != paper
               for i in range((width - 8) * size, width * size, size)):
            sys.exit(f"something is cut off at the right, line {y}")


def main():
    page = pathlib.Path(sys.argv[2])
    if sys.argv[1] == "--wellformed":
        well_formed(page)
    else:
        check_picture(page, dark=False)
        check_picture(page, dark=True)


if __name__ == "__main__":
    main()
