// The token bucket, the caps and the debts of sources.
#include "control/auth/login_limits.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"

namespace sluice {
namespace {

constexpr int64_t kMinuteMs = 60000;
// How many entries are looked at to find one to forget: a full scan at each connection of a flood would be the attack.
constexpr size_t kEvictionSample = 16;
constexpr unsigned kXrRate = 60;
constexpr unsigned kXrSessions = 64;
constexpr uint64_t kMemoryPerSession = 4 << 20;

Instant cost_of(const PenaltyCosts& costs, ConnectionEnd end) {
  switch (end) {
    case ConnectionEnd::failed_login: return costs.failed_login;
    case ConnectionEnd::no_login: return costs.no_login;
    case ConnectionEnd::timeout: return costs.timeout;
    case ConnectionEnd::misbehaved: return costs.misbehaved;
    case ConnectionEnd::orderly: break;
  }
  return Instant(0);
}

}  // namespace

LoginLimits default_limits(Platform platform, unsigned cores, uint64_t memory_bytes) {
  LoginLimits limits;
  if (platform != Platform::sluice) {
    limits.rate_per_minute = kXrRate;
    limits.sessions = kXrSessions;
    limits.unauthenticated = kXrSessions;
    return limits;
  }
  cores = std::max(cores, 1u);
  // A core does some thousand key exchanges a second; a tenth of that leaves it to the sessions that are there.
  limits.rate_per_minute = std::min(cores, 256u) * 6000;
  // A quarter of the memory, at what a session with full windows takes.
  limits.sessions = static_cast<unsigned>(std::clamp<uint64_t>(memory_bytes / 4 / kMemoryPerSession, 64, 65536));
  limits.unauthenticated = std::min(std::clamp(cores * 64, 100u, 1024u), limits.sessions);
  limits.unauthenticated_per_source = std::max(limits.unauthenticated / 4, 16u);
  return limits;
}

std::string_view describe(ConnectAnswer answer) {
  switch (answer) {
    case ConnectAnswer::admit: return "admitted";
    case ConnectAnswer::sessions: return "session-limit reached";
    case ConnectAnswer::rate: return "rate-limit reached";
    case ConnectAnswer::unauthenticated: return "too many unauthenticated connections";
    case ConnectAnswer::source: return "too many unauthenticated connections from this source";
    case ConnectAnswer::penalty: return "the source has a penalty";
    case ConnectAnswer::access: return "no access list admits the source";
    case ConnectAnswer::count_: break;
  }
  return "";
}

SourceLedger::SourceKey SourceLedger::key_of(const Address& from) {
  // IPv4's mapped prefix is all zeros in the first half, where no IPv6 host lives.
  if (from.v4) return load_be32(from.octets.data() + 12);
  const uint64_t prefix = load_be64(from.octets.data());
  // ::1 and the like share the first half of mapped addresses; a value that no IPv4 address has.
  return prefix == 0 ? uint64_t{1} << 32 : prefix;
}

bool SourceLedger::take_token(Instant now) {
  const int64_t full = int64_t{limits_.rate_per_minute} * kMinuteMs;
  if (tokens_ < 0) {
    tokens_ = full;
    refilled_ = now;
  }
  // Bounded first: after a long silence the product would not fit.
  const int64_t passed = std::clamp<int64_t>((now - refilled_).count(), 0, kMinuteMs);
  refilled_ = std::max(refilled_, now);
  tokens_ = std::min(full, tokens_ + passed * int64_t{limits_.rate_per_minute});
  if (tokens_ < kMinuteMs) return false;
  tokens_ -= kMinuteMs;
  return true;
}

SourceLedger::Source* SourceLedger::find_or_add(SourceKey key, Instant now) {
  if (const auto found = sources_.find(key); found != sources_.end()) return &found->second;
  if (sources_.size() >= max_sources_) {
    // From a place that depends on the newcomer, so that the same entries are not looked at each time.
    auto victim = sources_.end();
    size_t bucket = std::hash<SourceKey>{}(key * 0x9e3779b97f4a7c15u) % sources_.bucket_count();
    size_t seen = 0;
    for (size_t n = 0; n < sources_.bucket_count() && seen < kEvictionSample; ++n) {
      for (auto at = sources_.begin(bucket); at != sources_.end(bucket) && seen < kEvictionSample; ++at, ++seen) {
        if (at->second.unauthenticated != 0) continue;
        const bool better = victim == sources_.end() || at->second.debt_until < victim->second.debt_until;
        if (better) victim = sources_.find(at->first);
        if (victim->second.debt_until <= now) break;
      }
      bucket = (bucket + 1) % sources_.bucket_count();
    }
    if (victim == sources_.end()) return nullptr;
    sources_.erase(victim);
  }
  return &sources_[key];
}

void SourceLedger::charge(Source& source, Instant cost, Instant now) {
  source.debt_until = std::min(std::max(source.debt_until, now) + cost, now + costs_.most);
}

Instant SourceLedger::penalty(const Address& from, Instant now) const {
  const auto found = sources_.find(key_of(from));
  if (found == sources_.end()) return Instant(0);
  const Instant debt = found->second.debt_until - now;
  return debt >= costs_.threshold ? debt : Instant(0);
}

ConnectAnswer SourceLedger::connect(const Address& from, Instant now) {
  // A source in penalty is turned away before it costs the others a token.
  if (penalty(from, now) > Instant(0)) return ConnectAnswer::penalty;
  if (sessions_ >= limits_.sessions) return ConnectAnswer::sessions;
  if (unauthenticated_ >= limits_.unauthenticated) return ConnectAnswer::unauthenticated;
  const auto known = sources_.find(key_of(from));
  if (known != sources_.end() && known->second.unauthenticated >= limits_.unauthenticated_per_source)
    return ConnectAnswer::source;
  if (!take_token(now)) return ConnectAnswer::rate;
  Source* source = find_or_add(key_of(from), now);
  if (!source) return ConnectAnswer::source;
  ++source->unauthenticated;
  ++unauthenticated_;
  ++sessions_;
  return ConnectAnswer::admit;
}

void SourceLedger::authenticated(const Address& from) {
  const auto found = sources_.find(key_of(from));
  SLUICE_CHECK(found != sources_.end() && found->second.unauthenticated > 0 && unauthenticated_ > 0);
  --found->second.unauthenticated;
  --unauthenticated_;
}

void SourceLedger::closed(const Address& from, bool was_authenticated, ConnectionEnd end, Instant now) {
  if (!was_authenticated) authenticated(from);
  SLUICE_CHECK(sessions_ > 0);
  --sessions_;
  const Instant cost = cost_of(costs_, end);
  Source* source = cost > Instant(0) ? find_or_add(key_of(from), now) : nullptr;
  if (source) charge(*source, cost, now);
  const auto found = sources_.find(key_of(from));
  if (found != sources_.end() && found->second.unauthenticated == 0 && found->second.debt_until <= now)
    sources_.erase(found);
}

}  // namespace sluice
