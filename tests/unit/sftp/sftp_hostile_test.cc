// Peers that lie, flood, do not read or go away, and files and brokers that fail meanwhile.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/clock.h"
#include "tests/unit/sftp/sftp_world.h"

namespace sluice {
namespace {

using test::SftpAnswer;
using test::SftpWorld;
using test::TempFolder;

size_t open_descriptors() {
  size_t n = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++n;
  return n;
}

class SftpHostile : public testing::Test {
 protected:
  SftpHostile() : folder("/dev/shm") {}

  SftpWorld& world(SftpLimits settings = {}, test::BrokerFixture::In in = test::BrokerFixture::In::thread) {
    world_ = std::make_unique<SftpWorld>(folder.path(), settings, in);
    world_->init();
    return *world_;
  }
  static std::vector<uint8_t> read_body(Bytes handle, uint64_t offset, uint32_t length) {
    return WireWriter().string(handle).u64(offset).u32(length).take();
  }
  void expect_end(SftpWorld& ended, uint32_t status) {
    ended.idle_for(3);
    EXPECT_TRUE(ended.channel.eof && ended.channel.closed);
    ASSERT_EQ(ended.channel.requests.size(), 1u);
    EXPECT_EQ(ended.channel.requests[0].name, "exit-status");
    EXPECT_EQ(load_be32(ended.channel.requests[0].extra.data()), status);
  }

