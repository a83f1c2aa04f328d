// Links come over the control socket; at its end the broker outlives only the links that it has.
#include "services/broker/broker_process.h"

#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/broker/packet_socket.h"
#include "services/broker/starter_protocol.h"

namespace sluice {
namespace {

class ControlEnd {
 public:
  ControlEnd(UniqueFd socket, Broker& broker) : socket_(std::move(socket)), broker_(broker) {
    broker_.loop().watch(socket_.get(), EPOLLIN, [this](uint32_t) { take(); });
    broker_.on_idle([this] { say({BrokerNewsKind::idle, links_, {}, 0, 0}); });
    broker_.watch_terminals([this](const TerminalNews& news, std::vector<UniqueFd> descriptors) {
      const auto kind = news.opened ? BrokerNewsKind::terminal_opened : BrokerNewsKind::terminal_closed;
      say({kind, news.link, {}, news.terminal, static_cast<uint32_t>(news.process)}, descriptors);
    });
    broker_.on_link_end([this](uint64_t link) { say({BrokerNewsKind::link_ended, link, {}, 0, 0}); });
    say({BrokerNewsKind::ready, 0, {}, 0, 0});
  }

 private:
  void say(const BrokerNews& news, const std::vector<UniqueFd>& descriptors = {}) {
    if (const auto packet = encode(news); packet && socket_) (void)send_packet(socket_.get(), *packet, descriptors);
  }

  void take() {
    for (;;) {
      ReceivedPacket packet = receive_packet(socket_.get(), kMaxStarterPacket, 1);
      if (packet.outcome == PacketOutcome::would_block) return;
      if (packet.outcome == PacketOutcome::ended) break;
      auto policy = decode_policy(packet.bytes);
      if (!policy || packet.descriptors.size() != 1) break;
      ++links_;
      broker_.attach(std::move(packet.descriptors[0]), std::move(*policy));
    }
    // Either the starter agreed that we are idle, or the server is gone.
    broker_.loop().unwatch(socket_.get());
    socket_.reset();
    broker_.end_with_last_link();
  }

  UniqueFd socket_;
  Broker& broker_;
  uint64_t links_ = 0;
};

ResultOrText<void> open_session(UserIdentity& identity, const SessionHook& hook, UniqueFd& control) {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) ::signal(number, SIG_DFL);
  if (!hook) return {};
  ::setsid();
  const auto closer = hook(identity);
  if (!closer) return fail(closer.error());
  if (!*closer) return {};
  return leave_session_behind(*closer, control);
}

}  // namespace

void serve_as_broker(UserIdentity identity, UniqueFd control, const StarterSettings& settings,
                     const DigestMaker& digests) {
  ::prctl(PR_SET_NAME, "sluiced-user");
  auto became = keep_only(control);
  if (became) became = silence_streams();
  if (became) became = open_session(identity, settings.session, control);
  if (became) became = become_user(identity);
  if (!became) {
    const auto packet = encode(BrokerNews{BrokerNewsKind::failed, 0, became.error().substr(0, kMaxStartError), 0, 0});
    if (packet) (void)send_packet(control.get(), *packet, {});
    ::_exit(1);
  }
  // One heap for all threads, given back when it is free: there may be thousands of brokers.
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 64 << 10);
  BrokerSettings own = settings.broker;
  // Nobody else will ever ask for this one.
  if (identity.session != 0) own.linger_ms = 0;
  Broker broker(std::move(identity), own, digests);
  ControlEnd end(std::move(control), broker);
  broker.run();
  // Not by way of destructors: a thread that waits for a name would be waited for.
  ::_exit(0);
}

}  // namespace sluice
