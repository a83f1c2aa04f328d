// A worker's sessions at their edges: much said and closed at once, echoes that would not fit, peers that do not read.
#include "dataplane/worker.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/message_numbers.h"
#include "drivers/driver_registry.h"
#include "drivers/memory_transport.h"
#include "drivers/reference_crypto.h"
#include "drivers/socket_transport.h"
#include "tests/support/loopback_pair.h"

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
    if (!pace.is_dialogue(now)) continue;
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

TEST(SpinPace, Who_does_not_move_is_looked_for_once) {
  SpinPace pace;
  uint64_t now = kUs;
  looked_for(pace, now, 40, 20);
  pace.moved(now += 40 * kUs);
  ASSERT_TRUE(pace.is_dialogue(now));
  pace.spin(now);
  EXPECT_FALSE(pace.is_dialogue(now + kUs)) << "it came by for something else";
  pace.moved(now += 40 * kUs);
  EXPECT_TRUE(pace.is_dialogue(now));
  EXPECT_FALSE(pace.is_dialogue(now + 1000 * kUs)) << "its next question is late already";
}

// Answers each channel message, as long as it takes any.
class Answering final : public ConnectionSink {
 public:
  explicit Answering(const std::atomic<bool>& takes) : takes_(takes) {}
  size_t on_messages(std::span<const Message> messages, ChannelSender&) override {
    if (!takes_) return 0;
    owed_ += messages.size();
    return messages.size();
  }
  void on_turn(ChannelSender& sender) override {
    constexpr std::array<uint8_t, 5> answer{kMsgChannelData};
    for (; owed_ > 0; --owed_) {
      const auto draft = sender.reserve(answer.size());
      if (!draft) return;
      std::copy(answer.begin(), answer.end(), draft->payload.begin());
      sender.finish(*draft, answer.size());
    }
  }

 private:
  const std::atomic<bool>& takes_;
  size_t owed_ = 0;
};

// On a core that is said to be another one.
class FarTransport final : public MemoryTransport {
 public:
  explicit FarTransport(int& asked) : MemoryTransport(size_t{1} << 20), asked_(asked) {}
  ~FarTransport() override { ::close(descriptor_); }
  int descriptor() const override { return descriptor_; }
  int peer_core() const override { return ++asked_, CPU_SETSIZE; }

 private:
  int& asked_;
  int descriptor_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
};

TEST(Spinning, A_porch_whose_owner_sleeps_himself_asks_for_nobodys_core) {
  const auto drivers = std::move(*make_driver_set("openssl"));
  Worker worker(*drivers);
  int asked = 0;
  auto owned = std::make_unique<FarTransport>(asked);
  FarTransport& transport = *owned;
  const std::atomic<bool> takes{true};
  worker.port().adopt(1, std::move(owned), {});
  worker.port().open_channels(1, std::make_unique<Answering>(takes));
  transport.receive(bytes_of("SSH-2.0-x\r\n"));
  const auto question = frame_payload(plain_suite(), std::vector<uint8_t>{kMsgChannelData, 0, 0, 0, 0});
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(transport.receive(question), question.size());
    worker.port().tell_sink(1, {});
    do worker.step();
    while (worker.wait_ms() == 0);
    transport.discard_sent();
  }
  EXPECT_EQ(asked, 0);
}

// The other end of a session over loopback.
class Asking {
 public:
  Asking(Worker& worker, SessionId id, const std::atomic<bool>& takes) {
    const timeval limit{60, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    worker.port().adopt(id, std::make_unique<SocketTransport>(pair_.accepted), {});
    worker.port().open_channels(id, std::make_unique<Answering>(takes));
    const Bytes line = bytes_of("SSH-2.0-x\r\n");
    ::send(socket_, line.data(), line.size(), 0);
  }
  ~Asking() { ::close(socket_); }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

  void say() { ::send(socket_, question_.data(), question_.size(), MSG_NOSIGNAL); }
  // An answer is as long as its question.
  bool hear() {
    std::vector<uint8_t> answer(question_.size());
    ssize_t n = -1;
    for (int i = 0; i < kLooks && n < 0; ++i) n = ::recv(socket_, answer.data(), answer.size(), MSG_DONTWAIT);
    if (n < 0) n = ::recv(socket_, answer.data(), answer.size(), MSG_WAITALL);
    return n == static_cast<ssize_t>(answer.size());
  }
  bool ask() { return say(), hear(); }

 private:
  // So that the next question does not wait for this side's wake-up.
  static constexpr int kLooks = 50;
  const test::LoopbackPair pair_;
  const int socket_ = pair_.connected;
  std::vector<uint8_t> question_ = frame_payload(plain_suite(), std::vector<uint8_t>{kMsgChannelData, 0, 0, 0, 0});
};

class Dialogue : public testing::Test {
 protected:
  static constexpr std::chrono::seconds kLong{60};

