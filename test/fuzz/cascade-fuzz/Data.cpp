//===- Data.cpp - inputs and memory of random programs ----------*- C++ -*-===//
#include "test/fuzz/cascade-fuzz/Data.h"
#include "compiler/HostTensor.h"
#include "dialect/Philox.h"
#include <deque>

using namespace mlir;
using namespace attn;
using fuzz::Choices;
using fuzz::Fill;

namespace {

double realValue(Fill fill, uint64_t seed, int64_t i, int64_t count) {
  philox::Block words = philox::generate(seed, {i, i >> 32});
  double unit = philox::toUniform(words[0]);
  double normal = philox::normal(seed, {i, i >> 32});
  switch (fill) {
  case Fill::Unit:
    return unit - 0.5;
  case Fill::Small:
  case Fill::Label:
    return int64_t(words[0] % 5) - 2;
  case Fill::Positive:
    return 0.25 + 1.75 * unit;
  case Fill::Decay:
    return 0.5 + unit / 2;
  case Fill::Special:
    // Single points, and long runs of them.
    return words[1] % 6 == 0 || philox::generate(seed, {i / 16, 7})[0] % 5 == 0
               ? -INFINITY
               : normal;
  case Fill::WithNaN:
    return i == int64_t(philox::generate(seed, {-1})[0] % count)
               ? std::nan("")
               : std::round(normal * 4) / 4;
  default:
    return normal;
  }
}

int64_t integerValue(Fill fill, uint64_t seed, int64_t i, int64_t limit,
                     bool isBool) {
  uint32_t word = philox::generate(seed, {i, i >> 32})[0];
  if (isBool)
    return word % 2;
  switch (fill) {
  case Fill::Length:
    return word % (limit + 2);
  case Fill::Index:
    return int64_t(word % (limit + 2)) - 1;
  case Fill::Label:
    return word % 3;
  default:
    return int64_t(word % 5) - 2;
  }
}

PortAttr portOf(ArrayAttr ports, unsigned i) {
  return cast<PortAttr>(ports[i]);
}

/// A DLPack tensor with its memory, somewhere inside a guarded buffer.
class StridedTensor {
public:
  /// Of the shape and type; elements are poison.
  StridedTensor(Type element, ArrayRef<int64_t> shape, Choices &choices,
                bool output);
  void store(const Array &array);
  Array load() const;
  DLTensor *tensor() { return &view; }
  /// False if a byte that belongs to no element was changed.
  bool isGuardIntact() const;

private:
  template <typename Visit> void forElements(Visit visit) const;

  static constexpr uint8_t guard = 0xcd;
  static constexpr int64_t margin = 64;
  Type element;
  SmallVector<int64_t> shape, strides;
  int64_t bytes = 1;  ///< of an element
  int64_t offset = 0; ///< of the element with all indices 0
  std::vector<uint8_t> memory;
  DLTensor view;
};

StridedTensor::StridedTensor(Type element, ArrayRef<int64_t> shape,
                             Choices &choices, bool output)
    : element(element), shape(shape) {
  DLDataType type = dataTypeOf(element);
  bytes = type.bits / 8;
  // Axes from the fastest to the slowest.
  SmallVector<unsigned> order;
  for (unsigned axis = shape.size(); axis-- > 0;)
    order.push_back(axis);
  enum { Compact, Permuted, Padded, Reversed, kinds };
  unsigned kind = choices.chance(50) ? choices.below(kinds) : Compact;
  if (kind == Permuted)
    for (unsigned i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[choices.below(i)]);
  strides.assign(shape.size(), 0);
  int64_t span = kind == Padded ? choices.pick({2, 1, 3}) : 1;
  for (unsigned axis : order) {
    strides[axis] = span;
    span *= std::max<int64_t>(shape[axis], 1);
    if (kind == Padded)
      span += choices.below(3);
  }
  offset = margin + bytes * choices.below(5);
  // Alignment is to the element only, never to a vector.
  int64_t size = span * bytes;
  memory.assign(offset + size + margin, guard);
  if (kind == Reversed)
    for (unsigned axis = 0; axis < shape.size(); ++axis)
      if (shape[axis] > 1 && choices.chance(50)) {
        offset += strides[axis] * (shape[axis] - 1) * bytes;
        strides[axis] = -strides[axis];
      }
  uint8_t poison = choices.pick({0xff, 0xcd});
  if (output)
    forElements([&](int64_t, uint8_t *at) { std::memset(at, poison, bytes); });
  view.data = memory.data();
  view.device = {kDLCPU, 0};
  view.ndim = shape.size();
  view.dtype = type;
  view.shape = this->shape.data();
  view.strides = kind == Compact ? nullptr : strides.data();
  view.byte_offset = offset;
}

template <typename Visit> void StridedTensor::forElements(Visit visit) const {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = offset, rest = i;
    for (unsigned axis = shape.size(); axis-- > 0;) {
      at += rest % shape[axis] * strides[axis] * bytes;
      rest /= shape[axis];
    }
    visit(i, const_cast<uint8_t *>(memory.data()) + at);
  }
}

