// SftpTransfer: the bytes of one range of one file, to the server or from it; asked for by any thread, moved by a
// worker.
//
// Whoever asks keeps the file and the remote handle open until `done` was called. The atomics may be read at any time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "base/unique_fd.h"
#include "services/sftp_client/sftp_messages.h"
#include "services/transfer/rate_limit.h"

namespace sluice {

struct TransferOrder {
  enum class Direction : uint8_t { put, get };
  static constexpr uint64_t kToTheEnd = ~uint64_t{0};

  Direction direction = Direction::put;
  std::shared_ptr<UniqueFd> file;  // ours
  std::vector<uint8_t> handle;     // the server's
  uint64_t local_offset = 0;
  uint64_t remote_offset = 0;
  // Of a get kToTheEnd: whatever there is, until the server says that there is no more. Of a put: until our file ends.
  uint64_t length = kToTheEnd;
  std::shared_ptr<RateLimit> limit = {};  // none: as fast as it goes
  // Of a put: asked for right behind the last WRITE, for servers that keep the order of what is asked of a file.
  std::vector<SftpCall> behind = {};
  // What is in the file for good as far as the other side said so: from `local_offset` on (a put's are in any order).
  // On the worker.
  std::function<void(uint64_t offset, uint64_t length)> acknowledged = {};
};

class SftpTransfer {
 public:
  explicit SftpTransfer(TransferOrder order) : order_(std::move(order)) {}
  const TransferOrder& order() const { return order_; }
  // Acknowledged by the server, or written to our file.
  uint64_t moved() const { return moved_.load(std::memory_order_relaxed); }
  // Any thread. It still ends by `done`, when nothing of it is under way any more.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  friend class SftpEngine;
  TransferOrder order_;
  std::atomic<uint64_t> moved_{0};
  std::atomic<bool> cancelled_{false};
};

// How it ended. A get that ended well has all of its length, or what there was of kToTheEnd.
struct TransferEnd {
  uint64_t moved = 0;
  std::optional<SftpFault> fault = {};
  // What was answered to the calls behind it; empty: it ended before they were asked.
  std::vector<SftpResult<void>> behind = {};
};

}  // namespace sluice