  void SetUp() override {
    drivers_ = std::move(*make_driver_set("openssl"));
    worker_ = std::make_unique<Worker>(*drivers_);
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &allowed_)) cores_.push_back(core);
  }
  void TearDown() override {
    if (thread_.joinable()) worker_->stop(), thread_.join();
    ::sched_setaffinity(0, sizeof allowed_, &allowed_);
  }
  void start(int workers_core, int own_core) {
    thread_ = std::thread([this, workers_core] {
      test::stay_on(workers_core);
      worker_->run();
    });
    test::stay_on(own_core);
  }
  uint64_t spins() const { return worker_->counters().spins.get(); }

  template <class Condition>
  static bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kLong;
    while (!condition())
      if (std::chrono::steady_clock::now() > deadline) return false;
    return true;
  }
  // Asks until it is looked for.
  bool becomes_a_dialogue(Asking& peer) {
    const uint64_t before = spins();
    return eventually([&] { return !peer.ask() || spins() > before + 1000; }) && spins() > before;
  }
  // Sleeps so often without a look between.
  bool comes_to_rest(uint64_t sleeps) {
    return eventually([&] {
      const uint64_t looks = spins();
      const uint64_t enough = worker_->counters().sleeps.get() + sleeps;
      const bool slept = eventually([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return spins() != looks || worker_->counters().sleeps.get() >= enough;
      });
      return slept && spins() == looks;
    });
  }

  const cpu_set_t allowed_ = test::allowed_cores();
  std::vector<int> cores_;
  std::atomic<bool> takes_{true};
  std::unique_ptr<DriverSet> drivers_;
  std::unique_ptr<Worker> worker_;
  std::thread thread_;
};

TEST_F(Dialogue, From_another_core_it_is_looked_for_until_it_pauses) {
  if (cores_.size() < 2) GTEST_SKIP() << "needs two cores";
  Asking peer(*worker_, 1, takes_);
  start(cores_[0], cores_[1]);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(becomes_a_dialogue(peer));
    EXPECT_TRUE(comes_to_rest(1));
  }
}

TEST_F(Dialogue, From_the_workers_own_core_it_is_not) {
  Asking peer(*worker_, 1, takes_);
  start(cores_[0], cores_[0]);
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(peer.ask());
  EXPECT_EQ(spins(), 0u);
}

TEST_F(Dialogue, Of_two_sessions_neither_is) {
  if (cores_.size() < 2) GTEST_SKIP() << "needs two cores";
  Asking one(*worker_, 1, takes_), other(*worker_, 2, takes_);
  start(cores_[0], cores_[1]);
  for (int i = 0; i < 5000; ++i) {
    one.say(), other.say();
    ASSERT_TRUE(one.hear() && other.hear());
  }
  EXPECT_EQ(spins(), 0u);
}

TEST_F(Dialogue, A_session_that_waits_for_something_else_than_its_peer_is_not) {
  if (cores_.size() < 2) GTEST_SKIP() << "needs two cores";
  Asking peer(*worker_, 1, takes_);
  start(cores_[0], cores_[1]);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(becomes_a_dialogue(peer));
    takes_ = false;
    peer.say();
    EXPECT_TRUE(comes_to_rest(20));
    takes_ = true;
    EXPECT_TRUE(peer.hear()) << "it is tried again all the same";
  }
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
