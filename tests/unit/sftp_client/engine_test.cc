// The engine with the real server: every size, every cut, several at once, and what happens to files meanwhile.
#include <fcntl.h>

#include "tests/unit/sftp_client/sftp_client_world.h"

namespace sluice {
namespace {

using test::open_file;
using test::pattern;
using test::SftpClientWorld;
using test::TempFolder;

TransferOrder put_order(std::shared_ptr<UniqueFd> file, std::vector<uint8_t> handle, uint64_t length) {
  TransferOrder order;
  order.file = std::move(file);
  order.handle = std::move(handle);
  order.length = length;
  return order;
}

TransferOrder get_order(std::shared_ptr<UniqueFd> file, std::vector<uint8_t> handle, uint64_t length) {
  TransferOrder order = put_order(std::move(file), std::move(handle), length);
  order.direction = TransferOrder::Direction::get;
  return order;
}

constexpr uint32_t kCreate = kSftpWrite | kSftpCreate | kSftpTruncate;

TEST(SftpEngine, tells_what_the_server_can) {
  SftpClientWorld world;
  ASSERT_TRUE(world.until([&, ready = false]() mutable {
    // wait_ready() would wait on this thread.
    if (!ready)
      world.client->post([&ready](SftpEngine* engine) { ready = engine && engine->facts().most_read > 32768; });
    return ready;
  }));
  const auto facts = world.client->wait_ready();
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->most_read, kMaxSftpData);
  EXPECT_EQ(facts->most_write, kMaxSftpData);
  EXPECT_TRUE(facts->has("posix-rename@openssh.com"));
  EXPECT_TRUE(facts->has("check-file"));
}

class SftpEngineSizes : public ::testing::TestWithParam<std::tuple<size_t, const char*>> {};

TEST_P(SftpEngineSizes, arrive_whole_both_ways_however_records_are_cut) {
  const auto [size, parent] = GetParam();
  const TempFolder folder(parent);
  for (const size_t room : {64u, 3u, 1u}) {
    SftpClientWorld world;
    world.pair->room = room;
    const std::string content = pattern(size, size + room);
    folder.write("from", content);
    const auto up = world.open(folder / "there", kCreate);
    const TransferEnd sent = world.move(put_order(open_file(folder / "from", O_RDONLY), up, size));
    ASSERT_FALSE(sent.fault) << sent.fault->text;
    EXPECT_EQ(sent.moved, size);
    ASSERT_TRUE(world.ask(sftp_call::close(up)));
    EXPECT_TRUE(folder.read("there") == content);
    const auto down = world.open(folder / "there", kSftpRead);
    const TransferEnd got = world.move(get_order(open_file(folder / "back", O_RDWR | O_CREAT | O_TRUNC), down, size));
    ASSERT_FALSE(got.fault) << got.fault->text;
    EXPECT_TRUE(folder.read("back") == content);
    const TransferEnd all =
        world.move(get_order(open_file(folder / "all", O_RDWR | O_CREAT | O_TRUNC), down, TransferOrder::kToTheEnd));
    ASSERT_FALSE(all.fault) << all.fault->text;
    EXPECT_EQ(all.moved, size);
    EXPECT_TRUE(folder.read("all") == content);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SftpEngineSizes,
                         ::testing::Combine(::testing::Values(0, 1, 32768, 262143, 262144, 262145, 3000001),
                                            ::testing::Values("/tmp", "/dev/shm")));

TEST(SftpEngine, moves_parts_of_one_file_and_other_files_at_once) {
  const TempFolder folder("/dev/shm");
  SftpClientWorld world;
  constexpr size_t kPart = 700000;
  const std::string content = pattern(4 * kPart, 9);
  folder.write("from", content);
  folder.write("small", "tiny");
  const auto file = open_file(folder / "from", O_RDONLY);
  const auto up = world.open(folder / "there", kCreate);
  const auto small = world.open(folder / "there-too", kCreate);
  std::vector<std::pair<uint64_t, uint64_t>> acknowledged;
  size_t ended = 0;
  for (size_t part : {3u, 1u, 0u, 2u}) {
    TransferOrder order = put_order(file, up, kPart);
    order.local_offset = order.remote_offset = part * kPart;
    order.acknowledged = [&acknowledged, part](uint64_t offset, uint64_t length) {
      acknowledged.emplace_back(part * kPart + offset, length);
    };
    world.client->start(std::move(order), world.mailbox, [&ended](const TransferEnd& end) { ended += !end.fault; });
  }
  world.client->start(put_order(open_file(folder / "small", O_RDONLY), small, 4), world.mailbox,
                      [&ended](const TransferEnd& end) { ended += !end.fault; });
  ASSERT_TRUE(world.until([&] { return ended == 5; }));
  ASSERT_TRUE(world.ask(sftp_call::close(up)));
  EXPECT_TRUE(folder.read("there") == content);
  EXPECT_EQ(folder.read("there-too"), "tiny");
  std::sort(acknowledged.begin(), acknowledged.end());
  uint64_t next = 0;
  for (const auto& [offset, length] : acknowledged) EXPECT_EQ(std::exchange(next, offset + length), offset);
  EXPECT_EQ(next, content.size());
}

TEST(SftpEngine, reports_a_file_that_becomes_shorter_while_it_is_read_and_stays_usable) {
  for (const char* parent : {"/tmp", "/dev/shm"}) {
    const TempFolder folder(parent);
    SftpClientWorld world;
    folder.write("from", pattern(600000, 3));
    folder.write("whole", "whole");
    const auto up = world.open(folder / "there", kCreate);
    // Says more than there is.
    const TransferEnd sent = world.move(put_order(open_file(folder / "from", O_RDONLY), up, 5000000));
    ASSERT_TRUE(sent.fault);
    EXPECT_EQ(sent.fault->kind, SftpFault::Kind::changed);
    const auto other = world.open(folder / "other", kCreate);
    const TransferEnd next = world.move(put_order(open_file(folder / "whole", O_RDONLY), other, 5));
    ASSERT_FALSE(next.fault) << next.fault->text;
    EXPECT_EQ(folder.read("other"), "whole");
    const auto down = world.open(folder / "whole", kSftpRead);
    const TransferEnd got = world.move(get_order(open_file(folder / "back", O_RDWR | O_CREAT), down, 4000000));
    ASSERT_TRUE(got.fault);
    EXPECT_EQ(got.fault->kind, SftpFault::Kind::changed);
  }
}

TEST(SftpEngine, asks_what_is_to_follow_the_last_byte_without_waiting_for_the_writes) {
  for (const char* parent : {"/tmp", "/dev/shm"}) {
    const TempFolder folder(parent);
    SftpClientWorld world;
    for (const size_t size : {0u, 1u, 3000001u}) {
      const std::string content = pattern(size, size + 5);
      folder.write("from", content);
      const auto up = world.open(folder / "there", kCreate);
      TransferOrder order = put_order(open_file(folder / "from", O_RDONLY), up, size);
      SftpAttributes times;
      times.times = SftpTimes{1'000'000'000, 1'100'000'000};
      order.behind = {sftp_call::fsetstat(up, times), sftp_call::close(up), sftp_call::close(up)};
      const TransferEnd end = world.move(std::move(order));
      ASSERT_FALSE(end.fault) << end.fault->text;
      ASSERT_EQ(end.behind.size(), 3u);
      EXPECT_TRUE(end.behind[0]);
      EXPECT_TRUE(end.behind[1]);
      EXPECT_FALSE(end.behind[2]) << "closed twice";
      EXPECT_TRUE(folder.read("there") == content);
      struct stat facts;
      ASSERT_EQ(::stat((folder / "there").c_str(), &facts), 0);
      EXPECT_EQ(facts.st_mtime, 1'100'000'000) << "set behind the last byte";
    }
  }
}

TEST(SftpEngine, asks_nothing_behind_a_file_that_could_not_be_read) {
  const TempFolder folder("/dev/shm");
  SftpClientWorld world;
  folder.write("from", pattern(1000, 3));
  const auto up = world.open(folder / "there", kCreate);
  TransferOrder order = put_order(open_file(folder / "from", O_RDONLY), up, 5000000);
  order.behind = {sftp_call::close(up)};
  const TransferEnd end = world.move(std::move(order));
  ASSERT_TRUE(end.fault);
  EXPECT_TRUE(end.behind.empty());
  EXPECT_TRUE(world.ask(sftp_call::close(up)));
}

TEST(SftpEngine, tells_a_full_disk_at_either_end_apart) {
  const TempFolder folder("/dev/shm");
  SftpClientWorld world;
  folder.write("from", pattern(600000, 3));
  const auto up = world.open("/dev/full", kSftpWrite);
  const TransferEnd sent = world.move(put_order(open_file(folder / "from", O_RDONLY), up, 600000));
  ASSERT_TRUE(sent.fault);
  EXPECT_EQ(sent.fault->kind, SftpFault::Kind::refused);
  const auto down = world.open(folder / "from", kSftpRead);
  const TransferEnd got = world.move(get_order(open_file("/dev/full", O_RDWR), down, 600000));
  ASSERT_TRUE(got.fault);
  EXPECT_EQ(got.fault->kind, SftpFault::Kind::local);
  EXPECT_EQ(got.fault->error, ENOSPC);
}

TEST(SftpEngine, ends_what_is_cancelled_and_tells_everybody_when_the_connection_is_gone) {
  const TempFolder folder("/dev/shm");
  SftpClientWorld world;
  world.pair->room = 1;
  folder.write("from", pattern(8000000, 3));
  const auto up = world.open(folder / "there", kCreate);
  std::optional<TransferEnd> first, second;
  std::optional<SftpResult<SftpAnswer>> asked;
  const auto file = open_file(folder / "from", O_RDONLY);
  const auto transfer = world.client->start(put_order(file, up, 8000000), world.mailbox,
                                            [&](TransferEnd end) { first = std::move(end); });
  ASSERT_TRUE(world.until([&] { return transfer->moved() > 0; }));
  transfer->cancel();
  ASSERT_TRUE(world.until([&] { return first.has_value(); }));
  ASSERT_TRUE(first->fault);
  EXPECT_EQ(first->fault->kind, SftpFault::Kind::cancelled);
  const auto again = world.client->start(put_order(file, up, 8000000), world.mailbox,
                                         [&](TransferEnd end) { second = std::move(end); });
  ASSERT_TRUE(world.until([&] { return again->moved() > 0; }));
  world.pair->client.reset();
  world.client->ask(sftp_call::realpath("."), world.mailbox,
                    [&](SftpResult<SftpAnswer> answer) { asked = std::move(answer); });
  while (world.mailbox->run(0)) {}
  ASSERT_TRUE(second && second->fault);
  EXPECT_EQ(second->fault->kind, SftpFault::Kind::lost);
  ASSERT_TRUE(asked && !*asked);
  EXPECT_TRUE(world.client->gone());
}

TEST(SftpEngine, keeps_to_a_limit_of_bytes_a_second) {
  const TempFolder folder("/dev/shm");
  SftpClientWorld world;
  folder.write("from", pattern(1500000, 3));
  const auto up = world.open(folder / "there", kCreate);
  TransferOrder order = put_order(open_file(folder / "from", O_RDONLY), up, 1500000);
  order.limit = std::make_shared<RateLimit>(2000000);
  const auto begin = std::chrono::steady_clock::now();
  const TransferEnd sent = world.move(std::move(order));
  ASSERT_FALSE(sent.fault);
  // The burst and the last request are free.
  EXPECT_GT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(400));
}

}  // namespace
}  // namespace sluice
