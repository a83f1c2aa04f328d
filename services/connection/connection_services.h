// The channels' side of a server's connection: which service answers which open and which global request, with what
// they share: the way to the broker, the settings, who the user is.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/debug.h"
#include "base/log.h"
#include "services/connection/broker_session.h"
#include "services/connection/service_settings.h"

namespace sluice {

class ConnectionServices;

// One word for each kind of channel, subsystem and global request; made once by the application. What is absent is
// refused.
struct ServiceMakers {
  // By channel type; the view is what follows the packet size in CHANNEL_OPEN.
  std::map<std::string, std::function<OpenDecision(ConnectionServices&, Bytes)>, std::less<>> channels;
  // What a session channel runs inside, without a program. Null: not this command after all.
  std::function<std::unique_ptr<Service>(ConnectionServices&)> sftp;
  std::function<std::unique_ptr<Service>(ConnectionServices&, std::string_view command)> scp;
  // For auth-agent-req@openssh.com: a socket of the user's (handle of MakeAgentSocket) whose connections go to the
  // client's agent. `then` is called once, at once or later, also when who asked is gone. Null: refused.
  std::function<void(ConnectionServices&, std::function<void(bool, uint32_t handle)> then)> agent_request;
  // By global request's name; answers with answer_global(id, ...), at once or later.
  std::map<std::string, std::function<void(ConnectionServices&, uint32_t id, Bytes)>, std::less<>> global_requests;
};

// State that lives as long as the connection and belongs to one kind of service: its listeners, say.
class ConnectionPart {
 public:
  virtual ~ConnectionPart() = default;
  // Each turn, before those of the channels.
  virtual void on_turn() {}
};

class ConnectionServices final : public ChannelOpener {
 public:
  // Without a budget the user has no other connections.
  ConnectionServices(const ServiceMakers& makers, std::shared_ptr<const ServiceSettings> settings, LoginFacts login,
                     std::shared_ptr<UserBudget> budget = {});
  ~ConnectionServices() override;

  void attach(ChannelHost& host) override;
  OpenDecision open(std::string_view type, Bytes extra) override;
  void on_note(SinkNote&& note) override;
  void hear_global_request(Bytes payload) override;
  void on_turn() override;
  void on_debug(std::string_view line) override { tell_debug(kDebugDetail, line); }

  ChannelHost& host() { return *host_; }
  BrokerSession& broker() { return *broker_; }
  const ServiceMakers& makers() const { return makers_; }
  const ServiceSettings& settings() const { return *settings_; }
  const LoginFacts& login() const { return login_; }
  // What his file transfers may use, together with those of his other connections.
  const std::shared_ptr<UserBudget>& budget() const { return budget_; }

  void answer_global(uint32_t id, bool success, Bytes extra = {});
  void log(LogLevel level, std::string text);
  // A transfer's line, where those go.
  void log_transfer(std::string text);
  // A line for who debugs, behind a look at debugging(); lost where too many wait.
  void tell_debug(uint32_t kind, std::string_view line);
  // The connection ends, in good order.
  void hang_up(ErrorCode why);
  bool more_sessions() const { return !no_more_sessions_ && session_channels_ < settings_->session_channels; }
  // What is told of channels to who looks at the connection.
  uint32_t next_channel() { return ++channels_told_; }
  void tell_channel(uint32_t number, std::string_view type, bool terminal);
  void tell_no_channel(uint32_t number);
  // A session channel has begun or ended.
  void count_session(int change) {
    session_channels_ = static_cast<size_t>(static_cast<int>(session_channels_) + change);
  }

  // The connection's one part of type T, made at first need from this.
  template <class T>
  T& part() {
    auto& part = parts_[T::kName];
    if (!part) part = std::make_unique<T>(*this);
    return static_cast<T&>(*part);
  }

 private:
  const ServiceMakers& makers_;
  std::shared_ptr<const ServiceSettings> settings_;
  LoginFacts login_;
  std::shared_ptr<UserBudget> budget_;
  ChannelHost* host_ = nullptr;
  std::unique_ptr<BrokerSession> broker_;
  std::map<std::string_view, std::unique_ptr<ConnectionPart>> parts_;
  size_t session_channels_ = 0;
  bool no_more_sessions_ = false;
  uint32_t channels_told_ = 0;
};

}  // namespace sluice
