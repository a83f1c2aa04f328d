// The file's header, and a header in front of each frame.
#include "drivers/frame_capture.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sluice {
namespace {

constexpr size_t kMostPieces = 32;
constexpr uint32_t kMostFrame = 1 << 18;

struct FileHeader {
  uint32_t magic = 0xa1b23c4d;  // times in nanoseconds, in this machine's order of bytes
  uint16_t major = 2, minor = 4;
  uint32_t zone = 0, accuracy = 0;
  uint32_t most = kMostFrame;
  uint32_t link_type = 1;  // Ethernet
};
struct FrameHeader {
  uint32_t seconds, nanoseconds, kept, size;
};

}  // namespace

ResultOrText<std::unique_ptr<FrameCapture>> FrameCapture::open(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  const FileHeader header;
  if (file.get() < 0 || ::write(file.get(), &header, sizeof header) != static_cast<ssize_t>(sizeof header)) {
    return fail("cannot write the capture file " + path + ": " + std::strerror(errno));
  }
  return std::unique_ptr<FrameCapture>(new FrameCapture(std::move(file)));
}

void FrameCapture::write(std::span<const Bytes> pieces) {
  std::array<iovec, kMostPieces + 1> parts;
  size_t size = 0, n = 1;
  for (const Bytes& piece : pieces) {
    if (n == parts.size()) return;
    parts[n++] = {const_cast<uint8_t*>(piece.data()), piece.size()};
    size += piece.size();
  }
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  FrameHeader header{static_cast<uint32_t>(now.tv_sec), static_cast<uint32_t>(now.tv_nsec), static_cast<uint32_t>(size),
                     static_cast<uint32_t>(size)};
  parts[0] = {&header, sizeof header};
  const std::lock_guard lock(mutex_);
  if (size > kMostFrame || written_ + size > kMostBytes) return;
  const ssize_t done = ::writev(file_.get(), parts.data(), static_cast<int>(n));
  // What was cut off in the middle would make the rest unreadable.
  written_ = done == static_cast<ssize_t>(size + sizeof header) ? written_ + size + sizeof header : kMostBytes;
}

}  // namespace sluice
