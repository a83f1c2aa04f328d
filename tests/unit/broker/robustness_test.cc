// Links that break, lie, flood or vanish; brokers that die; and nothing left behind after thousands of requests.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "services/broker/packet_socket.h"
#include "tests/support/broker_fixture.h"
#include "tests/support/temp_folder.h"

namespace sluice {
namespace {

using test::BrokerFixture;
using test::TempFolder;

size_t descriptors_of_process(pid_t process) {
  size_t n = 0;
  for ([[maybe_unused]] const auto& each :
       std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/fd"))
    ++n;
  return n;
}

TEST(BrokerRobustness, fails_every_open_request_once_when_the_broker_dies) {
  TempFolder folder;
  BrokerFixture broker(test::own_identity(folder.path()));
  broker.expect<Attributes>(StatPath{"."});
  ::kill(broker.pid(), SIGSTOP);
  std::vector<uint32_t> sent;
  for (int i = 0; i < 10; ++i) sent.push_back(*broker.client().send(StatPath{"."}));
  ::kill(broker.pid(), SIGKILL);
  std::vector<uint32_t> failed;
  for (;;) {
    const auto received = broker.next_event();
    ASSERT_TRUE(std::holds_alternative<Failure>(received.answer));
    EXPECT_EQ(std::get<Failure>(received.answer).fault, BrokerFault::gone);
    if (received.request == 0) break;
    failed.push_back(received.request);
  }
  std::sort(failed.begin(), failed.end());
  EXPECT_EQ(failed, sent);
  EXPECT_FALSE(broker.client().receive());
  EXPECT_EQ(broker.fault(StatPath{"."}), BrokerFault::gone);
}

TEST(BrokerRobustness, keeps_no_descriptor_after_thousands_of_requests) {
  TempFolder folder;
  folder.write("a", "x");
  BrokerFixture broker(test::own_identity(folder.path()));
  SpawnProgram spawn;
  spawn.kind = ProgramKind::shell_command;
  spawn.words = {"exit 0"};
  const auto round = [&] {
    const auto opened = broker.expect<FileOpened>(OpenFile{"a", kOpenRead, 0});
    const auto listing = broker.expect<DirectoryOpened>(OpenDirectory{"."});
    broker.fault(OpenFile{"none", kOpenRead, 0});
    broker.fault(OpenFile{".", kOpenRead, 0});
    broker.expect<Done>(SyncFile{opened.handle});
    broker.expect<Done>(CloseHandle{listing.handle});
    broker.expect<Done>(CloseHandle{opened.handle});
  };
  const auto run = [&] {
    broker.expect<Spawned>(spawn);
    broker.next_event();
  };
  round();
  run();
  const size_t ours = descriptors_of_process(::getpid()), theirs = descriptors_of_process(broker.pid());
  for (int i = 0; i < 1000; ++i) round();
  for (int i = 0; i < 50; ++i) run();
  EXPECT_EQ(descriptors_of_process(::getpid()), ours);
  EXPECT_EQ(descriptors_of_process(broker.pid()), theirs);
}

TEST(BrokerRobustness, bounds_a_links_handles) {
  TempFolder folder;
  folder.write("a", "x");
  LinkPolicy policy;
  policy.max_handles = 3;
  BrokerFixture broker(test::own_identity(folder.path()), policy);
  for (int i = 0; i < 3; ++i) broker.expect<FileOpened>(OpenFile{"a", kOpenRead, 0});
  EXPECT_EQ(broker.fault(OpenFile{"new", kOpenWrite | kOpenCreate, 0600}), BrokerFault::too_many);
  EXPECT_FALSE(folder.has("new"));
  EXPECT_EQ(broker.fault(OpenDirectory{"."}), BrokerFault::too_many);
}

TEST(BrokerRobustness, ends_a_link_that_lies_and_closes_what_it_sent) {
  TempFolder folder;
  for (int lie = 0; lie < 3; ++lie) {
    BrokerFixture broker(test::own_identity(folder.path()));
    const UniqueFd link = broker.take_link();
    std::vector<uint8_t> packet = *write_request(1, StatPath{"."});
    std::vector<UniqueFd> descriptors;
    if (lie == 0) packet.push_back(0);
    if (lie == 1) packet[0] = 250;
    if (lie == 2) descriptors.emplace_back(::open("/", O_RDONLY | O_DIRECTORY));
    ASSERT_EQ(send_packet(link.get(), packet, descriptors), PacketOutcome::packet);
    pollfd ready{link.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&ready, 1, 30000), 1);
    EXPECT_EQ(receive_packet(link.get(), kMaxBrokerPacket, 3).outcome, PacketOutcome::ended) << lie;
  }
}

TEST(BrokerRobustness, reads_no_more_from_a_link_that_fetches_no_answers) {
  TempFolder folder;
  BrokerFixture broker(test::own_identity(folder.path()));
  const UniqueFd link = broker.take_link();
  ASSERT_TRUE(set_nonblocking(link.get()));
  const auto packet = *write_request(1, StatPath{"."});
  size_t sent = 0;
  for (int quiet = 0; quiet < 50;) {
    if (send_packet(link.get(), packet, {}) == PacketOutcome::packet) {
      ++sent;
      quiet = 0;
    } else {
      ::usleep(2000);
      ++quiet;
    }
    ASSERT_LT(sent, 100000u);
  }
  // All of them are answered once somebody reads.
  size_t answered = 0;
  while (answered < sent) {
    pollfd ready{link.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&ready, 1, 30000), 1);
    while (receive_packet(link.get(), kMaxBrokerPacket, 0).outcome == PacketOutcome::packet) ++answered;
  }
  EXPECT_EQ(answered, sent);
}

TEST(BrokerRobustness, frees_what_a_dropped_link_had_while_work_is_under_way) {
  TempFolder folder;
  folder.write("a", "x");
  ASSERT_EQ(::truncate((folder / "a").c_str(), off_t{1} << 36), 0);
  for (const auto in : {BrokerFixture::In::process, BrokerFixture::In::thread}) {
    BrokerFixture broker(test::own_identity(folder.path()), {}, in);
    const uint32_t file = broker.expect<FileOpened>(OpenFile{"a", kOpenRead | kOpenWrite, 0}).handle;
    for (int i = 0; i < 6; ++i) broker.client().send(CheckFile{file, "md5", 0, 0, 0});
    // Hours of hashing do not stand in the way of others.
    broker.expect<Attributes>(StatPath{"a"});
    broker.drop_link();
    // The fixture's end waits for the broker's.
  }
}

TEST(BrokerRobustness, serves_from_a_thread_as_from_a_process) {
  TempFolder folder;
  folder.write("a", std::string(100000, 'x'));
  LinkPolicy policy;
  policy.connect_tcp = true;
  BrokerFixture broker(test::own_identity(folder.path()), policy, BrokerFixture::In::thread);
  for (int i = 0; i < 20; ++i) {
    const uint32_t file = broker.expect<FileOpened>(OpenFile{"a", kOpenRead, 0}).handle;
    const uint32_t copy = broker.expect<FileOpened>(OpenFile{"b", kOpenWrite | kOpenCreate, 0600}).handle;
    broker.expect<Done>(CopyData{file, 0, 0, copy, 0});
    broker.expect<Hashes>(CheckFile{file, "md5", 0, 0, 4096});
    broker.expect<Done>(SyncFile{copy});
    EXPECT_EQ(broker.fault(ConnectTcp{"name.invalid", 1}), BrokerFault::no_such_host);
    broker.expect<Done>(CloseHandle{file});
    broker.expect<Done>(CloseHandle{copy});
  }
  SpawnProgram spawn;
  spawn.kind = ProgramKind::shell_command;
  spawn.words = {"exit 5"};
  broker.expect<Spawned>(spawn);
  EXPECT_EQ(BrokerFixture::expect_in<ChildExited>(broker.next_event()).status, 5u);
}

// Whatever a link sends, it harms only itself; AddressSanitizer and the others look on.
TEST(BrokerRobustness, survives_noise_that_begins_like_requests) {
  TempFolder folder;
  LinkPolicy policy;
  policy.programs = false;
  policy.start_folder = folder.path();
  CheapRandom random(5);
  for (int round = 0; round < 30; ++round) {
    BrokerFixture broker(test::own_identity(folder.path()), policy, BrokerFixture::In::thread);
    const UniqueFd link = broker.take_link();
    for (int i = 0; i < 200; ++i) {
      std::vector<uint8_t> noise(kBrokerHeader + random.below(40));
      random.fill(noise);
      noise[0] = static_cast<uint8_t>(noise[0] % 34);
      for (size_t at = kBrokerHeader; at < noise.size(); ++at)
        if (noise[at] > 8) noise[at] = 0;
      if (send_packet(link.get(), noise, {}) != PacketOutcome::packet) break;
    }
  }
}

// A broker's end in the hands of whoever took it over.
class HostileBroker : public testing::Test {
 protected:
  HostileBroker() {
    auto [ours, theirs] = make_packet_pair();
    link_ = std::move(ours);
    client_.emplace(std::move(theirs));
  }
  std::optional<BrokerReceived> answer(uint32_t request, const BrokerAnswer& body, std::vector<UniqueFd> descriptors) {
    EXPECT_EQ(send_packet(link_.get(), *write_answer(request, body), descriptors), PacketOutcome::packet);
    return client_->receive();
  }
  static std::vector<UniqueFd> pipes() {
    std::vector<UniqueFd> ends;
    for (int i = 0; i < 3; ++i) {
      int pair[2];
      EXPECT_EQ(::pipe2(pair, O_CLOEXEC), 0);
      ends.emplace_back(pair[0]);
      ::close(pair[1]);
    }
    return ends;
  }

