"""What peers_cpu.py times: programs, inputs, and the meaning of each case in
float64, a row at a time."""
import math
import zlib

import numpy

SCORE = "sum[d](Q * K) / sqrt(|d|)"
SOFTMAX = "sum[n](softmax[n](S) * V)"
WINDOW = PREFIX = 1024
CAP = 30


def program(score=SCORE, where="n <= m", out=SOFTMAX, extra="", ranks="",
            heads="h", body=""):
    return f"""cascade attend(Q: %(t)s[b,h,m,d=%(d)d], K: %(t)s[b,{heads},n,d], V: %(t)s[b,{heads},n,e=%(d)d]{extra}) -> O: %(t)s[b,h,m,e]
{"  with " + ranks if ranks else ""}
{{
  S[b,h,m,n] = {score}{" where " + where if where else ""}
{body}  O[b,h,m,e] = {out}
}}
"""


DECODE = """cascade attend(Q: bf16[b,h,d=128], K: %(kv)s[b,g,n,d]%(quant)s, V: %(kv)s[b,g,n,e=128]%(quant)s) -> O: bf16[b,h,e]
  with h = (g, y: 4)
{
  S[b,h,n] = sum[d](Q * K) / sqrt(|d|)
  O[b,h,e] = sum[n](softmax[n](S) * V)
}
"""

PROGRAMS = {
    "dense": program(where=""),
    "causal": program(),
    "window": program(where=f"n <= m and m - n < {WINDOW}"),
    "document": program(where="n <= m and doc[m] == doc[n]",
                        extra=", doc: i32[n]", ranks="m: |n|"),
    "prefix-lm": program(where=f"n <= m or n < {PREFIX}"),
    "alibi": program(SCORE + " + slope * (n - m)", extra=", slope: f32[h]"),
    "soft-cap": program(f"{CAP} * tanh({SCORE} / {CAP})"),
    "relative": program(SCORE + " + bias[h, m - n]?", extra=", bias: f32[h,r]"),
    "gqa": program(ranks="h = (g, y: 4)", heads="g"),
    "sigmoid": program(SCORE + " - log(|n|)",
                       out="sum[n](sigmoid(S) * V)"),
    # Two of examples/zoo: score-41 and the core of score-46.
    "lssar": program(
        "log(|d|) * log(m + 1) * " + SCORE,
        body="  A[b,h,m,n] = l1norm[n](softplus(S))\n"
             "  R[b,h,m,n] = relu((m + 1) * A - offset) ^ 3\n",
        out="sum[n](l1norm[n](R) * V)", extra=", offset: f32[h]"),
    "reversed": program(where="", out="sum[n](softmax[m](S) * V)"),
}
DECODES = {
    "decode": DECODE % {"kv": "bf16", "quant": ""},
    "decode-i8": DECODE % {"kv": "f32", "quant": " quant i8 per (b,g,n)"},
}
QUADRATIC = ("lssar", "reversed")


