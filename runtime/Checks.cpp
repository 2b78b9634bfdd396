//===- Checks.cpp - each tensor by itself ----------------------*- C++ -*-===//
// Pointers, device, rank, dtype, extents, then alignment and strides.
//===----------------------------------------------------------------------===//
#include "Checks.h"

#include "Dtype.h"
#include "Overlap.h"
#include "Status.h"

#include <algorithm>
#include <cinttypes>

using namespace attn::rt;

namespace {

/// No object is larger, so sums of a few such numbers never overflow.
constexpr int64_t maxSpan = int64_t(1) << 60;

/// All tensors are on the CPU, or all on one GPU, but for scalars there.
int checkDevice(Call &call, int32_t index) {
  const DLTensor &tensor = *call.tensors[index];
  const char *entry = call.name(), *name = call.portName(index);
  int device = static_cast<int>(tensor.device.device_type);
  bool scalar = call.entry.ports[index].ndim == 0 &&
                !(call.entry.ports[index].flags & ATTN_PORT_OUTPUT);
  if (!call.isCuda()) {
    if (device == kDLCPU)
      return ATTN_OK;
    return fail(ATTN_ERROR_DEVICE,
                "%s: %s is on device type %d, expected the CPU (%d)", entry,
                name, device, int(kDLCPU));
  }
  if (device == kDLCPU && scalar)
    return ATTN_OK;
  if (device != kDLCUDA)
    return fail(ATTN_ERROR_DEVICE,
                "%s: %s is on device type %d, but the code is for GPUs (%d)",
                entry, name, device, int(kDLCUDA));
  int &chosen = call.frame.device;
  if (chosen >= 0 && chosen != tensor.device.device_id)
    return fail(ATTN_ERROR_DEVICE,
                "%s: %s is on GPU %d, the tensors before it are on GPU %d",
                entry, name, int(tensor.device.device_id), chosen);
  chosen = tensor.device.device_id;
  return ATTN_OK;
}

int checkPort(Call &call, int32_t index) {
  const attn_port_desc &port = call.entry.ports[index];
  const DLTensor *tensor = call.tensors[index];
  const char *entry = call.name(), *name = call.portName(index);
  PortView &view = call.frame.views[index];
  view = {nullptr, nullptr, nullptr, port.ndim, port.dtype_bits, false};

  if (!tensor) {
    if (!(port.flags & ATTN_PORT_OPTIONAL) || port.ndim != 0)
      return fail(ATTN_ERROR_NULL, "%s: %s is a null pointer", entry, name);
    call.frame.defaults[index] =
        encode(port.default_value, port.dtype_code, port.dtype_bits);
    view.data = &call.frame.defaults[index];
    return ATTN_OK;
  }
  if (tensor->ndim > 0 && !tensor->shape)
    return fail(ATTN_ERROR_NULL, "%s: %s has a null shape", entry, name);
  if (int status = checkDevice(call, index))
    return status;
  if (tensor->ndim != port.ndim)
    return fail(ATTN_ERROR_RANK, "%s: %s has %d axes, expected %d", entry, name,
                int(tensor->ndim), int(port.ndim));
  DLDataType type = tensor->dtype;
  if (type.code != port.dtype_code || type.bits != port.dtype_bits ||
      type.lanes != 1)
    return fail(ATTN_ERROR_DTYPE, "%s: %s is %s, expected %s", entry, name,
                DtypeName(type.code, type.bits, type.lanes).text,
                DtypeName(port.dtype_code, port.dtype_bits, 1).text);
  // Extents beside a 0 count too: kernels compute with them.
  Wide elements = 1;
  for (int32_t axis = 0; axis < port.ndim; ++axis) {
    int64_t extent = tensor->shape[axis];
    if (extent < 0)
      return fail(ATTN_ERROR_SHAPE, "%s: %s axis %d has extent %" PRId64, entry,
                  name, int(axis), extent);
    view.empty |= extent == 0;
    elements *= std::max<int64_t>(extent, 1);
    if (elements > maxSpan)
      return fail(ATTN_ERROR_SHAPE, "%s: %s is larger than the address space",
                  entry, name);
  }
  if (!tensor->data && !view.empty)
    return fail(ATTN_ERROR_NULL, "%s: %s has null data", entry, name);
  view.shape = tensor->shape;
  return ATTN_OK;
}

/// Fills view.strides; axes of extent 1 get the stride a compact tensor would
/// have there, so that kernels find dense data dense.
void normaliseStrides(PortView &view, const int64_t *given) {
  int64_t compact = 1;
  for (int32_t axis = view.ndim; axis-- > 0;) {
    int64_t extent = view.shape[axis];
    if (view.empty) {
      view.strides[axis] = 0;
      continue;
    }
    int64_t stride = given && extent > 1 ? given[axis] : compact;
    view.strides[axis] = stride;
    if (__builtin_mul_overflow(stride, extent, &compact))
      compact = 0; // an absurd stride, refused below
  }
}

/// The elements' offsets stay within maxSpan, and the addresses in memory.
bool inAddressSpace(const PortView &view, uint64_t data, uint64_t offset) {
  Wide low = 0, high = 1;
  for (int32_t axis = 0; axis < view.ndim; ++axis) {
    Wide reach = Wide(view.shape[axis] - 1) * view.strides[axis];
    if (reach > maxSpan || reach < -maxSpan)
      return false;
    (reach < 0 ? low : high) += reach;
  }
  Wide base = (Wide(data) + offset) * 8;
  return base + low * view.bits >= 0 &&
         base + high * view.bits <= Wide(UINTPTR_MAX) * 8;
}

int checkOutputStrides(const Call &call, int32_t index) {
  const PortView &view = call.frame.views[index];
  for (int32_t axis = 0; axis < view.ndim; ++axis)
    if (view.strides[axis] == 0 && view.shape[axis] > 1)
      return fail(ATTN_ERROR_STRIDES,
                  "%s: output %s axis %d has stride 0: its elements need "
                  "places of their own",
                  call.name(), call.portName(index), int(axis));
  if (overlapsItself(view))
    return fail(ATTN_ERROR_STRIDES,
                "%s: strides of output %s put several elements into one place",
                call.name(), call.portName(index));
  return ATTN_OK;
}

int checkTensorStorage(const Call &call, int32_t index) {
  const DLTensor &tensor = *call.tensors[index];
  PortView &view = call.frame.views[index];
  const char *entry = call.name(), *name = call.portName(index);
  uint64_t data = reinterpret_cast<uintptr_t>(tensor.data);
  view.data = reinterpret_cast<const void *>(
      static_cast<uintptr_t>(data + tensor.byte_offset));
  normaliseStrides(view, tensor.strides);
  if (view.empty)
    return ATTN_OK;
  if (!inAddressSpace(view, data, tensor.byte_offset))
    return fail(ATTN_ERROR_STRIDES, "%s: %s reaches outside the address space",
                entry, name);
  unsigned alignment = std::max(1, view.bits / 8);
  if ((data + tensor.byte_offset) % alignment)
    return fail(ATTN_ERROR_ALIGNMENT,
                "%s: data of %s is at 0x%" PRIx64 ", no multiple of %u bytes",
                entry, name, data + tensor.byte_offset, alignment);
  if (view.bits < 8 && view.ndim && view.strides[view.ndim - 1] != 1)
    return fail(ATTN_ERROR_STRIDES,
                "%s: %s axis %d has stride %" PRId64
                ": two elements share a byte, so it must be 1",
                entry, name, int(view.ndim - 1), view.strides[view.ndim - 1]);
  if (call.entry.ports[index].flags & ATTN_PORT_OUTPUT)
    return checkOutputStrides(call, index);
  return ATTN_OK;
}

} // namespace

