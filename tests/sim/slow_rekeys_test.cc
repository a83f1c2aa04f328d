// Hundreds of sessions of one address that rekey at the same moment by a slow method: all wait, none ends.
//
//   slow_rekeys_test      or with SLUICE_SLOW_REKEYS_SESSIONS, SLUICE_SLOW_REKEYS_METHOD
//
// The first round finds no keys ready, so that the clients' pool has them all; in the second all are, and the server's
// has. Both pools are as a server's and a client's are.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/test_peer.h"

namespace sluice::test {
namespace {

// More than one source's strangers may have waiting.
constexpr uint64_t kSessions = 300;
constexpr uint64_t kHandshakesAtOnce = 64;
constexpr int64_t kLookMs = 2;
constexpr int kPatienceSeconds = 600;
constexpr const char* kMethod = "diffie-hellman-group16-sha512";
constexpr uint64_t kRounds = 2;

// Clients that come a few at a time, and all rekey together when they are in, once a round. On control's thread.
struct Crowd {
  TestEnd& end;
  uint16_t port;
  ClientOptions options;
  uint64_t wanted;
  SessionId first = 0;
  uint64_t round = 0;
  std::vector<std::shared_ptr<ClientResult>> results = {};
  std::atomic<bool> done{false};

  void look() {
    uint64_t busy = 0, behind = 0;
    bool any_ended = false;
    for (const auto& result : results) {
      busy += !result->ended && result->received == 0;
      behind += !result->ended && result->rekeys < round;
      any_ended |= result->ended;
    }
    if (results.empty()) first = end.loop().next_session();
    for (; busy < kHandshakesAtOnce && results.size() < wanted; ++busy)
      results.push_back(connect_client(end, port, options));
    if (any_ended || (busy + behind == 0 && round == kRounds)) return void(done = true);
    if (busy + behind == 0) {
      ++round;
      for (SessionId session = first; session < first + wanted; ++session) end.loop().rekey(session);
    }
    end.loop().after(kLookMs, [this] { look(); });
  }
};

TEST(SlowRekeys, Sessions_of_one_address_that_all_rekey_at_once_wait_and_live) {
  const char* sessions = std::getenv("SLUICE_SLOW_REKEYS_SESSIONS");
  const char* method = std::getenv("SLUICE_SLOW_REKEYS_METHOD");
  TestEnd server_end, client_end;
  ServerOptions server_options;
  // A few of these in a row are a heavier load than any stock client's; the arithmetic is what is slow.
  server_options.config.kex = {method != nullptr ? method : kMethod};
  TestServer server(server_end, server_options);
  server_end.start();
  ClientOptions options;
  options.config.kex = server_options.config.kex;
  options.command = "source 1000";
  Crowd crowd{client_end, server.port(), options,
              sessions != nullptr ? std::strtoull(sessions, nullptr, 10) : kSessions};
  crowd.look();
  client_end.start();
  for (int i = 0; i < kPatienceSeconds * 100 && !crowd.done; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const bool done = crowd.done;
  client_end.stop();
  ASSERT_TRUE(done) << "round " << crowd.round;
  uint64_t ended = 0;
  std::string why;
  for (const auto& result : crowd.results) {
    ended += result->ended;
    if (result->ended && why.empty()) why = result->disconnect.empty() ? "no farewell" : result->disconnect;
    EXPECT_FALSE(result->wrong);
  }
  EXPECT_EQ(ended, 0u) << why;
  EXPECT_EQ(server.ended(), 0u);
}

}  // namespace
}  // namespace sluice::test
