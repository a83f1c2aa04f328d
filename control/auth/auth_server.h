// AuthServer: the server's side of RFC 4252 and 4256 in the network process. Bytes in, actions out; it decides nothing.
//
// 1. take() is given each payload of messages 50..79 that arrives after "ssh-userauth" was accepted.
// 2. What it wants to know is an AskMonitor; the monitor's verdict comes back through take_verdict(). One question is
//    open at a time, further requests wait in order, bounded.
// 3. SendMessages leave in order, none before its time. Authenticated comes right behind the USERAUTH_SUCCESS.
// An error ends the connection with its disconnect code. The login timeout is the caller's timer.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <variant>

#include "control/auth/auth_verdict.h"

namespace sluice {

// Milliseconds since an origin of the caller's.
using Instant = std::chrono::milliseconds;

// How a message number is met in a phase; a table row each.
enum class AuthReaction : uint8_t { take, ignore, unimplemented, refuse };

enum class AuthPhase : uint8_t {
  idle,       // no question is open
  asking,     // the monitor thinks
  prompting,  // the client's user does
  done,
  count_,
};

AuthReaction auth_reaction(AuthPhase phase, uint8_t message);

struct AuthServerConfig {
  std::string banner = {};
  // Counted here too, so that a flood ends without the monitor; the monitor's own count is the one that matters.
  unsigned max_tries = 20;
  // Refusals leave at whole multiples of these after the request came, so that what the back end did with a name or a
  // secret does not show in the time.
  Instant key_step{5};
  Instant secret_step{200};
  // What a login begins with, the same for everybody. With it the usual first request, which asks for nothing but this,
  // is answered here. Empty: the monitor is asked.
  MethodSet first_methods = {};
};

// Requests a client may have sent ahead of our answers.
inline constexpr size_t kMaxQueuedRequests = 8;

struct SendMessage {
  std::vector<uint8_t> message;
  Instant not_before;
};
struct SendUnimplemented {};  // for the message that was just taken; its sequence number is the caller's
struct AskMonitor {
  uint32_t id;
  AuthQuestion question;
};
struct Authenticated {
  Permit permit;
};
// Behind what was sent.
struct SendAway {
  ErrorCode error;
};
using AuthAction = std::variant<SendMessage, SendUnimplemented, AskMonitor, Authenticated, SendAway>;
using AuthActions = std::vector<AuthAction>;

class AuthServer {
 public:
  explicit AuthServer(AuthServerConfig config) : config_(std::move(config)) {}

  Result<AuthActions> take(Bytes payload, Instant now);
  // An id that is not the open question's is the monitor's fault and ends the connection.
  Result<AuthActions> take_verdict(uint32_t id, AuthVerdict verdict, Instant now);

  AuthPhase phase() const { return phase_; }
  unsigned failures() const { return failures_; }

 private:
  struct Waiting {
    AuthQuestion question;
    Instant arrived;
  };

  Result<void> take_request(Bytes payload, Instant now);
  Result<void> take_answers(Bytes payload, Instant now);
  void ask_next(AuthActions& actions);
  bool answers_itself(const AuthQuestion& question) const;
  void send(AuthActions& actions, std::vector<uint8_t> message, Instant now);
  Result<void> answer_refusal(AuthActions& actions, const AuthVerdict& verdict, Instant now);
  Instant refusal_time(Instant now) const;

  AuthServerConfig config_;
  AuthPhase phase_ = AuthPhase::idle;
  std::deque<Waiting> waiting_;
  // Of the open question.
  uint32_t question_id_ = 0;
  AuthMethod method_ = AuthMethod::none;
  bool unknown_method_ = false;
  std::string algorithm_;
  std::vector<uint8_t> key_;
  Instant arrived_{0};

  Instant last_sent_{0};
  unsigned failures_ = 0;
  bool probed_ = false;
  bool banner_sent_ = false;
};

}  // namespace sluice
