// A client's connection and a server that says what a test wants it to, over a socket pair, on one control loop.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/check.h"
#include "base/message_numbers.h"
#include "base/wire.h"
#include "control/client_connection.h"
#include "dataplane/worker.h"
#include "drivers/driver_registry.h"
#include "drivers/socket_transport.h"
#include "tests/support/machine_pair.h"
#include "tests/support/scripted_dialog.h"
#include "tests/unit/keys/outside.h"

namespace sluice::test {

// Lets nobody in by itself.
struct ServerScript {
  std::function<void(TransportMachine&)> on_keyed = [](TransportMachine&) {};
  // Messages 50 to 100. The number of userauth requests so far counts this one.
  std::function<void(TransportMachine&, Bytes, unsigned)> on_message = [](TransportMachine&, Bytes, unsigned) {};
  bool accept_service = true;
  HostKeySigner* host_keys = &test_host_keys();
};

inline void let_in(TransportMachine& server) {
  server.set_authenticated();
  server.send({kMsgUserauthSuccess});
}

class ScriptedServer final : public Connection {
 public:
  ScriptedServer(const ServerScript& script, std::shared_ptr<TransportMachine*> where)
      : script_(script), where_(std::move(where)) {}
  ~ScriptedServer() override { *where_ = nullptr; }

 private:
  void attach(TransportMachine& machine) override { *where_ = &machine; }
  HostKeySigner* host_keys() override { return script_.host_keys; }
  void on_keyed(Bytes) override { script_.on_keyed(**where_); }
  bool on_service(std::string_view) override { return script_.accept_service; }
  bool on_message(Bytes payload, uint32_t) override {
    if (payload[0] == kMsgUserauthRequest) ++requests_;
    script_.on_message(**where_, payload, requests_);
    return true;
  }
  void on_ext_info(std::string_view, Bytes) override {}
  void on_rekeyed() override {}
  void on_disconnect(uint32_t, std::string_view) override {}

  const ServerScript& script_;
  std::shared_ptr<TransportMachine*> where_;
  unsigned requests_ = 0;
};

class ClientWorld {
 public:
  ClientWorld()
      : drivers_(std::move(*make_driver_set(""))),
        pool_({.threads = 2}),
        worker_(*drivers_),
        loop(worker_.port(), pool_),
        thread_([this] { worker_.run(); }) {
    client_config.kex = server_config.kex = {"curve25519-sha256"};
    client_config.host_keys = {"ssh-ed25519"};
    config.user = "ann";
    config.host = "host";
    config.login_timeout_ms = 0;
    policy.host = "host";
    policy.strict = StrictHostKeys::accept_new;
  }
  ~ClientWorld() {
    worker_.stop();
    thread_.join();
  }

  // Fill these in, then start().
  TransportConfig client_config = default_transport_config(Role::client);
  TransportConfig server_config = default_transport_config(Role::server);
  ClientConnectionConfig config;
  HostKeyPolicyConfig policy;
  ServerScript script;
  ScriptedDialog dialog;
  HostKeyUpdater* updater = nullptr;

  std::optional<LoggedIn> logged_in;
  bool ended = false;
  std::optional<ClientFailure> failure;
  ClientConnection* client = nullptr;  // until it ended
  TransportMachine* server() { return *server_; }
  TransportMachine* client_machine() { return loop.machine(client_session_); }

  void start() {
    int ends[2];
    SLUICE_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    loop.add(std::make_unique<SocketTransport>(ends[0]), server_config, {}, "server",
             std::make_unique<ScriptedServer>(script, server_));
    start_client(ends[1]);
  }
  void start_with(ClientDialog& other) {
    asked_ = &other;
    start();
  }
  // The test itself is the server.
  int start_against_descriptor() {
    int ends[2];
    SLUICE_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    start_client(ends[1]);
    return ends[0];
  }
  bool until(const std::function<bool()>& done, int64_t ms = 10000) {
    const int64_t end = ControlLoop::now_ms() + ms;
    while (!done() && ControlLoop::now_ms() < end) loop.step(2);
    return done();
  }
  bool until_ended() {
    return until([this] { return ended; });
  }
  bool until_in() {
    return until([this] { return logged_in || ended; }) && logged_in;
  }
  std::string text() const { return failure ? failure->text : std::string(); }
  void use_folder_for_hosts() { policy.user_files = {folder / "known_hosts"}; }
  WorkPool& pool() { return pool_; }

  TemporaryFolder folder;

 private:
  void start_client(int descriptor) {
    ClientEvents events{[this](const LoggedIn& in) { logged_in = in; },
                        [this](const std::optional<ClientFailure>& why) {
                          ended = true;
                          failure = why;
                          client = nullptr;
                        }};
    auto connection = std::make_unique<ClientConnection>(loop, pool_, config, std::make_shared<HostKeyPolicy>(policy),
                                                         *asked_, updater, std::move(events));
    client = connection.get();
    client_session_ =
        loop.add(std::make_unique<SocketTransport>(descriptor), client_config, {}, "client", std::move(connection));
  }

  ClientDialog* asked_ = &dialog;
  std::unique_ptr<DriverSet> drivers_;
  WorkPool pool_;
  Worker worker_;
  SessionId client_session_ = 0;
  std::shared_ptr<TransportMachine*> server_ = std::make_shared<TransportMachine*>(nullptr);

 public:
  ControlLoop loop;

 private:
  std::thread thread_;
};

}  // namespace sluice::test
