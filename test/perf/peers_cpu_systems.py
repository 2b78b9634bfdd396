"""The systems that peers_cpu.py times. Each offers `calls(case)`: named
functions without arguments, which return the output as a real numpy array when
`result()` of theirs is called; none for a case that it cannot express."""
import ctypes
import math
import pathlib
import subprocess

import numpy

from peers_cpu_cases import CAP, PREFIX, QUADRATIC, WINDOW, from_bf16


class Call:
    def __init__(self, run, result):
        self.run, self.result = run, result


class _Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8),
                ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("byte_offset", ctypes.c_uint64)]


_DTYPES = {"i8": (0, 8), "i32": (0, 32), "f32": (2, 32), "bf16": (4, 16)}


def _describe(array, dtype):
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    return _Tensor(array.ctypes.data, (1, 0), array.ndim, *_DTYPES[dtype], 1,
                   shape, None, 0)


class Ours:
    """Libraries that ATTNC compiles."""

    def __init__(self, attnc, runtime, threads, folder):
        self.attnc, self.folder = attnc, pathlib.Path(folder)
        self.runtime = ctypes.CDLL(str(runtime), mode=ctypes.RTLD_GLOBAL)
        self.runtime.attn_context_create.restype = ctypes.c_void_p
        self.runtime.attn_last_error.restype = ctypes.c_char_p
        self.context = ctypes.c_void_p(
            self.runtime.attn_context_create(threads))
        self.libraries = {}

    def source(self, case):
        """The program's file."""
        name = f"{case.name}_{case.dtype}_{case.d}".replace("-", "_")
        path = self.folder / f"{name}.attn"
        if not path.exists():
            path.write_text(case.source())
        return path

    def calls(self, case):
        path = self.source(case)
        if path not in self.libraries:
            library = path.with_name(f"lib{path.stem}.so")
            subprocess.run([self.attnc, path, "-o", library], check=True)
            self.libraries[path] = ctypes.CDLL(str(library))
        entry = self.libraries[path].attend
        out = numpy.zeros(case.q.shape, case.q.dtype)
        # What the call points to lives as long as it does.
        inputs = case.inputs() + [(out, "bf16" if case.dtype == "bf16" else
                                   "f32")]
        tensors = [_describe(array, dtype) for array, dtype in inputs]
        pointers = [ctypes.byref(t) for t in tensors]

        def run(kept=(inputs, tensors)):
            if entry(self.context, *pointers):
                raise RuntimeError(self.runtime.attn_last_error().decode())
        return {"ours": Call(run, lambda: case.real(out))}


