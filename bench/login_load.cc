// Connections that log in by key, close, and are followed by the next.
#include "bench/login_load.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <chrono>

#include "base/check.h"
#include "control/auth/auth_client.h"
#include "control/auth/auth_messages.h"
#include "drivers/socket_transport.h"
#include "tests/support/test_peer.h"

namespace sluice::bench {
namespace {

struct Load {
  test::TestEnd& end;
  uint16_t port;
  std::string user;
  const PrivateKey& key;
  size_t to_start;
  std::atomic<size_t> to_finish;
};

class Login final : public Connection, HostKeyJudge {
 public:
  explicit Login(Load& load) : load_(load) {}
  static void start_next(Load& load);

  void attach(TransportMachine& machine) override { machine_ = &machine; }
  HostKeyJudge* judge() override { return this; }
  void judge(Bytes, std::string_view, Judged then) override { then(true); }
  void on_keyed(Bytes session) override {
    AuthClientConfig config;
    config.user = load_.user;
    config.session_id.assign(session.begin(), session.end());
    auto known = PublicKey::parse(load_.key.public_key().blob());
    config.identities.push_back({std::move(*known), "bench"});
    auth_.emplace(std::move(config));
    machine_->request_service("ssh-userauth");
  }
  bool on_service(std::string_view) override { return act(auth_->start()), true; }
  bool on_message(Bytes payload, uint32_t) override {
    if (!is_userauth_message(payload[0])) return false;
    auto actions = auth_->take(payload);
    SLUICE_CHECK(actions.has_value());
    act(std::move(*actions));
    return true;
  }
  void on_ext_info(std::string_view, Bytes) override {}
  void on_rekeyed() override {}
  void on_disconnect(uint32_t, std::string_view) override {}
  void on_ended() override {
    SLUICE_CHECK(done_ && "a login failed");
    start_next(load_);
    --load_.to_finish;
  }

 private:
  void act(ClientActions actions) {
    for (ClientAction& action : actions) {
      if (auto* message = std::get_if<SendSecret>(&action)) {
        const Bytes bytes = message->message.view();
        machine_->send({bytes.begin(), bytes.end()});
      } else if (const auto* wanted = std::get_if<SignWith>(&action)) {
        auto signature = load_.key.sign(wanted->algorithm, wanted->data);
        SLUICE_CHECK(signature.has_value());
        auto next = auth_->take_signature(std::move(*signature));
        SLUICE_CHECK(next.has_value());
        act(std::move(*next));
      } else if (std::holds_alternative<ClientAuthenticated>(action)) {
        done_ = true;
        machine_->close(Disconnect::by_application, "");
      }
    }
  }

  Load& load_;
  std::optional<AuthClient> auth_;
  TransportMachine* machine_ = nullptr;
  bool done_ = false;
};

void Login::start_next(Load& load) {
  if (load.to_start == 0) return;
  --load.to_start;
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(load.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  SLUICE_CHECK(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  TransportConfig config = default_transport_config(Role::client);
  config.kex = {"curve25519-sha256"};
  config.host_keys = {"ssh-ed25519"};
  load.end.loop().add(std::make_unique<SocketTransport>(fd), config, {}, "127.0.0.1", std::make_unique<Login>(load));
}

}  // namespace

double run_logins(uint16_t port, const std::string& user, const PrivateKey& key, size_t count, size_t at_once) {
  test::TestEnd end;
  Load load{end, port, user, key, count, count};
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < at_once; ++i) Login::start_next(load);
  end.start();
  while (load.to_finish > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  end.stop();
  return seconds;
}

}  // namespace sluice::bench
