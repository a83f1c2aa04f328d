// Whole connections over loopback sockets: workers, control, rekeying while data flows in both directions.
#include <gtest/gtest.h>

#include "tests/support/test_peer.h"

namespace sluice::test {
namespace {

void wait_for(const std::atomic<bool>& flag, const ClientResult& result) {
  for (int i = 0; i < 6000 && !flag && !result.ended; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

struct Options {
  std::string driver;
  std::string cipher = "aes128-gcm@openssh.com";
  std::string mac = "hmac-sha2-256-etm@openssh.com";
  uint64_t bytes = 8u << 20;
  uint64_t server_limit = uint64_t{1} << 40;
  uint64_t client_limit = uint64_t{1} << 40;
};

struct Outcome {
  uint64_t received;
  bool wrong;
  bool closed;
  uint64_t rekeys;
  std::string disconnect;
};

Outcome echo(const Options& options) {
  TestEnd server_end(options.driver), client_end(options.driver);
  ServerOptions server_options;
  server_options.limits.volume_bytes = options.server_limit;
  TestServer server(server_end, server_options);
  server_end.start();
  ClientOptions client_options;
  client_options.config.kex = {"curve25519-sha256"};
  client_options.config.ciphers = {options.cipher};
  client_options.config.macs = {options.mac};
  client_options.limits.volume_bytes = options.client_limit;
  client_options.to_send = options.bytes;
  const auto result = connect_client(client_end, server.port(), client_options);
  client_end.start();
  wait_for(result->channel_closed, *result);
  client_end.stop();
  return {result->received, result->wrong, result->channel_closed, result->rekeys, result->disconnect};
}

TEST(Connection, Every_cipher_echoes_megabytes_while_rekeying_both_ways) {
  for (const CipherRow& cipher : cipher_rows()) {
    Options options;
    options.cipher = cipher.ssh_name;
    if (!cipher.on_by_default) continue;
    options.bytes = 32u << 20;
    options.server_limit = 1u << 20;
    options.client_limit = 1536u << 10;
    const Outcome outcome = echo(options);
    EXPECT_TRUE(outcome.closed && !outcome.wrong) << cipher.ssh_name << " " << outcome.disconnect;
    EXPECT_EQ(outcome.received, options.bytes) << cipher.ssh_name;
    EXPECT_GE(outcome.rekeys, 3u) << cipher.ssh_name;
  }
}

TEST(Connection, Old_macs_echo_and_rekey_too) {
  for (const char* mac : {"hmac-sha2-512", "hmac-sha2-256", "hmac-sha1", "hmac-sha2-512-etm@openssh.com"}) {
    Options options;
    options.cipher = "aes256-ctr";
    options.mac = mac;
    options.bytes = 4u << 20;
    options.server_limit = 1u << 20;
    const Outcome outcome = echo(options);
    EXPECT_TRUE(outcome.closed && !outcome.wrong) << mac << " " << outcome.disconnect;
    EXPECT_EQ(outcome.received, options.bytes) << mac;
  }
}

TEST(Connection, A_peer_that_rekeys_every_few_packets_is_served) {
  Options options;
  options.bytes = 64u << 20;
  options.client_limit = 100000;
  const Outcome outcome = echo(options);
  EXPECT_TRUE(outcome.closed && !outcome.wrong) << outcome.disconnect;
  EXPECT_GE(outcome.rekeys, 3u);
}

TEST(Connection, A_client_rekeys_again_and_again_by_its_own_limit) {
  Options options;
  options.bytes = 64u << 20;
  options.client_limit = 4u << 20;
  const Outcome outcome = echo(options);
  EXPECT_TRUE(outcome.closed && !outcome.wrong) << outcome.disconnect;
  EXPECT_GE(outcome.rekeys, 3u) << "not once and never again";
}

TEST(Connection, Many_at_once_share_a_worker_and_all_bytes_are_right) {
  TestEnd server_end, client_end;
  ServerOptions server_options;
  server_options.limits.volume_bytes = 1u << 20;
  TestServer server(server_end, server_options);
  server_end.start();
  std::vector<std::shared_ptr<ClientResult>> results;
  ClientOptions client_options;
  client_options.config.kex = {"curve25519-sha256"};
  client_options.to_send = 1u << 20;
  for (int i = 0; i < 24; ++i) results.push_back(connect_client(client_end, server.port(), client_options));
  client_end.start();
  for (const auto& result : results) {
    wait_for(result->channel_closed, *result);
    EXPECT_TRUE(result->channel_closed && !result->wrong) << result->disconnect;
    EXPECT_EQ(result->received, client_options.to_send);
  }
  client_end.stop();
}

TEST(Connection, A_rekey_that_is_due_when_the_login_ends_waits_for_its_end_and_moves_along) {
  Options options;
  options.bytes = 64u << 10;
  // Less than a login takes: due before it is over, on both sides.
  options.server_limit = options.client_limit = 150;
  const Outcome outcome = echo(options);
  EXPECT_TRUE(outcome.closed && !outcome.wrong) << outcome.disconnect;
  EXPECT_EQ(outcome.received, options.bytes);
  EXPECT_GE(outcome.rekeys, 1u);
}

bool becomes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 6000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return condition();
}

TEST(Connection, An_idle_session_rekeys_when_its_time_has_come) {
  TestEnd server_end, client_end;
  ServerOptions server_options;
  server_options.limits.time_ns = 300'000'000;
  TestServer server(server_end, server_options);
  server_end.start();
  const auto result = connect_client(client_end, server.port(), {});
  client_end.start();
  EXPECT_TRUE(becomes_true([&] { return server.rekeys() >= 3 || result->ended; }));
  client_end.stop();
  EXPECT_FALSE(result->ended) << result->disconnect;
  EXPECT_GE(server.rekeys(), 3u);
}

TEST(Connection, A_peer_that_stops_in_mid_rekey_is_sent_away) {
  TestEnd server_end, client_end;
  ServerOptions server_options;
  server_options.rekey_mean_ms = 20;
  TestServer server(server_end, server_options);
  server_end.loop().set_exchange_patience_ms(500);
  server_end.start();
  const auto result = connect_client(client_end, server.port(), {});
  client_end.start();
  ASSERT_TRUE(becomes_true([&] { return server.rekeys() >= 2 || result->ended; }));
  EXPECT_EQ(server.ended(), 0u) << "whoever answers stays";
  // Its threads are gone, its socket is not.
  client_end.stop();
  EXPECT_TRUE(becomes_true([&] { return server.ended() == 1; }));
}

TEST(Connection, Full_windows_in_both_directions_do_not_stop_a_rekey) {
  TestEnd server_end, client_end;
  ServerOptions server_options;
  server_options.limits.time_ns = 1'000'000'000;
  TestServer server(server_end, server_options);
  server_end.start();
  ClientOptions options;
  options.config.kex = {"curve25519-sha256"};
  options.to_send = 24u << 20;
  bool stopped = false;
  // The client's worker neither reads nor writes for longer than the server's keys last: everything between is full.
  options.on_progress = [&stopped](uint64_t received) {
    if (received < 1u << 20 || std::exchange(stopped, true)) return;
    std::this_thread::sleep_for(std::chrono::seconds(2));
  };
  const auto result = connect_client(client_end, server.port(), options);
  client_end.start();
  wait_for(result->channel_closed, *result);
  client_end.stop();
  EXPECT_TRUE(result->channel_closed && !result->wrong) << result->disconnect;
  EXPECT_EQ(result->received, options.to_send);
  EXPECT_GE(server.rekeys(), 1u);
}

TEST(Connection, A_peer_that_sends_data_until_its_own_kexinit_is_served) {
  TestEnd server_end, client_end;
  ServerOptions server_options;
  server_options.limits.volume_bytes = 2u << 20;
  TestServer server(server_end, server_options);
  server_end.start();
  ClientOptions options;
  options.config.kex = {"curve25519-sha256"};
  options.to_send = 24u << 20;
  std::atomic<bool> moving{false};
  options.on_progress = [&moving](uint64_t) { moving = true; };
  const auto result = connect_client(client_end, server.port(), options);
  // The client's control does not look for a while: its worker goes on sending behind the server's KEXINIT.
  std::function<void()> sleep_once = [&] {
    if (moving) return std::this_thread::sleep_for(std::chrono::seconds(1));
    client_end.loop().after(1, sleep_once);
  };
  client_end.loop().after(1, sleep_once);
  client_end.start();
  wait_for(result->channel_closed, *result);
  client_end.stop();
  EXPECT_TRUE(result->channel_closed && !result->wrong) << result->disconnect;
  EXPECT_EQ(result->received, options.to_send);
  EXPECT_GE(server.rekeys(), 3u);
}

TEST(Connection, Without_a_common_cipher_the_client_is_told_why) {
  TestEnd server_end, client_end;
  TestServer server(server_end, {});
  server_end.start();
  ClientOptions options;
  options.config.ciphers = {"aes128-cbc"};
  const auto result = connect_client(client_end, server.port(), options);
  client_end.start();
  wait_for(result->ended, *result);
  client_end.stop();
  EXPECT_TRUE(result->ended);
  EXPECT_FALSE(result->keyed);
}

}  // namespace
}  // namespace sluice::test
