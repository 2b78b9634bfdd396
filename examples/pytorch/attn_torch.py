"""Compiled attention on PyTorch tensors: what `attnc FILE --target cuda -o LIB`
wrote (or for the CPU, without --target), called on the current stream, without
a copy.

    lib = Library("libcausal.so")
    lib("causal", q, k, v, out=o)          # into o
    lib.custom_op("causal", "mine::causal")
    o = torch.ops.mine.causal(q, k, v)     # for torch.compile, too

Tensors go as DLPack descriptions, which PyTorch makes in C++: a call costs the
host some microseconds."""
import ctypes
import json
import pathlib
import re

import torch
from torch.utils.dlpack import to_dlpack

_DTYPES = {
    "i8": torch.int8, "i32": torch.int32, "i64": torch.int64,
    "u8": torch.uint8, "f16": torch.float16, "f32": torch.float32,
    "f64": torch.float64, "bf16": torch.bfloat16, "i1": torch.bool,
    "f8E4M3FN": torch.float8_e4m3fn, "f8E5M2": torch.float8_e5m2,
}
_pointer = ctypes.PyDLL(None).PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


class Library:
    """`path`: the library, "libNAME.so"; its manifest, NAME.json, lies beside
    it. `runtime`: libattn_runtime, if the loader does not find it by itself."""

    def __init__(self, path, runtime=None):
        self._path = pathlib.Path(path).resolve()
        self._runtime = ctypes.CDLL(str(runtime or "libattn_runtime.so.1"),
                                    mode=ctypes.RTLD_GLOBAL)
        self._library = ctypes.CDLL(str(self._path))
        self._runtime.attn_last_error.restype = ctypes.c_char_p
        self._runtime.attn_context_create.restype = ctypes.c_void_p
        self._runtime.attn_context_set_stream.argtypes = [ctypes.c_void_p] * 2
        self._context = self._runtime.attn_context_create(1)
        self._entries = {}

    def __call__(self, entry, *inputs, out):
        """Runs `entry`, the tensors in the order of its declaration; None is a
        scalar left to its default. Results are written to `out`, a tensor or a
        tuple of them, which is returned. RuntimeError: the runtime's message."""
        outputs = out if isinstance(out, (tuple, list)) else (out,)
        if outputs[0].is_cuda:
            self._runtime.attn_context_set_stream(
                self._context,
                torch._C._cuda_getCurrentRawStream(outputs[0].device.index))
        # A capsule owns the description that its pointer is to.
        capsules = [None if tensor is None else to_dlpack(tensor)
                    for tensor in (*inputs, *outputs)]
        function = self._entries.get((entry, len(capsules)))
        if not function:
            function = self._function(entry, len(capsules))
        status = function(self._context, *[
            None if capsule is None else _pointer(capsule, b"dltensor")
            for capsule in capsules])
        if status:
            raise RuntimeError(self._runtime.attn_last_error().decode())
        return out

    def _function(self, entry, arity):
        # (An object of its own, as arguments' types are its state.)
        made = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * (arity + 1))(
            (entry, self._library))
        self._entries[entry, arity] = made
        return made

    def custom_op(self, entry, name):
        """Registers `entry` as an operator, "namespace::name", which allocates
        its results; returns it. Their shapes follow from the manifest, so that
        torch.compile traces calls without running them."""
        name_of_file = self._path.stem.removeprefix("lib") + ".json"
        manifest = json.loads(self._path.with_name(name_of_file).read_text())
        ports = next(e for e in manifest["entries"] if e["name"] == entry)
        inputs, outputs = ports["inputs"], ports["outputs"]
        extents = {rank["name"]: rank["extent"] for rank in ports["ranks"]}

        def allocate(*tensors):
            known = {name: extent for name, extent in extents.items()
                     if extent != "dynamic"}
            for port, tensor in zip(inputs, tensors):
                if port["ranks"]:  # scalars may lie on the host
                    known.update(zip(port["ranks"], tensor.shape))
                    device = tensor.device
            return tuple(torch.empty(
                [_extent(known[rank], known) for rank in port["ranks"]],
                dtype=_DTYPES[port["type"]], device=device) for port in outputs)

        def single(results):
            return results if len(results) > 1 else results[0]

        arguments = ", ".join(
            f"Tensor{'' if port['ranks'] else '?'} "
            f"{re.sub('[^A-Za-z0-9_]', '_', port['name'])}" for port in inputs)
        results = ", ".join("Tensor" for _ in outputs)
        if len(outputs) > 1:
            results = f"({results})"
        torch.library.define(name, f"({arguments}) -> {results}")
        torch.library.register_fake(name, lambda *tensors:
                                    single(allocate(*tensors)))
        torch.library.impl(name, ("cpu", "cuda"), lambda *tensors: single(
            self(entry, *tensors, out=allocate(*tensors))))
        namespace, _, operator = name.partition("::")
        return getattr(getattr(torch.ops, namespace), operator)


def _extent(formula, known):
    """Points of a rank: a number, or a formula of others as "(|n| // 4)"."""
    if not isinstance(formula, str):
        return formula
    code = re.sub(r"\|([^|]+)\|", lambda rank: f"extent({rank[1]!r})", formula)
    return eval(code, {"__builtins__": {}}, {
        "extent": lambda rank: _extent(known[rank], known), "min": min,
        "ceildiv": lambda x, y: -(-x // y)})
