//===- HostTensorTest.cpp - packing and unpacking ---------------*- C++ -*-===//
#include "compiler/HostTensor.h"
#include "mlir/IR/Builders.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace attn;

namespace {

class HostTensorTest : public testing::Test {
protected:
  MLIRContext context;
  Builder b{&context};
};

TEST_F(HostTensorTest, RealsSurviveAsTheirTypeHoldsThem) {
  std::vector<double> values = {0.0,  -0.0,     1.5,       -3.25, 0.1,
                                1e-3, INFINITY, -INFINITY, 65504, NAN};
  for (Type type :
       {Type(b.getF64Type()), Type(b.getF32Type()), Type(b.getF16Type()),
        Type(b.getBF16Type()), Type(Float8E5M2Type::get(&context))}) {
    Array array = Array::real({2, 5}, type, values);
    Array back = HostTensor::pack(array).unpack();
    ASSERT_EQ(back.shape, array.shape);
    for (size_t i = 0; i < values.size(); ++i) {
      double want = roundTo(type, values[i]);
      if (std::isnan(want))
        EXPECT_TRUE(std::isnan(back.reals[i])) << i;
      else
        EXPECT_EQ(back.reals[i], want) << i;
      EXPECT_EQ(std::signbit(back.reals[i]), std::signbit(want)) << i;
    }
  }
}

TEST_F(HostTensorTest, BytesAreThoseOfTheStorageType) {
  HostTensor half =
      HostTensor::pack(Array::real({2}, b.getBF16Type(), {1.0, -2.0}));
  DLTensor view = half.view();
  EXPECT_EQ(view.dtype.code, ATTN_DTYPE_BFLOAT);
  EXPECT_EQ(view.dtype.bits, 16);
  EXPECT_EQ(static_cast<uint16_t *>(view.data)[0], 0x3f80);
  EXPECT_EQ(static_cast<uint16_t *>(view.data)[1], 0xc000);
}

TEST_F(HostTensorTest, IntegersKeepTheirSign) {
  for (Type type :
       {Type(b.getI64Type()), Type(b.getI32Type()), Type(b.getI8Type())}) {
    Array back =
        HostTensor::pack(Array::integer({3}, type, {-1, 0, 127})).unpack();
    EXPECT_EQ(back.integers, (std::vector<int64_t>{-1, 0, 127}));
  }
  Type u8 = IntegerType::get(&context, 8, IntegerType::Unsigned);
  Array back = HostTensor::pack(Array::integer({2}, u8, {255, 1})).unpack();
  EXPECT_EQ(back.integers, (std::vector<int64_t>{255, 1}));
}

TEST_F(HostTensorTest, FourBitIntegersShareBytesLowHalfFirst) {
  Type i4 = b.getIntegerType(4);
  HostTensor tensor = HostTensor::pack(Array::integer({3}, i4, {1, -2, 7}));
  DLTensor view = tensor.view();
  EXPECT_EQ(static_cast<uint8_t *>(view.data)[0], 0xe1);
  EXPECT_EQ(tensor.unpack().integers, (std::vector<int64_t>{1, -2, 7}));
}

TEST_F(HostTensorTest, BoolsTakeAByte) {
  HostTensor tensor =
      HostTensor::pack(Array::integer({2}, b.getI1Type(), {1, 0}));
  EXPECT_EQ(tensor.view().dtype.code, ATTN_DTYPE_BOOL);
  EXPECT_EQ(tensor.view().dtype.bits, 8);
  EXPECT_EQ(tensor.unpack().integers, (std::vector<int64_t>{1, 0}));
}

TEST_F(HostTensorTest, FreshMemoryIsPoisoned) {
  Array reals = HostTensor(b.getBF16Type(), {3}).unpack();
  EXPECT_TRUE(std::isnan(reals.reals[2]));
  EXPECT_TRUE(HostTensor(b.getF32Type(), {0, 4}).unpack().reals.empty());
}

} // namespace