class Torch:
    """scaled_dot_product_attention, FlexAttention compiled, and plain tensor
    operations for what neither can say."""

    def __init__(self, threads, flex):
        import torch
        from torch.nn.attention import flex_attention
        self.torch, self.flex_attention = torch, flex_attention
        self.flex = flex
        torch.set_num_threads(threads)
        torch._dynamo.config.cache_size_limit = 1000
        self.version = f"PyTorch {torch.__version__}"

    def tensor(self, array):
        torch = self.torch
        if array.dtype == numpy.uint16:
            return torch.from_numpy(array.view(numpy.int16)).view(
                torch.bfloat16)
        return torch.from_numpy(array)

    def mask(self, case):
        name = case.name
        if name in ("dense", "reversed") or case.is_decode:
            return None
        if name == "window":
            return lambda b, h, m, n: (n <= m) & (m - n < WINDOW)
        if name == "document":
            doc = self.tensor(case.extra[0])
            return lambda b, h, m, n: (n <= m) & (doc[m] == doc[n])
        if name == "prefix-lm":
            return lambda b, h, m, n: (n <= m) | (n < PREFIX)
        return lambda b, h, m, n: n <= m

    def score(self, case):
        torch, name = self.torch, case.name
        extra = [self.tensor(x) for x in case.extra]
        if name == "soft-cap":
            return lambda s, b, h, m, n: CAP * torch.tanh(s / CAP)
        if name == "alibi":
            return lambda s, b, h, m, n: s + extra[0][h] * (n - m)
        if name == "relative":
            return lambda s, b, h, m, n: s + extra[0][
                h, torch.clamp(m - n, min=0)]
        return None

    def additive(self, case, q):
        """Mask and bias as a tensor; None where there is neither."""
        torch, mask, score = self.torch, self.mask(case), self.score(case)
        if case.name in ("causal", "gqa") or not (mask or score):
            return None
        h = torch.arange(case.h).view(-1, 1, 1)
        m = torch.arange(case.m).view(-1, 1)
        n = torch.arange(case.s)
        seen = mask(0, h, m, n) if mask else None
        if not score:
            return seen
        if case.h * case.m * case.s > 1 << 28:
            return NotImplemented  # a gigabyte
        bias = score(torch.zeros(1), 0, h, m, n)
        return bias.masked_fill(~seen, float("-inf")).to(q.dtype)

    def calls(self, case):
        torch = self.torch
        if case.scales:
            return {}
        q, k, v = (self.tensor(x) for x in (case.q, case.k, case.v))
        if case.is_decode:
            q = q[:, :, None]
        calls, out = {}, {}

        def add(name, function):
            def run():
                with torch.no_grad():
                    out[name] = function()

            def result():
                value = out[name].to(torch.float32).numpy()
                return value[:, :, 0] if case.is_decode else value
            calls[name] = Call(run, result)

        grouped = case.g != case.h
        if case.name not in ("soft-cap", "sigmoid") + QUADRATIC:
            bias = self.additive(case, q)
            if bias is not NotImplemented:
                add("SDPA", lambda: torch.nn.functional.
                    scaled_dot_product_attention(
                        q, k, v, attn_mask=bias, enable_gqa=grouped,
                        is_causal=case.name in ("causal", "gqa")))
        if case.name not in ("sigmoid",) + QUADRATIC and self.flex:
            mask, score = self.mask(case), self.score(case)
            block = mask and self.flex_attention.create_block_mask(
                mask, None, None, case.m, case.s, device="cpu")
            attend = torch.compile(self.flex_attention.flex_attention,
                                   dynamic=False)
            add("Flex", lambda: attend(q, k, v, score_mod=score,
                                       block_mask=block, enable_gqa=grouped))
        if case.name in ("soft-cap", "sigmoid") + QUADRATIC:
            if case.b * case.h * case.m * case.s <= 1 << 28:
                add("eager", lambda: self.eager(case, q, k, v))
        return calls

    def eager(self, case, q, k, v):
        torch, name = self.torch, case.name
        s = q @ k.transpose(-1, -2) / math.sqrt(case.d)
        m = torch.arange(case.m).view(-1, 1)
        seen = torch.arange(case.s) <= m
        if name == "reversed":
            return torch.softmax(s.float(), -2).to(v.dtype) @ v
        if name == "soft-cap":
            s = CAP * torch.tanh(s / CAP)
            s = s.masked_fill(~seen, float("-inf"))
            return torch.softmax(s.float(), -1).to(v.dtype) @ v
        if name == "sigmoid":
            p = torch.sigmoid(s.float() - math.log(case.s))
            return p.masked_fill(~seen, 0).to(v.dtype) @ v
        s = s.float() * (math.log(case.d) * torch.log(m + 1.0))
        a = torch.nn.functional.softplus(s).masked_fill(~seen, 0)
        a = a / a.sum(-1, keepdim=True)
        offset = self.tensor(case.extra[0]).view(-1, 1, 1)
        r = torch.relu((m + 1) * a - offset) ** 3
        r = r / r.sum(-1, keepdim=True).clamp(min=1e-30)
        return r.to(v.dtype) @ v


class OnnxRuntime:
    """The operator Attention of ONNX in f32."""

    def __init__(self, threads):
        import onnx
        import onnxruntime
        self.onnx, self.onnxruntime = onnx, onnxruntime
        self.threads = threads
        self.version = f"ONNX Runtime {onnxruntime.__version__}"

    def calls(self, case):
        if case.dtype != "f32" or case.is_decode or case.name in (
                "sigmoid",) + QUADRATIC:
            return {}
        helper, real = self.onnx.helper, self.onnx.TensorProto.FLOAT
        feeds = {"q": case.q, "k": case.k, "v": case.v}
        attributes = {}
        if case.name in ("causal", "gqa", "soft-cap"):
            attributes["is_causal"] = 1
        elif case.name != "dense":
            if case.h * case.m * case.s > 1 << 28:
                return {}
            feeds["mask"] = self.mask(case)
        if case.name == "soft-cap":
            attributes["softcap"] = float(CAP)
        node = helper.make_node("Attention", list(feeds), ["o"], **attributes)
        graph = helper.make_graph(
            [node], "attention",
            [helper.make_tensor_value_info(name, real, x.shape)
             for name, x in feeds.items()],
            [helper.make_tensor_value_info("o", real, case.q.shape)])
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
        options = self.onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.add_session_config_entry("session.intra_op.allow_spinning",
                                         "0")
        try:
            session = self.onnxruntime.InferenceSession(
                model.SerializeToString(), options,
                providers=["CPUExecutionProvider"])
        except Exception as error:
            print(f"ONNX Runtime refuses {case.name}: "
                  f"{str(error).splitlines()[0]}")
            return {}
        out = {}

        def run():
            out["o"] = session.run(None, feeds)[0]
        return {"ORT": Call(run, lambda: out["o"])}

    @staticmethod
    def mask(case):
        """What is added to the scores."""
        m = numpy.arange(case.m)[:, None]
        n = numpy.arange(case.s)
        seen = numpy.stack([case.visible(row) for row in range(case.m)])
        bias = numpy.zeros((1, 1, 1), numpy.float32)
        if case.name == "alibi":
            bias = case.extra[0][:, None, None] * (n - m)
        elif case.name == "relative":
            bias = case.extra[0][:, numpy.maximum(m - n, 0)]
        return numpy.where(seen, bias, -numpy.inf).astype(numpy.float32)
