// Channels of a connection against a peer that keeps to RFC 4254 section 5, and one that does not.
#include <gtest/gtest.h>

#include "base/message_numbers.h"
#include "tests/support/channel_bench.h"

namespace sluice {
namespace {

using namespace test;
using Lines = std::vector<std::string>;

constexpr uint32_t kLeast = uint32_t{2} << 20;

std::vector<uint8_t> eof(uint32_t n) { return plain_message(kMsgChannelEof, n); }
std::vector<uint8_t> close(uint32_t n) { return plain_message(kMsgChannelClose, n); }

void send_text(Channel& channel, std::string_view text) {
  const auto draft = channel.reserve(text.size());
  ASSERT_TRUE(draft);
  ASSERT_EQ(draft->data.size(), text.size());
  std::copy(text.begin(), text.end(), draft->data.begin());
  channel.finish(*draft, text.size());
}

// Sends all that it may, in records of `size`; how many.
size_t send_many(Channel& channel, size_t size) {
  size_t n = 0;
  while (const auto draft = channel.reserve(size)) {
    channel.finish(*draft, draft->data.size());
    ++n;
  }
  return n;
}

TEST(ChannelTable, gives_the_lowest_free_number_and_gives_it_again) {
  ChannelBench bench;
  EXPECT_EQ(bench.open(5), 0u);
  EXPECT_EQ(bench.open(5), 1u);
  EXPECT_EQ(bench.open(9), 2u);
  ASSERT_TRUE(bench.give(close(1)));
  EXPECT_EQ(bench.turn_lines(), Lines({"close 5"}));
  EXPECT_EQ(bench.diaries[1]->text(), "close, gone");
  EXPECT_EQ(bench.host->channels(), 2u);
  EXPECT_EQ(bench.open(6), 1u);
}

TEST(ChannelTable, refuses_opens_with_the_reason_and_beyond_the_limit) {
  ChannelLimits limits;
  limits.channels = 2;
  ChannelBench bench(limits);
  bench.give_all({open_message("no", 1, 10, 10), open_message("any", 2, 10, 0), open_message("any", 3, 10, 10),
                  open_message("any", 4, 10, 10), open_message("any", 5, 10, 10)});
  EXPECT_EQ(bench.turn_lines(), Lines({"refuse 1 1", "refuse 2 4", "confirm 3", "confirm 4", "refuse 5 4"}));
  EXPECT_FALSE(bench.host->open("ours", {}, nullptr));
  bench.give(close(0));
  EXPECT_EQ(bench.open(6), 0u);
}

TEST(ChannelTable, shows_a_run_of_data_at_once_and_in_order) {
  ChannelBench bench;
  bench.open();
  bench.open();
  bench.give_all({data_message(0, "a"), data_message(0, "b"), data_message(1, "x"), data_message(0, "c"),
                  stderr_message(0, 1, "e"), stderr_message(0, 2, "other")});
  EXPECT_EQ(bench.diaries[0]->text(), "data ab, data c, stderr e");
  EXPECT_EQ(bench.diaries[1]->text(), "data x");
}

TEST(ChannelTable, ends_the_connection_when_a_window_is_overrun) {
  for (const bool as_stderr : {false, true}) {
    ChannelBench bench;
    bench.open();
    const std::string piece(kLeast / 64, 'x');
    for (int i = 0; i < 64; ++i) ASSERT_TRUE(bench.give(data_message(0, piece)));
    ASSERT_TRUE(bench.give(data_message(0, "")));
    EXPECT_FALSE(bench.give(as_stderr ? stderr_message(0, 1, "y") : data_message(0, "y")));
    EXPECT_EQ(bench.sender.failed, ErrorCode::channel_window);
    EXPECT_EQ(bench.diary().received, kLeast);
  }
}

TEST(ChannelTable, gives_window_again_when_a_quarter_was_consumed) {
  ChannelBench bench;
  bench.open(8);
  bench.give(data_message(0, std::string(kLeast / 2, 'x')));
  bench.channel().consumed(kLeast / 4 - 1);
  EXPECT_EQ(bench.turn_lines(), Lines());
  bench.channel().consumed(1);
  EXPECT_EQ(bench.turn_lines(), Lines({"adjust 8 " + std::to_string(kLeast / 4)}));
  EXPECT_EQ(bench.turn_lines(), Lines());
  // After EOF nothing more comes, so nothing more is given.
  bench.give(eof(0));
  bench.channel().consumed(kLeast / 4);
  EXPECT_EQ(bench.turn_lines(), Lines());
}

TEST(ChannelTableDeathTest, does_not_let_a_service_consume_what_it_never_got) {
  ChannelBench bench;
  bench.open();
  bench.give(data_message(0, "abc"));
  bench.channel().consumed(3);
  EXPECT_DEATH(bench.channel().consumed(1), "");
}

// All the window that a peer gets which uses it up at once, `rounds` times.
uint64_t windows_given(ChannelBench& bench, uint32_t window, int rounds) {
  uint64_t given = 0;
  for (int i = 0; i < rounds; ++i) {
    for (uint32_t left = window; left > 0;) {
      const uint32_t n = std::min<uint32_t>(left, 64512);
      EXPECT_TRUE(bench.give(data_message(0, std::string(n, 'x'))));
      bench.channel().consumed(n);
      left -= n;
    }
    bench.turn();
    window = 0;
    for (const auto& message : bench.sender.take()) window += load_be32(&message[5]);
    given += window;
  }
  return given;
}

TEST(ChannelTable, lets_the_window_of_a_quick_peer_grow_up_to_the_limit_and_the_budget) {
  constexpr uint64_t kBudget = uint64_t{10} << 20;
  WindowBudget budget(kBudget);
  ChannelLimits limits;
  limits.least_window = 1 << 20;
  limits.most_window = 16 << 20;
  limits.budget = &budget;
  {
    ChannelBench bench(limits);
    bench.open();
    constexpr uint64_t kRounds = 12;
    const uint64_t given = windows_given(bench, limits.least_window, kRounds);
    // Doubled three times: 1 + 2 + 4 MiB of budget; the next 8 there are not, and a quarter is for small windows.
    EXPECT_GT(given, kRounds * limits.least_window);
    EXPECT_LE(given, kRounds * (uint64_t{8} << 20));
    EXPECT_FALSE(budget.take(1, budget.reserve() + (512 << 10))) << "seven are lent";
  }
  EXPECT_TRUE(budget.take(kBudget)) << "the end of a channel gives back what it borrowed";
  budget.give(kBudget);
  limits.most_window = 2 << 20;
  {
    ChannelBench bench(limits);
    bench.open();
    windows_given(bench, limits.least_window, 6);
    EXPECT_TRUE(budget.take(kBudget - (1 << 20)));
    EXPECT_FALSE(budget.take(1));
    bench.give(close(0));
    EXPECT_TRUE(budget.take(1 << 20));
  }
}

// What a peer may have sent that no service took, in all connections, as far as it was told.
uint64_t told(ChannelBench& bench) {
  uint64_t all = 0;
  bench.turn();
  for (const auto& message : bench.sender.take()) {
    if (message[0] == kMsgChannelOpenConfirmation) all += load_be32(&message[9]);
    if (message[0] == kMsgChannelWindowAdjust) all += load_be32(&message[5]);
  }
  return all;
}

TEST(ChannelTable, all_connections_together_hold_the_budget_and_a_least_window_of_each) {
  constexpr uint64_t kBudget = uint64_t{16} << 20;
  constexpr size_t kConnections = 6;
  WindowBudget budget(kBudget);
  ChannelLimits limits;
  limits.least_window = 1 << 20;
  limits.most_window = 8 << 20;
  limits.channels = 256;
  limits.budget = &budget;
  std::vector<std::unique_ptr<ChannelBench>> benches;
  uint64_t held = 0, largest = 0;
  size_t channels = 0;
  for (size_t i = 0; i < kConnections; ++i) {
    auto& bench = *benches.emplace_back(std::make_unique<ChannelBench>(limits));
    bench.sender.room = 100000;
    for (uint32_t peer = 0; peer < 256; ++peer) bench.give(open_message("any", peer, 1 << 20, 32768));
    channels += bench.diaries.size();
    const uint64_t window = told(bench);
    held += window;
    largest = std::max(largest, window);
  }
  EXPECT_EQ(held, kBudget + kConnections * limits.least_window);
  EXPECT_GE(channels, kConnections) << "each connection has one channel, whatever the others have";
  // Nobody gets more by being quick.
  for (auto& bench : benches) {
    for (uint32_t round = 0; round < 4; ++round) {
      bench->give(data_message(0, std::string(limits.least_window, 'x')));
      bench->diaries[0]->channel->consumed(limits.least_window);
      EXPECT_EQ(told(*bench), limits.least_window);
    }
  }
  EXPECT_FALSE(budget.take(1));
  benches.clear();
  EXPECT_TRUE(budget.take(kBudget));
}

TEST(ChannelTable, large_windows_of_one_connection_leave_another_its_channels) {
  WindowBudget budget(uint64_t{32} << 20);
  ChannelLimits limits;
  limits.budget = &budget;
  ChannelBench greedy(limits), modest(limits);
  greedy.sender.room = 100000;
  for (uint32_t peer = 0; peer < 40; ++peer) greedy.give(open_message("any", peer, 1 << 20, 32768));
  EXPECT_EQ(told(greedy), (1 + 12) * uint64_t{kLeast} + 27 * kSmallWindow);
  for (const uint32_t peer : {7u, 8u, 9u}) modest.give(open_message("any", peer, 1 << 20, 32768));
  EXPECT_EQ(told(modest), kLeast + 2 * kSmallWindow);
}

TEST(ChannelTable, a_channel_without_a_least_window_begins_small_and_grows_when_there_is_room) {
  WindowBudget budget(kSmallWindow + 100);
  ChannelLimits limits;
  limits.budget = &budget;
  ChannelBench bench(limits);
  for (const uint32_t peer : {7u, 8u}) bench.give(open_message("any", peer, 1 << 20, 32768));
  EXPECT_EQ(told(bench), kLeast + kSmallWindow);
  EXPECT_TRUE(bench.give(open_message("any", 9, 1, 1)));
  EXPECT_EQ(bench.diaries.size(), 2u);
  EXPECT_EQ(bench.turn_lines(), Lines({"refuse 9 4"}));
  budget.give(uint64_t{2} * kLeast);
  uint32_t window = kSmallWindow;
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(bench.give(data_message(1, std::string(window, 'x'))));
    bench.diaries[1]->channel->consumed(window);
    window = static_cast<uint32_t>(told(bench));
  }
  EXPECT_GT(window, kSmallWindow);
}

TEST(ChannelTable, a_service_that_expects_bulk_has_a_wide_window_at_once_and_each_further_one_less_of_the_budget) {
  constexpr uint64_t kBudget = uint64_t{256} << 20;
  WindowBudget budget(kBudget);
  ChannelLimits limits;
  limits.budget = &budget;
  uint64_t before = kBulkWindow, sum = 0;
  {
    std::vector<std::unique_ptr<ChannelBench>> benches;
    for (size_t i = 0; i < 200; ++i) {
      auto& bench = *benches.emplace_back(std::make_unique<ChannelBench>(limits));
      bench.open();
      told(bench);
      bench.channel().widen();
      const uint64_t wider = told(bench);
      bench.channel().widen();
      EXPECT_EQ(told(bench), 0u) << "asked again it is as wide as it was";
      EXPECT_LE(wider, before);
      before = wider;
      sum += wider;
    }
    EXPECT_EQ(before, 0u) << "in the end there is none but the least";
    EXPECT_LE(sum, kBudget - budget.reserve()) << "small windows have their part";
  }
  EXPECT_TRUE(budget.take(kBudget)) << "all of it is given back";
  ChannelBench alone;
  alone.open();
  told(alone);
  alone.channel().widen();
  EXPECT_EQ(told(alone), 0u) << "without a budget windows stay at the least";
}

ChannelLimits of_user(WindowBudget& budget, const std::shared_ptr<WindowAccount>& user) {
  ChannelLimits limits;
  limits.budget = &budget;
  limits.user = user;
  return limits;
}

TEST(ChannelTable, a_user_who_opens_many_files_for_writing_leaves_others_as_much_as_he_has) {
  constexpr uint64_t kBudget = uint64_t{256} << 20;
  WindowBudget budget(kBudget);
  const auto greedy = std::make_shared<WindowAccount>(), modest = std::make_shared<WindowAccount>();
  std::vector<std::unique_ptr<ChannelBench>> benches;
  for (size_t i = 0; i < 500; ++i) {
    auto& bench = *benches.emplace_back(std::make_unique<ChannelBench>(of_user(budget, greedy)));
    bench.open();
    bench.channel().widen();
  }
  EXPECT_GT(greedy->held(), kBudget / 3) << "what nobody else wants is lent";
  EXPECT_LE(greedy->held(), budget.left() - budget.reserve());
  ChannelBench other(of_user(budget, modest));
  other.open();
  told(other);
  other.channel().widen();
  EXPECT_GE(told(other), 4 * uint64_t{kLeast}) << "who comes later has a wide window";
  for (size_t i = 0; i < 500; ++i) {
    auto& bench = *benches.emplace_back(std::make_unique<ChannelBench>(of_user(budget, modest)));
    bench.open();
    bench.channel().widen();
  }
  EXPECT_GE(modest->held(), greedy->held() / 3);
  EXPECT_GE(budget.left(), budget.reserve() + modest->held());
  benches.clear();
  EXPECT_EQ(greedy->held(), 0u) << "all of it is given back";
}

TEST(ChannelTable, channels_without_end_of_one_user_leave_others_theirs) {
  WindowBudget budget(uint64_t{16} << 20);
  const auto greedy = std::make_shared<WindowAccount>(), modest = std::make_shared<WindowAccount>();
  std::vector<std::unique_ptr<ChannelBench>> benches;
  const auto open_all = [&](const std::shared_ptr<WindowAccount>& user) {
    auto& bench = *benches.emplace_back(std::make_unique<ChannelBench>(of_user(budget, user)));
    bench.sender.room = 100000;
    for (uint32_t peer = 0; peer < 256; ++peer) bench.give(open_message("any", peer, 1 << 20, 32768));
    return bench.diaries.size();
  };
  size_t opened = 256;
  while (opened > 1) opened = open_all(greedy);
  EXPECT_EQ(opened, 1u) << "each connection has one";
  EXPECT_LE(greedy->held(), budget.left());
  EXPECT_GT(open_all(modest), 32u) << "what is left is for others";
}

TEST(ChannelTable, keeps_the_least_window_without_a_budget) {
  ChannelBench bench;
  bench.open();
  EXPECT_EQ(windows_given(bench, kLeast, 8), uint64_t{8} * kLeast);
}

TEST(ChannelTable, sends_no_more_than_the_peers_window_and_packet) {
  ChannelBench bench;
  bench.open(3, 10, 4);
  EXPECT_EQ(send_many(bench.channel(), 100), 3u);
  EXPECT_EQ(bench.channel().window(), 0u);
  EXPECT_EQ(bench.turn_lines(), Lines({"data 3 " + std::string(4, '\0'), "data 3 " + std::string(4, '\0'),
                                       "data 3 " + std::string(2, '\0')}));
  bench.give(adjust_message(0, 1));
  const auto draft = bench.channel().reserve_stderr(100);
  ASSERT_TRUE(draft);
  EXPECT_EQ(draft->data.size(), 1u);
  EXPECT_FALSE(bench.channel().reserve(1));
  bench.channel().finish(*draft, 0);
  EXPECT_EQ(bench.channel().window(), 1u);
  EXPECT_EQ(bench.turn_lines(), Lines());
}

TEST(ChannelTable, refuses_a_window_that_overflows) {
  ChannelBench bench;
  bench.open(3, 0xfffffff0u);
  EXPECT_TRUE(bench.give(adjust_message(0, 0xf)));
  EXPECT_FALSE(bench.give(adjust_message(0, 1)));
  EXPECT_EQ(bench.sender.failed, ErrorCode::channel_window);
}

TEST(ChannelTable, sends_drafts_in_the_order_of_their_reservation) {
  ChannelBench bench;
  bench.open(3);
  auto first = *bench.channel().reserve(4);
  auto second = *bench.channel().reserve_stderr(4);
  auto third = *bench.channel().reserve(4);
  std::fill(first.data.begin(), first.data.end(), 'a');
  std::fill(second.data.begin(), second.data.end(), 'b');
  bench.channel().finish(third, 0);
  bench.channel().finish(second, 4);
  // Said after the reservations, so behind them.
  bench.channel().close();
  EXPECT_TRUE(bench.sender.take().empty());
  bench.channel().finish(first, 2);
  EXPECT_EQ(bench.turn_lines(), Lines({"data 3 aa", "stderr 3 bbbb", "close 3"}));
}

TEST(ChannelTable, ends_a_channel_in_every_order_of_eof_and_close) {
  const auto sends = [](ChannelBench& bench, char what) {
    switch (what) {
      case 'E': bench.give(eof(0)); break;
      case 'C': bench.give(close(0)); break;
      case 'e': bench.channel().send_eof(); break;
      case 'c': bench.channel().close(); break;
      default: FAIL();
    }
  };
  for (std::string order : {"C", "EC", "cC", "ceC", "ecC", "eC", "EecC", "eEcC", "ecEC", "cEC", "EcC", "ccC", "eecC"}) {
    ChannelBench bench;
    bench.open(3);
    for (const char what : order) sends(bench, what);
    const auto lines = bench.turn_lines();
    EXPECT_EQ(std::count(lines.begin(), lines.end(), "close 3"), 1) << order;
    const size_t e = order.find('e'), c = std::min(order.find('c'), order.find('C'));
    EXPECT_EQ(std::count(lines.begin(), lines.end(), "eof 3"), e < c ? 1 : 0) << order;
    EXPECT_EQ(lines.back(), "close 3") << order;
    EXPECT_EQ(bench.diary().count("eof"), order.find('E') < order.find('c') ? 1u : 0u) << order;
    EXPECT_EQ(bench.diary().count("close"), order.find('c') == std::string::npos ? 1u : 0u) << order;
    EXPECT_EQ(bench.diary().count("gone"), 1u) << order;
    EXPECT_EQ(bench.host->channels(), 0u) << order;
    EXPECT_FALSE(bench.give(close(0))) << order;
    EXPECT_EQ(bench.sender.failed, ErrorCode::channel_unknown) << order;
  }
}

TEST(ChannelTable, sends_nothing_after_its_eof_or_close) {
  ChannelBench bench;
  bench.open(3);
  bench.channel().send_eof();
  EXPECT_FALSE(bench.channel().reserve(1));
  EXPECT_FALSE(bench.channel().reserve_stderr(1));
  bench.channel().request("exit-status", false, {});
  bench.channel().close();
  bench.channel().request("late", false, {});
  EXPECT_EQ(bench.turn_lines(), Lines({"eof 3", "request 3 exit-status", "close 3"}));
}

TEST(ChannelTable, ignores_what_crosses_its_close) {
  ChannelBench bench;
  bench.open(3);
  bench.channel().close();
  EXPECT_TRUE(bench.give_all({data_message(0, "late"), stderr_message(0, 1, "late"), request_message(0, "late", true),
                              adjust_message(0, 5), eof(0), close(0)}));
  EXPECT_EQ(bench.diary().text(), "gone");
  EXPECT_EQ(bench.turn_lines(), Lines({"close 3"}));
}

TEST(ChannelTable, counts_what_crosses_its_close_against_the_window) {
  ChannelBench bench;
  bench.open(3);
  bench.channel().close();
  for (uint32_t i = 0; i < 64; ++i) ASSERT_TRUE(bench.give(data_message(0, std::string(kLeast / 64, 'x'))));
  EXPECT_FALSE(bench.give(data_message(0, "x")));
  EXPECT_EQ(bench.sender.failed, ErrorCode::channel_window);
}

TEST(ChannelTable, keeps_a_closed_channel_while_its_service_lingers) {
  ChannelBench bench;
  bench.pattern.lingers = true;
  bench.open(3);
  bench.give(close(0));
  EXPECT_FALSE(bench.channel().reserve(1));
  bench.channel().request("late", false, {});
  bench.channel().send_eof();
  EXPECT_EQ(bench.turn_lines(), Lines());
  EXPECT_EQ(bench.host->channels(), 1u);
  EXPECT_EQ(bench.diary().text(), "close");
  bench.channel().close();
  EXPECT_EQ(bench.turn_lines(), Lines({"close 3"}));
  EXPECT_EQ(bench.diary().text(), "close, gone");
  EXPECT_EQ(bench.host->channels(), 0u);
  // One that closed itself has nothing to linger for; nor does it hear the peer while it lingers.
  bench.open(4);
  bench.channel().close();
  bench.give(close(0));
  EXPECT_EQ(bench.diary().text(), "gone");
  for (const auto& late : {data_message(0, "x"), eof(0), close(0), adjust_message(0, 1)}) {
    ChannelBench other;
    other.pattern.lingers = true;
    other.open();
    other.give(close(0));
    EXPECT_FALSE(other.give(late));
    EXPECT_EQ(other.sender.failed, ErrorCode::channel_unknown);
  }
}

// golang.org/x/crypto/ssh says it for each of two closes.
TEST(ChannelTable, hears_an_eof_once_however_often_it_is_said) {
  ChannelBench bench;
  bench.open();
  EXPECT_TRUE(bench.give_all({eof(0), eof(0)}));
  EXPECT_TRUE(bench.give(eof(0)));
  EXPECT_EQ(bench.diary().text(), "eof");
}

TEST(ChannelTable, ends_the_connection_on_data_after_eof) {
  for (const auto& late : {data_message(0, "x"), data_message(0, ""), stderr_message(0, 1, "x")}) {
    ChannelBench bench;
    bench.open();
    ASSERT_TRUE(bench.give(eof(0)));
    EXPECT_FALSE(bench.give(late));
    EXPECT_EQ(bench.sender.failed, ErrorCode::channel_state);
    EXPECT_EQ(bench.diary().text(), "eof");
  }
}

TEST(ChannelTable, answers_requests_in_their_order) {
  ChannelBench bench;
  bench.open(3);
  ServiceDiary& diary = bench.diary();
  diary.answer = RequestAnswer::later;
  bench.give_all({request_message(0, "a", true), request_message(0, "b", false), request_message(0, "c", true)});
  diary.answer = RequestAnswer::success;
  bench.give(request_message(0, "d", true));
  EXPECT_EQ(bench.turn_lines(), Lines());
  bench.channel().answer(false);
  EXPECT_EQ(bench.turn_lines(), Lines({"failure 3"}));
  bench.channel().answer(true);
  bench.channel().answer(false);
  EXPECT_EQ(bench.turn_lines(), Lines({"failure 3", "success 3"}));
}

TEST(ChannelTable, lets_a_service_answer_inside_the_call) {
  ChannelBench bench;
  bench.open(3);
  bench.diary().answer = RequestAnswer::later;
  bench.diary().then = [](Channel& channel, std::string_view event) {
    if (event == "request") channel.answer(true);
  };
  bench.give_all({request_message(0, "a", true), request_message(0, "b", true)});
  EXPECT_EQ(bench.turn_lines(), Lines({"success 3", "success 3"}));
}

TEST(ChannelTable, tells_only_replies_that_were_asked_for) {
  ChannelBench bench;
  bench.open(3);
  EXPECT_TRUE(bench.give(plain_message(kMsgChannelSuccess, 0)));
  bench.channel().request("quiet", false, {});
  bench.channel().request("loud", true, {});
  EXPECT_TRUE(bench.give_all({plain_message(kMsgChannelFailure, 0), plain_message(kMsgChannelSuccess, 0)}));
  EXPECT_EQ(bench.diary().text(), "no");
}

TEST(ChannelTable, opens_channels_itself_and_says_later_what_was_said_too_early) {
  ChannelBench bench;
  const auto early = bench.open_ourselves();
  const auto closed = bench.open_ourselves();
  const auto refused = bench.open_ourselves();
  const auto plain = bench.open_ourselves();
  early->channel->send_eof();
  closed->channel->close();
  EXPECT_FALSE(plain->channel->reserve(10));
  EXPECT_EQ(bench.turn_lines(), Lines({"open ours", "open ours", "open ours", "open ours"}));
  bench.give_all({confirmation(3, 13), confirmation(0, 10), confirmation(1, 11),
                  WireWriter().u8(kMsgChannelOpenFailure).u32(2).u32(0x102).string("no").string("").take()});
  EXPECT_EQ(bench.turn_lines(), Lines({"eof 10", "close 11"}));
  EXPECT_EQ(early->text(), "confirmed");
  EXPECT_EQ(closed->text(), "");
  EXPECT_EQ(refused->text(), "refused 255, gone");
  send_text(*plain->channel, "hello");
  bench.give(close(1));
  EXPECT_EQ(bench.turn_lines(), Lines({"data 13 hello"}));
  EXPECT_EQ(closed->text(), "gone");
  EXPECT_EQ(bench.host->channels(), 2u);
}

TEST(ChannelTable, opens_nothing_that_does_not_fit_a_message) {
  ChannelBench bench;
  EXPECT_FALSE(bench.host->open("ours", std::vector<uint8_t>(kMaxChannelPacket), nullptr));
  bench.give(open_message("pending", 3, 10, 10));
  bench.channel().refuse(OpenFailure::connect_failed, std::string(100000, 'x'));
  EXPECT_EQ(bench.turn_lines(), Lines({"refuse 3 2"}));
  EXPECT_EQ(bench.host->channels(), 0u);
}

TEST(ChannelTable, lets_a_pending_open_be_confirmed_refused_or_closed) {
  ChannelBench bench;
  for (uint32_t peer : {10u, 11u, 12u}) bench.give(open_message("pending", peer, 100, 100));
  EXPECT_EQ(bench.turn_lines(), Lines());
  EXPECT_FALSE(bench.channel().reserve(1));
  bench.diaries[2]->channel->close();
  bench.diaries[1]->channel->refuse(OpenFailure::connect_failed, "no way");
  bench.diaries[1]->channel->send_eof();
  bench.diaries[0]->channel->confirm();
  EXPECT_EQ(bench.turn_lines(), Lines({"refuse 12 2", "refuse 11 2", "confirm 10"}));
  EXPECT_EQ(bench.diaries[1]->text(), "gone");
  EXPECT_EQ(bench.diaries[2]->text(), "gone");
  EXPECT_EQ(bench.host->channels(), 1u);
  send_text(*bench.diaries[0]->channel, "hi");
  EXPECT_EQ(bench.turn_lines(), Lines({"data 10 hi"}));
}

TEST(ChannelTable, ends_the_connection_on_messages_for_channels_that_are_not_there) {
  for (const uint8_t number : {kMsgChannelOpenConfirmation, kMsgChannelOpenFailure, kMsgChannelWindowAdjust,
                               kMsgChannelData, kMsgChannelExtendedData, kMsgChannelEof, kMsgChannelClose,
                               kMsgChannelRequest, kMsgChannelSuccess, kMsgChannelFailure}) {
    // Unknown, with a number far beyond all, undecided, refused.
    for (const uint32_t ours : {3u, 0xffffffffu, 0u, 1u}) {
      ChannelBench bench;
      bench.give_all({open_message("pending", 10, 100, 100), open_message("pending", 11, 100, 100)});
      bench.diaries[1]->channel->refuse(OpenFailure::connect_failed, "");
      EXPECT_FALSE(bench.give(WireWriter().u8(number).u32(ours).u32(0).u32(0).u32(0).take())) << int{number};
    }
    // Ours, not confirmed yet; and already open.
    const bool about_open = number == kMsgChannelOpenConfirmation || number == kMsgChannelOpenFailure;
    ChannelBench bench;
    bench.open_ourselves();
    bench.open();
    EXPECT_FALSE(bench.give(WireWriter().u8(number).u32(about_open ? 1 : 0).u32(0).u32(0).u32(0).take()));
    EXPECT_TRUE(bench.sender.failed == ErrorCode::channel_state || bench.sender.failed == ErrorCode::channel_unknown ||
                bench.sender.failed == ErrorCode::malformed_message)
        << int{number};
  }
}

TEST(ChannelTable, ends_the_connection_on_lengths_that_lie) {
  const auto cut = [](std::vector<uint8_t> message, size_t n) { return message.resize(message.size() - n), message; };
  const auto more = [](std::vector<uint8_t> message) { return message.push_back(0), message; };
  for (const auto& message :
       {cut(data_message(0, "abcd"), 1), more(data_message(0, "abcd")), cut(data_message(0, ""), 1),
        WireWriter().u8(kMsgChannelData).u32(0).u32(0xffffffff).take(), std::vector<uint8_t>{kMsgChannelData},
        cut(stderr_message(0, 1, "abcd"), 1), more(stderr_message(0, 1, "abcd")), more(eof(0)), more(close(0)),
        cut(eof(0), 1), std::vector<uint8_t>{kMsgChannelClose}, more(adjust_message(0, 1)),
        cut(adjust_message(0, 1), 1), cut(request_message(0, "a", true), 1), cut(request_message(0, "a", true), 2),
        WireWriter().u8(kMsgChannelRequest).u32(0).u32(0xfffffff0).take(), more(plain_message(kMsgChannelSuccess, 0)),
        cut(open_message("any", 1, 1, 1), 1)}) {
    ChannelBench bench;
    bench.open();
    EXPECT_FALSE(bench.give(message)) << line_of(open_message("any", 1, 1, 1)) << int{message[0]};
    EXPECT_EQ(bench.sender.failed, ErrorCode::malformed_message) << int{message[0]} << ' ' << message.size();
  }
}

TEST(ChannelTable, refuses_a_confirmation_with_an_empty_packet) {
  ChannelBench bench;
  bench.open_ourselves();
  EXPECT_FALSE(bench.give(confirmation(0, 1, 10, 0)));
  EXPECT_EQ(bench.sender.failed, ErrorCode::malformed_message);
}

TEST(ChannelTable, looks_at_nothing_after_a_failure) {
  ChannelBench bench;
  bench.open();
  EXPECT_FALSE(bench.give_all({data_message(9, "x"), data_message(0, "y")}));
  EXPECT_EQ(bench.diary().text(), "");
  EXPECT_EQ(bench.host->open("ours", {}, nullptr), false);
  EXPECT_EQ(bench.turn_lines(), Lines());
}

TEST(ChannelTable, survives_a_service_that_closes_in_any_callback) {
  for (const std::string_view where :
       {"attach", "confirmed", "refused", "data", "stderr", "request", "eof", "turn", "yes", "close"}) {
    for (const bool fails : {false, true}) {
      ChannelBench bench;
      bench.pattern.then = [&](Channel& channel, std::string_view event) {
        if (event != where) return;
        channel.send_eof();
        channel.close();
        if (fails) channel.fail(ErrorCode::channel_state);
      };
      bench.give_all({open_message("any", 10, 100, 100), open_message("pending", 11, 100, 100)});
      bench.open_ourselves();
      bench.open_ourselves();
      bench.turn();
      bench.give_all({confirmation(2, 12), WireWriter().u8(kMsgChannelOpenFailure).u32(3).u32(1).string("").take()});
      if (bench.diaries[0]->channel) bench.diaries[0]->channel->request("ask", true, {});
      bench.give_all({data_message(0, "x"), stderr_message(0, 1, "e"), request_message(0, "r", true),
                      plain_message(kMsgChannelSuccess, 0), adjust_message(0, 1), eof(0)});
      bench.turn();
      bench.give(close(0));
      bench.turn();
      EXPECT_EQ(bench.sender.failed.has_value(), fails) << where;
      size_t closes = 0;
      for (const auto& message : bench.sender.take()) closes += line_of(message) == "close 10";
      if (fails) continue;
      EXPECT_EQ(bench.diaries[0]->count("gone"), 1u) << where;
      EXPECT_EQ(closes, 1u) << where;
    }
  }
}

TEST(ChannelTable, listens_no_more_to_a_peer_that_floods_and_never_reads) {
  struct Flood {
    std::string_view name;
    std::vector<uint8_t> message;
  };
  for (const auto& [name, message] :
       {Flood{"requests", request_message(0, "env", true)}, Flood{"opens", open_message("any", 1, 10, 10)},
        Flood{"refused opens", open_message("no", 1, 10, 10)}}) {
    ChannelBench bench;
    bench.open();
    bench.sender.room = 0;
    bench.give_all(std::vector(2000, message));
    EXPECT_GE(bench.untaken.size(), 2000 - kMaxWaitingReplies) << name;
    EXPECT_FALSE(bench.sender.failed) << name;
    bench.turn();
    bench.give(message);
    EXPECT_GE(bench.untaken.size(), 2001 - kMaxWaitingReplies) << name;
    // It reads again: everything is answered, nothing twice.
    size_t answers = 0;
    while (true) {
      bench.sender.room = 100;
      bench.give_all({});
      bench.turn();
      const size_t n = bench.sender.take().size();
      if (n == 0) break;
      answers += n;
    }
    EXPECT_EQ(answers, 2001u) << name;
  }
}

TEST(ChannelTable, ends_the_connection_when_requests_pile_up_unanswered) {
  ChannelBench bench;
  bench.open();
  bench.diary().answer = RequestAnswer::later;
  for (size_t i = 0; i < kMaxUnansweredRequests; ++i) ASSERT_TRUE(bench.give(request_message(0, "r", false)));
  EXPECT_FALSE(bench.give(request_message(0, "r", false)));
  EXPECT_EQ(bench.sender.failed, ErrorCode::channel_flood);
}

TEST(ChannelTable, sends_waiting_messages_before_data_that_was_said_later) {
  ChannelBench bench;
  bench.open(3);
  bench.sender.room = 0;
  bench.channel().request("first", false, {});
  EXPECT_FALSE(bench.channel().reserve(5));
  bench.sender.room = 2;
  send_text(bench.channel(), "later");
  EXPECT_EQ(bench.turn_lines(), Lines({"request 3 first", "data 3 later"}));
}

// So many records for each of the channels when all of them always have something to send and the peer reads `room`
// records between turns.
std::vector<size_t> shares(size_t channels, size_t gaps, size_t room, size_t turns) {
  ChannelBench bench;
  std::vector<std::shared_ptr<ServiceDiary>> busy;
  for (uint32_t i = 0; i < channels; ++i) {
    bench.open(i, 0xffffffffu);
    busy.push_back(bench.diaries.back());
    // Idle ones in between, which must not shift anybody's turn.
    for (size_t gap = 0; gap < gaps && i + 1 < channels; ++gap) bench.open(1000);
  }
  for (const auto& diary : busy) {
    diary->then = [](Channel& channel, std::string_view event) {
      if (event == "turn") send_many(channel, 1000);
    };
  }
  std::vector<size_t> sent(channels);
  for (size_t turn = 0; turn < turns; ++turn) {
    bench.sender.room = room;
    bench.sender.asked_turn = false;
    bench.turn();
    size_t n = 0;
    for (const auto& message : bench.sender.take()) ++sent.at(load_be32(&message[1])), ++n;
    EXPECT_TRUE(n == room || bench.sender.asked_turn) << "room was left and nobody would come back for it";
  }
  return sent;
}

TEST(ChannelTable, shares_turns_between_channels) {
  struct Case {
    size_t channels, gaps, room;
  };
  for (const auto& [channels, gaps, room] : {Case{2, 0, 40}, Case{2, 100, 40}, Case{3, 0, 47}, Case{3, 7, 5},
                                             Case{5, 30, 64}, Case{100, 1, 32}, Case{2, 0, 1}, Case{7, 0, 200}}) {
    const auto sent = shares(channels, gaps, room, 600);
    const auto [least, most] = std::minmax_element(sent.begin(), sent.end());
    EXPECT_GT(*least * 4, *most * 3) << channels << " channels, " << gaps << " gaps, room " << room << ": " << *least
                                     << " and " << *most;
  }
}

TEST(ChannelTable, lets_one_busy_channel_have_all_the_room) {
  const auto sent = shares(1, 0, 500, 10);
  EXPECT_EQ(sent[0], 5000u);
}

}  // namespace
}  // namespace sluice
