//===- Generator.h - random programs for differential fuzzing ---*- C++ -*-===//
//
// Draws a cascade from the constructs of the language (sources of keys, score
// maps, masks, normalisers, monoids, recurrences, selections, halos, sums of
// differently masked terms) with shapes that are odd, prime, 1 or 0. What
// decides between branches is exact in every precision: coordinates, integers,
// and scores of small integer data where a selection reads them.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_FUZZ_GENERATOR_H
#define ATTN_TEST_FUZZ_GENERATOR_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace attn::fuzz {

/// What an input is filled with.
enum class Fill {
  Normal,  ///< N(0,1)
  Small,   ///< integers from -2 to 2, exact in every type
  Special, ///< N(0,1), some entries -inf
  Length,  ///< 0 to the largest extent
  Label,   ///< 0 to 2
  Decay    ///< 0.5 to 1
};

struct RandomProgram {
  std::string text;
  std::map<std::string, int64_t> shape;
  std::map<std::string, Fill> fills;   ///< by input
  std::vector<std::string> constructs; ///< what was drawn, by name
};

/// A pure function of `seed`.
RandomProgram generate(uint64_t seed);

} // namespace attn::fuzz
#endif // ATTN_TEST_FUZZ_GENERATOR_H
