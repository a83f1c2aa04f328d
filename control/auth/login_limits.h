// The limits on strangers, and SourceLedger: who may connect now, by source address, in bounded memory.
//
// Time comes in as an argument; nothing here reads a clock. A source is an IPv4 address or an IPv6 /64: a host is given
// a whole /64, so counting smaller pieces would count nothing.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "control/auth/auth_server.h"
#include "control/keys/name_patterns.h"

namespace sluice {

enum class Platform : uint8_t { sluice, ios, ios_xr };

struct LimitRange {
  unsigned least, most;
  bool contains(unsigned value) const { return value >= least && value <= most; }
};

// In the words and ranges of the routers' configuration.
inline constexpr LimitRange kLoginTimeoutRange{5, 120};
inline constexpr LimitRange kMaxAuthRange{3, 20};
inline constexpr LimitRange kRateLimitRange{1, 600};
inline constexpr LimitRange kSessionLimitRange{1, 1024};
inline constexpr unsigned kPasswordTries = 3;

struct LoginLimits {
  unsigned login_timeout_s = 30;
  unsigned max_auth_tries = 20;
  unsigned password_tries = kPasswordTries;
  unsigned rate_per_minute = 60;
  unsigned sessions = 64;
  // Not yet authenticated: each holds a descriptor, a key exchange's state and a place in the monitor.
  unsigned unauthenticated = 64;
  unsigned unauthenticated_per_source = 16;

  bool operator==(const LoginLimits&) const = default;
};

// A router's figures would cripple a file server, so our own are sized to the machine.
LoginLimits default_limits(Platform platform, unsigned cores, uint64_t memory_bytes);

enum class ConnectAnswer : uint8_t { admit, sessions, rate, unauthenticated, source, penalty, access, count_ };
std::string_view describe(ConnectAnswer answer);

enum class ConnectionEnd : uint8_t { orderly, failed_login, no_login, timeout, misbehaved };

// What an ending adds to its source's debt. Debt melts at one second a second; above the threshold the source waits.
struct PenaltyCosts {
  Instant failed_login{5000};
  Instant no_login{1000};
  Instant timeout{10000};
  Instant misbehaved{90000};
  Instant threshold{15000};
  Instant most{600000};
};

// Sources remembered. A flood from more of them than this forgets the smallest debts first.
inline constexpr size_t kMaxSources = 65536;

class SourceLedger {
 public:
  SourceLedger(const LoginLimits& limits, const PenaltyCosts& costs, size_t max_sources = kMaxSources)
      : limits_(limits), costs_(costs), max_sources_(max_sources) {}

  // With admit the connection counts from now on; each admitted one ends with closed().
  ConnectAnswer connect(const Address& from, Instant now);
  // No longer one of the unauthenticated.
  void authenticated(const Address& from);
  void closed(const Address& from, bool was_authenticated, ConnectionEnd end, Instant now);

  // From now on. Who is there stays.
  void set_limits(const LoginLimits& limits) { limits_ = limits; }
  const LoginLimits& limits() const { return limits_; }

  // How long the source has to wait; zero when it need not.
  Instant penalty(const Address& from, Instant now) const;
  unsigned sessions() const { return sessions_; }
  unsigned unauthenticated() const { return unauthenticated_; }
  size_t sources() const { return sources_.size(); }

 private:
  using SourceKey = uint64_t;
  struct Source {
    unsigned unauthenticated = 0;
    Instant debt_until{0};
  };

  static SourceKey key_of(const Address& from);
  bool take_token(Instant now);
  Source* find_or_add(SourceKey key, Instant now);
  void charge(Source& source, Instant cost, Instant now);

  LoginLimits limits_;
  PenaltyCosts costs_;
  size_t max_sources_;
  std::unordered_map<SourceKey, Source> sources_;
  unsigned sessions_ = 0;
  unsigned unauthenticated_ = 0;
  // Connections times a minute in milliseconds, so that refilling needs no fractions.
  int64_t tokens_ = -1;
  Instant refilled_{0};
};

}  // namespace sluice
