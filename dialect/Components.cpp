//===- Components.cpp - strongly connected components -----------*- C++ -*-===//
#include "dialect/Components.h"
#include "llvm/ADT/STLExtras.h"

using namespace attn;
using llvm::SmallVector;

std::vector<SmallVector<unsigned>> attn::componentsOf(
    unsigned count,
    llvm::function_ref<llvm::ArrayRef<unsigned>(unsigned)> needs) {
  // Tarjan's algorithm with an explicit stack: chains may be long.
  std::vector<unsigned> index(count), low(count); // 0: not seen yet
  std::vector<bool> onStack(count);
  SmallVector<unsigned> stack;
  SmallVector<std::pair<unsigned, unsigned>> path; // node, its next edge
  std::vector<SmallVector<unsigned>> found;
  unsigned next = 1;
  auto enter = [&](unsigned u) {
    index[u] = low[u] = next++;
    onStack[u] = true;
    stack.push_back(u);
    path.push_back({u, 0});
  };
  auto finish = [&](unsigned u) {
    if (low[u] != index[u])
      return;
    SmallVector<unsigned> &members = found.emplace_back();
    do {
      members.push_back(stack.back());
      onStack[stack.back()] = false;
    } while (stack.pop_back_val() != u);
    llvm::sort(members);
  };
  for (unsigned root = 0; root < count; ++root) {
    if (!index[root])
      enter(root);
    while (!path.empty()) {
      auto &[u, position] = path.back();
      if (position < needs(u).size()) {
        unsigned v = needs(u)[position++];
        if (!index[v])
          enter(v);
        else if (onStack[v])
          low[u] = std::min(low[u], index[v]);
        continue;
      }
      unsigned done = u;
      finish(done);
      path.pop_back();
      if (!path.empty()) {
        unsigned &parent = low[path.back().first];
        parent = std::min(parent, low[done]);
      }
    }
  }
  return found;
}
