//===- DeclTest.cpp - cascades, defs, monoids, statements -----------------===//

#include "SyntaxTest.h"
#include <set>

using namespace attn::text;

TEST(Decl, EveryProgramParses) {
  for (const auto &[name, text] : programs()) {
    Parsed parsed(text);
    EXPECT_EQ(parsed.errors(), "") << name;
    EXPECT_FALSE(parsed.ast.decls.empty()) << name;
  }
}

TEST(Decl, Prelude) {
  EXPECT_EQ(preludeText(), specificationBlock("## 15. Prelude\n"));
  Parsed parsed(preludeText());
  std::set<llvm::StringRef> names;
  for (const Decl *decl : parsed.ast.decls)
    EXPECT_TRUE(names.insert(decl->name().name).second);
  for (llvm::StringRef name : {"select", "softmax", "topk", "part", "spin"})
    EXPECT_TRUE(names.count(name)) << name.str();
}

TEST(Decl, Ports) {
  EXPECT_EQ(dumpOf("cascade f(const W: i32 = 1024, Q: bf16[b,h=2*g,d],\n"
                   "  K: bf16[b,n,d] layout paged(table, page=16),\n"
                   "  V: f32[b,n] quant i8 per (b, n), t: i4) ->\n"
                   "  (O: f8e4m3[b] into Q, L: bool) {}"),
            "(cascade f\n"
            "  (in const W i32 = 1024)\n"
            "  (in Q bf16 (b) (h (* 2 g)) (d))\n"
            "  (in K bf16 (b) (n) (d) (layout paged table page= 16))\n"
            "  (in V f32 (b) (n) (quant i8 [b n]))\n"
            "  (in t i4)\n"
            "  (out O f8e4m3 (b) (into Q))\n"
            "  (out L bool))\n");
}

TEST(Decl, Relations) {
  EXPECT_EQ(dumpOf("cascade f() -> O: f32\n"
                   "  with m: |n|, n = (p, i: 16, q) cut n\n"
                   "  with c = p ++ n ++ q, j: (|n| - 1) // 2 + 1\n"
                   "  cut c {}"),
            "(cascade f\n"
            "  (out O f32)\n"
            "  (extent m |n|)\n"
            "  (product n (p) (i 16) (q))\n"
            "  (sum c (p) (n) (q))\n"
            "  (extent j (+ (// (- |n| 1) 2) 1))\n"
            "  (cut n)\n"
            "  (cut c))\n");
}

TEST(Decl, Statements) {
  EXPECT_EQ(stmtsOf("H[b,-1,|t|-1,2*C] = H0\n"
                    "P[b]: bf16 = x\n"
                    "s = 1\n"
                    "(A[b], B) = m[r](x, y)\n"
                    "rank j: |t|, n = (p, i: 16)"),
            "\n  (= (left H b (- 1) (- |t| 1) (* 2 C)) H0)"
            "\n  (= (left P b) bf16 x)"
            "\n  (= (left s) 1)"
            "\n  (tuple= (left A b) (left B) (call m [r] x y))"
            "\n  (rank (extent j |t|) (product n (p) (i 16)))");
  // Words that are no statements may still be tensors.
  EXPECT_EQ(stmtsOf("mask[b] = 1\nloop = mask"),
            "\n  (= (left mask b) 1)\n  (= (left loop) mask)");
}

TEST(Decl, DefsAndMonoids) {
  EXPECT_EQ(dumpOf("def f() = 1\n"
                   "def topk[n -> j](x) = order[n -> j](-x)\n"
                   "def g[r,s](x, y) { a[r] = x\n return a }\n"
                   "monoid affine(a = 1, b = 0) + (a', b') ordered =\n"
                   "  (a * a', a' * b + b')\n"),
            "(def f () 1)\n"
            "(def topk [n -> j] (x) (call order [n -> j] (- x)))\n"
            "(def g [r s] (x y)\n"
            "  (= (left a r) x)\n"
            "  (return a))\n"
            "(monoid affine ordered (a 1) (b 0) [a' b'] "
            "(tuple (* a a') (+ (* a' b) b')))\n");
  EXPECT_EQ(dumpOf("def f() = 1 def g() = 2"), "(def f () 1)\n(def g () 2)\n");
}

TEST(Decl, DocIsTheCommentRightAbove) {
  Parsed parsed("# the file\n\n# one\n#   two\ndef f() = 1 # not doc\n"
                "def g() = 1\n# far\n\ndef h() = 1\n");
  ASSERT_EQ(parsed.ast.decls.size(), 3u);
  EXPECT_EQ(parsed.ast.decls[0]->doc(), "one\ntwo");
  EXPECT_EQ(parsed.ast.decls[1]->doc(), "");
  EXPECT_EQ(parsed.ast.decls[2]->doc(), "");
}
