// Packets of a link: what is written is read again, and nothing else is.
#include <gtest/gtest.h>

#include "base/random.h"
#include "services/broker/broker_protocol.h"

namespace sluice {
namespace {

template <class Variant, size_t... I>
std::vector<Variant> one_of_each(std::index_sequence<I...>) {
  return {Variant(std::in_place_index<I>)...};
}

TEST(BrokerProtocol, reads_every_request_and_answer_that_it_writes_and_no_part_of_one) {
  for (const auto& request :
       one_of_each<BrokerRequest>(std::make_index_sequence<std::variant_size_v<BrokerRequest>>())) {
    const auto packet = *write_request(7, request);
    const auto read = read_request(packet);
    ASSERT_TRUE(read && read->request == 7 && read->body.index() == request.index()) << request.index();
    EXPECT_EQ(*write_request(7, read->body), packet);
    for (size_t cut = 0; cut < packet.size(); ++cut) EXPECT_FALSE(read_request(Bytes(packet).first(cut)));
    auto longer = packet;
    longer.push_back(0);
    EXPECT_FALSE(read_request(longer));
    EXPECT_EQ(read_request(*write_request(0, request)).has_value(), std::holds_alternative<CloseHandle>(request));
  }
  for (const auto& answer : one_of_each<BrokerAnswer>(std::make_index_sequence<std::variant_size_v<BrokerAnswer>>())) {
    const bool event = std::holds_alternative<ChildExited>(answer);
    const auto packet = *write_answer(event ? 0 : 7, answer);
    const auto read = read_answer(packet);
    ASSERT_TRUE(read && read->body.index() == answer.index()) << answer.index();
    EXPECT_EQ(*write_answer(event ? 0 : 7, read->body), packet);
    EXPECT_FALSE(read_answer(*write_answer(event ? 7 : 0, answer)));
  }
}

TEST(BrokerProtocol, keeps_every_field) {
  SpawnProgram spawn;
  spawn.kind = ProgramKind::subsystem;
  spawn.words = {"a", "", "b c"};
  spawn.terminal = TerminalRequest{"xterm", {1, 2, 3, 4}, {5, 0, 6}};
  spawn.environment = {{"A", "1"}, {"B", ""}};
  spawn.agent = 9;
  const auto read = read_request(*write_request(1, spawn));
  const auto& back = std::get<SpawnProgram>(read->body);
  EXPECT_EQ(back.words, spawn.words);
  EXPECT_EQ(back.environment, spawn.environment);
  EXPECT_EQ(back.terminal->modes, spawn.terminal->modes);
  EXPECT_EQ(back.terminal->size.height, 4u);
  EXPECT_EQ(back.agent, 9u);
  AttributeChange change;
  change.times = FileTimes{{-1, 2}, {3, 4}};
  const auto again = read_request(*write_request(1, ChangeHandle{3, change}));
  EXPECT_EQ(std::get<ChangeHandle>(again->body).change.times->accessed, (FileTime{-1, 2}));
  EXPECT_FALSE(std::get<ChangeHandle>(again->body).change.size);
}

TEST(BrokerProtocol, refuses_what_only_looks_like_a_packet) {
  EXPECT_FALSE(read_request({}));
  EXPECT_FALSE(read_request(std::vector<uint8_t>{200, 0, 0, 0, 1}));
  // A NUL in a name, a truth value of 2, a kind that is none, a list of four billion.
  EXPECT_FALSE(write_request(1, RemoveFile{std::string("a\0b", 3)}));
  auto packet = *write_request(1, RemoveFile{"abc"});
  packet[packet.size() - 2] = 0;
  EXPECT_FALSE(read_request(packet));
  packet = *write_request(1, StatPath{"a", true});
  packet.back() = 2;
  EXPECT_FALSE(read_request(packet));
  packet = *write_request(1, SpawnProgram{});
  packet[kBrokerHeader] = static_cast<uint8_t>(ProgramKind::count_);
  EXPECT_FALSE(read_request(packet));
  packet = *write_request(1, NameIds{});
  packet[kBrokerHeader] = 0xff;
  EXPECT_FALSE(read_request(packet));
  CheapRandom random(1);
  for (int i = 0; i < 20000; ++i) {
    std::vector<uint8_t> noise(random.below(200));
    random.fill(noise);
    if (!noise.empty()) noise[0] = static_cast<uint8_t>(noise[0] % 40);
    (void)read_request(noise);
    (void)read_answer(noise);
  }
}

}  // namespace
}  // namespace sluice
