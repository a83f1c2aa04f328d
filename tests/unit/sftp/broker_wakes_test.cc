// What wakes a worker for its broker's link: answers, and room only while something waits for it.
#include <gtest/gtest.h>

#include "services/broker/packet_socket.h"
#include "services/connection/broker_session.h"
#include "tests/support/fake_channel.h"

namespace sluice {
namespace {

class BrokerWakes : public testing::Test {
 protected:
  BrokerWakes() {
    auto [ours, theirs] = make_packet_pair();
    broker_end = std::move(theirs);
    session.take_link(std::move(ours));
  }

  void ask() {
    session.ask(caller, FindHome{}, [this](BrokerReceived&&) { ++answered; });
  }
  // The next request's number as the broker sees it, and whether it is a close; nothing: none is there.
  std::optional<Numbered<BrokerRequest>> take() {
    const ReceivedPacket packet = receive_packet(broker_end.get(), kMaxBrokerPacket, 0);
    if (packet.outcome != PacketOutcome::packet) return std::nullopt;
    auto request = read_request(packet.bytes);
    return request ? std::optional(std::move(*request)) : std::nullopt;
  }
  void answer(uint32_t request) { send_packet(broker_end.get(), *write_answer(request, PathFound{"/home"}), {}); }

  test::FakeHost host;
  BrokerSession session{host};
  BrokerCaller caller{session};
  UniqueFd broker_end;
  int answered = 0;
};

TEST_F(BrokerWakes, only_an_answer_wakes_who_asked) {
  ask();
  const auto request = take();
  ASSERT_TRUE(request);
  EXPECT_FALSE(host.poll(0)) << "woken because the broker took the request";
  answer(request->request);
  EXPECT_TRUE(host.poll(1000));
  EXPECT_EQ(answered, 1);
}

TEST_F(BrokerWakes, a_close_goes_in_the_turn_after_the_one_that_told_it) {
  session.tell(CloseHandle{7});
  EXPECT_FALSE(take());
  EXPECT_TRUE(host.asked_turn);
  session.on_turn();
  const auto request = take();
  ASSERT_TRUE(request);
  EXPECT_TRUE(std::holds_alternative<CloseHandle>(request->body));
}

TEST_F(BrokerWakes, a_close_goes_before_what_is_asked_behind_it) {
  session.tell(CloseHandle{7});
  ask();
  const auto first = take(), second = take();
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(std::holds_alternative<CloseHandle>(first->body));
  EXPECT_TRUE(std::holds_alternative<FindHome>(second->body));
}

TEST_F(BrokerWakes, what_found_no_room_goes_when_there_is_some) {
  constexpr uint32_t kCloses = 20000;
  for (uint32_t i = 0; i < kCloses; ++i) session.tell(CloseHandle{i});
  session.on_turn();
  ASSERT_TRUE(session.waits_for_room()) << "the socket took all of them";
  uint32_t taken = 0;
  for (int turn = 0; turn < 100000 && taken < kCloses; ++turn) {
    for (auto request = take(); request; request = take()) {
      EXPECT_EQ(std::get<CloseHandle>(request->body).handle, taken++);
    }
    if (taken < kCloses) {
      EXPECT_TRUE(host.poll(10000)) << "nobody told of the room after " << taken;
    }
  }
  EXPECT_EQ(taken, kCloses);
  EXPECT_FALSE(session.waits_for_room());
}

}  // namespace
}  // namespace sluice
