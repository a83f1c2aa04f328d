// Frames, facts and figures: what is written is read, and nothing else is.
#include "control/management/prometheus_text.h"
#include "tests/unit/management/shell_world.h"

namespace sluice::test {
namespace {

TEST(NetworkFacts, are_read_as_they_were_written) {
  NetworkFacts facts;
  facts.sessions = {a_session(), {}};
  facts.history = {a_session()};
  facts.workers = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};
  facts.drivers = {{"ipsec_mb", false, true, 1, 2, 3, 4, {{"aes128-gcm", 1, 2, 3, 4, 5, 6}}}};
  facts.engines = {{"card", "network", "in-service", 1, 2, 3}};
  facts.counts = {{"sluice_logins_total", "methods=\"password\"", 7}};
  facts.rekey_pauses = {1, 2, 3};
  facts.listening = {"any,22"};
  facts.host_keys = 5;
  const auto bytes = facts.write();
  const auto read = NetworkFacts::read(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(*read == facts);
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(NetworkFacts::read(Bytes(bytes).first(n)).has_value()) << n;
}

TEST(NetworkFacts, have_no_control_characters_however_they_were_sent) {
  NetworkFacts facts;
  facts.sessions = {a_session()};
  facts.sessions[0].user = "a\x1b[2Jb";
  EXPECT_EQ(NetworkFacts::read(facts.write())->sessions[0].user.find('\x1b'), std::string::npos);
}

TEST(ManagementProtocol, reads_what_it_writes) {
  FrameBuffer buffer(kMaxManagementRequest);
  for (const ManagementRequest& request :
       {ManagementRequest(HelloRequest{"ticket", true}), ManagementRequest(LineRequest{"show ssh"}),
        ManagementRequest(CompleteRequest{"sh"})}) {
    buffer.add(write_management_request(request));
    const auto frame = buffer.next();
    ASSERT_TRUE(frame && *frame);
    EXPECT_TRUE(*read_management_request(**frame) == request);
  }
  const auto none = buffer.next();
  EXPECT_TRUE(none && !*none);
  ShellReply reply{"out", "router#", true, ShellReply::Next::secret, {"sluice", "ssh"}};
  FrameBuffer replies(kMaxManagementReply);
  replies.add(write_management_reply(reply));
  const auto frame = replies.next();
  const auto read = read_management_reply(**frame);
  const auto& got = std::get<ShellReply>(*read);
  EXPECT_EQ(got.output, "out");
  EXPECT_EQ(got.run, reply.run);
  EXPECT_EQ(got.next, reply.next);
}

TEST(ManagementProtocol, refuses_frames_that_are_too_long_or_none) {
  FrameBuffer buffer(16);
  buffer.add(std::vector<uint8_t>{0, 0, 0, 17});
  EXPECT_FALSE(buffer.next().has_value());
  EXPECT_FALSE(read_management_request(std::vector<uint8_t>{99}).has_value());
  EXPECT_FALSE(read_management_request(std::vector<uint8_t>{2, 0, 0, 0, 9, 'x'}).has_value());
}

TEST(PrometheusText, has_every_family_once_with_its_type) {
  NetworkFacts facts;
  facts.sessions = {a_session(), {}};
  facts.drivers = {{"ipsec_mb", false, false, 0, 0, 0, 0, {{"aes128-gcm", 10, 20, 0, 0, 1, 2}}}};
  facts.counts = {{"sluice_logins_total", "methods=\"password\"", 7},
                  {"sluice_logins_total", "methods=\"publickey\"", 8}};
  facts.engines = {{"/opt/card.so", "network", "given-up", 5, 16, 2}};
  facts.rekey_pauses.assign(160, 0);
  facts.rekey_pauses[100] = 3;
  const std::string text = prometheus_text(facts);
  EXPECT_TRUE(has_line(text, "sluice_sessions 1"));
  EXPECT_TRUE(has_line(text, "sluice_strangers 1"));
  EXPECT_TRUE(has_line(text, "sluice_logins_total{methods=\"publickey\"} 8"));
  EXPECT_TRUE(has_line(text, "sluice_crypto_bytes_total{driver=\"ipsec_mb\",suite=\"aes128-gcm\"} 20"));
  EXPECT_TRUE(has_line(text, "sluice_engine_failures_total{engine=\"/opt/card.so\",process=\"network\"} 16"));
  EXPECT_TRUE(has_line(text, "sluice_engine_in_service{engine=\"/opt/card.so\",process=\"network\"} 0"));
  EXPECT_TRUE(has_line(text, "sluice_rekey_seconds_count 3"));
  size_t types = 0, at = 0;
  while ((at = text.find("# TYPE sluice_logins_total", at)) != std::string::npos) ++types, ++at;
  EXPECT_EQ(types, 1u);
}

}  // namespace
}  // namespace sluice::test
