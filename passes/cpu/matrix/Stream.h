//===- Stream.h - the stream of a kernel on a matrix unit -------*- C++ -*-===//
// What a step of one grid point is made of: scalars, products, rows, states.
// MatrixPipeline puts steps together; those that are asked for one by one run
// one operation after the other.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_STREAM_H
#define ATTN_PASSES_CPU_MATRIX_STREAM_H

#include "passes/cpu/matrix/Panels.h"
#include "passes/cpu/matrix/Reference.h"
#include "passes/cpu/matrix/Ring.h"
#include "passes/cpu/matrix/Rows.h"

namespace attn::cpu {

class MatrixStream {
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

public:
  /// Memory of a grid point beside its tiles, and of a worker.
  static int64_t pointBytes(const MatrixRoles &roles);
  static int64_t scratchBytes(const MatrixRoles &roles);
  /// What a step of the pipeline stores, or reads at every turn.
  static int64_t stepBytes(const MatrixRoles &roles);
  /// Where that has a line of zeros.
  static int64_t zerosAt(const MatrixRoles &roles);
  /// `panels`: memory of the operands laid out anew, by product.
  MatrixStream(TileLowering &t, const MatrixRoles &roles, Value point,
               Value scratch, llvm::ArrayRef<Value> panels);

  /// What is before the stream; the range of its steps.
  std::pair<Value, Value> start();
  /// The ranges that start() left at `point`.
  struct Range {
    Value low, high, fullLow, fullHigh; // steps; those whose points are there
    Value from, to;                     // of rows that may be there
  };
  static Range rangeAt(CodeBuilder &b, Value point);
  /// The tiles are where another piece of code for the same point left them.
  void resume();
  /// One by one, those of its steps that are in [low, high).
  void run(Value low, Value high);
  /// What is after the stream.
  void finish();

private:
  friend class MatrixPipeline;

  /// Where a product's left operand is in this step.
  struct Left {
    Value pointer, stride; // bytes
    Value flag;            // of a block: i8, something is not finite
  };
  /// Code beside a product, after each part of a quad. Long code has no second
  /// copy. What is carried through other code starts with the sums of the lower
  /// half of a block: they are stored beside the next block, for a store that
  /// waits for its products keeps the next ones from starting.
  struct Slice {
    llvm::function_ref<Values(Value quad, int64_t part, Values)> emit;
    bool isLong;
  };
  static Values none(Value, int64_t, Values values) { return values; }
  static constexpr size_t numWaiting = 5; // two tiles, their places, the stride
  Values noneWaiting();
  void storeWaiting(llvm::ArrayRef<Value> waiting);
  static Slice nothing() { return {none, /*isLong=*/true}; }

  /// The stream's range, at least empty.
  std::pair<Value, Value> range();
  void clearRest(const MatrixProduct &p, Value to);
  void prepare();
  void prepareDirectly(const MatrixProduct &p);
  void enter(Value step);
  void serialStep(Value step);
  /// A product of the rows' step and of the next one, or a late one of the step
  /// before, whose sums go to `to`, from 0 if it `isFirst` of its point.
  struct Beside {
    const MatrixProduct *product;
    Left rest; // of the rows' step
    Value restRight;
    Left left;
    Value right, to, isFirst;
  };
  /// The last phase of rows, a few instructions of products and of rows in
  /// turn.
  void rowsBeside(bool isFull, Value step, llvm::ArrayRef<Beside> products);

  /// Tiles of the body have one place, whichever step they are of.
  void placeTiles();
  void settle(Value value);
  void loads();
  /// All points of the coming steps are there where `full` is (null: never
  /// known to be).
  void setFull(Value full);
  /// Code for rows that are known to be full, for others, or for both.
  void byFull(llvm::function_ref<void(bool isFull)> rows);
  /// Phases and lane operations before the rows of the last phase.
  void untilLastPhase() { untilLastPhase(allPairs()); }
  void untilLastPhase(int64_t pairs);
  RowPhase rowPhase(const MatrixRoles::Phase &phase, bool isFull,
                    bool fused = false);
  /// The last phase of a step in the pipeline.
  const MatrixRoles::Phase &lastPhase() const {
    return reference ? reference->rows : roles.phases.back();
  }
  /// The first `pairs` of a step.
  void runPhase(RowPhase phase, int64_t pairs);
  int64_t allPairs() const { return roles.rows / 2; }
  void emitAll(llvm::ArrayRef<tile::EinsumOp> ops);
  void moveStates();

  void keep();
  /// `isFirst`: products have left nothing yet.
  void refer(int64_t pairs, bool isFirst = false);
  void referFirst(Value step);
  void computeAgain(Value step);
  Value isPassed();
  void settleReference(Value step);

