//===- Npy.cpp - NumPy .npy files -------------------------------*- C++ -*-===//
// The format: "\x93NUMPY", a version, the header's length (2 bytes in version
// 1, else 4), a Python dictionary with descr, fortran_order and shape, data.
//===----------------------------------------------------------------------===//
#include "dialect/interpreter/Npy.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileOutputBuffer.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace attn;
using llvm::endianness;

namespace {

constexpr llvm::StringLiteral magic("\x93NUMPY");

/// One dtype: how an element is laid out and what it is called here.
struct Format {
  char kind; // f, i, u or b
  unsigned bytes;
  Type type;
};

struct Header {
  std::string descr;
  bool fortran = false;
  SmallVector<int64_t> shape;
};

/// The dictionary of a header: string keys; strings, booleans and tuples of
/// integers as values.
class HeaderParser {
public:
  explicit HeaderParser(StringRef text) : text(text) {}

  bool parse(Header &header) {
    bool descr = false, order = false, shape = false;
    if (!eat("{"))
      return false;
    while (!eat("}")) {
      std::string key;
      if (!string(key) || !eat(":"))
        return false;
      bool known = key == "descr"           ? (descr = string(header.descr))
                   : key == "fortran_order" ? (order = boolean(header.fortran))
                   : key == "shape"         ? (shape = tuple(header.shape))
                                            : false;
      if (!known || (!eat(",") && !peek('}')))
        return false;
    }
    return descr && order && shape && text.trim().empty();
  }

private:
  bool eat(StringRef token) {
    text = text.ltrim();
    return text.consume_front(token);
  }
  bool peek(char c) {
    text = text.ltrim();
    return !text.empty() && text.front() == c;
  }
  bool string(std::string &result) {
    text = text.ltrim();
    if (text.empty() || (text.front() != '\'' && text.front() != '"'))
      return false;
    size_t end = text.find(text.front(), 1);
    if (end == StringRef::npos)
      return false;
    result = text.slice(1, end).str();
    text = text.drop_front(end + 1);
    return true;
  }
  bool boolean(bool &result) {
    result = eat("True");
    return result || eat("False");
  }
  bool tuple(SmallVectorImpl<int64_t> &result) {
    result.clear();
    if (!eat("("))
      return false;
    while (!eat(")")) {
      uint64_t extent;
      text = text.ltrim();
      if (text.consumeInteger(10, extent) || extent > INT64_MAX)
        return false;
      text.consume_front("L"); // Python 2 wrote long integers so
      result.push_back(int64_t(extent));
      if (!eat(",") && !peek(')'))
        return false;
    }
    return true;
  }

  StringRef text;
};

std::optional<Format> formatOf(StringRef code, MLIRContext *ctx) {
  Builder b(ctx);
  const Format formats[] = {
      {'f', 8, b.getF64Type()},
      {'f', 4, b.getF32Type()},
      {'f', 2, b.getF16Type()},
      {'i', 8, b.getI64Type()},
      {'i', 4, b.getI32Type()},
      {'i', 2, b.getIntegerType(16)},
      {'i', 1, b.getIntegerType(8)},
      {'u', 8, b.getIntegerType(64, false)},
      {'u', 4, b.getIntegerType(32, false)},
      {'u', 2, b.getIntegerType(16, false)},
      {'u', 1, b.getIntegerType(8, false)},
      {'b', 1, b.getI1Type()},
  };
  for (const Format &format : formats)
    if (code == (Twine(format.kind) + Twine(format.bytes)).str())
      return format;
  return std::nullopt;
}

uint64_t loadWord(const char *data, unsigned bytes, endianness order) {
  using namespace llvm::support::endian;
  switch (bytes) {
  case 8:
    return read<uint64_t>(data, order);
  case 4:
    return read<uint32_t>(data, order);
  case 2:
    return read<uint16_t>(data, order);
  default:
    return static_cast<unsigned char>(*data);
  }
}

double realOf(const Format &format, uint64_t word) {
  const auto &semantics = cast<FloatType>(format.type).getFloatSemantics();
  APFloat value(semantics, APInt(format.bytes * 8, word));
  bool loses;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
  return value.convertToDouble();
}

} // namespace

