//===- HostTensor.cpp - tensors in memory as compiled code reads them -----===//
#include "compiler/HostTensor.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace attn;

namespace {

/// Bits of a real that the type holds exactly.
uint64_t encode(FloatType type, double value) {
  if (type.isF64())
    return llvm::bit_cast<uint64_t>(value);
  uint32_t single = llvm::bit_cast<uint32_t>(static_cast<float>(value));
  if (type.isF32())
    return single;
  if (type.isBF16())
    // Dropping low bits must not turn a NaN into an infinity.
    return std::isnan(value) ? 0x7fc0 : single >> 16;
  APFloat number(value);
  bool lossy;
  number.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &lossy);
  return number.bitcastToAPInt().getZExtValue();
}

double decode(FloatType type, uint64_t bits) {
  if (type.isF64())
    return llvm::bit_cast<double>(bits);
  if (type.isF32() || type.isBF16())
    return llvm::bit_cast<float>(
        static_cast<uint32_t>(type.isBF16() ? bits << 16 : bits));
  APFloat number(type.getFloatSemantics(), APInt(type.getWidth(), bits));
  bool lossy;
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
  return number.convertToDouble();
}

/// Element `i` of `bits` bits each; several of them may share a byte.
uint64_t get(const uint8_t *data, unsigned bits, int64_t i) {
  if (bits < 8) {
    int64_t perByte = 8 / bits;
    return (data[i / perByte] >> (i % perByte * bits)) & ((1u << bits) - 1);
  }
  uint64_t value = 0;
  std::memcpy(&value, data + i * (bits / 8), bits / 8);
  return value;
}

void set(uint8_t *data, unsigned bits, int64_t i, uint64_t value) {
  if (bits < 8) {
    int64_t perByte = 8 / bits, shift = i % perByte * bits;
    uint8_t mask = ((1u << bits) - 1) << shift;
    uint8_t &byte = data[i / perByte];
    byte = (byte & ~mask) | ((value << shift) & mask);
    return;
  }
  std::memcpy(data + i * (bits / 8), &value, bits / 8);
}

} // namespace

HostTensor::HostTensor(Type element, ArrayRef<int64_t> shape)
    : element(element), shape(shape) {
  bytes.assign((size() * dataTypeOf(element).bits + 7) / 8, 0xff);
}

int64_t HostTensor::size() const {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

HostTensor HostTensor::pack(const Array &array) {
  HostTensor tensor(array.element, array.shape);
  unsigned bits = dataTypeOf(array.element).bits;
  auto type = dyn_cast<FloatType>(array.element);
  for (int64_t i = 0, e = tensor.size(); i < e; ++i)
    set(tensor.bytes.data(), bits, i,
        type ? encode(type, roundTo(type, array.reals[i]))
             : static_cast<uint64_t>(array.integers[i]));
  return tensor;
}

Array HostTensor::unpack() const {
  Array array;
  array.shape = shape;
  array.element = element;
  unsigned bits = dataTypeOf(element).bits;
  auto type = dyn_cast<FloatType>(element);
  for (int64_t i = 0, e = size(); i < e; ++i) {
    uint64_t value = get(bytes.data(), bits, i);
    if (type)
      array.reals.push_back(decode(type, value));
    else
      array.integers.push_back(element.isInteger(1) ||
                                       element.isUnsignedInteger()
                                   ? value
                                   : llvm::SignExtend64(value, bits));
  }
  return array;
}

DLTensor HostTensor::view() {
  DLDataType type = dataTypeOf(element);
  return attn_tensor(bytes.data(), type.code, type.bits,
                     static_cast<int>(shape.size()), shape.data());
}