void StridedTensor::store(const Array &array) {
  HostTensor dense = HostTensor::pack(array);
  auto *from = static_cast<const uint8_t *>(dense.view().data);
  forElements([&](int64_t i, uint8_t *at) {
    std::memcpy(at, from + i * bytes, bytes);
  });
}

Array StridedTensor::load() const {
  HostTensor dense(element, shape);
  auto *to = static_cast<uint8_t *>(dense.view().data);
  forElements([&](int64_t i, const uint8_t *at) {
    std::memcpy(to + i * bytes, at, bytes);
  });
  return dense.unpack();
}

bool StridedTensor::isGuardIntact() const {
  std::vector<uint8_t> expected(memory.size(), guard);
  forElements([&](int64_t, const uint8_t *at) {
    std::memcpy(expected.data() + (at - memory.data()), at, bytes);
  });
  return expected == memory;
}

} // namespace

std::vector<Array> fuzz::makeInputs(CascadeOp cascade, const Case &program,
                                    const Extents &extents, uint64_t seed) {
  std::vector<Array> arrays;
  for (unsigned i = 0; i < cascade.getInputs().size(); ++i) {
    std::string name = portOf(cascade.getInputs(), i).getName().str();
    NamedTensorType type = inputType(cascade, i);
    Array array;
    if (program.omitted.count(name)) {
      arrays.push_back(array);
      continue;
    }
    auto found = program.fillings.find(name);
    Filling filling = found == program.fillings.end()
                          ? Filling{Fill::Positive, ""}
                          : found->second;
    array.element = type.getElementType();
    array.shape = shapeOf(type, extents);
    int64_t limit = 3;
    if (!filling.limit.empty())
      limit =
          extents.lookup(StringAttr::get(cascade.getContext(), filling.limit));
    int64_t count = array.size();
    uint64_t stream = seed * 64 + i;
    // Now and then an axis along which nothing changes.
    int64_t inner = 1, axisExtent = 1;
    if (!array.shape.empty() && stream % 13 == 0) {
      unsigned axis = (stream / 13) % array.shape.size();
      axisExtent = array.shape[axis];
      for (unsigned k = axis + 1; k < array.shape.size(); ++k)
        inner *= array.shape[k];
    }
    for (int64_t k = 0; k < count; ++k) {
      int64_t at = k - k / inner % axisExtent * inner;
      if (array.isReal())
        array.reals.push_back(
            roundTo(array.element, realValue(filling.fill, stream, at, count)));
      else
        array.integers.push_back(integerValue(filling.fill, stream, at, limit,
                                              array.element.isInteger(1)));
    }
    arrays.push_back(std::move(array));
  }
  return arrays;
}

llvm::Expected<std::vector<Array>>
fuzz::callEntry(const attn_entry_desc *entry, CascadeOp cascade,
                ArrayRef<Array> inputs, const Extents &extents, uint64_t seed) {
  Choices choices(seed);
  // Tensors point into themselves and must not move.
  std::deque<std::optional<StridedTensor>> tensors;
  for (const Array &input : inputs) {
    tensors.emplace_back();
    if (!input.element)
      continue;
    tensors.back().emplace(input.element, input.shape, choices, false);
    tensors.back()->store(input);
  }
  if (size_t(entry->num_ports) != inputs.size() + cascade.getOutputs().size())
    return makeError("the compiled entry has other ports than the cascade");
  SmallVector<unsigned> places;
  for (unsigned i = 0; i < cascade.getOutputs().size(); ++i) {
    StringAttr into = portOf(cascade.getOutputs(), i).getInto();
    if (into && choices.chance(50)) {
      places.push_back(cascade.inputIndex(into.getValue()));
      continue;
    }
    NamedTensorType type = outputType(cascade, i);
    places.push_back(tensors.size());
    tensors.emplace_back();
    tensors.back().emplace(type.getElementType(), shapeOf(type, extents),
                           choices, true);
  }
  std::vector<DLTensor *> pointers;
  for (unsigned i = 0; i < inputs.size(); ++i)
    pointers.push_back(tensors[i] ? tensors[i]->tensor() : nullptr);
  for (unsigned place : places)
    pointers.push_back(tensors[place]->tensor());
  static attn_context *contexts[] = {attn_context_create(1),
                                     attn_context_create(3)};
  if (attn_invoke(contexts[choices.below(2)], entry, pointers.data()) !=
      ATTN_OK)
    return makeError(attn_last_error());
  std::vector<Array> outputs;
  for (unsigned place : places)
    outputs.push_back(tensors[place]->load());
  for (auto &tensor : tensors)
    if (tensor && !tensor->isGuardIntact())
      return makeError("memory beside a tensor was written");
  return outputs;
}
