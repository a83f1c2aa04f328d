// PartJournal: which parts of a temporary file are there for good, told beside it, so that a copy that was cut goes on.
//
// It counts only for the very source that it names: size, time, and what the source is called.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "services/copy/range_set.h"

namespace sluice {

struct SourceFacts {
  uint64_t size = 0;
  uint32_t modified = 0;
  std::string name;  // where it lies, host and path

  // So that what is left of another source, or of a changed one, is another name.
  std::string mark() const;
};

inline constexpr size_t kMostJournal = 64 * 1024;

std::vector<uint8_t> write_journal(const SourceFacts& source, const RangeSet& parts);
// Nothing: torn, malformed, or of another source.
ResultOrText<RangeSet> read_journal(Bytes journal, const SourceFacts& source);

}  // namespace sluice