llvm::Expected<Array> attn::parseNpy(StringRef bytes, MLIRContext *ctx) {
  auto bad = [](const Twine &what) {
    return makeError("not a readable .npy file: " + what);
  };
  using namespace llvm::support::endian;
  if (!bytes.starts_with(magic) || bytes.size() < 10)
    return bad("it does not begin with the magic of NumPy");
  unsigned version = static_cast<unsigned char>(bytes[6]);
  if (version < 1 || version > 3)
    return bad("unknown format version " + Twine(version));
  size_t start = version == 1 ? 10 : 12;
  if (bytes.size() < start)
    return bad("the header is cut off");
  size_t length =
      version == 1 ? read16le(bytes.data() + 8) : read32le(bytes.data() + 8);
  if (bytes.size() - start < length)
    return bad("the header is cut off");
  Header header;
  if (!HeaderParser(bytes.substr(start, length)).parse(header))
    return bad("malformed header");

  StringRef code = header.descr;
  endianness order =
      code.starts_with(">") ? endianness::big : endianness::little;
  if (!code.empty() && StringRef("<>|=").contains(code.front()))
    code = code.drop_front();
  std::optional<Format> format = formatOf(code, ctx);
  if (!format)
    return bad("dtype '" + header.descr + "' is no real, integer or bool type");

  StringRef data = bytes.drop_front(start + length);
  int64_t count = 1, size = 0;
  bool empty = llvm::is_contained(header.shape, 0);
  for (int64_t extent : header.shape)
    if (!empty && llvm::MulOverflow(count, extent, count))
      return bad("the shape is too large");
  if (empty)
    count = 0;
  if (llvm::MulOverflow<int64_t>(count, format->bytes, size) ||
      uint64_t(size) > data.size())
    return bad("the data is cut off: " + Twine(data.size()) + " bytes for " +
               Twine(count) + " elements of " + Twine(format->bytes));

  Array array;
  array.shape = header.shape;
  array.element = format->type;
  bool isReal = array.isReal();
  if (isReal)
    array.reals.resize(count);
  else
    array.integers.resize(count);
  SmallVector<int64_t> index(array.shape.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    // Where the i-th element of the file goes; Fortran order runs the first
    // index fastest.
    int64_t target = i;
    if (header.fortran) {
      target = 0;
      for (auto [position, extent] : llvm::zip(index, array.shape))
        target = target * extent + position;
      for (size_t k = 0; k < index.size() && ++index[k] == array.shape[k]; ++k)
        index[k] = 0;
    }
    uint64_t word =
        loadWord(data.data() + i * format->bytes, format->bytes, order);
    if (isReal) {
      array.reals[target] = realOf(*format, word);
      continue;
    }
    if (format->kind == 'u' && word > uint64_t(INT64_MAX))
      return bad("the value " + Twine(word) + " does not fit 64 signed bits");
    array.integers[target] = format->kind == 'b' ? int64_t(word != 0)
                             : format->kind == 'i'
                                 ? llvm::SignExtend64(word, format->bytes * 8)
                                 : int64_t(word);
  }
  return array;
}

llvm::Expected<Array> attn::readNpy(StringRef path, MLIRContext *ctx) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return makeError(path + ": " + buffer.getError().message());
  auto array = parseNpy((*buffer)->getBuffer(), ctx);
  if (!array)
    return makeError(path + ": " + llvm::toString(array.takeError()));
  return array;
}

std::string attn::formatNpy(const Array &array) {
  bool isReal = array.isReal();
  unsigned width = array.element.getIntOrFloatBitWidth();
  unsigned bytes = isReal ? (width == 64 ? 8 : 4) : std::max(1u, width / 8);
  char kind = isReal                              ? 'f'
              : width == 1                        ? 'b'
              : array.element.isUnsignedInteger() ? 'u'
                                                  : 'i';
  std::string header = "{'descr': '";
  header += bytes == 1 ? '|' : '<';
  header += kind + std::to_string(bytes) + "', 'fortran_order': False, ";
  header += "'shape': (";
  for (int64_t extent : array.shape)
    header += std::to_string(extent) + ",";
  header += "), }";
  // The data begins at a multiple of 64; version 2 counts in 4 bytes.
  header.append(63 - (12 + header.size()) % 64, ' ');
  header += '\n';

  std::string out(magic);
  out += StringRef("\x02\x00", 2);
  using namespace llvm::support::endian;
  char word[8];
  write32le(word, header.size());
  out.append(word, 4);
  out += header;
  for (int64_t i = 0, count = array.size(); i < count; ++i) {
    uint64_t bits;
    if (isReal) {
      double value = roundTo(array.element, array.reals[i]);
      bits = bytes == 8 ? llvm::bit_cast<uint64_t>(value)
                        : llvm::bit_cast<uint32_t>(float(value));
    } else {
      bits = array.integers[i];
    }
    write64le(word, bits);
    out.append(word, bytes);
  }
  return out;
}

llvm::Error attn::writeNpy(StringRef path, const Array &array) {
  std::string bytes = formatNpy(array);
  auto buffer = llvm::FileOutputBuffer::create(path, bytes.size());
  if (!buffer)
    return makeError(path + ": " + llvm::toString(buffer.takeError()));
  llvm::copy(bytes, (*buffer)->getBufferStart());
  if (llvm::Error error = (*buffer)->commit())
    return makeError(path + ": " + llvm::toString(std::move(error)));
  return llvm::Error::success();
}
