// Packets with descriptors over one end of a SOCK_SEQPACKET pair, without waiting.
#pragma once

#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/unique_fd.h"

namespace sluice {

enum class PacketOutcome : uint8_t { packet, would_block, ended };

struct ReceivedPacket {
  PacketOutcome outcome = PacketOutcome::ended;
  // In memory of the calling thread, valid until its next receive_packet.
  Bytes bytes;
  std::vector<UniqueFd> descriptors;
};

// Two connected ends, close-on-exec and non-blocking; both empty when the kernel refused.
std::pair<UniqueFd, UniqueFd> make_packet_pair();
bool set_nonblocking(int descriptor);

PacketOutcome send_packet(int socket, Bytes packet, const std::vector<UniqueFd>& descriptors);
// A packet that is longer than `most`, or brings more descriptors than allowed, ends the socket: an honest peer sends
// none. Whatever came with it is closed.
ReceivedPacket receive_packet(int socket, size_t most, size_t most_descriptors);

}  // namespace sluice