int attn::rt::checkPorts(Call &call) {
  int32_t ports = call.entry.num_ports;
  if (ports > 0 && !call.tensors)
    return fail(ATTN_ERROR_NULL, "%s: null array of tensors", call.name());
  call.frame.device = -1;
  call.frame.views.resize(ports);
  call.frame.defaults.resize(ports);
  for (int32_t port = 0; port < ports; ++port)
    if (int status = checkPort(call, port))
      return status;
  return ATTN_OK;
}

int attn::rt::checkStorage(Call &call) {
  Frame &frame = call.frame;
  size_t axes = 0;
  for (const PortView &view : frame.views)
    axes += view.ndim;
  frame.strides.resize(axes);
  frame.stridePointers.clear();
  frame.data.clear();
  int64_t *strides = frame.strides.data();
  for (int32_t port = 0; port < call.entry.num_ports; ++port) {
    PortView &view = frame.views[port];
    view.strides = strides;
    strides += view.ndim;
    if (call.tensors[port])
      if (int status = checkTensorStorage(call, port))
        return status;
    frame.stridePointers.push_back(view.strides);
    frame.data.push_back(const_cast<void *>(view.data));
  }
  return ATTN_OK;
}

int attn::rt::checkAliases(Call &call) {
  const attn_entry_desc &entry = call.entry;
  for (int32_t out = 0; out < entry.num_ports; ++out) {
    if (!(entry.ports[out].flags & ATTN_PORT_OUTPUT))
      continue;
    const PortView &view = call.frame.views[out];
    for (int32_t other = 0; other < entry.num_ports; ++other) {
      bool output = entry.ports[other].flags & ATTN_PORT_OUTPUT;
      if (output && other <= out) // pairs of outputs once
        continue;
      const PortView &otherView = call.frame.views[other];
      if (!overlap(view, otherView))
        continue;
      if (entry.ports[out].into != other)
        return fail(ATTN_ERROR_ALIAS, "%s: output %s overlaps %s %s",
                    call.name(), call.portName(out),
                    output ? "output" : "input", call.portName(other));
      if (!sameStorage(view, otherView))
        return fail(ATTN_ERROR_ALIAS,
                    "%s: output %s overlaps input %s, but is not the same "
                    "tensor: address, extents and strides must agree",
                    call.name(), call.portName(out), call.portName(other));
    }
  }
  return ATTN_OK;
}