  Left left(const MatrixProduct &p, Value step, Value turn);
  /// Rows along `axis` of a tensor, `width` elements of 16 bits each.
  struct Rows {
    unsigned axis;
    int64_t count, width;
  };
  /// Of one step.
  int64_t copyBytes(const MatrixProduct &p) const {
    return Layout::copyBytes(roles, p);
  }
  Left copied(const Storage &s, const Rows &rows, Values first, Value to);
  Values firstOf(tile::LoadOp load);
  Left rowsOf(tile::LoadOp load, const Rows &rows, Value spare);
  /// `to`: the place of a block of 32 rows.
  using Target = llvm::function_ref<Value(Value block)>;
  /// Operands of a block of 32 rows.
  struct Source {
    Value pointer, stride, right;
  };
  using From = llvm::function_ref<Source(Value block)>;
  Source sourceOf(const MatrixProduct &p, const Left &left, Value block,
                  Value right);
  /// Blocks [low, low + count).
  Values early(const MatrixProduct &p, Value low, int64_t count, From from,
               Target to, Values carried, Slice slice);
  /// The first blocks of our step alone.
  void early(const MatrixProduct &p, const Left &left, int64_t count,
             Target to);
  /// Those that are there when the step starts, which is the first one.
  void earlyAhead(const MatrixProduct &p, const Left &left);
  /// A round of those that our step and the next one put into the ring.
  Values earlyBeside(const Beside &x, Value round, Values carried, Slice slice);
  /// Blocks [low, low + count) of columns; `isFirst` of its point: i1 or null.
  Values late(const MatrixProduct &p, Value low, int64_t count,
              const Left &left, Value right, Value to, Value isFirst,
              Values carried, Slice slice);
  /// One block of 2 x 2 tiles over `depth` tiles; the sums go to `to`.
  /// `a`: the first piece of a half of the rows.
  void quads(const MatrixProduct &p, llvm::function_ref<Value(int, Value)> a,
             Value aStride, Value right, llvm::function_ref<Value(int)> start,
             Value firstQuad, Values &carried, Slice slice,
             llvm::ArrayRef<Value> to);
  void correct(const MatrixProduct &p, const Left &left, Value right,
               Value step, Value to);
  void repair(const MatrixProduct &p);

  Value place(int64_t offset) { return b.gep(b.getI8Type(), scratch, offset); }
  /// B of an early product.
  Value right(const MatrixProduct &p);
  /// B of the late products of the step at `turn`.
  Value factor(const MatrixProduct &p, Value turn);
  Value accumulator(const MatrixProduct &p) {
    return t.tile(stream.getBody().getArgument(1 + p.state)).base;
  }
  Value spare(const MatrixProduct &p);
  /// Is `step` the first one of this point, if that matters to a late product?
  Value isFirst(const MatrixProduct &p, Value step);
  /// Rows read the early products of our turn, from the ring or one after the
  /// other from where they were computed again.
  void showScores(bool isAgain = false);
  /// The next rows are those from `pair` on to the end of its block.
  void seek(Value pair);

  /// In bytes from the start of our scratch memory; `right` of the point's.
  struct Offsets {
    int64_t right = 0, scores = 0, again = 0, copy = 0, factor = 0, spare = 0;
  };
  struct Layout {
    StepOrder order;
    std::vector<Offsets> products;
    int64_t zeros = 0, bytes = 0, pointBytes = 0;
    explicit Layout(const MatrixRoles &roles);
    /// Of a right operand, its pieces one after the other.
    static int64_t rightBytes(const MatrixRoles &roles,
                              const MatrixProduct &p) {
      return p.pieces * roles.rightPieceBytes(p);
    }
    static int64_t copyBytes(const MatrixRoles &roles, const MatrixProduct &p) {
      return std::max(p.columns, roles.lanes) * p.depth * 2;
    }
  };
  size_t numberOf(const MatrixProduct &p) const {
    return &p - roles.products.data();
  }
  const Offsets &offsetsOf(const MatrixProduct &p) const {
    return layout.products[numberOf(p)];
  }

  TileLowering &t;
  CodeBuilder &b;
  const MatrixRoles &roles;
  tile::StreamOp stream;
  Layout layout;
  Value point, scratch;
  llvm::ArrayRef<Value> panels;
  llvm::DenseMap<Value, Tile> places;
  /// By product: where the ring has the first row of the step that is read.
  std::vector<Value> shown;
  /// Steps are counted, to put what several of them have under way.
  Value turn;
  /// The pipeline keeps a maximum for as long as it is large enough.
  std::optional<Reference> reference;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_STREAM_H
