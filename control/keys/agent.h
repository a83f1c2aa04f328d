// AgentClient: asks an ssh-agent for its keys and for signatures (draft-miller-ssh-agent), over a Unix socket.
//
// The agent is the user's, but its answers are still bytes from another process: bounded, timed, and parsed like a
// peer's.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/keys/certificate.h"
#include "control/keys/private_key.h"

namespace sluice {

inline constexpr size_t kMaxAgentMessage = 256 * 1024;
inline constexpr size_t kMaxAgentKeys = 2048;

struct AgentKey {
  PublicKey key;
  std::string comment;
  // The agent knows the key by it; it may list the plain key besides.
  std::optional<Certificate> certificate = {};

  Bytes blob() const { return certificate ? Bytes(certificate->blob) : key.blob(); }
};

struct AgentTimeouts {
  std::chrono::milliseconds answer{5000};
  // A person may have to touch a device or confirm a window.
  std::chrono::milliseconds signature{120000};
};

// Of a key that it is given.
struct AgentConstraints {
  uint32_t lifetime_s = 0;  // 0: until it is taken away
  bool confirm = false;     // it asks its user before each use
};

class AgentClient {
 public:
  // path is the value of SSH_AUTH_SOCK.
  static ResultOrText<AgentClient> connect(const std::string& path, const AgentTimeouts& timeouts = {});
  // Takes the descriptor of a connected stream, such as a forwarded agent channel's.
  explicit AgentClient(int fd, const AgentTimeouts& timeouts = {}) : fd_(fd), timeouts_(timeouts) {}
  AgentClient(AgentClient&& other) noexcept;
  AgentClient& operator=(AgentClient&& other) noexcept;
  ~AgentClient() { close(); }

  // Keys of types that we do not know are left out.
  ResultOrText<std::vector<AgentKey>> list(const KeyLimits& limits = {});
  // A signature blob. The flags that choose an RSA hash come from the algorithm; an agent that does not know them and
  // answers with another algorithm is an error here and not at the server.
  ResultOrText<std::vector<uint8_t>> sign(const PublicKey& key, std::string_view algorithm, Bytes data) {
    return sign(key.blob(), key.type(), algorithm, data);
  }
  // By the blob that the agent lists, a certificate's perhaps; the algorithm is a plain one all the same.
  ResultOrText<std::vector<uint8_t>> sign(Bytes blob, KeyType type, std::string_view algorithm, Bytes data);
  // Gives it a key to hold.
  ResultOrText<void> add(const PrivateKey& key, std::string_view comment, const AgentConstraints& constraints);

 private:
  ResultOrText<std::vector<uint8_t>> ask(Bytes message, std::chrono::milliseconds timeout);
  void close();

  // After any failure in the middle of a message the stream has no known position, so it is closed: -1.
  int fd_;
  AgentTimeouts timeouts_;
};

}  // namespace sluice
