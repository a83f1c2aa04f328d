// Random lives of channels, by seed, beside a model of what both ends may do: RFC 4254 section 5 holds at every step
// and at the end nothing is left.
#include <gtest/gtest.h>

#include <set>

#include "base/message_numbers.h"
#include "base/random.h"
#include "tests/support/channel_bench.h"

namespace sluice {
namespace {

using namespace test;

// One channel as the peer sees it, with what our service's side was told to do.
struct PeerChannel {
  uint32_t ours = 0, peer = 0;
  bool live = false, pending = false, asked = false;
  bool peer_eof = false, peer_closed = false, our_eof = false, our_closed = false;
  uint64_t window_to_us = 0, window_to_peer = 0;
  uint32_t packet = 0;
  size_t requests = 0, replies = 0;  // that wanted one, and what came
  size_t unanswered = 0;             // that the service was asked and has not answered
  uint64_t sent = 0, received = 0;   // by the peer
  uint64_t service_sent = 0, consumed = 0;
  bool service_done = false;
  std::shared_ptr<ServiceDiary> diary;
};

class Life {
 public:
  explicit Life(uint64_t seed) : random_(seed) {
    limits_.least_window = 4096;
    limits_.most_window = 65536;
    limits_.budget = &budget_;
    limits_.channels = 8;
    bench_ = std::make_unique<ChannelBench>(limits_);
    bench_->pattern.answer = RequestAnswer::later;
  }

  void run(size_t steps) {
    for (size_t i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      step();
      ASSERT_FALSE(bench_->sender.failed) << "a peer that keeps the rules was thrown out";
    }
    finish();
  }

 private:
  PeerChannel* any() {
    if (channels_.empty()) return nullptr;
    auto at = channels_.begin();
    std::advance(at, static_cast<ptrdiff_t>(random_.below(channels_.size())));
    return &at->second;
  }

  void step() {
    switch (random_.below(6)) {
      case 0: return random_.below(3) == 0 ? open() : turn();
      case 1: return turn();
      case 2:
        if (PeerChannel* channel = any()) service_step(*channel);
        return;
      default:
        if (PeerChannel* channel = any()) peer_step(*channel);
    }
  }

  void open() {
    const uint32_t peer = next_peer_++;
    if (random_.below(3) == 0) {
      const size_t before = bench_->diaries.size();
      const auto diary = bench_->open_ourselves();
      if (bench_->diaries.size() == before) return;
      // Its number is in the message, which turn() sees.
      asked_.push_back({peer, diary});
      return;
    }
    const bool pending = random_.below(2) == 0;
    const uint32_t window = static_cast<uint32_t>(random_.below(20000));
    const uint32_t packet = 1 + static_cast<uint32_t>(random_.below(3000));
    const size_t before = bench_->diaries.size();
    bench_->give(open_message(pending ? "pending" : "any", peer, window, packet));
    if (bench_->diaries.size() == before) {
      over_limit_.insert(peer);
      return;
    }
    PeerChannel& channel = channels_[peer];
    channel.peer = peer;
    channel.pending = pending;
    channel.window_to_peer = window;
    channel.packet = packet;
    channel.diary = bench_->diaries.back();
  }

  void peer_step(PeerChannel& c) {
    if (!c.live || c.peer_closed) return;
    switch (random_.below(8)) {
      case 0:
        if (!c.peer_eof && random_.below(4) == 0)
          bench_->give(plain_message(kMsgChannelEof, c.ours)), c.peer_eof = true;
        return;
      case 1:
        if (random_.below(8) == 0) bench_->give(plain_message(kMsgChannelClose, c.ours)), peer_closes(c);
        return;
      case 2: {
        const auto more = static_cast<uint32_t>(random_.below(5000));
        bench_->give(adjust_message(c.ours, more));
        c.window_to_peer += more;
        return;
      }
      case 3: {
        if (c.diary->channel && c.unanswered >= kMaxUnansweredRequests) return;
        const bool want = random_.below(2) == 0;
        const size_t asked = c.diary->count("request r");
        bench_->give(request_message(c.ours, "r", want));
        const bool reached = c.diary->count("request r") > asked;
        EXPECT_EQ(reached, !c.service_done);
        if (reached) ++c.unanswered;
        if (reached && want) ++c.requests;
        return;
      }
      default: {
        if (c.peer_eof) return;
        const uint64_t n = random_.below(std::min<uint64_t>(c.window_to_us, 3000) + 1);
        bench_->give(data_message(c.ours, std::string(n, 'p')));
        c.window_to_us -= n;
        if (!c.service_done) c.sent += n;
      }
    }
  }

  void peer_closes(PeerChannel& c) {
    c.peer_closed = true;
    EXPECT_EQ(c.diary->channel, nullptr);
    c.service_done = true;
  }

  void service_step(PeerChannel& c) {
    Channel* channel = c.diary->channel;
    if (!channel || c.service_done) return;
    if (c.pending) {
      if (random_.below(2) == 0) {
        channel->confirm();
      } else {
        random_.below(2) == 0 ? channel->refuse(OpenFailure::connect_failed, "x") : channel->close();
        c.service_done = true;
      }
      c.pending = false;
      return;
    }
    switch (random_.below(8)) {
      case 0:
        if (random_.below(4) == 0) channel->send_eof();
        return;
      case 1:
        if (random_.below(8) == 0) channel->close(), c.service_done = true;
        return;
      case 2:
        if (c.unanswered > 0) --c.unanswered, channel->answer(random_.below(2) == 0);
        return;
      case 3:
        EXPECT_EQ(c.diary->received, c.sent);
        channel->consumed(c.sent - c.consumed);
        c.consumed = c.sent;
        return;
      default: {
        // Several drafts at once, finished in another order, some dropped.
        const auto first = channel->reserve(1 + random_.below(4000));
        const auto second = channel->reserve_stderr(1 + random_.below(4000));
        for (const auto& draft : {second, first}) {
          if (!draft) continue;
          const size_t n = random_.below(draft->data.size() + 1);
          channel->finish(*draft, n);
          c.service_sent += n;
        }
      }
    }
  }

