//===- ParserImpl.h - the recursive descent parser --------------*- C++ -*-===//
//
// Private to the parser's sources. Parse functions return null or false after
// they have reported an error; nobody reports it twice.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_PARSERIMPL_H
#define ATTN_FRONTENDS_TEXT_PARSERIMPL_H

#include "frontends/text/Ast.h"
#include "frontends/text/Diagnostics.h"
#include "frontends/text/Lexer.h"
#include "llvm/ADT/SmallVector.h"

namespace attn::text {

struct CascadeParts;
struct DefParts;

class Parser {
public:
  /// Marks tokens of `list` with their roles while it parses them.
  Parser(TokenList &list, const SourceFile &file, Diagnostics &diagnostics,
         bool widePorts = false);
  Ast run();

private:
  // The cursor (Parser.cpp). A newline that ends a statement is seen as the
  // kind Newline; the token after it stays the current one until advanced.
  Tok kind() const { return current; }
  bool at(Tok kind) const { return current == kind; }
  Token &token() { return tokens[pos]; }
  Tok lookAhead(unsigned distance) const;
  uint32_t here() const { return tokens[pos].range.begin; }
  SourceRange from(uint32_t begin) const { return {begin, previousEnd}; }
  llvm::StringRef text(const Token &token) const;
  void advance();
  bool accept(Tok kind);
  void refresh();
  bool endsLine() const;
  void setLines(bool significant);
  bool atDecl() const;
  bool startsOperand() const;

  // Errors and recovery (Parser.cpp).
  std::nullptr_t expected(const llvm::Twine &what,
                          const llvm::Twine &hint = "");
  bool expect(Tok kind, const llvm::Twine &hint = "");
  bool expectClose(Tok kind, SourceRange open);
  std::nullptr_t error(SourceRange range, const llvm::Twine &text,
                       const llvm::Twine &hint = "");
  bool looksLikeStatement(size_t index) const;
  void skipStatement(size_t start);
  bool skipToBlock();
  void skipToDecl();

  // Small pieces.
  bool name(Ident &out, const llvm::Twine &what = "a name",
            const llvm::Twine &hint = "");
  bool ranks(llvm::SmallVectorImpl<Ident> &out);
  bool type(TypeRef &out);
  /// items separated by commas, each parsed by `one` into a T
  template <typename T, typename One>
  bool list(llvm::SmallVectorImpl<T> &out, One one) {
    do {
      T item{};
      if (!one(item))
        return false;
      out.push_back(item);
    } while (acceptComma());
    return true;
  }
  bool exprs(llvm::SmallVectorImpl<const Expr *> &out);
  bool acceptComma();
  template <typename T>
  llvm::ArrayRef<T> keep(const llvm::SmallVectorImpl<T> &items) {
    return ast.copy(llvm::ArrayRef<T>(items));
  }

  // Declarations (ParseDecls.cpp).
  llvm::StringRef docBefore(size_t index);
  void cascade();
  void def();
  void monoid();
  bool cascadeHeader(CascadeParts &parts);
  bool defHeader(DefParts &parts);
  bool outputs(llvm::SmallVectorImpl<Port> &out);
  bool port(Port &out);
  bool axis(Axis &out);
  bool annotation(Annotation &out);
  bool layoutArg(LayoutArg &out);
  bool relation(Relation &out);
  const Expr *body();

  // Statements (ParseStmts.cpp).
  bool block(const Ident *def, llvm::SmallVectorImpl<const Stmt *> &out);
  void checkReturn(const Ident *def, llvm::ArrayRef<const Stmt *> body,
                   SourceRange close);
  const Stmt *statement();
  const Stmt *equation();
  const Stmt *tupleEquation();
  const Stmt *rankDecl();
  const Stmt *returnStmt();
  bool leftSide(LeftSide &out);
  bool definingEqual(const Ident &of);
  std::nullptr_t junkAfterExpr();

  // Expressions (ParseExprs.cpp).
  const Expr *expr();
  const Expr *add();
  const Expr *binary(unsigned minPrecedence);
  const Expr *comparison(uint32_t begin, const Expr *first);
  const Expr *negation();
  const Expr *unary();
  const Expr *postfix();
  const Expr *substitution(uint32_t begin, const Expr *operand);
  const Expr *primary();
  const Expr *number();
  const Expr *extent();
  const Expr *group();
  const Expr *nameOrCall();
  const Expr *bracketed(const Ident &id);
  const Expr *call(const Ident &id, llvm::ArrayRef<Ident> ranks,
                   Ident resultRank);
  std::nullptr_t missingCall(const Ident &id,
                             llvm::ArrayRef<const Expr *> indices,
                             Ident result);
  std::nullptr_t tooDeep();
  template <typename T, typename... Args> const Expr *node(Args &&...args) {
    const T *made = ast.make<T>(std::forward<Args>(args)...);
    if (made->depth() > maxExprDepth)
      return tooDeep();
    return made;
  }

  llvm::MutableArrayRef<Token> tokens;
  llvm::ArrayRef<Comment> comments;
  const SourceFile &file;
  Diagnostics &diagnostics;
  bool widePorts;
  Ast ast;
  llvm::SmallVector<const Decl *> decls;

  size_t pos = 0;
  Tok current = Tok::End;
  uint32_t previousEnd = 0; ///< end of the token before the current one
  bool lines = false;       ///< newlines end statements here
  bool newlineTaken = false;
  unsigned openBrackets = 0; ///< since the statement began
  unsigned nesting = 0;      ///< of expressions, as the recursion goes
  bool inMonoid = false;
  bool tight = false; ///< inside an index list: no spaces
};

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_PARSERIMPL_H
