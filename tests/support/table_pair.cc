// Turns of two tables.
#include "tests/support/table_pair.h"

#include <algorithm>
#include <chrono>

namespace sluice::test {

TablePair::TablePair(std::unique_ptr<ChannelOpener> server_opener, std::unique_ptr<ChannelOpener> client_opener,
                     const ChannelLimits& limits)
    : server(std::make_unique<ChannelTable>(std::move(server_opener), limits)),
      client(std::make_unique<ChannelTable>(std::move(client_opener), limits)) {
  server->attach(server_sender);
  client->attach(client_sender);
}

bool TablePair::step(ChannelTable& from, WatchingSender& sender, ChannelTable& to, WatchingSender& receiver,
                     std::deque<std::vector<uint8_t>>& crossing) {
  bool moved = sender.watches.poll(0);
  sender.room = room;
  sender.asked_turn = false;
  from.on_turn(sender);
  for (auto& message : sender.take()) {
    if (&from == server.get() && on_server_message) on_server_message(message);
    crossing.push_back(std::move(message));
  }
  while (!crossing.empty() && !receiver.failed) {
    std::vector<Message> shown;
    for (size_t i = 0; i < std::min<size_t>(crossing.size(), 32); ++i) shown.push_back({crossing[i], 0});
    const size_t taken = to.on_messages(shown, receiver);
    if (taken == 0) break;
    crossing.erase(crossing.begin(), crossing.begin() + static_cast<ptrdiff_t>(taken));
    moved = true;
  }
  return moved || sender.asked_turn;
}

bool TablePair::turn() {
  const bool out = step(*server, server_sender, *client, client_sender, to_client_);
  const bool in = step(*client, client_sender, *server, server_sender, to_server_);
  return out || in;
}

bool TablePair::until(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!holds()) {
    if (server_sender.failed || client_sender.failed || std::chrono::steady_clock::now() > end) return false;
    if (!turn()) server_sender.watches.poll(1);
  }
  return true;
}

}  // namespace sluice::test