  void turn() {
    bench_->sender.room = random_.below(12);
    bench_->give_all({});
    bench_->turn();
    for (const auto& message : bench_->sender.take()) see(message);
    std::erase_if(channels_, [](const auto& c) { return c.second.our_closed && c.second.peer_closed; });
  }

  // What the peer receives.
  void see(Bytes message) {
    WireReader reader(message);
    const uint8_t number = reader.u8();
    if (number == kMsgChannelOpen) {
      reader.text();
      const uint32_t ours = reader.u32();
      const uint32_t window = reader.u32();
      return take_our_open(ours, window);
    }
    const uint32_t peer = reader.u32();
    if (number == kMsgChannelOpenFailure && over_limit_.erase(peer) > 0) return;
    const auto found = channels_.find(peer);
    ASSERT_NE(found, channels_.end()) << line_of(message);
    PeerChannel& c = found->second;
    if (number == kMsgChannelOpenFailure) {
      EXPECT_FALSE(c.live);
      channels_.erase(found);
      return;
    }
    if (number == kMsgChannelOpenConfirmation) {
      EXPECT_FALSE(c.live);
      c.live = true;
      c.ours = reader.u32();
      c.window_to_us = reader.u32();
      return;
    }
    ASSERT_TRUE(c.live && !c.our_closed) << line_of(message);
    switch (number) {
      case kMsgChannelData:
      case kMsgChannelExtendedData: {
        if (number == kMsgChannelExtendedData) reader.u32();
        const size_t n = reader.string().size();
        EXPECT_FALSE(c.our_eof);
        EXPECT_GT(n, 0u);
        EXPECT_LE(n, c.packet);
        ASSERT_LE(n, c.window_to_peer);
        c.window_to_peer -= n;
        c.received += n;
        break;
      }
      case kMsgChannelWindowAdjust: c.window_to_us += reader.u32(); break;
      case kMsgChannelEof:
        EXPECT_FALSE(c.our_eof);
        EXPECT_EQ(c.received, c.service_sent);
        c.our_eof = true;
        break;
      case kMsgChannelSuccess:
      case kMsgChannelFailure:
        ++c.replies;
        EXPECT_LE(c.replies, c.requests);
        break;
      case kMsgChannelClose:
        c.our_closed = true;
        EXPECT_EQ(c.received, c.service_sent);
        return;
      default: FAIL() << line_of(message);
    }
    EXPECT_TRUE(reader.ok() && reader.at_end());
    EXPECT_LE(c.window_to_us, limits_.most_window);
  }

  void take_our_open(uint32_t ours, uint32_t window) {
    ASSERT_FALSE(asked_.empty());
    const auto [peer, diary] = asked_.front();
    asked_.pop_front();
    // Said before there is anybody to say it to.
    const bool closes = random_.below(4) == 0;
    if (closes) diary->channel->close();
    if (random_.below(4) == 0) {
      bench_->give(WireWriter().u8(kMsgChannelOpenFailure).u32(ours).u32(2).string("").string("").take());
      EXPECT_EQ(diary->channel, nullptr);
      return;
    }
    PeerChannel& c = channels_[peer];
    c.ours = ours;
    c.peer = peer;
    c.live = true;
    c.service_done = closes;
    c.window_to_us = window;
    c.window_to_peer = random_.below(20000);
    c.packet = 1 + static_cast<uint32_t>(random_.below(3000));
    c.diary = diary;
    bench_->give(confirmation(ours, peer, static_cast<uint32_t>(c.window_to_peer), c.packet));
  }

  void finish() {
    for (int i = 0; i < 1000 && (!channels_.empty() || !asked_.empty()); ++i) {
      turn();
      for (auto& [peer, c] : channels_) {
        if (c.pending) {
          c.diary->channel->refuse(OpenFailure::resource_shortage, "");
          c.pending = false;
        } else if (c.live && !c.peer_closed) {
          bench_->give(plain_message(kMsgChannelClose, c.ours));
          peer_closes(c);
        }
      }
    }
    for (int i = 0; i < 100; ++i) turn();
    EXPECT_TRUE(channels_.empty());
    EXPECT_EQ(bench_->host->channels(), 0u);
    bench_.reset();
    EXPECT_TRUE(budget_.take(kBudget)) << "window was not given back";
  }

  static constexpr uint64_t kBudget = 100000;
  CheapRandom random_;
  WindowBudget budget_{kBudget};
  ChannelLimits limits_;
  std::unique_ptr<ChannelBench> bench_;
  std::map<uint32_t, PeerChannel> channels_;  // by the peer's number
  std::deque<std::pair<uint32_t, std::shared_ptr<ServiceDiary>>> asked_;
  std::set<uint32_t> over_limit_;
  uint32_t next_peer_ = 100;
};

TEST(ChannelModel, holds_through_random_lives) {
  for (uint64_t seed = 1; seed <= 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Life(seed).run(2000);
  }
}

}  // namespace
}  // namespace sluice