def to_bf16(array):
    """Codes of bf16, to nearest even."""
    bits = numpy.ascontiguousarray(array, numpy.float32).view(numpy.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(numpy.uint16)


def from_bf16(codes):
    return (codes.astype(numpy.uint32) << 16).view(numpy.float32)


class Case:
    """Inputs of one shape as numpy arrays; bf16 as its codes."""

    def __init__(self, name, dtype, d, s, batch=1, heads=None):
        self.name, self.dtype, self.d, self.s, self.b = name, dtype, d, s, batch
        self.is_decode = name.startswith("decode")
        self.h = heads or (32 if name == "gqa" or self.is_decode
                           else max(1, 8192 // s))
        self.g = self.h // 4 if name == "gqa" or self.is_decode else self.h
        self.m = 1 if self.is_decode else s
        self.random = numpy.random.default_rng(
            zlib.crc32(f"{name} {dtype} {d} {s} {batch}".encode()))
        rows = () if self.is_decode else (self.m,)
        self.q = self.tensor(batch, self.h, *rows, d)
        self.k, self.v = (self.tensor(batch, self.g, s, d) for _ in range(2))
        self.scales = None
        if name == "decode-i8":
            self.scales, codes = [], []
            for x in (self.k, self.v):
                x = self.real(x)
                scale = abs(x).max(-1) / 127
                codes.append(numpy.rint(x / scale[..., None]).astype(numpy.int8))
                self.scales.append(scale)
            self.k, self.v = codes
        self.extra = self.extras()
        self.seen = 0

    def tensor(self, *shape):
        # Long caches repeat a part: drawing them takes longer than timing.
        count = math.prod(shape)
        part = self.random.standard_normal(min(count, 1 << 22),
                                           numpy.float32)
        values = numpy.resize(part, count).reshape(shape)
        return to_bf16(values) if self.dtype == "bf16" else values

    def real(self, array, quantised=None):
        """As f32."""
        if array.dtype == numpy.int8:
            return array * quantised[..., None]
        return from_bf16(array) if array.dtype == numpy.uint16 else array

    def extras(self):
        f32 = numpy.float32
        if self.name == "document":
            return [numpy.sort(self.random.integers(0, 12, self.s)).astype(
                numpy.int32)]
        if self.name == "alibi":
            return [numpy.exp2(-8.0 * numpy.arange(1, self.h + 1) /
                               self.h).astype(f32)]
        if self.name == "relative":
            return [self.random.standard_normal((self.h, 2 * self.s), f32)]
        if self.name == "lssar":
            return [self.random.uniform(0.5, 1.5, self.h).astype(f32)]
        return []

    def inputs(self):
        """In the order of the program's ports, with the type of each."""
        if self.scales:
            k_scale, v_scale = self.scales
            return [(self.q, "bf16"), (self.k, "i8"), (k_scale, "f32"),
                    (self.v, "i8"), (v_scale, "f32")]
        return [(x, self.dtype) for x in (self.q, self.k, self.v)] + [
            (x, "i32" if x.dtype == numpy.int32 else "f32")
            for x in self.extra]

    def source(self):
        if self.is_decode:
            return DECODES[self.name]
        return PROGRAMS[self.name] % {"t": self.dtype, "d": self.d}

    def visible(self, m):
        """Which keys query m sees."""
        n = numpy.arange(self.s)
        if self.name in ("dense", "reversed") or self.is_decode:
            return numpy.ones(self.s, bool)
        if self.name == "window":
            return (n <= m) & (m - n < WINDOW)
        if self.name == "document":
            return (n <= m) & (self.extra[0][m] == self.extra[0])
        if self.name == "prefix-lm":
            return (n <= m) | (n < PREFIX)
        return n <= m

    def pairs(self):
        """Of query and key, visible, in all heads."""
        if not self.seen:
            self.seen = sum(int(self.visible(m).sum()) for m in range(self.m))
        return self.b * self.h * self.seen

    def flops(self):
        return 4.0 * self.d * self.pairs()

    def bytes(self):
        return self.k.nbytes + self.v.nbytes + (
            sum(x.nbytes for x in self.scales) if self.scales else 0)

    def row(self, b, h, m):
        """What O[b,h,m] should be, in float64."""
        g = h * self.g // self.h
        quantised = self.scales or (None, None)
        k = self.real(self.k[b, g], quantised[0] is not None and
                      quantised[0][b, g]).astype(float)
        v = self.real(self.v[b, g], quantised[1] is not None and
                      quantised[1][b, g]).astype(float)
        q = self.real(self.q[b, h])
        q = q.astype(float) if self.is_decode else q[m].astype(float)
        seen, n = self.visible(m), numpy.arange(self.s)
        s = k @ q / math.sqrt(self.d)
        if self.name == "soft-cap":
            s = CAP * numpy.tanh(s / CAP)
        elif self.name == "alibi":
            s += self.extra[0][h] * (n - m)
        elif self.name == "relative":
            s += self.extra[0][h, numpy.maximum(m - n, 0)]
        if self.name == "sigmoid":
            return (seen / (1 + numpy.exp(math.log(self.s) - s))) @ v
        if self.name == "lssar":
            s *= math.log(self.d) * math.log(m + 1)
            a = numpy.where(seen, numpy.logaddexp(0, s), 0)
            r = numpy.maximum((m + 1) * a / a.sum() - self.extra[0][h], 0) ** 3
            return r @ v / max(r.sum(), 1e-300)
        if self.name == "reversed":
            # Weights of row m over all queries of each key.
            other = self.real(self.q[b, h]).astype(float) @ k.T
            other /= math.sqrt(self.d)
            return (numpy.exp(s) / numpy.exp(other).sum(0)) @ v
        p = numpy.where(seen, numpy.exp(s - s[seen].max()), 0)
        return p @ v / p.sum()

    def error(self, output):
        """The largest relative error of some rows of `output` (real)."""
        worst = 0
        for number in range(4):
            b, h, m = (int(self.random.integers(x))
                       for x in (self.b, self.h, self.m))
            want = self.row(b, h, m)
            got = output[b, h] if self.is_decode else output[b, h, m]
            scale = max(numpy.linalg.norm(want), 1e-30)
            error = numpy.linalg.norm(got.astype(float) - want) / scale
            worst = error if not error <= worst else worst
        return worst
