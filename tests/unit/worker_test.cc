// A worker's sessions at their edges: much said and closed at once, echoes that would not fit, peers that do not read.
#include "dataplane/worker.h"

#include <gtest/gtest.h>

#include "base/message_numbers.h"
#include "drivers/driver_registry.h"
#include "drivers/memory_transport.h"
#include "drivers/reference_crypto.h"

namespace sluice {
namespace {

class WorkerTest : public testing::Test {
 protected:
  void SetUp() override {
    drivers_ = std::move(*make_driver_set("openssl"));
    worker_ = std::make_unique<Worker>(*drivers_);
    auto transport = std::make_unique<MemoryTransport>(size_t{1} << 20);
    transport_ = transport.get();
    worker_->port().adopt(1, std::move(transport), {});
  }

  void say(Bytes bytes) { ASSERT_EQ(transport_->receive(bytes), bytes.size()); }
  void say_record(uint8_t number) {
    const std::vector<uint8_t> payload{number, 0, 0, 0, 0};
    say(frame_payload(plain_suite(), payload));
  }

  // Turns until the session is gone or `most` turns passed; what control heard is counted by kind.
  void run(int most = 2000) {
    for (int i = 0; i < most; ++i) {
      worker_->turn();
      while (auto event = worker_->port().next_event()) ++heard_[event->kind], last_ = std::move(*event);
      if (heard_[PortEvent::Kind::ended] > 0) return;
    }
  }

