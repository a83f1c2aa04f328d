// What the network process and the monitor say to each other: packets of whole frames over a SOCK_SEQPACKET pair.
//
// A packet is frames back to back, so that one system call carries many of them. A frame is u32 length, u8 type,
// u32 connection, u32 request, body. Each side parses the other strictly: a frame that is not exactly what its type
// says ends the link (network process) or condemns the connection (monitor).
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "control/auth/auth_verdict.h"
#include "control/auth/backends/login_backend.h"

namespace sluice {

inline constexpr size_t kMaxMonitorPacket = 64 * 1024;
inline constexpr size_t kMonitorHeader = 4 + 1 + 4 + 4;
inline constexpr size_t kMaxMonitorBody = kMaxMonitorPacket - kMonitorHeader;
// With signatures of the longest RSA keys their answer still fits a packet.
inline constexpr size_t kMaxProofKeys = 24;
inline constexpr size_t kMaxReason = 256;

enum class MonitorType : uint8_t {
  // To the monitor. The connection is 0 in the first one.
  list_host_keys = 1,
  open = 2,
  close = 3,
  sign = 4,
  prove = 5,
  question = 6,
  start_broker = 7,
  // From it.
  host_keys = 65,
  signature = 66,
  proof = 67,
  verdict = 68,
  broker = 69,
  condemned = 70,
};

struct MonitorHeader {
  MonitorType type;
  uint32_t connection = 0;
  // Grows from one request of a connection to the next; a reply bears its request's.
  uint32_t request = 0;
};

struct MonitorFrame {
  MonitorHeader header;
  Bytes body;
};

// The next frame of a packet; nothing at its end. An error poisons the packet.
class FrameReader {
 public:
  explicit FrameReader(Bytes packet) : rest_(packet) {}
  bool at_end() const { return rest_.empty(); }
  Result<MonitorFrame> next();

 private:
  Bytes rest_;
};

// Frames on their way out, packed. What was sent is wiped: passwords travel here.
class PacketQueue {
 public:
  ~PacketQueue();
  // A descriptor goes with its frame; a packet carries one at most, so that the receiver knows whose it is.
  void append(const MonitorHeader& header, Bytes body, UniqueFd descriptor = {});
  bool empty() const { return packets_.empty(); }
  size_t packets() const { return packets_.size(); }
  Bytes front() const { return packets_.front().bytes; }
  // -1: none.
  int front_descriptor() const { return packets_.front().descriptor.get(); }
  void pop();

 private:
  struct Packet {
    std::vector<uint8_t> bytes;
    UniqueFd descriptor;
  };
  std::deque<Packet> packets_;
};

struct SignRequest {
  std::string kex;
  std::string algorithm;
  std::vector<uint8_t> host_key;
  std::vector<uint8_t> hash;
};

struct ProofKey {
  std::vector<uint8_t> host_key;
  std::string algorithm;
};

struct OfferedHostKey {
  std::vector<uint8_t> blob;
  std::vector<std::string> algorithms;
};

// With started the packet carries the link's end.
struct BrokerReply {
  bool started = false;
  std::string text;
};

std::vector<uint8_t> write_open(const LoginSource& source);
Result<LoginSource> read_open(Bytes body);
std::vector<uint8_t> write_sign(const SignRequest& sign);
Result<SignRequest> read_sign(Bytes body);
std::vector<uint8_t> write_prove(const std::vector<ProofKey>& keys);
Result<std::vector<ProofKey>> read_prove(Bytes body);
Secret write_question(const AuthQuestion& question);
Result<AuthQuestion> read_question(Bytes body);

// What the network process may tell anybody: host keys, and the methods that a login begins with.
struct PublicFacts {
  std::vector<OfferedHostKey> keys;
  MethodSet first_methods;
};
std::vector<uint8_t> write_host_keys(const PublicFacts& facts);
Result<PublicFacts> read_host_keys(Bytes body);
std::vector<uint8_t> write_blobs(const std::vector<std::vector<uint8_t>>& blobs);
Result<std::vector<std::vector<uint8_t>>> read_blobs(Bytes body);
std::vector<uint8_t> write_verdict(const AuthVerdict& verdict);
Result<AuthVerdict> read_verdict(Bytes body);
std::vector<uint8_t> write_broker(const BrokerReply& reply);
Result<BrokerReply> read_broker(Bytes body);
std::vector<uint8_t> write_reason(std::string_view reason);
Result<std::string> read_reason(Bytes body);

}  // namespace sluice
