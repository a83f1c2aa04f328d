// Random requests on one file, many at a time, against a string: every answer is what it would be one by one.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/sftp/sftp_world.h"

namespace sluice {
namespace {

using test::SftpAnswer;
using test::SftpWorld;
using test::TempFolder;

struct Expected {
  uint32_t id;
  SftpType type;
  SftpStatus status;
  std::string data;
};

class Model {
 public:
  Model(SftpWorld& world, std::vector<uint8_t> handle, CheapRandom& random)
      : world_(world), handle_(std::move(handle)), random_(random) {}

  void step() {
    switch (random_.below(10)) {
      case 0: return resize();
      case 1: return look();
      case 2:
      case 3:
      case 4:
      case 5: return write();
      default: return read();
    }
  }

  void check_all() {
    for (const Expected& expected : std::exchange(expected_, {})) {
      const SftpAnswer answer = world_.answer_to(expected.id);
      ASSERT_EQ(answer.type, expected.type);
      WireReader reader = answer.reader();
      if (expected.type == SftpType::status) {
        ASSERT_EQ(answer.status(), expected.status);
      } else if (expected.type == SftpType::data) {
        ASSERT_TRUE(reader.text() == expected.data) << "request " << expected.id;
        ASSERT_TRUE(reader.at_end());
      } else {
        reader.u32();
        ASSERT_EQ(std::to_string(reader.u64()), expected.data);
      }
    }
  }
  const std::string& content() const { return content_; }

 private:
  uint64_t place() { return random_.below(content_.size() + 1 + random_.below(100000)); }

  void write() {
    std::string data(random_.below(8) == 0 ? random_.below(kMaxSftpData) : random_.below(40000), '\0');
    random_.fill({reinterpret_cast<uint8_t*>(data.data()), data.size()});
    // Mostly behind the last one, as a client copies.
    const uint64_t at = random_.below(3) == 0 ? place() : next_write_;
    if (at > 3000000) next_write_ = 0;
    next_write_ = at + data.size();
    if (!data.empty() && content_.size() < at + data.size()) content_.resize(at + data.size());
    content_.replace(at, data.size(), data);
    send(SftpType::write, WireWriter().string(Bytes(handle_)).u64(at).string(data).view());
    expected_.push_back({id_, SftpType::status, SftpStatus::ok, {}});
  }
  void read() {
    const uint64_t at = random_.below(3) == 0 ? place() : next_read_;
    const auto length = static_cast<uint32_t>(random_.below(8) == 0 ? random_.below(300000) : random_.below(60000));
    next_read_ = at + length;
    send(SftpType::read, WireWriter().string(Bytes(handle_)).u64(at).u32(length).view());
    const size_t most = std::min<size_t>(length, kMaxSftpData);
    if (at >= content_.size() || most == 0) {
      next_read_ = 0;
      expected_.push_back({id_, SftpType::status, SftpStatus::eof, {}});
    } else {
      expected_.push_back({id_, SftpType::data, SftpStatus::ok, content_.substr(at, most)});
    }
  }
  void resize() {
    const uint64_t size = place();
    content_.resize(size);
    send(SftpType::fsetstat, WireWriter().string(Bytes(handle_)).u32(kAttributeSize).u64(size).view());
    expected_.push_back({id_, SftpType::status, SftpStatus::ok, {}});
  }
  void look() {
    send(SftpType::fstat, WireWriter().string(Bytes(handle_)).view());
    expected_.push_back({id_, SftpType::attrs, SftpStatus::ok, std::to_string(content_.size())});
  }
  void send(SftpType type, Bytes body) {
    id_ = ++world_.next_id;
    world_.send(type, id_, body);
  }

  SftpWorld& world_;
  std::vector<uint8_t> handle_;
  CheapRandom& random_;
  std::string content_;
  std::vector<Expected> expected_;
  uint64_t next_write_ = 0, next_read_ = 0;
  uint32_t id_ = 0;
};

struct Place {
  const char* folder;
  uint64_t seed;
};

class SftpModel : public testing::TestWithParam<Place> {};

// In memory, and on whatever the disk is.
INSTANTIATE_TEST_SUITE_P(, SftpModel,
                         testing::Values(Place{"/dev/shm", 1}, Place{"/dev/shm", 2}, Place{"/dev/shm", 3},
                                         Place{"/tmp", 4}, Place{"/tmp", 5}, Place{"/tmp", 6}));

TEST_P(SftpModel, every_answer_is_as_if_requests_came_one_by_one) {
  CheapRandom random(GetParam().seed);
  const TempFolder folder(GetParam().folder);
  SftpWorld world(folder.path());
  world.init();
  const auto handle = world.open("f", kSftpRead | kSftpWrite | kSftpCreate);
  CheapRandom splits(GetParam().seed + 100);
  world.splits = &splits;
  // Records small and few, windows narrow, now and then none.
  world.channel.packet = GetParam().seed % 2 ? 32768 : 1000 + splits.below(70000);
  world.before_turn = [&] {
    world.channel.room = splits.below(4) == 0 ? splits.below(3) : 40;
    world.channel.window_left = splits.below(4) == 0 ? splits.below(50000) : 500000;
  };
  Model model(world, handle, random);
  for (int round = 0; round < 60; ++round) {
    for (uint64_t many = 1 + random.below(20); many > 0; --many) model.step();
    model.check_all();
    if (HasFatalFailure()) {
      ADD_FAILURE() << "seed " << GetParam().seed << ", round " << round;
      return;
    }
  }
  EXPECT_EQ(world.close(handle), SftpStatus::ok);
  EXPECT_TRUE(folder.read("f") == model.content());
  EXPECT_EQ(world.channel.consumed_bytes, world.fed);
}

// One client's whole session, its bytes cut in two ways, leaves the same answers.
TEST(SftpCuts, answers_do_not_depend_on_how_input_is_cut) {
  const auto session = [](size_t cut, CheapRandom* splits) {
    const TempFolder folder("/dev/shm");
    SftpWorld world(folder.path());
    world.init();
    const auto handle = world.open("f", kSftpRead | kSftpWrite | kSftpCreate);
    world.cut = cut;
    world.splits = splits;
    std::vector<std::vector<uint8_t>> bodies;
    for (uint32_t i = 0; i < 40; ++i) {
      const std::string data(1000 + i * 17, static_cast<char>('a' + i % 26));
      world.send(SftpType::write, 5000 + i, WireWriter().string(Bytes(handle)).u64(i * 500).string(data).view());
      world.send(SftpType::read, 6000 + i, WireWriter().string(Bytes(handle)).u64(i * 400).u32(900).view());
    }
    for (uint32_t i = 0; i < 40; ++i) {
      bodies.push_back(world.answer_to(5000 + i).body);
      bodies.push_back(world.answer_to(6000 + i).body);
    }
    return bodies;
  };
  const auto whole = session(0, nullptr);
  EXPECT_EQ(session(1, nullptr), whole);
  for (const uint64_t seed : {11, 12, 13, 14}) {
    CheapRandom splits(seed);
    EXPECT_EQ(session(0, &splits), whole) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sluice