  UniqueFd link_;
  std::optional<BrokerClient> client_;
};

TEST_F(HostileBroker, that_passes_blocking_streams_has_them_made_non_blocking) {
  const auto received = answer(*client_->send(SpawnProgram{}), Spawned{1, false}, pipes());
  ASSERT_TRUE(received);
  ASSERT_EQ(received->descriptors.size(), 3u);
  for (const UniqueFd& stream : received->descriptors) EXPECT_NE(::fcntl(stream.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(HostileBroker, that_passes_a_file_as_a_stream_is_left) {
  auto descriptors = pipes();
  descriptors[1] = UniqueFd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const auto received = answer(*client_->send(SpawnProgram{}), Spawned{1, false}, std::move(descriptors));
  ASSERT_TRUE(received);
  EXPECT_TRUE(std::holds_alternative<Failure>(received->answer));
  EXPECT_FALSE(client_->alive());
  // For somebody to close who may wait for it.
  EXPECT_EQ(client_->take_refused().size(), 3u);
  EXPECT_TRUE(client_->take_refused().empty());
}

TEST_F(HostileBroker, that_opens_a_file_unasked_is_left) {
  std::vector<UniqueFd> file;
  file.emplace_back(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const auto received = answer(*client_->send(StatPath{"x", true}), FileOpened{}, std::move(file));
  ASSERT_TRUE(received);
  EXPECT_TRUE(std::holds_alternative<Failure>(received->answer));
  EXPECT_EQ(client_->take_refused().size(), 1u);
}

}  // namespace
}  // namespace sluice
