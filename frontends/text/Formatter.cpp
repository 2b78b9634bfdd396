//===- Formatter.cpp - the canonical text of an .attn file ----------------===//
//
// Works on tokens, to keep comments and line breaks; the parser has marked
// where items begin and how operators are spaced. Three steps: tokens to units
// (what begins a line of its own), the column of `=` for runs of units, and
// units to lines, whose comments are aligned last.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Formatter.h"
#include "frontends/text/ParserImpl.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Unicode.h"

using namespace attn::text;
using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::StringRef;

static constexpr unsigned step = 2;           // of indentation
static constexpr unsigned commentColumn = 80; // comments align up to here

namespace {
/// Tokens [first, last) that begin on a line of their own: a header, a brace, a
/// statement, a def of one expression.
struct Unit {
  size_t first, last;
  unsigned indent;
  bool inBlock;
  size_t defining = 0;   ///< its aligned `=`, 0 if there is none
  unsigned leftSize = 0; ///< columns before `defining`
  unsigned padding = 0;  ///< blanks that align it
};

/// A finished line; the comment is joined when its column is known.
struct Line {
  std::string text;
  StringRef comment;
  bool startsGroup; ///< comments are not aligned with the lines above
};

/// What an open bracket means for the lines that begin inside it.
struct Bracket {
  unsigned indent, closeIndent;
};

class Formatter {
public:
  Formatter(const TokenList &list, const SourceFile &file)
      : tokens(list.tokens), comments(list.comments), file(file) {}
  std::string run();

private:
  StringRef text(SourceRange range) const {
    return file.text().substr(range.begin - file.base(),
                              range.end - range.begin);
  }
  bool blankBetween(uint32_t end, uint32_t begin) const;
  const Comment *trailing(size_t token) const;
  ArrayRef<Comment> commentsBefore(size_t token) const;
  bool breaksBefore(size_t token) const;
  void splitUnits();
  void measure(Unit &unit);
  void align();
  void emitComments(size_t token, unsigned indent, bool blanks);
  void emit(const Unit &unit, bool startsGroup);
  void startLine(unsigned indent, bool startsGroup);
  std::string joinLines();

  ArrayRef<Token> tokens;
  ArrayRef<Comment> comments;
  const SourceFile &file;
  std::vector<Unit> units;
  std::vector<Line> lines;
};
} // namespace

static bool spaceBetween(const Token &left, const Token &right) {
  bool noneBefore = llvm::is_contained(
      {Tok::Comma, Tok::RParen, Tok::RBracket, Tok::Colon}, right.kind);
  bool noneAfter = left.kind == Tok::LParen || left.kind == Tok::LBracket;
  return !noneBefore && !noneAfter && right.role != Role::Postfix &&
         right.role != Role::Tight && left.role != Role::Prefix &&
         left.role != Role::Tight;
}

static size_t columnsOf(StringRef text) {
  return std::max(0, llvm::sys::unicode::columnWidthUTF8(text));
}

bool Formatter::blankBetween(uint32_t end, uint32_t begin) const {
  return text({end, begin}).count('\n') > 1;
}

/// All comments between a token and the one before it.
ArrayRef<Comment> Formatter::commentsBefore(size_t token) const {
  auto below = [](const Comment &c, size_t index) { return c.before < index; };
  const Comment *first = llvm::lower_bound(comments, token, below);
  const Comment *last = llvm::lower_bound(comments, token + 1, below);
  return {first, last};
}

/// The comment behind a token on its line.
const Comment *Formatter::trailing(size_t token) const {
  ArrayRef<Comment> found = commentsBefore(token + 1);
  return found.empty() || found.front().startsLine ? nullptr : &found.front();
}

/// Inside of a unit the author's breaks stay, and clauses of a header begin
/// lines.
bool Formatter::breaksBefore(size_t token) const {
  return tokens[token].startsLine || tokens[token].kind == Tok::With ||
         tokens[token].kind == Tok::Cut;
}

void Formatter::splitUnits() {
  bool inBlock = false, inCascade = false;
  auto begin = [&](size_t token) {
    if (!units.empty())
      units.back().last = token;
    unsigned indent = inBlock ? step : 0;
    units.push_back({token, token, indent, inBlock});
  };
  for (auto [index, token] : llvm::enumerate(tokens)) {
    bool opens = token.kind == Tok::LBrace, closes = token.kind == Tok::RBrace;
    bool afterBrace = index > 0 && tokens[index - 1].kind == Tok::LBrace;
    if (token.startsItem && !inBlock)
      inCascade = token.kind == Tok::Cascade;
    if (closes)
      inBlock = false;
    if (token.startsItem || closes || afterBrace || (opens && inCascade) ||
        token.kind == Tok::End)
      begin(index);
    if (opens)
      inBlock = true;
  }
  units.pop_back(); // End
}

void Formatter::measure(Unit &unit) {
  size_t at = unit.first;
  unsigned columns = 0;
  for (; at < unit.last && tokens[at].role != Role::Defining; ++at) {
    if (at > unit.first && breaksBefore(at))
      return;
    columns += columnsOf(text(tokens[at].range)) +
               (at > unit.first && spaceBetween(tokens[at - 1], tokens[at]));
  }
  if (at == unit.last || breaksBefore(at))
    return;
  unit.defining = at;
  unit.leftSize = columns;
}

