//===- Laws.cpp - laws, where they fired, where they refused ----*- C++ -*-===//
#include "passes/derive/Laws.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace attn;

static constexpr LawRow kLaws[] = {
#define ATTN_LAW(id, name, identity, conditions, apply)                        \
  {Law::id, name, identity, conditions, apply},
#include "passes/derive/Laws.def"
};

ArrayRef<LawRow> attn::laws() { return kLaws; }
const LawRow &attn::row(Law law) { return kLaws[static_cast<size_t>(law)]; }

void attn::applyLaws(CascadeOp cascade) {
  SmallPtrSet<void *, 8> done;
  for (const LawRow &law : laws())
    if (done.insert(reinterpret_cast<void *>(law.apply)).second)
      law.apply(cascade);
}

/// Events are arrays of strings; each once.
static void append(CascadeOp cascade, StringRef attribute,
                   ArrayRef<std::string> words) {
  Builder b(cascade.getContext());
  SmallVector<Attribute> events;
  if (auto known = cascade->getAttrOfType<ArrayAttr>(attribute))
    events.assign(known.begin(), known.end());
  SmallVector<StringRef> texts(words.begin(), words.end());
  Attribute event = b.getStrArrayAttr(texts);
  if (llvm::is_contained(events, event))
    return;
  events.push_back(event);
  cascade->setAttr(attribute, b.getArrayAttr(events));
}

void attn::noteLaw(CascadeOp cascade, Law law, const Twine &statement) {
  append(cascade, "attn.laws", {row(law).name.str(), statement.str()});
}

void attn::noteRefusal(CascadeOp cascade, Law law, const Twine &statement,
                       const Twine &condition) {
  append(cascade, "attn.refusals",
         {row(law).name.str(), statement.str(), condition.str()});
}

static SmallVector<LawEvent> events(CascadeOp cascade, StringRef attribute) {
  SmallVector<LawEvent> result;
  auto known = cascade->getAttrOfType<ArrayAttr>(attribute);
  if (!known)
    return result;
  for (auto event : known.getAsRange<ArrayAttr>()) {
    auto words = strings(event);
    result.push_back({words[0].str(), words[1].str(),
                      words.size() > 2 ? words[2].str() : std::string()});
  }
  return result;
}

SmallVector<LawEvent> attn::lawsOf(CascadeOp cascade) {
  return events(cascade, "attn.laws");
}

SmallVector<LawEvent> attn::refusalsOf(CascadeOp cascade) {
  return events(cascade, "attn.refusals");
}