  TempFolder folder;
  std::unique_ptr<SftpWorld> world_;
};

TEST_F(SftpHostile, ends_the_channel_where_the_length_is_none) {
  for (const uint32_t length : {0u, 4u, kMaxSftpPacket + 1, 0xffffffffu}) {
    SftpWorld& peer = world();
    peer.feed(WireWriter().u32(length).u32(0).u32(0).view());
    expect_end(peer, 1);
  }
}

TEST_F(SftpHostile, ends_the_channel_without_INIT_first_or_with_a_second) {
  SftpWorld early(folder.path());
  early.send(SftpType::stat, 1, WireWriter().string("x").view());
  expect_end(early, 1);
  SftpWorld writes(folder.path());
  writes.send(SftpType::write, 1, WireWriter().string("x").u64(0).string("y").view());
  expect_end(writes, 1);
  SftpWorld& twice = world();
  twice.send(SftpType::init, 3, {});
  expect_end(twice, 1);
}

TEST_F(SftpHostile, refuses_what_contradicts_its_length_and_goes_on) {
  SftpWorld& peer = world();
  const auto handle = peer.open("f", kSftpRead | kSftpWrite | kSftpCreate);
  const std::vector<std::vector<uint8_t>> lies{
      {},
      WireWriter().u32(0xffffffffu).take(),
      WireWriter().u32(300).raw(std::vector<uint8_t>(400)).take(),
      WireWriter().string(Bytes(handle)).u64(0).u32(100).raw(std::vector<uint8_t>(99)).take(),
      WireWriter().string(Bytes(handle)).u64(0).u32(0xffffffffu).take(),
      WireWriter().string(Bytes(handle)).u32(0).take(),
  };
  for (const auto& lie : lies) EXPECT_EQ(peer.ask(SftpType::write, lie).status(), SftpStatus::bad_message);
  EXPECT_EQ(peer.ask(SftpType::stat, WireWriter().u32(100).raw(std::vector<uint8_t>(5)).view()).status(),
            SftpStatus::bad_message);
  EXPECT_EQ(peer.ask(SftpType::stat, std::vector<uint8_t>(kMaxSftpBody + 1)).status(), SftpStatus::bad_message);
  EXPECT_EQ(peer.ask(SftpType::open, WireWriter().string(std::string(60000, 'n')).u32(1).u32(0).view()).status(),
            SftpStatus::bad_message);
  EXPECT_EQ(peer.ask(SftpType::read, WireWriter().string(Bytes(handle)).u32(1).view()).status(),
            SftpStatus::bad_message);
  EXPECT_EQ(peer.ask(SftpType::extended, {}).status(), SftpStatus::op_unsupported);
  // Bytes behind the data of a WRITE are passed over.
  EXPECT_EQ(peer.ask(SftpType::write, WireWriter().string(Bytes(handle)).u64(0).string("ok").u64(9).view()).status(),
            SftpStatus::ok);
  EXPECT_EQ(folder.read("f"), "ok");
}

TEST_F(SftpHostile, knows_no_handle_of_another_channel) {
  SftpWorld& peer = world();
  const auto handle = peer.open("f", kSftpRead | kSftpWrite | kSftpCreate);
  SftpWorld other(folder.path());
  other.init();
  const auto own = other.open("f", kSftpRead);
  EXPECT_NE(handle, own);
  EXPECT_EQ(other.read(handle, 0, 1).status(), SftpStatus::failure);
  EXPECT_EQ(other.write(handle, 0, bytes_of("x")), SftpStatus::failure);
  EXPECT_EQ(other.close(handle), SftpStatus::failure);
  auto forged = own;
  for (size_t i = 0; i < forged.size(); ++i) {
    forged[i] ^= 1;
    EXPECT_EQ(other.read(forged, 0, 1).status(), SftpStatus::failure);
    forged[i] ^= 1;
  }
  EXPECT_EQ(other.read({}, 0, 1).status(), SftpStatus::failure);
}

TEST_F(SftpHostile, takes_no_more_from_a_peer_that_does_not_read) {
  folder.write("f", std::string(100000, 'f'));
  SftpWorld& peer = world();
  const auto handle = peer.open("f", kSftpRead | kSftpWrite);
  peer.room_each_turn = 0;
  const size_t before = peer.channel.consumed_bytes;
  constexpr uint32_t kMany = 20000;
  for (uint32_t i = 0; i < kMany; ++i) {
    peer.send(SftpType::read, 100000 + i, read_body(handle, i % 90000, 1000));
    if (i % 1000 == 0) peer.idle_for(1);
  }
  peer.idle_for(5);
  // 256 tasks of 33 bytes; the rest is the window's.
  EXPECT_LT(peer.channel.consumed_bytes - before, 256u * 40);
  EXPECT_TRUE(peer.answers.empty());
  peer.room_each_turn = 64;
  EXPECT_TRUE(peer.run_until([&] { return peer.answers.size() == kMany; }));
  EXPECT_EQ(peer.channel.consumed_bytes, peer.fed);
  // Statuses and questions to the broker likewise.
  peer.answers.clear();
  peer.room_each_turn = 0;
  const size_t then = peer.channel.consumed_bytes;
  for (uint32_t i = 0; i < kMany; ++i) {
    peer.send(i % 2 ? SftpType::write : SftpType::stat, 200000 + i,
              i % 2 ? WireWriter().string(Bytes(handle)).u64(0).string("").view() : WireWriter().string("f").view());
    if (i % 100 == 0) peer.idle_for(1);
  }
  peer.idle_for(5);
  EXPECT_LT(peer.channel.consumed_bytes - then, 250000u);
  peer.room_each_turn = 64;
  EXPECT_TRUE(peer.run_until([&] { return peer.answers.size() == kMany; }));
}

TEST_F(SftpHostile, answers_a_window_smaller_than_a_request) {
  std::string text(kMaxSftpData, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 % 251);
  folder.write("f", text);
  SftpWorld& peer = world();
  const auto handle = peer.open("f", kSftpRead);
  peer.before_turn = [&] { peer.channel.window_left = 700; };
  const auto answer = peer.read(handle, 0, kMaxSftpData);
  ASSERT_EQ(answer.type, SftpType::data);
  EXPECT_TRUE(answer.reader().text() == text);
}

TEST_F(SftpHostile, a_file_cut_under_its_reads_gives_what_is_left) {
  folder.write("f", std::string(400000, 'f'));
  SftpWorld& peer = world();
  const auto handle = peer.open("f", kSftpRead);
  peer.room_each_turn = 3;
  for (uint32_t i = 0; i < 12; ++i) peer.send(SftpType::read, 500 + i, read_body(handle, i * 32768, 32768));
  peer.idle_for(1);
  ASSERT_EQ(::truncate((folder / "f").c_str(), 150000), 0);
  peer.room_each_turn = 64;
  ASSERT_TRUE(peer.run_until([&] { return peer.answers.size() == 12; }));
  for (uint32_t i = 0; i < 12; ++i) {
    const SftpAnswer& answer = peer.answers[500 + i];
    if (i < 4) {
      EXPECT_EQ(answer.body.size(), 4 + 32768u);
    } else if (i == 4) {
      EXPECT_EQ(answer.body.size(), 4 + 150000u - 4 * 32768);
    } else {
      EXPECT_EQ(answer.status(), SftpStatus::eof);
    }
  }
}

TEST_F(SftpHostile, a_full_device_fails_each_write_and_nothing_else) {
  SftpWorld& peer = world();
  const auto full = peer.open("/dev/full", kSftpWrite);
  EXPECT_EQ(peer.write(full, 0, bytes_of("x")), SftpStatus::failure);
  EXPECT_EQ(peer.close(full), SftpStatus::ok);
  ASSERT_EQ(peer.log_lines().size(), 1u);
  EXPECT_NE(peer.log_lines()[0].find("No space left on device"), std::string::npos) << peer.log_lines()[0];
  // A limit in the middle of a request: that one fails, what fits before and elsewhere does not.
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{100000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  for (const std::string& path : {std::string("f"), std::string("/tmp/sluice-limit-") + std::to_string(::getpid())}) {
    const auto handle = peer.open(path, kSftpWrite | kSftpCreate);
    WireWriter all;
    const std::string data(60000, 'x');
    for (const uint32_t place : {0u, 60000u, 120000u, 10u}) {
      const WireWriter body = WireWriter().string(Bytes(handle)).u64(place).string(data);
      all.u32(static_cast<uint32_t>(5 + body.size())).u8(6).u32(place).raw(body.view());
    }
    peer.feed(all.view());
    EXPECT_EQ(peer.answer_to(0).status(), SftpStatus::ok);
    EXPECT_EQ(peer.answer_to(60000).status(), SftpStatus::failure);
    EXPECT_EQ(peer.answer_to(120000).status(), SftpStatus::failure);
    EXPECT_EQ(peer.answer_to(10).status(), SftpStatus::ok);
    EXPECT_EQ(peer.close(handle), SftpStatus::ok);
    std::filesystem::remove(path);
  }
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
}

TEST_F(SftpHostile, end_of_input_answers_what_came_and_ends) {
  SftpWorld& peer = world();
  const auto handle = peer.open("f", kSftpWrite | kSftpCreate);
  peer.send(SftpType::stat, 7, WireWriter().string("f").view());
  const WireWriter body = WireWriter().string(Bytes(handle)).u64(0).u32(10).raw(bytes_of("12345"));
  peer.feed(WireWriter().u32(static_cast<uint32_t>(10 + body.size())).u8(6).u32(8).raw(body.view()).view());
  peer.service->on_eof();
  EXPECT_EQ(peer.answer_to(7).type, SftpType::attrs);
  expect_end(peer, 0);
  EXPECT_EQ(folder.read("f"), "12345");
  ASSERT_EQ(peer.log_lines().size(), 1u);
  EXPECT_NE(peer.log_lines()[0].find("interrupted"), std::string::npos) << peer.log_lines()[0];
}

TEST_F(SftpHostile, a_broker_that_dies_fails_what_needs_it_and_open_files_go_on) {
  folder.write("f", "content");
  SftpWorld& peer = world({}, test::BrokerFixture::In::process);
  const auto handle = peer.open("f", kSftpRead | kSftpWrite);
  ASSERT_EQ(::kill(peer.broker.pid(), SIGSTOP), 0);
  for (uint32_t i = 0; i < 100; ++i) peer.send(SftpType::stat, 300 + i, WireWriter().string("f").view());
  peer.idle_for(2);
  ASSERT_EQ(::kill(peer.broker.pid(), SIGKILL), 0);
  for (uint32_t i = 0; i < 100; ++i) EXPECT_EQ(peer.answer_to(300 + i).status(), SftpStatus::failure);
  EXPECT_EQ(peer.write(handle, 0, bytes_of("C")), SftpStatus::ok);
  EXPECT_EQ(peer.read(handle, 0, 10).reader().text(), "Content");
  EXPECT_EQ(peer.ask(SftpType::stat, WireWriter().string("f").view()).status(), SftpStatus::failure);
  EXPECT_EQ(peer.close(handle), SftpStatus::ok);
}

TEST_F(SftpHostile, a_close_with_a_thousand_open_requests_leaves_nothing) {
  folder.write("f", std::string(300000, 'f'));
  const TempFolder disk;
  disk.write("d", std::string(300000, 'd'));
  const size_t before = open_descriptors();
  for (const bool told : {true, false}) {
    SftpWorld peer(folder.path());
    peer.init();
    const auto handle = peer.open("f", kSftpRead | kSftpWrite);
    const auto slow = peer.open(disk / "d", kSftpRead | kSftpWrite);
    peer.room_each_turn = 1;
    for (uint32_t i = 0; i < 250; ++i) {
      peer.send(SftpType::write, 5000 + i,
                WireWriter().string(Bytes(slow)).u64(i).string(std::string(9000, 'x')).view());
      peer.send(SftpType::read, 1000 + i, read_body(handle, i, 30000));
      peer.send(SftpType::stat, 2000 + i, WireWriter().string("f").view());
      peer.send(SftpType::open, 3000 + i, WireWriter().string("f").u32(1).u32(0).view());
      peer.send(SftpType::read, 4000 + i, read_body(slow, i, 30000));
      if (i % 50 == 0) peer.idle_for(1);
    }
    if (told) peer.service->on_close();
    peer.service.reset();
    EXPECT_EQ(peer.connection->broker().outstanding() > 4096, false);
    for (int i = 0; i < 200; ++i) peer.host.poll(1), peer.connection->on_turn();
  }
  // What ran in the pool gives its file back when it is done.
  for (int i = 0; i < 1000 && open_descriptors() > before; ++i) ::usleep(1000);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(SftpHostile, open_handles_are_counted_and_given_back) {
  SftpLimits settings;
  settings.user.handles = 3;
  SftpWorld& peer = world(settings);
  const auto a = peer.open("a", kSftpWrite | kSftpCreate);
  peer.open("b", kSftpWrite | kSftpCreate);
  // One that fails takes none.
  EXPECT_EQ(peer.ask(SftpType::open, WireWriter().string("none").u32(1).u32(0).view()).status(),
            SftpStatus::no_such_file);
  EXPECT_EQ(peer.ask(SftpType::opendir, WireWriter().string(".").view()).type, SftpType::handle);
  EXPECT_EQ(peer.ask(SftpType::open, WireWriter().string("a").u32(2).u32(0).view()).status(), SftpStatus::failure);
  EXPECT_EQ(peer.ask(SftpType::opendir, WireWriter().string(".").view()).status(), SftpStatus::failure);
  EXPECT_EQ(peer.close(a), SftpStatus::ok);
  peer.open("a", kSftpWrite);
}

TEST_F(SftpHostile, read_only_changes_nothing) {
  folder.write("f", "as it was");
  SftpLimits settings;
  settings.read_only = true;
  SftpWorld& peer = world(settings);
  const auto path = WireWriter().string("f").take();
  const auto two = WireWriter().string("f").string("g").take();
  const auto denied = SftpStatus::permission_denied;
  for (const uint32_t flags : {2u, 3u, 4u, 10u, 26u, 17u, 9u})
    EXPECT_EQ(peer.ask(SftpType::open, WireWriter().string("f").u32(flags).u32(0).view()).status(), denied);
  for (const SftpType type : {SftpType::setstat, SftpType::remove, SftpType::mkdir, SftpType::rmdir})
    EXPECT_EQ(peer.ask(type, path).status(), denied);
  for (const SftpType type : {SftpType::rename, SftpType::symlink}) EXPECT_EQ(peer.ask(type, two).status(), denied);
  for (const char* name : {"posix-rename@openssh.com", "hardlink@openssh.com", "lsetstat@openssh.com", "copy-data"})
    EXPECT_EQ(peer.extended(name, two).status(), denied);
  const auto handle = peer.open("f", kSftpRead);
  EXPECT_EQ(peer.ask(SftpType::fsetstat, WireWriter().string(Bytes(handle)).u32(0).view()).status(), denied);
  EXPECT_EQ(peer.read(handle, 0, 100).reader().text(), "as it was");
}

TEST_F(SftpHostile, pipes_and_devices_make_nobody_wait) {
  ::signal(SIGPIPE, SIG_IGN);
  ASSERT_EQ(::mkfifo((folder / "p").c_str(), 0600), 0);
  SftpWorld& peer = world();
  // Nobody reads it.
  EXPECT_EQ(peer.ask(SftpType::open, WireWriter().string("p").u32(kSftpWrite).u32(0).view()).status(),
            SftpStatus::no_such_file);
  const auto from = peer.open("p", kSftpRead);
  EXPECT_EQ(peer.read(from, 0, 10).status(), SftpStatus::eof);
  const auto to = peer.open("p", kSftpWrite);
  EXPECT_EQ(peer.read(from, 0, 10).status(), SftpStatus::failure);
  EXPECT_EQ(peer.write(to, 12345, bytes_of("through")), SftpStatus::ok);
  EXPECT_EQ(peer.read(from, 999, 10).reader().text(), "through");
  const std::string much(200000, 'm');
  EXPECT_EQ(peer.write(to, 0, bytes_of(much)), SftpStatus::failure);
  const auto zero = peer.open("/dev/zero", kSftpRead);
  EXPECT_EQ(peer.read(zero, 1u << 20, kMaxSftpData).body.size(), 4u + kMaxSftpData);
  const auto null = peer.open("/dev/null", kSftpRead | kSftpWrite);
  EXPECT_EQ(peer.write(null, 0, bytes_of(much)), SftpStatus::ok);
  EXPECT_EQ(peer.read(null, 0, 10).status(), SftpStatus::eof);
}

TEST_F(SftpHostile, a_bandwidth_cap_is_kept_both_ways) {
  SftpLimits settings;
  settings.user.bytes_per_second = 1000000;
  SftpWorld& peer = world(settings);
  const auto handle = peer.open("f", kSftpRead | kSftpWrite | kSftpCreate);
  const uint64_t begin = monotonic_clock().now_ns();
  const std::string data(30000, 'd');
  for (uint32_t i = 0; i < 10; ++i)
    peer.send(SftpType::write, 100 + i, WireWriter().string(Bytes(handle)).u64(i * 30000).string(data).view());
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(peer.answer_to(100 + i).status(), SftpStatus::ok);
  const uint64_t written = monotonic_clock().now_ns();
  // 300,000 bytes less the burst of a tenth of a second and the last one's debt.
  EXPECT_GT(written - begin, 150'000'000u);
  for (uint32_t i = 0; i < 10; ++i) peer.send(SftpType::read, 200 + i, read_body(handle, i * 30000, 30000));
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(peer.answer_to(200 + i).type, SftpType::data);
  EXPECT_GT(monotonic_clock().now_ns() - written, 150'000'000u);
}

TEST_F(SftpHostile, connections_of_one_user_share_his_handles_and_his_bandwidth) {
  const auto budget =
      std::make_shared<UserBudget>(UserLimits{.bytes_per_second = 1000000, .handles = 3, .memory_bytes = 1 << 20});
  std::array<std::unique_ptr<SftpWorld>, 2> peers;
  std::vector<std::vector<uint8_t>> handles;
  for (auto& peer : peers) {
    peer = std::make_unique<SftpWorld>(folder.path(), SftpLimits{}, test::BrokerFixture::In::thread, budget);
    peer->init();
    handles.push_back(peer->open("f", kSftpRead | kSftpWrite | kSftpCreate));
  }
  peers[0]->open("g", kSftpWrite | kSftpCreate);
  EXPECT_EQ(peers[1]->ask(SftpType::opendir, WireWriter().string(".").view()).status(), SftpStatus::failure);
  const uint64_t begin = monotonic_clock().now_ns();
  const std::string data(30000, 'd');
  for (uint32_t i = 0; i < 10; ++i) {
    for (size_t p = 0; p < 2; ++p)
      peers[p]->send(SftpType::write, 100 + i,
                     WireWriter().string(Bytes(handles[p])).u64(i * 30000).string(data).view());
  }
  const auto both = [&] { return peers[0]->answers.size() == 10 && peers[1]->answers.size() == 10; };
  EXPECT_TRUE(peers[0]->run_until([&] { return peers[1]->turn(), both(); }));
  // 600,000 bytes less the burst and the last one's debt.
  EXPECT_GT(monotonic_clock().now_ns() - begin, 450'000'000u);
  // Whoever goes gives back what he had.
  peers[0]->service->on_close();
  peers[1]->open("g", kSftpWrite);
}

TEST_F(SftpHostile, a_connection_without_memory_lists_and_reads_in_small_steps) {
  const TempFolder disk;
  for (int i = 0; i < 300; ++i) disk.write("name" + std::to_string(i), "");
  disk.write("large", std::string(2'000'000, 'l'));
  const auto budget = std::make_shared<UserBudget>(UserLimits{.memory_bytes = 1 << 20});
  budget->hold_memory(1 << 20);
  SftpWorld peer(disk.path(), {}, test::BrokerFixture::In::thread, budget);
  peer.init();
  const SftpAnswer opened = peer.ask(SftpType::opendir, WireWriter().string(".").view());
  WireReader reader = opened.reader();
  const Bytes folder_handle = reader.string();
  size_t names = 0;
  for (;;) {
    const SftpAnswer some = peer.ask(SftpType::readdir, WireWriter().string(folder_handle).view());
    if (some.type != SftpType::name) break;
    const uint32_t count = some.reader().u32();
    EXPECT_LE(count, 64u);
    names += count;
  }
  EXPECT_EQ(names, 303u);
  const auto large = peer.open("large", kSftpRead | kSftpWrite);
  for (uint32_t i = 0; i < 40; ++i)
    peer.send(SftpType::write, 100 + i,
              WireWriter().string(Bytes(large)).u64(i * 50000).string(std::string(50000, 'w')).view());
  for (uint32_t i = 0; i < 40; ++i) EXPECT_EQ(peer.answer_to(100 + i).status(), SftpStatus::ok);
  EXPECT_EQ(peer.close(large), SftpStatus::ok);
  EXPECT_TRUE(disk.read("large") == std::string(2'000'000, 'w'));
  EXPECT_EQ(budget->memory_left(), 0u);
}

TEST_F(SftpHostile, tells_each_transfer_in_one_line) {
  SftpWorld& peer = world();
  const auto handle = peer.open("f", kSftpRead | kSftpWrite | kSftpCreate);
  peer.write(handle, 0, bytes_of("123456"));
  peer.read(handle, 1, 3);
  EXPECT_TRUE(peer.log_lines().empty());
  peer.close(handle);
  ASSERT_EQ(peer.log_lines().size(), 1u);
  EXPECT_TRUE(
      peer.log_lines()[0].starts_with("sftp: user \"tester\" from 192.0.2.7:4022 get/put \"f\" read 3 written 6 in 0."))
      << peer.log_lines()[0];
  EXPECT_TRUE(peer.log_lines()[0].ends_with(" s: ok")) << peer.log_lines()[0];
}

}  // namespace
}  // namespace sluice
