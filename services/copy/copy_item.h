// CopyItem: one file to be copied, and what all files of a copy share.
#pragma once

#include "services/copy/copy_options.h"
#include "services/copy/local_side.h"
#include "services/copy/part_journal.h"
#include "services/copy/remote_side.h"

namespace sluice {

struct CopyItem {
  std::string from, to;   // as their sides take them
  std::string shown;      // to the user
  SftpAttributes facts;   // of the source
  bool in_place = false;  // a device or a pipe: not replaced by a renamed file
};

struct CopyPlan {
  CopySide& source;
  CopySide& target;
  std::string source_name;  // whose files they are: part of a journal's identity
  const CopyOptions& options;
  CopyCounts& counts;
  CopyListener& listener;

  LocalSide& local_source() const { return static_cast<LocalSide&>(source); }
  LocalSide& local_target() const { return static_cast<LocalSide&>(target); }
};

SourceFacts source_facts(const CopyPlan& plan, const CopyItem& item);
// Beside its target, where nobody takes it for whole.
std::string temporary_name(const CopyItem& item, const SourceFacts& facts);
// A new file's mode and, where they are preserved, its times.
SftpAttributes wanted_attributes(const CopyPlan& plan, const CopyItem& item);
uint32_t mode_mask();

}  // namespace sluice
