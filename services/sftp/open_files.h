// OpenFiles: what a channel has open, by handles that mean nothing elsewhere.
//
// A handle is a slot's number and 64 random bits: what another channel was given, or this one before, is not found.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>

#include "base/unique_fd.h"
#include "services/broker/file_facts.h"
#include "services/transfer/held_file.h"
#include "services/transfer/user_budget.h"

namespace sluice {

struct SftpFile : HeldFile {
  bool readable = false, writable = false;
  bool closing = false;     // CLOSE came: no longer to be found
  uint32_t closes_out = 0;  // of its two descriptors, ours and the broker's
  std::optional<Failure> close_fault;
  uint32_t broker_handle = 0;
  uint32_t slot = 0;
  uint64_t secret = 0;
  std::string path;  // as the client wrote it
  std::shared_ptr<HandleGrant> grant;

  // What must be over before a request behind it begins.
  uint32_t queued = 0;                          // requests that wait
  uint32_t exclusive = 0;                       // requests at the broker that change or need all of it
  uint32_t reads_out = 0;                       // in the pool
  std::deque<std::unique_ptr<FileJob>> writes;  // the first is in the pool
  int carried = 0;                              // error of the first part of a WRITE whose end is still to come

  // Of a directory.
  std::deque<DirectoryEntry> ahead;
  bool last = false;
  std::unique_ptr<MemoryGrant> ahead_memory;

  // For the log.
  uint64_t bytes_read = 0, bytes_written = 0, opened_ns = 0;
  int error = 0;
};

class OpenFiles {
 public:
  SftpFile& add(SftpFile&& file);
  // Null: no such handle.
  SftpFile* find(Bytes handle);
  SftpFile& at(uint32_t slot) { return *slots_[slot]; }
  void remove(SftpFile& file);
  std::array<uint8_t, 12> handle_of(const SftpFile& file) const;

  template <class F>
  void each(F f) {
    for (auto& slot : slots_)
      if (slot) f(*slot);
  }
  void clear() { slots_.clear(); }

 private:
  std::vector<std::unique_ptr<SftpFile>> slots_;  // as many as the connection may have open
};

}  // namespace sluice
