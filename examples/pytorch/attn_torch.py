"""Compiled attention on PyTorch tensors: what `attnc FILE --target cuda -o LIB`
wrote, called on the current stream, without a copy.

    lib = Library("libcausal.so")
    lib("causal", q, k, v, out=o)
"""
import ctypes
import pathlib

import torch


class _Device(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("id", ctypes.c_int32)]


class _DType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                ("lanes", ctypes.c_uint16)]


class _Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device", _Device),
                ("ndim", ctypes.c_int32), ("dtype", _DType),
                ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("byte_offset", ctypes.c_uint64)]


_DTYPES = {
    torch.int8: (0, 8), torch.int32: (0, 32), torch.int64: (0, 64),
    torch.uint8: (1, 8), torch.float16: (2, 16), torch.float32: (2, 32),
    torch.float64: (2, 64), torch.bfloat16: (4, 16), torch.bool: (6, 8),
    torch.float8_e4m3fn: (10, 8), torch.float8_e5m2: (12, 8),
}


def _describe(tensor):
    """A DLTensor over the tensor's memory; the tensor must outlive it."""
    code, bits = _DTYPES[tensor.dtype]
    axes = ctypes.c_int64 * max(tensor.dim(), 1)
    device = (_Device(2, tensor.device.index) if tensor.is_cuda
              else _Device(1, 0))
    return _Tensor(tensor.data_ptr(), device, tensor.dim(),
                   _DType(code, bits, 1), axes(*tensor.shape),
                   axes(*tensor.stride()), 0)


class Library:
    def __init__(self, path, runtime=None):
        path = pathlib.Path(path).resolve()
        self._runtime = ctypes.CDLL(str(runtime or "libattn_runtime.so.1"),
                                    mode=ctypes.RTLD_GLOBAL)
        self._library = ctypes.CDLL(str(path))
        self._runtime.attn_context_create.restype = ctypes.c_void_p
        self._runtime.attn_last_error.restype = ctypes.c_char_p
        self._context = ctypes.c_void_p(self._runtime.attn_context_create(1))

    def __call__(self, entry, *inputs, out):
        """Runs `entry`; None is a scalar left to its default."""
        outputs = out if isinstance(out, (tuple, list)) else (out,)
        tensors = [None if t is None else _describe(t)
                   for t in (*inputs, *outputs)]
        self._runtime.attn_context_set_stream(
            self._context,
            ctypes.c_void_p(torch.cuda.current_stream().cuda_stream))
        status = getattr(self._library, entry)(
            self._context,
            *(None if t is None else ctypes.byref(t) for t in tensors))
        if status:
            raise RuntimeError(self._runtime.attn_last_error().decode())
        return out
