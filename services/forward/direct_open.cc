// Opens that wait for a connection.
#include "services/forward/direct_open.h"

#include "base/wire.h"
#include "services/forward/forward_state.h"
#include "services/forward/server_stream.h"

namespace sluice {
namespace {

OpenFailure reason_of(BrokerFault fault) {
  switch (fault) {
    case BrokerFault::forbidden:
    case BrokerFault::refused: return OpenFailure::administratively_prohibited;
    case BrokerFault::too_many:
    case BrokerFault::gone: return OpenFailure::resource_shortage;
    default: return OpenFailure::connect_failed;
  }
}

class DirectOpen final : public ServerStream {
 public:
  // `told`: whom it is for, in the routers' words, where that is logged.
  DirectOpen(ConnectionServices& connection, BrokerRequest request, std::string told = {})
      : ServerStream(connection, connection.part<ForwardState>().direct()),
        connection_(connection),
        state_(connection.part<ForwardState>()),
        request_(std::move(request)),
        told_(std::move(told)) {}
  ~DirectOpen() override {
    if (ticket_ != 0) state_.forget(ticket_);
    if (number_ != 0) connection_.tell_no_channel(number_);
  }

  void attach(Channel& channel) override {
    ServerStream::attach(channel);
    ticket_ = state_.connect(std::move(request_), [this](BrokerReceived&& received) { take(std::move(received)); });
  }

 private:
  void take(BrokerReceived&& received) {
    ticket_ = 0;
    if (std::holds_alternative<Connected>(received.answer) && !received.descriptors.empty()) {
      tell(LogLevel::info, "%SECURITY-SSHD-6-PORT_FWD_INFO_GENERAL : Port Forwarding, ", "Connection forwarded");
      channel().confirm();
      number_ = connection_.next_channel();
      connection_.tell_channel(number_, "port-forwarded-local", false);
      return join(StreamEnds(std::move(received.descriptors[0])));
    }
    const auto* failure = std::get_if<Failure>(&received.answer);
    tell(LogLevel::warning, "%SECURITY-SSHD-3-PORT_FWD_ERR_GENERAL : Port Forwarding, ",
         failure ? std::string_view(failure->text) : "Not connected");
    channel().refuse(failure ? reason_of(failure->fault) : OpenFailure::connect_failed,
                     failure ? std::string_view(failure->text) : "Not connected");
  }

  void tell(LogLevel level, std::string_view event, std::string_view how) {
    if (!told_.empty()) connection_.log(level, std::string(event).append(told_).append(how));
    told_ = {};
  }

  ConnectionServices& connection_;
  uint32_t number_ = 0;
  ForwardState& state_;
  BrokerRequest request_;
  uint64_t ticket_ = 0;
  std::string told_;
};

OpenDecision refusal(OpenFailure reason, std::string_view text) { return {nullptr, false, {reason, text}}; }

// A channel that waits keeps it: no host's name or socket's path is longer.
constexpr size_t kMaxTarget = 1024;

OpenDecision pending(ConnectionServices& connection, BrokerRequest request, std::string told = {}) {
  return {std::make_unique<DirectOpen>(connection, std::move(request), std::move(told)), true, {}};
}

}  // namespace

OpenDecision open_direct_tcpip(ConnectionServices& connection, Bytes extra) {
  if (!connection.settings().local_forwarding || !connection.login().port_forwarding) {
    if (connection.part<ForwardState>().may_log())
      connection.log(LogLevel::warning,
                     "%SECURITY-SSHD-3-PORT_FWD_ERR_GENERAL : Port Forwarding, Port forwarding is not enabled");
    return refusal(OpenFailure::administratively_prohibited, "Port forwarding is off");
  }
  WireReader reader(extra);
  const std::string_view host = reader.text();
  const uint32_t port = reader.u32();
  // Who connected at the client, in the client's words: nothing is decided by it.
  const std::string_view originator = reader.text();
  const uint32_t from = reader.u32();
  if (!reader.ok() || host.size() > kMaxTarget) return refusal(OpenFailure::connect_failed, "Malformed request");
  constexpr size_t kMostTold = 256;
  std::string told;
  if (connection.part<ForwardState>().may_log()) {
    told.append("Target:=").append(host.substr(0, kMostTold)).append(", Port:=").append(std::to_string(port));
    told.append(", Originator:=")
        .append(originator.substr(0, kMostTold))
        .append(",Port:=")
        .append(std::to_string(from));
    told.append(", Vrf:=0x60000000, ");
  }
  return pending(connection, ConnectTcp{std::string(host), port}, std::move(told));
}

OpenDecision open_direct_streamlocal(ConnectionServices& connection, Bytes extra) {
  if (!connection.settings().streamlocal_forwarding || !connection.login().port_forwarding) {
    return refusal(OpenFailure::administratively_prohibited, "Forwarding to sockets is off");
  }
  WireReader reader(extra);
  const std::string_view path = reader.text();
  // Reserved.
  reader.text();
  reader.u32();
  if (!reader.ok() || path.size() > kMaxTarget) return refusal(OpenFailure::connect_failed, "Malformed request");
  return pending(connection, ConnectUnix{std::string(path)});
}

}  // namespace sluice
