// Packets with descriptors.
#include "apps/sluiced/process_link.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/memory_file.h"

namespace sluice {
namespace {

constexpr size_t kMostText = 4096;

}  // namespace

ResultOrText<std::pair<ProcessLink, ProcessLink>> ProcessLink::make_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail(std::string("socketpair: ") + std::strerror(errno));
  }
  return std::pair{ProcessLink(UniqueFd(ends[0])), ProcessLink(UniqueFd(ends[1]))};
}

bool ProcessLink::send(Order order, std::string_view text, const std::vector<int>& descriptors) {
  if (descriptors.size() > kMostOrderDescriptors) return false;
  std::string packet(1, static_cast<char>(order));
  packet.append(text.substr(0, kMostText));
  iovec vector{packet.data(), packet.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostOrderDescriptors)> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(int) * descriptors.size());
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(end_.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

bool ProcessLink::offer(Order order, std::string_view text) {
  std::string packet(1, static_cast<char>(order));
  packet.append(text.substr(0, kMostText));
  return ::send(end_.get(), packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

std::optional<ReceivedOrder> ProcessLink::receive_first() {
  std::optional<ReceivedOrder> order;
  while (!(order = receive()) && !ended_) {
    pollfd waited{end_.get(), POLLIN, 0};
    (void)::poll(&waited, 1, -1);
  }
  return order;
}

std::optional<ReceivedOrder> ProcessLink::receive() {
  std::array<char, 1 + kMostText> bytes;
  iovec vector{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostOrderDescriptors)> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = ::recvmsg(end_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n <= 0) {
    ended_ = n == 0 || (errno != EAGAIN && errno != EINTR);
    return std::nullopt;
  }
  ReceivedOrder received{static_cast<Order>(bytes[0]), std::string(bytes.data() + 1, static_cast<size_t>(n) - 1), {}};
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int descriptor;
      std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
      received.descriptors.emplace_back(descriptor);
    }
  }
  return received;
}

ResultOrText<UniqueFd> text_file(std::string_view text) {
  UniqueFd file = memory_file("configuration", text);
  if (!file) return fail(std::string("memory file: ") + std::strerror(errno));
  return file;
}

ResultOrText<std::string> read_text_file(int descriptor, size_t most) {
  // Not fstat: libc makes a call of it that looks up paths too, and so is refused to a confined process.
  const off_t size = ::lseek(descriptor, 0, SEEK_END);
  if (size < 0 || static_cast<size_t>(size) > most) return fail(std::string("the text is too long, or not there"));
  std::string text(static_cast<size_t>(size), '\0');
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = ::pread(descriptor, text.data() + at, text.size() - at, static_cast<off_t>(at));
    if (n <= 0) return fail(std::string("memory file: ") + std::strerror(errno));
    at += static_cast<size_t>(n);
  }
  return text;
}

}  // namespace sluice
