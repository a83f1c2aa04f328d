// TablePair: a server's and a client's channels joined in memory, with real descriptors behind both.
#pragma once

#include "tests/support/channel_bench.h"
#include "tests/support/fake_channel.h"

namespace sluice::test {

// Watches by epoll; notes to control are kept.
class WatchingSender final : public MemorySender {
 public:
  void tell_control(SinkNote&& note) override { watches.tell_control(std::move(note)); }
  bool watch(int descriptor, Watcher& watcher) override { return watches.watch(descriptor, watcher); }
  void unwatch(int descriptor) override { watches.unwatch(descriptor); }

  FakeHost watches;
};

class TablePair {
 public:
  TablePair(std::unique_ptr<ChannelOpener> server, std::unique_ptr<ChannelOpener> client,
            const ChannelLimits& limits = {});

  // A turn of both ends; messages cross. False: neither moved anything.
  bool turn();
  // Turns until it holds; false: not within a minute, or a connection failed.
  bool until(const std::function<bool()>& holds);

  WatchingSender server_sender, client_sender;
  std::unique_ptr<ChannelTable> server, client;
  // Records that cross in each direction in a turn: what the network takes.
  size_t room = 64;
  // Each message that the server sent.
  std::function<void(Bytes)> on_server_message;

 private:
  bool step(ChannelTable& from, WatchingSender& sender, ChannelTable& to, WatchingSender& receiver,
            std::deque<std::vector<uint8_t>>& crossing);
  std::deque<std::vector<uint8_t>> to_server_, to_client_;
};

}  // namespace sluice::test
