// What sluicectl and the server say to each other over the socket: frames of a length, a kind and fields of RFC 4251.
//
// One request at a time is answered by one reply; events, lines of debugging say, come between them. Both sides bound
// what they read.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "control/config/command_grammar.h"
#include "control/management/shell_session.h"

namespace sluice {

inline constexpr size_t kMaxManagementRequest = 64 * 1024;
inline constexpr size_t kMaxManagementReply = size_t{64} << 20;

struct HelloRequest {
  std::string ticket;  // of a session, where the operator came by SSH; empty: who he is the socket says
  bool json = false;

  bool operator==(const HelloRequest&) const = default;
};
struct LineRequest {
  std::string line;

  bool operator==(const LineRequest&) const = default;
};
struct CompleteRequest {
  std::string line;

  bool operator==(const CompleteRequest&) const = default;
};
using ManagementRequest = std::variant<HelloRequest, LineRequest, CompleteRequest>;

struct CandidatesReply {
  std::vector<Candidate> candidates;
};
struct EventReply {
  std::string text;
};
// A reply to a hello or a line; the server ends the connection behind one whose next is `closed`.
using ManagementReply = std::variant<ShellReply, CandidatesReply, EventReply>;

std::vector<uint8_t> write_management_request(const ManagementRequest& request);
std::vector<uint8_t> write_management_reply(const ManagementReply& reply);
// The frame behind its length.
Result<ManagementRequest> read_management_request(Bytes frame);
Result<ManagementReply> read_management_reply(Bytes frame);

// Bytes to frames. There are secrets in them that somebody typed: what is done with is wiped.
class FrameBuffer {
 public:
  explicit FrameBuffer(size_t most) : most_(most) {}
  ~FrameBuffer() { wipe(bytes_.data(), bytes_.size()); }
  FrameBuffer(FrameBuffer&&) = default;
  FrameBuffer& operator=(FrameBuffer&&) = default;
  void add(Bytes bytes);
  // The next frame; nothing: it is not whole yet. Valid until the next call of anything here.
  Result<std::optional<Bytes>> next();
  size_t size() const { return bytes_.size() - taken_; }

 private:
  size_t most_;
  std::vector<uint8_t> bytes_;
  size_t taken_ = 0;
};

}  // namespace sluice
