// One agent's socket for each connection, made at first need.
#include "services/forward/agent_forwarding.h"

#include <optional>

#include "services/forward/acceptor.h"
#include "services/forward/forward_state.h"

namespace sluice {
namespace {

using Then = std::function<void(bool ok, uint32_t handle)>;

class AgentSocket final : public ConnectionPart {
 public:
  static constexpr std::string_view kName = "forward.agent";

  explicit AgentSocket(ConnectionServices& connection)
      : connection_(connection), state_(connection.part<ForwardState>()), caller_(connection.broker()) {}

  void request(Then then) {
    if (acceptor_) return then(true, handle_);
    waiting_.push_back(std::move(then));
    if (waiting_.size() > 1) return;
    connection_.broker().ask(caller_, MakeAgentSocket{},
                             [this](BrokerReceived&& received) { take(std::move(received)); });
  }

  void on_turn() override {
    if (acceptor_) acceptor_->on_turn();
  }

 private:
  void take(BrokerReceived&& received) {
    const auto* listening = std::get_if<Listening>(&received.answer);
    if (listening && !received.descriptors.empty()) {
      handle_ = listening->handle;
      acceptor_.emplace(
          connection_, std::move(received.descriptors[0]), "auth-agent@openssh.com",
          [](const sockaddr_storage&) { return std::vector<uint8_t>(); }, state_.accepted());
    }
    for (const Then& then : std::exchange(waiting_, {})) then(acceptor_.has_value(), handle_);
  }

  ConnectionServices& connection_;
  ForwardState& state_;
  std::vector<Then> waiting_;  // at most one for each session channel
  uint32_t handle_ = 0;
  std::optional<Acceptor> acceptor_;
  BrokerCaller caller_;
};

}  // namespace

void request_agent(ConnectionServices& connection, Then then) {
  if (!connection.settings().agent_forwarding || !connection.login().agent_forwarding) return then(false, 0);
  connection.part<AgentSocket>().request(std::move(then));
}

}  // namespace sluice
