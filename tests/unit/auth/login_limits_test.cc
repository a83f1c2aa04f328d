// Limits with time made up by the test.
#include "control/auth/login_limits.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

Address address(const char* text) { return *Address::parse(text); }

const Address kAnn = address("192.0.2.1");
const Address kBob = address("192.0.2.2");

LoginLimits wide() {
  LoginLimits limits;
  limits.rate_per_minute = 1000000;
  limits.sessions = limits.unauthenticated = limits.unauthenticated_per_source = 1000000;
  return limits;
}

TEST(LoginLimits, are_a_routers_on_its_platform_and_the_machines_elsewhere) {
  const LoginLimits xr = default_limits(Platform::ios_xr, 64, uint64_t{1} << 40);
  EXPECT_EQ(xr.rate_per_minute, 60u);
  EXPECT_EQ(xr.sessions, 64u);
  EXPECT_EQ(xr.login_timeout_s, 30u);
  EXPECT_EQ(xr.max_auth_tries, 20u);
  EXPECT_EQ(xr.password_tries, 3u);
  const LoginLimits own = default_limits(Platform::sluice, 2, uint64_t{16} << 30);
  EXPECT_GT(own.rate_per_minute, 600u);
  EXPECT_GE(own.sessions, 1024u);
  EXPECT_TRUE(kLoginTimeoutRange.contains(5) && kLoginTimeoutRange.contains(120) && !kLoginTimeoutRange.contains(4));
  EXPECT_TRUE(kMaxAuthRange.contains(3) && !kMaxAuthRange.contains(21) && kRateLimitRange.contains(600));
  EXPECT_FALSE(kSessionLimitRange.contains(1025));
}

TEST(SourceLedger, keeps_the_rate_over_a_minute) {
  LoginLimits limits = wide();
  limits.rate_per_minute = 60;
  SourceLedger ledger(limits, {});
  Instant now{5000};
  unsigned admitted = 0;
  for (int i = 0; i < 100; ++i) admitted += ledger.connect(kAnn, now) == ConnectAnswer::admit;
  EXPECT_EQ(admitted, 60u);
  EXPECT_EQ(ledger.connect(kAnn, now), ConnectAnswer::rate);
  EXPECT_EQ(ledger.connect(kAnn, now + Instant(1000)), ConnectAnswer::admit);
  EXPECT_EQ(ledger.connect(kAnn, now + Instant(1000)), ConnectAnswer::rate);
}

TEST(SourceLedger, caps_sessions_unauthenticated_and_each_source) {
  LoginLimits limits = wide();
  limits.sessions = 4;
  limits.unauthenticated = 3;
  limits.unauthenticated_per_source = 2;
  SourceLedger ledger(limits, {});
  const Instant now{0};
  EXPECT_EQ(ledger.connect(kAnn, now), ConnectAnswer::admit);
  EXPECT_EQ(ledger.connect(kAnn, now), ConnectAnswer::admit);
  EXPECT_EQ(ledger.connect(kAnn, now), ConnectAnswer::source);
  EXPECT_EQ(ledger.connect(kBob, now), ConnectAnswer::admit);
  EXPECT_EQ(ledger.connect(kBob, now), ConnectAnswer::unauthenticated);
  ledger.authenticated(kAnn);
  EXPECT_EQ(ledger.connect(kAnn, now), ConnectAnswer::admit);
  EXPECT_EQ(ledger.connect(kBob, now), ConnectAnswer::sessions);
  ledger.closed(kAnn, true, ConnectionEnd::orderly, now);
  ledger.authenticated(kAnn);
  EXPECT_EQ(ledger.connect(kBob, now), ConnectAnswer::admit);
  EXPECT_EQ(ledger.sessions(), 4u);
}

TEST(SourceLedger, punishes_sources_for_a_while_and_forgets) {
  SourceLedger ledger(wide(), {});
  Instant now{0};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ledger.connect(kAnn, now), ConnectAnswer::admit);
    ledger.closed(kAnn, false, ConnectionEnd::failed_login, now);
  }
  EXPECT_EQ(ledger.penalty(kAnn, now), Instant(0));
  EXPECT_EQ(ledger.connect(kAnn, now), ConnectAnswer::admit);
  ledger.closed(kAnn, false, ConnectionEnd::failed_login, now);
  EXPECT_EQ(ledger.connect(kAnn, now), ConnectAnswer::penalty);
  EXPECT_EQ(ledger.connect(kBob, now), ConnectAnswer::admit);
  EXPECT_EQ(ledger.connect(kAnn, now + Instant(1)), ConnectAnswer::admit);
  ledger.closed(kAnn, false, ConnectionEnd::orderly, now + Instant(60000));
  EXPECT_EQ(ledger.sources(), 1u);
  for (int i = 0; i < 100; ++i) {
    now += Instant(1);
    if (ledger.connect(kBob, now) == ConnectAnswer::admit) ledger.closed(kBob, false, ConnectionEnd::misbehaved, now);
  }
  EXPECT_LE(ledger.penalty(kBob, now), PenaltyCosts{}.most);
}

TEST(SourceLedger, counts_a_v6_host_by_its_64_bit_prefix) {
  LoginLimits limits = wide();
  limits.unauthenticated_per_source = 1;
  SourceLedger ledger(limits, {});
  EXPECT_EQ(ledger.connect(address("2001:db8:1:2::1"), Instant(0)), ConnectAnswer::admit);
  EXPECT_EQ(ledger.connect(address("2001:db8:1:2:ffff::9"), Instant(0)), ConnectAnswer::source);
  EXPECT_EQ(ledger.connect(address("2001:db8:1:3::1"), Instant(0)), ConnectAnswer::admit);
  EXPECT_EQ(ledger.connect(address("::ffff:192.0.2.1"), Instant(0)), ConnectAnswer::admit);
  EXPECT_EQ(ledger.connect(kAnn, Instant(0)), ConnectAnswer::source);
  EXPECT_EQ(ledger.connect(address("::1"), Instant(0)), ConnectAnswer::admit);
}

TEST(SourceLedger, remembers_a_bounded_number_of_sources_however_many_come) {
  constexpr size_t kFew = 64;
  SourceLedger ledger(wide(), {}, kFew);
  unsigned answered = 0;
  for (unsigned i = 0; i < 20000; ++i) {
    Address from = kAnn;
    from.octets[12] = static_cast<uint8_t>(i >> 16);
    from.octets[13] = static_cast<uint8_t>(i >> 8);
    from.octets[14] = static_cast<uint8_t>(i);
    const Instant now(static_cast<int64_t>(i));
    if (ledger.connect(from, now) != ConnectAnswer::admit) continue;
    ++answered;
    ledger.closed(from, false, ConnectionEnd::failed_login, now);
    ASSERT_LE(ledger.sources(), kFew);
  }
  EXPECT_EQ(answered, 20000u);
}

}  // namespace
}  // namespace sluice
