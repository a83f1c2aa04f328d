// The engine and a server that is the test: out of order, short, too long, never asked for, cut anywhere.
#include <fcntl.h>

#include <map>

#include "tests/unit/sftp_client/sftp_client_world.h"

namespace sluice {
namespace {

using test::FakeChannel;
using test::FakeHost;
using test::open_file;
using test::pattern;
using test::TempFolder;

struct Asked {
  SftpType type{};
  uint32_t id = 0;
  uint64_t offset = 0;
  uint32_t length = 0;
};

class HostileServer {
 public:
  HostileServer() {
    service_ = client->make_service();
    service_->attach(channel);
    service_->on_confirmed({});
    service_->on_reply(true);
    service_->on_turn();
    collect();
    give(WireWriter().u8(2).u32(3).view());
    run([] { return true; });
  }
  // What is inside a packet; its length is put in front.
  void give(Bytes packet, size_t cut = 0) {
    std::vector<uint8_t> bytes = WireWriter().string(packet).take();
    const size_t step = cut == 0 ? bytes.size() : cut;
    for (size_t at = 0; at < bytes.size(); at += step) {
      std::vector<uint8_t> copy(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at + step, bytes.size())));
      const MutableBytes piece(copy);
      service_->on_data({&piece, 1});
    }
  }
  void give_status(uint32_t id, SftpStatus status, std::string_view text = "words") {
    give(WireWriter().u8(101).u32(id).u32(static_cast<uint32_t>(status)).string(text).string("").view());
  }
  void give_data(uint32_t id, std::string_view data, size_t cut = 0) {
    give(WireWriter().u8(103).u32(id).string(data).view(), cut);
  }
  bool run(const std::function<bool()>& done) {
    for (int i = 0; i < 2000; ++i) {
      channel.room = 64;
      service_->on_turn();
      collect();
      mailbox->run(0);
      if (done()) return true;
      host.poll(1);
    }
    return false;
  }
  std::shared_ptr<SftpTransfer> get(const std::string& path, uint64_t length) {
    TransferOrder order;
    order.direction = TransferOrder::Direction::get;
    order.file = open_file(path, O_RDWR | O_CREAT);
    order.handle = {1, 2};
    order.length = length;
    return client->start(std::move(order), mailbox, [this](TransferEnd ended) { end = std::move(ended); });
  }

  FakeHost host;
  FakeChannel channel{host};
  std::shared_ptr<SftpClient> client = SftpClient::create();
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();
  std::deque<Asked> asked;
  std::optional<TransferEnd> end;

 private:
  void collect() {
    received_.insert(received_.end(), channel.data.begin(), channel.data.end());
    channel.data.clear();
    while (received_.size() >= 4 && received_.size() - 4 >= load_be32(received_.data())) {
      const uint32_t length = load_be32(received_.data());
      WireReader reader(Bytes(received_).subspan(4, length));
      Asked one;
      one.type = static_cast<SftpType>(reader.u8());
      one.id = reader.u32();
      if (one.type == SftpType::read) {
        reader.string();
        one.offset = reader.u64();
        one.length = reader.u32();
      }
      asked.push_back(one);
      received_.erase(received_.begin(), received_.begin() + 4 + static_cast<std::ptrdiff_t>(length));
    }
  }

  std::unique_ptr<Service> service_;
  std::vector<uint8_t> received_;
};

TEST(SftpEngineHostile, asks_a_server_without_limits_for_32_kibibytes_at_most) {
  HostileServer server;
  const TempFolder folder;
  server.get(folder / "to", 1000000);
  ASSERT_TRUE(server.run([&] { return server.asked.size() > 2; }));
  for (const Asked& one : server.asked) {
    EXPECT_LE(one.type == SftpType::read ? one.length : 0, 32768u);
  }
}

TEST(SftpEngineHostile, puts_short_answers_and_any_order_right) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    HostileServer server;
    const TempFolder folder(seed % 2 ? "/dev/shm" : "/tmp");
    CheapRandom random(seed);
    const std::string content = pattern(400000 + random.below(100000), seed);
    server.asked.clear();
    server.get(folder / "to", seed % 3 ? content.size() : TransferOrder::kToTheEnd);
    ASSERT_TRUE(server.run([&] {
      while (!server.asked.empty() && !server.end) {
        const size_t which = random.below(server.asked.size());
        const Asked one = server.asked[which];
        server.asked.erase(server.asked.begin() + static_cast<std::ptrdiff_t>(which));
        if (one.offset >= content.size()) {
          server.give_status(one.id, SftpStatus::eof);
          continue;
        }
        const size_t most = std::min<size_t>(one.length, content.size() - one.offset);
        const size_t n = random.below(3) == 0 ? 1 + random.below(most) : most;
        server.give_data(one.id, std::string_view(content).substr(one.offset, n), random.below(2) ? 0 : 777);
      }
      return server.end.has_value();
    }));
    ASSERT_FALSE(server.end->fault) << server.end->fault->text;
    EXPECT_TRUE(folder.read("to") == content);
  }
}

