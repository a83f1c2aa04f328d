// sluiced's first process once the network process runs: the monitor, with signals, brokers and the network process'
// life in its care.
#pragma once

#include <sys/types.h>

#include "apps/sluiced/listen_places.h"
#include "apps/sluiced/options.h"
#include "apps/sluiced/process_link.h"
#include "services/broker/broker_starter.h"

namespace sluice {

struct MonitorStart {
  ServerOptions options;
  ServerConfig config;
  Machine machine;
  std::string state_directory;
  std::string pid_file;  // empty: none
  int monitor_end = -1;
  ProcessLink orders{UniqueFd()};
  ListenPlaces places;
  pid_t network = -1;
  std::unique_ptr<BrokerStarter> starter;
  // Called when connections are being accepted, or with what went wrong.
  std::function<void(const ResultOrText<std::string>& where)> settled;
};

// The exit status of the program.
int run_monitor_process(MonitorStart start);

}  // namespace sluice
