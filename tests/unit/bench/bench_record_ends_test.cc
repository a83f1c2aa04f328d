// Records between a sealing and an opening end: new keys on the way, and what is refused.
#include <gtest/gtest.h>

#include "apps/sluice/bench/record_ends.h"
#include "apps/sluice/bench/wire_serving.h"
#include "drivers/memory_transport.h"

namespace sluice::bench {
namespace {

constexpr size_t kRing = size_t{1} << 20;

struct Pair {
  explicit Pair(const RecordStream& stream) : sealing(near, stream), opening(far, stream) {
    MemoryTransport::connect(near, far);
  }
  // Returns how many were opened.
  uint64_t turn(size_t most) {
    sealed += sealing.seal(most);
    uint64_t now = 0;
    for (size_t n = 1; n > 0;) now += n = opening.open();
    opened += now;
    return now;
  }
  MemoryTransport near{kRing}, far{kRing};
  SealingEnd sealing;
  OpeningEnd opening;
  uint64_t sealed = 0, opened = 0;
};

TEST(RecordEnds, open_what_was_sealed_over_several_keys) {
  for (const char* name : {"aes128-gcm", "aes256-ctr+hmac-sha2-256-etm", "chacha20-poly1305", "aes128-cbc+hmac-sha1"}) {
    const RecordStream stream{find_suite(name), 32768, "auto"};
    ASSERT_NE(stream.suite, nullptr) << name;
    Pair pair(stream);
    const uint64_t wanted = 2 * stream.per_key() + 100;
    for (int still = 0; pair.opened < wanted && still < 1000 && !pair.opening.failed();)
      still = pair.turn(32) > 0 ? 0 : still + 1;
    EXPECT_FALSE(pair.opening.failed() || pair.sealing.failed()) << name;
    EXPECT_GE(pair.opened, wanted) << name;
  }
}

TEST(RecordEnds, begin_no_more_than_was_asked_for) {
  Pair pair({find_suite("aes128-gcm"), 100, "auto"});
  for (int i = 0; i < 50; ++i) pair.turn(3);
  for (int i = 0; i < 10; ++i) pair.turn(0);
  EXPECT_EQ(pair.sealed, 150u);
  EXPECT_EQ(pair.opened, 150u);
}

TEST(RecordEnds, stop_at_another_payload_than_agreed) {
  MemoryTransport near(kRing), far(kRing);
  MemoryTransport::connect(near, far);
  SealingEnd sealing(near, {find_suite("aes128-gcm"), 100, "auto"});
  OpeningEnd opening(far, {find_suite("aes128-gcm"), 101, "auto"});
  for (int i = 0; i < 20 && !opening.failed(); ++i) {
    sealing.seal(4);
    opening.open();
  }
  EXPECT_TRUE(opening.failed());
}

TEST(RecordEnds, stop_at_a_spoilt_record) {
  MemoryTransport near(kRing), between(kRing), far(kRing);
  MemoryTransport::connect(near, between);
  SealingEnd sealing(near, {find_suite("aes128-gcm"), 100, "auto"});
  OpeningEnd opening(far, {find_suite("aes128-gcm"), 100, "auto"});
  size_t opened = 0;
  for (int i = 0; i < 20 && !opening.failed(); ++i) {
    sealing.seal(4);
    std::array<MutableBytes, 1> piece;
    while (between.peek(0, piece) == 1) {
      if (i == 5) piece[0].back() ^= 1;
      const size_t n = far.receive(piece[0]);
      between.release(n);
    }
    opened += opening.open();
  }
  EXPECT_TRUE(opening.failed());
  EXPECT_GE(opened, 10u);
  EXPECT_LT(opened, 24u);
}

TEST(WireOrder, is_read_as_it_was_written) {
  const WireOrder order{Direction::open, {find_suite("chacha20-poly1305"), 1400, "openssl"}};
  const auto read = WireOrder::parse(order.line());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->direction, Direction::open);
  EXPECT_EQ(read->stream.suite, order.stream.suite);
  EXPECT_EQ(read->stream.payload, 1400u);
  EXPECT_EQ(read->stream.driver, "openssl");
}

TEST(WireOrder, takes_nothing_that_a_stranger_should_not_ask_for) {
  for (const char* line : {"", "GET / HTTP/1.1\n", "SLUICE-RECORDS 1 seal aes128-gcm 1400 openssl:/tmp/evil.so\n",
                           "SLUICE-RECORDS 1 seal aes128-gcm 0 auto\n", "SLUICE-RECORDS 1 seal aes128-gcm 70000 auto\n",
                           "SLUICE-RECORDS 1 seal none 1400 auto\n", "SLUICE-RECORDS 1 peel aes128-gcm 1400 auto\n",
                           "SLUICE-RECORDS 2 seal aes128-gcm 1400 auto\n", "SLUICE-RECORDS 1 seal aes128-gcm -1 auto\n",
                           "SLUICE-RECORDS 1 seal aes128-gcm 99999999999999999999 auto\n"})
    EXPECT_FALSE(WireOrder::parse(line).has_value()) << line;
}

TEST(WireOrder, comes_in_pieces_and_has_an_end) {
  MemoryTransport here(4096, 7);
  const std::string line = "SLUICE-RECORDS 1 seal aes128-gcm 1400 auto\n";
  here.receive(bytes_of(line).first(20));
  EXPECT_FALSE(take_line(here).has_value());
  here.receive(bytes_of(line).subspan(20));
  here.receive(bytes_of("behind"));
  EXPECT_EQ(take_line(here), line);
  EXPECT_EQ(here.available(), 6u);
  here.receive(bytes_of(std::string(1000, 'x')));
  EXPECT_EQ(take_line(here), "");
}

}  // namespace
}  // namespace sluice::bench
