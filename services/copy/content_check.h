// Whether two files, or the beginnings of two, are the same: by hashes that each end computes for itself.
#pragma once

#include "services/copy/copy_options.h"
#include "services/copy/remote_side.h"

namespace sluice {

// A file at one end, open for reading.
struct CheckedFile {
  std::shared_ptr<UniqueFd> local;  // or, at a server:
  RemoteSide* side = nullptr;
  std::string path;
};

// Both of this size. A fault where they differ, or where it could not be found out.
SftpResult<void> compare_content(const CheckedFile& one, const CheckedFile& other, uint64_t size,
                                 const CopyOptions& options);
// How many bytes at the front of both are the same, in whole blocks; 0 where a server cannot tell.
uint64_t equal_prefix(const CheckedFile& one, const CheckedFile& other, uint64_t most, const CopyOptions& options);

}  // namespace sluice
