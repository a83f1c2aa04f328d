// OpenSSH's multiplexing protocol (its PROTOCOL.mux, version 4): what a master and its clients say on a Unix socket.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace sluice {

inline constexpr uint32_t kMuxVersion = 4;
// Environment and command of one session are the most that a client sends.
inline constexpr size_t kMaxMuxMessage = 256 * 1024;
inline constexpr uint32_t kMuxNoEscape = 0xffffffff;
// Stands for a port where a path is meant.
inline constexpr uint32_t kMuxPathPort = static_cast<uint32_t>(-2);

enum class MuxMessage : uint32_t {
  hello = 0x00000001,
  new_session = 0x10000002,
  alive_check = 0x10000004,
  terminate = 0x10000005,
  open_forward = 0x10000006,
  close_forward = 0x10000007,
  new_stdio_forward = 0x10000008,
  stop_listening = 0x10000009,
  ok = 0x80000001,
  permission_denied = 0x80000002,
  failure = 0x80000003,
  exit_message = 0x80000004,
  alive = 0x80000005,
  session_opened = 0x80000006,
  remote_port = 0x80000007,
  tty_alloc_failed = 0x80000008,
};

enum class MuxForward : uint32_t { local = 1, remote = 2, dynamic = 3 };

// With its length in front.
std::vector<uint8_t> mux_packet(Bytes message);
// One descriptor with one byte, as OpenSSH passes them. Nothing, errno says why: EAGAIN is not yet.
UniqueFd receive_mux_descriptor(int socket);
bool send_mux_descriptor(int socket, int descriptor);

// A socket at the path that only its owner can reach: listening, or connected to whoever listens.
ResultOrText<UniqueFd> listen_for_mux(const std::string& path);
UniqueFd connect_to_mux(const std::string& path);

}  // namespace sluice
