// SlowClose: a descriptor whose close waits for as long as the test likes: a socket with much to send to a peer that
// reads nothing.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <vector>

#include "base/unique_fd.h"

namespace sluice::test {

// Closing `slow` waits until `peer` is closed.
struct SlowClose {
  UniqueFd slow, peer;

  SlowClose() {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int small = 4096;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    slow = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ::setsockopt(slow.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    EXPECT_EQ(::connect(slow.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    peer = UniqueFd(::accept(listener.get(), nullptr, nullptr));
    std::vector<uint8_t> much(64 * 1024);
    while (::send(slow.get(), much.data(), much.size(), MSG_DONTWAIT) > 0) {}
    const linger wait{1, 3600};
    ::setsockopt(slow.get(), SOL_SOCKET, SO_LINGER, &wait, sizeof wait);
  }
};

}  // namespace sluice::test
