// FrameCapture: frames into a file in pcap's format, for people who debug. Bounded: it ends at its limit.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace sluice {

class FrameCapture {
 public:
  static constexpr uint64_t kMostBytes = uint64_t{1} << 30;
  // For its owner only: payload is sealed, but addresses are not.
  static ResultOrText<std::unique_ptr<FrameCapture>> open(const std::string& path);
  // Any thread.
  void write(std::span<const Bytes> pieces);

 private:
  explicit FrameCapture(UniqueFd file) : file_(std::move(file)) {}
  std::mutex mutex_;
  UniqueFd file_;
  uint64_t written_ = 0;
};

}  // namespace sluice