void expect_protocol_fault(const std::function<void(HostileServer&, const Asked&)>& deed) {
  HostileServer server;
  const TempFolder folder;
  server.asked.clear();
  server.get(folder / "to", 100000);
  ASSERT_TRUE(server.run([&] { return server.asked.size() >= 4; }));
  deed(server, server.asked.front());
  ASSERT_TRUE(server.run([&] { return server.end.has_value(); }));
  ASSERT_TRUE(server.end->fault);
  EXPECT_EQ(server.end->fault->kind, SftpFault::Kind::protocol) << server.end->fault->text;
  EXPECT_TRUE(server.channel.closed);
  EXPECT_TRUE(server.client->gone());
}

TEST(SftpEngineHostile, ends_with_a_server_that_breaks_the_protocol) {
  expect_protocol_fault([](HostileServer& server, const Asked& one) { server.give_data(one.id + 77, "x"); });
  expect_protocol_fault([](HostileServer& server, const Asked& one) { server.give_data(one.id | 0x55000000, "x"); });
  expect_protocol_fault([](HostileServer& server, const Asked& one) { server.give_data(one.id, ""); });
  expect_protocol_fault(
      [](HostileServer& server, const Asked& one) { server.give_data(one.id, std::string(one.length + 1, 'x')); });
  expect_protocol_fault([](HostileServer& server, const Asked& one) {
    server.give_data(one.id, "x");
    server.give_data(one.id, "y");
  });
  expect_protocol_fault([](HostileServer& server, const Asked& one) { server.give_status(one.id, SftpStatus::ok); });
  expect_protocol_fault([](HostileServer& server, const Asked& one) {
    server.give(WireWriter().u8(102).u32(one.id).string("h").view());
  });
  expect_protocol_fault([](HostileServer& server, const Asked&) { server.give(WireWriter().u8(103).view()); });
  // The data's length and the packet's say different things.
  expect_protocol_fault([](HostileServer& server, const Asked& one) {
    server.give(WireWriter().u8(103).u32(one.id).u32(4).raw(bytes_of("abc")).view());
  });
  expect_protocol_fault([](HostileServer& server, const Asked&) {
    server.give(WireWriter().u8(101).raw(Bytes(std::vector<uint8_t>(400000))).view());
  });
}

TEST(SftpEngineHostile, an_error_in_the_middle_ends_that_transfer_and_no_other) {
  HostileServer server;
  const TempFolder folder;
  server.asked.clear();
  server.get(folder / "to", 100000);
  ASSERT_TRUE(server.run([&] { return server.asked.size() >= 4; }));
  server.give_data(server.asked[1].id, std::string(server.asked[1].length, 'x'));
  server.give_status(server.asked[2].id, SftpStatus::failure, "broken \x1b[2Jdisk");
  server.give_data(server.asked[0].id, std::string(server.asked[0].length, 'x'));
  EXPECT_FALSE(server.run([&] { return server.end.has_value(); })) << "one is still unanswered";
  server.give_data(server.asked[3].id, std::string(server.asked[3].length, 'x'));
  ASSERT_TRUE(server.run([&] { return server.end.has_value(); }));
  ASSERT_TRUE(server.end->fault);
  EXPECT_EQ(server.end->fault->text, "broken \\033[2Jdisk");
  EXPECT_FALSE(server.client->gone());
}

TEST(SftpEngineHostile, an_early_end_of_file_is_no_success) {
  HostileServer server;
  const TempFolder folder;
  server.asked.clear();
  server.get(folder / "to", 40000);
  ASSERT_TRUE(server.run([&] { return server.asked.size() >= 2; }));
  server.give_data(server.asked[0].id, std::string(server.asked[0].length, 'x'));
  server.give_status(server.asked[1].id, SftpStatus::eof);
  ASSERT_TRUE(server.run([&] { return server.end.has_value(); }));
  ASSERT_TRUE(server.end->fault);
  EXPECT_EQ(server.end->fault->kind, SftpFault::Kind::changed);
}

}  // namespace
}  // namespace sluice
