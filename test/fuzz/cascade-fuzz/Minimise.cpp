//===- Minimise.cpp - the smallest program that fails alike -----*- C++ -*-===//
#include "test/fuzz/cascade-fuzz/Minimise.h"

using namespace attn;
using namespace attn::fuzz;

namespace {

class Minimiser {
public:
  Minimiser(const Job &job, std::string stage, const CheckOptions &options,
            unsigned tries)
      : best(job), stage(std::move(stage)), options(options), tries(tries) {
    if (best.sequence.empty()) {
      Choices choices(job.seed);
      generate(choices);
      best.sequence = choices.sequence();
    }
    texts.insert(signature(best));
  }

  Job run() {
    for (bool progress = true; progress && tries;) {
      progress = false;
      for (size_t length : {32u, 8u, 3u, 2u, 1u})
        for (size_t at = 0; at < best.sequence.size() && tries;)
          if (cut(at, length))
            progress = true;
          else
            at += std::max<size_t>(1, length / 2);
      for (size_t at = 0; at < best.sequence.size() && tries; ++at)
        progress |= lower(at);
    }
    return best;
  }

private:
  /// What makes two jobs the same test.
  std::string signature(const Job &job) const {
    Case program = generate(job);
    std::string text = program.text;
    for (const Shape &shape : program.shapes)
      for (const auto &[rank, extent] : shape)
        text += rank + "=" + std::to_string(extent) + " ";
    for (const auto &[name, filling] : program.fillings)
      text += name + std::to_string(int(filling.fill));
    return text;
  }
  bool fails(const Job &job) {
    if (!tries || !texts.insert(signature(job)).second)
      return false;
    --tries;
    bool alike = false;
    checkAll({job}, options, 1, 30, [&](size_t, const Outcome &outcome) {
      alike = outcome.stage == stage;
    });
    return alike;
  }
  bool accept(std::vector<unsigned> sequence) {
    // An empty sequence would mean the seed.
    if (sequence.empty())
      sequence.push_back(0);
    Job job{best.seed, std::move(sequence)};
    if (!fails(job))
      return false;
    best = std::move(job);
    return true;
  }
  bool cut(size_t at, size_t length) {
    std::vector<unsigned> sequence = best.sequence;
    sequence.erase(sequence.begin() + at,
                   sequence.begin() + std::min(at + length, sequence.size()));
    return accept(std::move(sequence));
  }
  bool lower(size_t at) {
    unsigned value = best.sequence[at];
    for (unsigned lowered : {0u, value / 2, value - 1}) {
      if (value == 0 || lowered >= value)
        continue;
      std::vector<unsigned> sequence = best.sequence;
      sequence[at] = lowered;
      if (accept(std::move(sequence)))
        return true;
    }
    return false;
  }

  Job best;
  std::string stage;
  CheckOptions options;
  unsigned tries;
  std::set<std::string> texts; ///< tried already
};

} // namespace

Job fuzz::minimise(const Job &job, const std::string &stage,
                   const CheckOptions &options, unsigned tries) {
  return Minimiser(job, stage, options, tries).run();
}
