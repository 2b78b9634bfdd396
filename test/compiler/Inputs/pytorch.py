"""pytorch.py LIBRARY DEVICE: pytorch.attn called on PyTorch's tensors."""
import pathlib
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "examples" / "pytorch"))
from attn_torch import Library

path, device = sys.argv[1:]
lib = Library(path)
torch.manual_seed(1)


def tensors(n, m):
    return [torch.randn(2, 3, rows, width, device=device).bfloat16()
            for rows, width in ((m, 64), (n, 64), (n, 32))]


def reference(q, k, v, cap):
    q, k, v = q.double(), k.double(), v.double()
    m, n = q.shape[2], k.shape[2]
    absent = torch.ones(m, n, device=device).tril() == 0
    s = cap * torch.tanh(q @ k.transpose(-1, -2) / 8 / cap)
    s = s.masked_fill(absent, float("-inf"))
    rest = torch.full((2, 3, -n % 4, 32), float("-inf"), device=device)
    pooled = torch.cat((v, rest), 2).unflatten(2, (-1, 4)).amax((1, 3))
    return s.softmax(-1) @ v, s.amax(-1), pooled


def check(results, q, k, v, cap=30):
    for result, want in zip(results, reference(q, k, v, cap), strict=True):
        assert result.shape == want.shape, (result.shape, want.shape)
        error = (result.double() - want).norm() / want.norm()
        assert error < 1e-2, error


q, k, v = tensors(75, 50)
outs = tuple(torch.full(shape, float("nan"), device=device, dtype=dtype)
             for shape, dtype in (((2, 3, 50, 32), torch.bfloat16),
                                  ((2, 3, 50), torch.float32),
                                  ((2, 19, 32), torch.float32)))
check(lib("pooled", q, k, v, None, out=outs), q, k, v)
cap = torch.tensor(2.0)
check(lib("pooled", q, k, v, cap, out=outs), q, k, v, 2)
# Strides are what they are.
turned = [t.transpose(1, 2).contiguous().transpose(1, 2) for t in (q, k, v)]
check(lib("pooled", *turned, None, out=outs), q, k, v)

try:
    lib("pooled", q, k[:, :2], v, None, out=outs)
    raise SystemExit("a wrong shape was taken")
except RuntimeError as error:
    assert "pooled" in str(error), error

op = lib.custom_op("pooled", "attn_test::pooled")
check(op(q, k, v, cap), q, k, v, 2)
torch.library.opcheck(op, (q, k, v, cap),
                      test_utils=("test_schema", "test_faketensor"))


@torch.compile(fullgraph=True, dynamic=True, backend="aot_eager")
def twice(q, k, v):
    o, largest, pooled = op(q, k, v, None)
    return 2 * o, 2 * largest, 2 * pooled


for n, m in ((75, 50), (13, 13), (64, 1)):
    q, k, v = tensors(n, m)
    check([x / 2 for x in twice(q, k, v)], q, k, v)

if device == "cuda":
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    with torch.cuda.stream(stream):
        op(q, k, v, None)  # reserves its workspace
    stream.synchronize()
    with torch.cuda.graph(graph, stream=stream):
        captured = op(q, k, v, None)
    q.copy_(torch.randn_like(q))
    graph.replay()
    torch.cuda.synchronize()
    check(captured, q, k, v)
print("pytorch:", device)
