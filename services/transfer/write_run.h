// A run of WRITE data with adjoining offsets, and its way into the file: on the worker or on a thread of the pool.
#pragma once

#include <sys/uio.h>

#include <span>
#include <vector>

#include "base/bytes.h"

namespace sluice {

// Where in a run the data of a request ends.
struct WriteMark {
  uint32_t id;
  uint32_t length;  // of the whole request, of which the run may have the end only
  size_t end;
  int error = 0;  // why it was not written, in errno's numbers
};

struct WriteRun {
  int descriptor;
  // Nothing for what has no offsets: FIFOs, terminals.
  bool seekable;
  uint64_t offset;
  std::span<const iovec> pieces;
  std::span<WriteMark> marks;
  // What befell the part of the first request that an earlier run had; of the last, what befell its part here.
  int carried;
  // Bytes that are in the file.
  size_t written = 0;
};

// Each mark has its error then. An error is of the request in which it happened; those behind it are tried.
void write_run(WriteRun& run);

// The pieces from `skip` on, appended to `out` up to its size.
size_t pieces_from(std::span<const iovec> pieces, size_t skip, size_t most, std::span<iovec> out);

}  // namespace sluice
