// One request, one answer, under one deadline.
#include "control/keys/agent.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/wire.h"
#include "control/keys/guarded_file.h"
#include "control/keys/secret_writer.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

// draft-miller-ssh-agent section 6.1 and 6.2 (message numbers), 4.5.1 (flags).
constexpr uint8_t kFailure = 5;
constexpr uint8_t kSuccess = 6;
constexpr uint8_t kRequestIdentities = 11;
constexpr uint8_t kIdentitiesAnswer = 12;
constexpr uint8_t kSignRequest = 13;
constexpr uint8_t kSignResponse = 14;
constexpr uint8_t kAddIdentity = 17;
constexpr uint8_t kAddIdConstrained = 25;
constexpr uint8_t kConstrainLifetime = 1;
constexpr uint8_t kConstrainConfirm = 2;
constexpr uint32_t kFlagRsaSha256 = 2;
constexpr uint32_t kFlagRsaSha512 = 4;

bool wait_for(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd waiting{fd, events, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left, 1 << 30)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

bool send_all(int fd, Bytes bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(n));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(fd, POLLOUT, deadline)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool receive_all(int fd, MutableBytes into, Clock::time_point deadline) {
  while (!into.empty()) {
    const ssize_t n = ::recv(fd, into.data(), into.size(), MSG_DONTWAIT);
    if (n > 0) {
      into = into.subspan(static_cast<size_t>(n));
    } else if (n == 0) {
      return false;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(fd, POLLIN, deadline)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

uint32_t flags_for(std::string_view algorithm) {
  if (algorithm == "rsa-sha2-256") return kFlagRsaSha256;
  return algorithm == "rsa-sha2-512" ? kFlagRsaSha512 : 0;
}

}  // namespace

AgentClient::AgentClient(AgentClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), timeouts_(other.timeouts_) {}

AgentClient& AgentClient::operator=(AgentClient&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
    timeouts_ = other.timeouts_;
  }
  return *this;
}

void AgentClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

ResultOrText<AgentClient> AgentClient::connect(const std::string& path, const AgentTimeouts& timeouts) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return fail("agent socket: path empty or too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  AgentClient agent(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), timeouts);
  if (agent.fd_ < 0 || ::connect(agent.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail(system_error_text(path, "cannot reach the agent"));
  return agent;
}

ResultOrText<std::vector<uint8_t>> AgentClient::ask(Bytes message, std::chrono::milliseconds timeout) {
  if (fd_ < 0) return fail("agent: connection is closed");
  const auto deadline = Clock::now() + timeout;
  uint8_t length[4];
  // In two pieces: there may be a private key in the message, and no copy of it stays behind.
  store_be32(length, static_cast<uint32_t>(message.size()));
  if (!send_all(fd_, length, deadline) || !send_all(fd_, message, deadline) || !receive_all(fd_, length, deadline)) {
    close();
    return fail("agent: no answer");
  }
  const uint32_t size = load_be32(length);
  if (size == 0 || size > kMaxAgentMessage) {
    close();
    return fail("agent: answer of an impossible length");
  }
  std::vector<uint8_t> answer(size);
  if (!receive_all(fd_, answer, deadline)) {
    close();
    return fail("agent: answer cut short");
  }
  return answer;
}

ResultOrText<std::vector<AgentKey>> AgentClient::list(const KeyLimits& limits) {
  const uint8_t request[] = {kRequestIdentities};
  const auto answer = ask(request, timeouts_.answer);
  if (!answer) return fail(answer.error());
  WireReader fields(*answer);
  if (fields.u8() != kIdentitiesAnswer) return fail("agent: refused to list its keys");
  const uint32_t count = fields.u32();
  if (count > kMaxAgentKeys) return fail("agent: too many keys");
  std::vector<AgentKey> keys;
  for (uint32_t i = 0; i < count && fields.ok(); ++i) {
    const Bytes blob = fields.string();
    const std::string_view comment = fields.text();
    if (!fields.ok()) break;
    if (auto key = PublicKey::parse(blob, limits)) {
      keys.push_back({std::move(*key), std::string(comment)});
    } else if (auto certificate = Certificate::parse(blob, limits)) {
      PublicKey plain = certificate->key;
      keys.push_back({std::move(plain), std::string(comment), std::move(*certificate)});
    }
  }
  if (!fields.ok() || !fields.at_end()) return fail("agent: malformed answer");
  return keys;
}

ResultOrText<std::vector<uint8_t>> AgentClient::sign(Bytes blob, KeyType type, std::string_view algorithm, Bytes data) {
  const SignatureAlgorithm* row = find_signature_algorithm(algorithm);
  if (!row || row->key_type != type) return fail("agent: algorithm does not belong to the key");
  WireWriter request;
  request.u8(kSignRequest).string(blob).string(data).u32(flags_for(algorithm));
  if (request.size() > kMaxAgentMessage) return fail("agent: too much to sign");
  const auto answer = ask(request.view(), timeouts_.signature);
  if (!answer) return fail(answer.error());
  WireReader fields(*answer);
  const uint8_t kind = fields.u8();
  if (kind == kFailure) return fail("agent: refused to sign");
  const Bytes signature = fields.string();
  if (kind != kSignResponse || !fields.ok() || !fields.at_end()) return fail("agent: malformed answer");
  if (WireReader(signature).text() != algorithm) return fail("agent: signed with another algorithm");
  return std::vector<uint8_t>(signature.begin(), signature.end());
}

ResultOrText<void> AgentClient::add(const PrivateKey& key, std::string_view comment,
                                    const AgentConstraints& constraints) {
  const auto fields = key.fields();
  if (!fields) return fail(std::string(describe(fields.error())));
  const bool constrained = constraints.lifetime_s != 0 || constraints.confirm;
  SecretWriter request(fields->size() + comment.size() + 64);
  request.u8(constrained ? kAddIdConstrained : kAddIdentity).raw(fields->view()).string(comment);
  if (constraints.lifetime_s != 0) request.u8(kConstrainLifetime).u32(constraints.lifetime_s);
  if (constraints.confirm) request.u8(kConstrainConfirm);
  const auto answer = ask(request.take().view(), timeouts_.answer);
  if (!answer) return fail(answer.error());
  if (answer->size() != 1 || answer->front() != kSuccess) return fail("agent: refused to take the key");
  return {};
}

}  // namespace sluice
