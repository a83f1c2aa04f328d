// What a copy is to do, and to whom it tells what happened.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "services/broker/file_digest.h"
#include "services/sftp_client/sftp_messages.h"
#include "services/transfer/rate_limit.h"

namespace sluice {

struct CopyOptions {
  bool recursive = false;
  bool preserve = false;  // times and modes
  bool follow = false;    // what links point to, instead of links
  bool verify = false;
  bool dry_run = false;
  bool resume = true;
  bool update = false;                 // not what is there with the same size and time
  size_t connections = 0;              // 0: as many as turn out to pay
  std::vector<std::string> exclude{};  // patterns of names and of paths below the source
  std::shared_ptr<RateLimit> limit{};
  const DigestMaker* digests = nullptr;
};

// Counted by all threads, shown by one.
struct CopyCounts {
  std::atomic<uint64_t> files_found{0}, bytes_found{0};
  std::atomic<uint64_t> files_done{0}, files_failed{0}, files_skipped{0};
  std::atomic<uint64_t> bytes_done{0};     // moved now, or found there already
  std::atomic<uint64_t> bytes_resumed{0};  // of them found there
  std::atomic<uint64_t> connections{1};
  std::atomic<bool> all_found{false};
};

// Called by any thread.
class CopyListener {
 public:
  virtual ~CopyListener() = default;
  virtual void on_begin(const std::string& name, uint64_t size) = 0;
  virtual void on_done(const std::string& name, uint64_t size, bool verified) = 0;
  virtual void on_fault(const std::string& name, const SftpFault& fault) = 0;
  // Something that the user should know and that is no failure.
  virtual void on_notice(const std::string& text) = 0;
};

}  // namespace sluice
