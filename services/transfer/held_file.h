// HeldFile: a file that a broker opened, with what it is like, held so that nobody waits when it is let go.
#pragma once

#include <memory>
#include <string>

#include "base/file_nature.h"
#include "services/transfer/file_io_pool.h"
#include "services/transfer/file_kind.h"

namespace sluice {

struct HeldFile {
  FileKind kind = FileKind::memory;
  bool far = false;           // at somebody's server: nothing of it is done on the worker
  bool cached_reads = false;  // the file system can say that a read would wait
  std::shared_ptr<UniqueFd> descriptor;

  HeldFile() = default;
  // The owner is the pool's.
  HeldFile(UniqueFd opened, const std::string& owner, FileIoPool& pool = FileIoPool::shared())
      : kind(kind_of(opened.get())),
        far(kind == FileKind::disk && is_far_file(opened.get())),
        cached_reads(!far),
        descriptor(far ? pool.keep(std::move(opened), owner) : std::make_shared<UniqueFd>(std::move(opened))) {}

  // A read or a write may take as long as a disk likes.
  bool waits() const { return kind == FileKind::disk; }
};

}  // namespace sluice
