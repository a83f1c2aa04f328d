// SftpWorld: an SFTP service on a channel that is memory, with a real broker, and a client's side to talk to it by.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/wire.h"
#include "services/sftp/sftp_protocol.h"
#include "services/sftp/sftp_service.h"
#include "tests/support/broker_fixture.h"
#include "tests/support/fake_channel.h"
#include "tests/support/temp_folder.h"

namespace sluice::test {

// One packet of the server's, without its length.
struct SftpAnswer {
  SftpType type{};
  uint32_t id = 0;
  std::vector<uint8_t> body;

  WireReader reader() const { return WireReader(body); }
  SftpStatus status() const;
};

class SftpWorld {
 public:
  // `folder`: where the broker's user is at home.
  explicit SftpWorld(const std::string& folder, SftpLimits settings = {},
                     BrokerFixture::In in = BrokerFixture::In::thread, std::shared_ptr<UserBudget> budget = {});
  ~SftpWorld();

  // As bytes of the channel, cut by `cut` (0: in one piece).
  void feed(Bytes bytes);
  void send(SftpType type, uint32_t id, Bytes body);
  void init();
  // Turns, and waiting for watched descriptors, until `done` or the patience's end; false then.
  bool run_until(const std::function<bool()>& done);
  // Some turns without waiting for anything in particular.
  void idle_for(int rounds);
  SftpAnswer answer_to(uint32_t id);
  SftpAnswer ask(SftpType type, Bytes body);
  SftpAnswer extended(std::string_view name, Bytes body);
  std::vector<uint8_t> open(const std::string& path, uint32_t flags);
  SftpStatus write(Bytes handle, uint64_t offset, Bytes data);
  SftpAnswer read(Bytes handle, uint64_t offset, uint32_t length);
  SftpStatus close(Bytes handle);
  // Takes what was sent apart.
  void collect();
  std::vector<std::string> log_lines();
  void turn();

  size_t cut = 0;
  // Instead: cut at random, several pieces at once.
  CheapRandom* splits = nullptr;
  // Before each turn: room and window.
  std::function<void()> before_turn;
  size_t room_each_turn = 64;
  uint32_t next_id = 1000;
  size_t fed = 0;
  std::map<uint32_t, SftpAnswer> answers;
  std::vector<uint32_t> order;

  BrokerFixture broker;
  FakeHost host;
  FakeChannel channel{host};
  ServiceMakers makers;
  std::unique_ptr<ConnectionServices> connection;
  std::unique_ptr<Service> service;

 private:
  std::vector<uint8_t> received_;
};

}  // namespace sluice::test
