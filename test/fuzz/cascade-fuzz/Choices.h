//===- Choices.h - the decisions of a random program ------------*- C++ -*-===//
// Every decision of the generator is a small number drawn here and recorded.
// A program is a pure function of the sequence, so that a failing one is made
// smaller by editing the sequence and generating again: 0 is the simplest
// choice everywhere, and a sequence that ends is continued with 0.
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_FUZZ_CHOICES_H
#define ATTN_TEST_FUZZ_CHOICES_H

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <vector>

namespace attn::fuzz {

class Choices {
public:
  explicit Choices(uint64_t seed) : number(seed), random(seed) {}
  explicit Choices(std::vector<unsigned> sequence)
      : replayed(std::move(sequence)), replay(true) {}

  unsigned below(unsigned n) {
    return note(replay ? std::min(next(), n - 1) : unsigned(random() % n));
  }
  bool chance(unsigned percent) {
    return note(replay ? next() != 0 : random() % 100 < percent);
  }
  /// An index; entry i has weights[i] of the sum of them.
  unsigned weighted(const std::vector<unsigned> &weights);
  template <typename Item> Item pick(std::initializer_list<Item> items) {
    return items.begin()[below(items.size())];
  }
  const char *pick(std::initializer_list<const char *> items) {
    return items.begin()[below(items.size())];
  }

  /// A decision that is not left to chance; recorded like any other.
  unsigned take(unsigned value) { return note(replay ? next() : value); }

  /// Forgets what was decided; the next decisions are others.
  void restart() { taken.clear(); }

  const std::vector<unsigned> &sequence() const { return taken; }
  bool isReplay() const { return replay; }

  const uint64_t number = 0; ///< of a program drawn from a seed

private:
  unsigned next() {
    return taken.size() < replayed.size() ? replayed[taken.size()] : 0;
  }
  unsigned note(unsigned value) {
    taken.push_back(value);
    return value;
  }

  std::mt19937_64 random;
  std::vector<unsigned> taken, replayed;
  bool replay = false;
};

} // namespace attn::fuzz
#endif // ATTN_TEST_FUZZ_CHOICES_H