  std::unique_ptr<DriverSet> drivers_;
  std::unique_ptr<Worker> worker_;
  MemoryTransport* transport_ = nullptr;
  std::map<PortEvent::Kind, size_t> heard_;
  PortEvent last_;
};

TEST_F(WorkerTest, All_records_before_a_close_are_heard) {
  say(bytes_of("SSH-2.0-x\r\n"));
  for (int i = 0; i < 1000; ++i) say_record(kMsgIgnore);
  transport_->end();
  run();
  EXPECT_EQ(heard_[PortEvent::Kind::line], 1u);
  EXPECT_EQ(heard_[PortEvent::Kind::message], 1000u);
  EXPECT_EQ(heard_[PortEvent::Kind::ended], 1u);
  EXPECT_EQ(heard_[PortEvent::Kind::failed], 0u);
}

TEST_F(WorkerTest, A_close_inside_a_record_is_a_truncated_stream) {
  say(bytes_of("SSH-2.0-x\r\n"));
  say_record(kMsgIgnore);
  const std::vector<uint8_t> half{0, 0, 0, 12, 6, 2};
  say(half);
  transport_->end();
  run(50);
  ASSERT_EQ(heard_[PortEvent::Kind::failed], 1u);
  EXPECT_EQ(last_.error, ErrorCode::truncated_stream);
  worker_->port().close(1);
  run();
  EXPECT_EQ(heard_[PortEvent::Kind::ended], 1u);
}

TEST_F(WorkerTest, A_session_moves_when_nothing_of_it_is_under_way_and_goes_on_elsewhere) {
  say(bytes_of("SSH-2.0-peer\r\n"));
  run(3);
  const auto other_drivers = std::move(*make_driver_set("openssl"));
  Worker other(*other_drivers);
  worker_->port().send(1, {kMsgIgnore, 0, 0, 0, 0});
  EXPECT_EQ(*worker_->release(1, *other_drivers), nullptr) << "a message is on its way out";
  run(3);
  other.port().await(1);
  other.port().send(1, {kMsgIgnore, 0, 0, 0, 0});
  const size_t unsent = transport_->send_ring().pending_bytes();
  auto moving = worker_->release(1, *other_drivers);
  ASSERT_TRUE(moving.has_value() && *moving != nullptr);
  EXPECT_EQ(worker_->sessions(), 0u);
  EXPECT_EQ(*worker_->release(1, *other_drivers), nullptr) << "gone already";
  other.turn();
  EXPECT_EQ(transport_->send_ring().pending_bytes(), unsent) << "what is meant for it waits for it";
  say_record(kMsgIgnore);
  other.port().adopt_moving(1, std::move(*moving));
  other.turn();
  std::map<PortEvent::Kind, size_t> heard;
  for (int i = 0; i < 5; ++i, other.turn())
    while (auto event = other.port().next_event()) ++heard[event->kind];
  EXPECT_EQ(other.sessions(), 1u);
  EXPECT_EQ(heard[PortEvent::Kind::message], 1u) << "what came between";
  EXPECT_GT(transport_->send_ring().pending_bytes(), unsent) << "what waited followed it";
}

TEST_F(WorkerTest, A_password_does_not_stay_in_the_memory_that_it_was_received_in) {
  say(bytes_of("SSH-2.0-peer\r\n"));
  run(3);
  const std::string_view secret = "a password that nobody else may see";
  std::vector<uint8_t> payload{kMsgUserauthRequest};
  payload.insert(payload.end(), secret.begin(), secret.end());
  say(frame_payload(plain_suite(), payload));
  std::array<MutableBytes, 4> pieces;
  ASSERT_EQ(transport_->peek(0, pieces), 1u);
  const Bytes where = pieces[0];
  ASSERT_NE(text_of(where).find(secret), std::string_view::npos);
  run(3);
  EXPECT_EQ(heard_[PortEvent::Kind::message], 1u);
  EXPECT_EQ(text_of(last_.bytes).substr(1), secret) << "control has it";
  EXPECT_EQ(text_of(where).find(secret), std::string_view::npos);
}

TEST_F(WorkerTest, A_close_before_anything_was_said_is_just_an_end) {
  say(bytes_of("SSH-2."));
  transport_->end();
  run();
  EXPECT_EQ(heard_[PortEvent::Kind::ended], 1u);
}

TEST_F(WorkerTest, A_message_too_long_for_a_record_of_ours_ends_that_session_only) {
  worker_->port().send(1, std::vector<uint8_t>(kMaxPayload + 1, kMsgPong));
  run(50);
  EXPECT_EQ(heard_[PortEvent::Kind::failed], 1u);
}

TEST_F(WorkerTest, A_peer_that_makes_us_answer_and_never_reads_is_cut_off) {
  say(bytes_of("SSH-2.0-x\r\n"));
  size_t answers = 0;
  while (heard_[PortEvent::Kind::failed] == 0 && answers < 200000) {
    for (int i = 0; i < 100; ++i, ++answers) worker_->port().send(1, {kMsgUnimplemented, 0, 0, 0, 0});
    run(1);
  }
  EXPECT_EQ(last_.error, ErrorCode::peer_does_not_read);
  EXPECT_LT(answers, 100000u) << "what waits is counted with what it costs";
}

constexpr uint64_t kUs = 1'000;

// A question every `gap_us`, each looked for: how many of them while it was a dialogue.
int looked_for(SpinPace& pace, uint64_t& now, uint64_t gap_us, int questions) {
  int looked = 0;
  for (int i = 0; i < questions; ++i) {
    pace.moved(now += gap_us * kUs);
    if (!pace.is_dialogue()) continue;
    ++looked;
    pace.spin(now);
  }
  return looked;
}

TEST(SpinPace, Quick_questions_in_a_row_are_looked_for) {
  SpinPace pace;
  uint64_t now = kUs;
  EXPECT_EQ(looked_for(pace, now, 40, 7), 0) << "not yet";
  EXPECT_EQ(looked_for(pace, now, 40, 1000), 1000);
  EXPECT_EQ(looked_for(pace, now, 40, 1), 1);
  now += 1'000'000 * kUs;
  EXPECT_EQ(looked_for(pace, now, 40, 8), 0) << "a pause ends it";
  EXPECT_GT(looked_for(pace, now, 40, 8), 0);
}

TEST(SpinPace, A_peer_that_is_always_just_too_late_is_seldom_looked_for) {
  SpinPace pace;
  uint64_t now = kUs;
  const int looked = looked_for(pace, now, 80, 10'000);
  EXPECT_GT(looked, 0) << "it may have become quicker";
  EXPECT_LT(looked, 100);
  EXPECT_GT(looked_for(pace, now, 40, 2000), 900) << "it has";
}

TEST(SpinPace, A_late_question_now_and_then_changes_nothing) {
  SpinPace pace;
  uint64_t now = kUs;
  looked_for(pace, now, 40, 20);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(looked_for(pace, now, 80, 1), 1) << i;
    EXPECT_EQ(looked_for(pace, now, 40, 9), 9) << i;
  }
}

TEST(SpinPace, Slow_questions_never_are) {
  SpinPace pace;
  uint64_t now = kUs;
  EXPECT_EQ(looked_for(pace, now, 150, 10'000), 0);
}

constexpr uint64_t kMs = 1'000'000;

TEST(StreamPace, Small_messages_however_quick_are_never_napped_over) {
  StreamPace pace;
  for (uint64_t now = kMs; now < 100 * kMs; now += 20'000) pace.note(100, now);
  EXPECT_FALSE(pace.naps());
}

TEST(StreamPace, A_stream_is_napped_over_until_it_ends) {
  StreamPace pace;
  uint64_t now = kMs;
  for (int i = 0; i < 100 && !pace.naps(); ++i) pace.note(64 * 1024, now += 50'000);
  EXPECT_TRUE(pace.naps());
  for (int i = 0; i < 100; ++i) pace.note(64 * 1024, now += StreamPace::kNapNs);
  EXPECT_TRUE(pace.naps()) << "a quarter of a gigabyte a second";
  int naps = 0;
  for (; pace.naps() && naps < 100; ++naps) pace.note(0, now += StreamPace::kNapNs);
  EXPECT_LT(naps, 12);
}

TEST(StreamPace, What_comes_after_a_pause_is_no_stream_yet) {
  StreamPace pace;
  for (uint64_t now = kMs; now < 1000 * kMs; now += 10 * kMs) pace.note(1 << 20, now);
  EXPECT_FALSE(pace.naps());
}

TEST(StreamPace, A_key_exchange_ends_the_naps_at_once) {
  StreamPace pace;
  for (uint64_t now = kMs; now < 10 * kMs; now += 50'000) pace.note(64 * 1024, now);
  ASSERT_TRUE(pace.naps());
  EXPECT_TRUE(pace.hurry());
  EXPECT_FALSE(pace.naps());
}

}  // namespace
}  // namespace sluice
