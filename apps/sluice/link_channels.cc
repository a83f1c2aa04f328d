// Functions cannot cross a ring of notes, so they wait in a mailbox beside it.
#include "apps/sluice/link_channels.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/wire.h"
#include "control/client/dial.h"
#include "services/client_session/client_stream.h"

namespace sluice {
namespace {

UniqueFd connect_path(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return UniqueFd();
  std::copy(path.begin(), path.end(), address.sun_path);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return UniqueFd();
  }
  return socket;
}

// How long a forwarded connection's target may take to answer.
constexpr std::chrono::seconds kConnectTime{30};

}  // namespace

LinkChannels::LinkChannels(ClientRun& run, Told told) : run_(run), told_(std::move(told)) {}

std::unique_ptr<ChannelOpener> LinkChannels::make_opener() { return std::make_unique<ClientChannels>(mailbox_); }

std::function<void(SinkNote&&)> LinkChannels::note_taker() {
  return [this](SinkNote&& note) { take_note(std::move(note)); };
}

void LinkChannels::order(ClientMailbox::Order order) {
  run_.post([this, order = std::move(order)]() mutable {
    held_.push_back(std::move(order));
    while (!held_.empty() && mailbox_->put(std::move(held_.front()))) held_.pop_front();
    run_.loop().tell_sink(link_, {static_cast<uint32_t>(ClientNote::look), 0, {}, UniqueFd()});
    if (!held_.empty()) run_.loop().after(5, [this] { this->order([](ClientChannels&) {}); });
  });
}

void LinkChannels::take_note(SinkNote&& note) {
  const auto kind = static_cast<ClientNote>(note.kind);
  if (kind == ClientNote::connect) return connect(note.id, note.bytes);
  if (kind == ClientNote::say) return log_line(static_cast<LogLevel>(note.id), text_of(note.bytes));
  told_(kind, note.id, note.bytes);
}

void LinkChannels::connect(uint32_t ticket, Bytes where) {
  WireReader reader(where);
  const bool tcp = reader.u8() == 1;
  const std::string name(reader.text());
  const auto port = static_cast<uint16_t>(reader.u32());
  auto made = std::make_shared<UniqueFd>();
  const bool running = run_.pool().run(
      {.source = "forwarding", .logged_in = true},
      [tcp, name, port, made] {
        if (!tcp) {
          *made = connect_path(name);
        } else if (auto dialed = dial({.host = name, .port = port, .timeout = kConnectTime})) {
          *made = UniqueFd(dialed->descriptor);
        } else {
          log_line(LogLevel::notice, dialed.error().text);
        }
        if (*made) ::fcntl(made->get(), F_SETFL, ::fcntl(made->get(), F_GETFL) | O_NONBLOCK);
      },
      [this, ticket, made] {
        order([ticket, made](ClientChannels& channels) { channels.take_connection(ticket, std::move(*made)); });
      });
  if (!running) order([ticket](ClientChannels& channels) { channels.take_connection(ticket, UniqueFd()); });
}

void LinkChannels::start_session(uint32_t id, SessionSpec spec, SessionStreams streams) {
  auto kept = std::make_shared<std::pair<SessionSpec, SessionStreams>>(std::move(spec), std::move(streams));
  order([id, kept](ClientChannels& channels) {
    auto session = std::make_unique<ClientSession>(channels, id, std::move(kept->first), std::move(kept->second));
    if (!channels.start("session", {}, std::move(session))) {
      constexpr std::string_view kWhy = "too many channels are open";
      channels.tell(ClientNote::session_failed, id, {kWhy.begin(), kWhy.end()});
    }
  });
}

void LinkChannels::start_stream(uint32_t id, const StreamTarget& target, UniqueFd input, UniqueFd output) {
  auto kept = std::make_shared<StreamEnds>(std::move(input), std::move(output));
  order([id, target, kept](ClientChannels& channels) {
    auto stream = std::make_unique<StandardStream>(channels, id, std::move(*kept));
    if (!channels.start(direct_open_type(target), direct_open_fields(target, "127.0.0.1", 65535), std::move(stream))) {
      constexpr std::string_view kWhy = "too many channels are open";
      channels.tell(ClientNote::session_failed, id, {kWhy.begin(), kWhy.end()});
    }
  });
}

}  // namespace sluice