/// Aligns the `=` of a run: statements of one block, or defs of one expression,
/// without a blank line between.
void Formatter::align() {
  size_t runBegin = 0;
  auto closeRun = [&](size_t runEnd) {
    auto run = llvm::MutableArrayRef(units).slice(runBegin, runEnd - runBegin);
    unsigned widest = 0;
    for (const Unit &unit : run)
      widest = std::max(widest, unit.leftSize);
    for (Unit &unit : run)
      unit.padding = unit.defining ? widest - unit.leftSize : 0;
    runBegin = runEnd;
  };
  uint32_t end = file.base();
  for (auto [index, unit] : llvm::enumerate(units)) {
    ArrayRef<Comment> above = commentsBefore(unit.first);
    uint32_t begin = tokens[unit.first].range.begin;
    bool blank = false;
    for (const Comment &comment : above) {
      blank |= blankBetween(end, comment.range.begin);
      end = comment.range.end;
    }
    blank |= blankBetween(end, begin);
    measure(unit);
    if (blank || unit.inBlock != (index && units[index - 1].inBlock) ||
        (!unit.inBlock && !unit.defining))
      closeRun(index);
    end = tokens[unit.last - 1].range.end;
  }
  closeRun(units.size());
}

void Formatter::startLine(unsigned indent, bool startsGroup) {
  lines.push_back({std::string(indent, ' '), {}, startsGroup});
}

/// The comments on lines of their own above a token. `blanks`: a blank line of
/// the source stays.
void Formatter::emitComments(size_t token, unsigned indent, bool blanks) {
  uint32_t end = token ? tokens[token - 1].range.end : file.base();
  // None at the top of the file or of a block.
  bool first = !token || tokens[token - 1].kind == Tok::LBrace;
  auto keepBlank = [&](uint32_t begin) {
    if (blanks && !first && blankBetween(end, begin))
      startLine(0, true);
    first = false;
  };
  for (const Comment &comment : commentsBefore(token)) {
    if (comment.startsLine) {
      keepBlank(comment.range.begin);
      startLine(indent, true);
      lines.back().text += text(comment.range);
    }
    end = comment.range.end;
  }
  bool closes = tokens[token].kind == Tok::RBrace;
  if (!closes && tokens[token].kind != Tok::End)
    keepBlank(tokens[token].range.begin);
}

void Formatter::emit(const Unit &unit, bool startsGroup) {
  SmallVector<Bracket> brackets;
  unsigned continuation = unit.indent + step;
  auto lineIndent = [&] {
    StringRef line = lines.back().text;
    return unsigned(line.size() - line.ltrim(' ').size());
  };
  for (size_t at = unit.first; at < unit.last; ++at) {
    const Token &token = tokens[at];
    bool opens = token.kind == Tok::LParen || token.kind == Tok::LBracket;
    bool closes = token.kind == Tok::RParen || token.kind == Tok::RBracket;
    bool clause = token.kind == Tok::With || token.kind == Tok::Cut;
    if (clause)
      continuation = unit.indent + step;
    Bracket bracket =
        brackets.empty() ? Bracket{continuation, 0} : brackets.back();
    if (closes)
      brackets.pop_back();
    if (at == unit.first) {
      Tok kind = token.kind;
      bool brace = kind == Tok::LBrace || kind == Tok::RBrace;
      emitComments(at, brace ? step : unit.indent, kind != Tok::LBrace);
      startLine(unit.indent, startsGroup);
    } else if (breaksBefore(at)) {
      unsigned indent = closes ? bracket.closeIndent : bracket.indent;
      emitComments(at, bracket.indent, /*blanks=*/false);
      startLine(indent, false);
    } else {
      if (at == unit.defining)
        lines.back().text.append(unit.padding, ' ');
      if (spaceBetween(tokens[at - 1], token))
        lines.back().text += ' ';
    }
    unsigned column = columnsOf(lines.back().text);
    lines.back().text += text(token.range);
    if (clause) // its relations stand below each other
      continuation = column + token.range.end - token.range.begin + 1;
    if (opens && at + 1 < unit.last && breaksBefore(at + 1))
      brackets.push_back({lineIndent() + step, lineIndent()});
    else if (opens)
      brackets.push_back({column + 1, lineIndent()});
    if (const Comment *comment = trailing(at))
      lines.back().comment = text(comment->range);
  }
}

std::string Formatter::joinLines() {
  std::string out;
  for (size_t begin = 0, end; begin < lines.size(); begin = end) {
    end = begin + 1;
    while (end < lines.size() && !lines[end].startsGroup)
      ++end;
    auto group = llvm::MutableArrayRef(lines).slice(begin, end - begin);
    size_t column = 0;
    for (const Line &line : group)
      if (!line.comment.empty() && columnsOf(line.text) <= commentColumn)
        column = std::max(column, columnsOf(line.text));
    for (const Line &line : group) {
      out += line.text;
      if (!line.comment.empty()) {
        size_t columns = columnsOf(line.text);
        out.append((columns < column ? column - columns : 0) + 2, ' ');
        out += line.comment;
      }
      out += '\n';
    }
  }
  return out;
}

std::string Formatter::run() {
  splitUnits();
  align();
  for (auto [index, unit] : llvm::enumerate(units)) {
    // Statements of one block are a group, and defs of one expression.
    const Unit *above = index ? &units[index - 1] : nullptr;
    bool joins = above && unit.inBlock == above->inBlock &&
                 (unit.inBlock || (unit.defining && above->defining));
    emit(unit, !joins);
  }
  emitComments(tokens.size() - 1, 0, /*blanks=*/true);
  return joinLines();
}

std::optional<std::string> attn::text::formatSource(const SourceFile &file,
                                                    Diagnostics &diagnostics) {
  size_t first = diagnostics.all().size();
  unsigned errorsBefore = diagnostics.errorCount();
  TokenList list = lex(file, diagnostics);
  Parser(list, file, diagnostics).run();
  diagnostics.sortFrom(first);
  if (diagnostics.errorCount() != errorsBefore)
    return std::nullopt;
  return Formatter(list, file).run();
}
