// ManagementDesk: the monitor's process as the shell of operators sees it: questions to the network process, changes of
// the configuration, files, and the tickets of operators who come by SSH.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "apps/sluiced/options.h"
#include "apps/sluiced/process_link.h"
#include "control/auth/permit.h"
#include "control/management/management_server.h"
#include "control/work_pool.h"

namespace sluice {

// What the desk is given of its process; all of it outlives the desk.
struct DeskParts {
  const ServerConfig& config;
  const Machine& machine;
  ProcessLink& orders;
  JobRunner& slow;
  std::shared_ptr<Completions> completions;
  std::string state_directory;
  std::string config_file;
  ServerOptions options;
  std::function<void(const ServerConfig&, std::function<void(ResultOrText<std::string>)>)> take_up;
  std::function<void(std::function<void()>)> reload_keys;
  std::function<std::vector<BrokerFacts>()> broker_census;
  std::function<std::vector<EngineFacts>()> engines;
  // Null unless the connection is there and logged in.
  std::function<const Permit*(uint32_t connection)> permit_of;
};

class ManagementDesk final : public ManagementHost {
 public:
  explicit ManagementDesk(DeskParts parts);

  // Where operators connect; what cannot be had is logged, and nothing is managed.
  void open();
  int descriptor() const { return server_.descriptor(); }
  void on_ready() { server_.on_ready(); }
  // Readable when a question has waited for too long; then on_timer().
  int timer_descriptor() const { return timer_.get(); }
  void on_timer();
  // Once the network process has done what it was ordered, and knows which host keys serve; false: it does not say so.
  void settle(std::function<void(bool)> then);
  // What the file says now.
  void take_file(const ServerConfig& config, std::function<void(ResultOrText<std::string>)> done);
  void take_answer(const ReceivedOrder& order);
  void take_debug(std::string_view text);
  const std::string& socket_path() const { return path_; }
  // For the shell of an operator who came by this connection.
  std::string make_ticket(uint32_t connection);

 private:
  const ServerConfig& running() const override { return parts_.config; }
  const Machine& machine() const override { return parts_.machine; }
  void ask(const std::string& question, Answered answered) override;
  void put_into_effect(const ServerConfig& config, std::function<void(ResultOrText<std::string>)> done) override;
  std::string saved() const override;
  ResultOrText<std::string> save(const ServerConfig& config) override;
  ResultOrText<HostKeyStore> host_keys() const override;
  void host_keys_changed(std::function<void()> done) override { parts_.reload_keys(std::move(done)); }
  bool run_slowly(std::function<void()> work, std::function<void()> then) override;
  std::vector<EngineFacts> engines() const override { return parts_.engines(); }
  uint64_t started_ms() const override { return started_ms_; }
  std::function<std::vector<BrokerFacts>()> broker_census() const override { return parts_.broker_census; }

  struct Question {
    Answered answered;
    uint64_t deadline_ms;
  };
  std::optional<Operator> holder_of(const std::string& ticket) const;
  void set_timer();

  DeskParts parts_;
  std::string path_;
  uint64_t started_ms_;
  uint64_t last_question_ = 0;
  std::map<uint64_t, Question> questions_;  // the oldest first
  UniqueFd timer_;
  std::unordered_map<std::string, uint32_t> tickets_;
  ManagementServer server_;
};

}  // namespace sluice
