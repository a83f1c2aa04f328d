// The smallest layer above a client's transport.
#include "tests/support/test_peer.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/message_numbers.h"
#include "base/wire.h"
#include "drivers/socket_transport.h"

namespace sluice::test {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

class ClientConnection final : public Connection, HostKeyJudge {
 public:
  ClientConnection(std::shared_ptr<ClientResult> result, std::function<void()> authenticated)
      : result_(std::move(result)), authenticated_(std::move(authenticated)) {}

  void attach(TransportMachine& machine) override { machine_ = &machine; }
  HostKeyJudge* judge() override { return this; }
  void judge(Bytes, std::string_view, Judged then) override { then(true); }
  void on_keyed(Bytes) override {
    result_->keyed = true;
    machine_->request_service("ssh-userauth");
  }
  bool on_service(std::string_view) override {
    machine_->send(WireWriter().u8(kMsgUserauthRequest).string("test").string("ssh-connection").string("none").take());
    return true;
  }
  bool on_message(Bytes payload, uint32_t) override {
    if (payload[0] != kMsgUserauthSuccess) return payload[0] == kMsgGlobalRequest;
    machine_->set_authenticated();
    authenticated_();
    return true;
  }
  void on_ext_info(std::string_view, Bytes) override {}
  void on_rekeyed() override { ++result_->rekeys; }
  void on_disconnect(uint32_t, std::string_view text) override { result_->disconnect = text; }
  void on_ended() override { result_->ended = true; }

 private:
  std::shared_ptr<ClientResult> result_;
  std::function<void()> authenticated_;
  TransportMachine* machine_ = nullptr;
};

}  // namespace

std::shared_ptr<ClientResult> connect_client(TestEnd& end, uint16_t port, const ClientOptions& options) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  SLUICE_CHECK(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  auto result = std::make_shared<ClientResult>();
  auto session = std::make_shared<SessionId>(0);
  ControlLoop& loop = end.loop();
  auto authenticated = [&loop, session, result, options] {
    if (options.make_sink) return loop.open_channels(*session, options.make_sink());
    auto progress = [result, seen = options.on_progress](const PullState& state) {
      result->received = state.received;
      if (state.wrong) result->wrong = true;
      if (state.closed) result->channel_closed = true;
      if (seen) seen(state.received);
    };
    loop.open_channels(*session,
                       std::make_unique<PullChannel>(options.command, options.to_send, progress, options.window));
  };
  *session = loop.add(std::make_unique<SocketTransport>(fd), options.config, options.limits, "127.0.0.1",
                      std::make_unique<ClientConnection>(result, std::move(authenticated)));
  bench::rekey_at_random(loop, session, options.rekey_mean_ms);
  return result;
}

}  // namespace sluice::test
