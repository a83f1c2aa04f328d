// sluiced: the server's program. Order: configuration, sockets, the brokers' starter, the network process, the monitor.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "apps/file_digests.h"
#include "apps/sluiced/broker_wiring.h"
#include "apps/sluiced/listen_places.h"
#include "apps/sluiced/log_output.h"
#include "apps/sluiced/login_session.h"
#include "apps/sluiced/monitor_process.h"
#include "apps/sluiced/network_process.h"
#include "base/log.h"
#include "control/config/state_folder.h"
#include "control/monitor/monitor_link.h"

namespace {

using namespace sluice;

constexpr const char* kRootPidFile = "/run/sluiced.pid";

int complain(std::string_view what) {
  std::fprintf(stderr, "sluiced: %.*s\n", static_cast<int>(what.size()), what.data());
  return 1;
}

void tell(const std::vector<ConfigMessage>& messages) {
  for (const ConfigMessage& message : messages) std::fprintf(stderr, "%s\n", message.text().c_str());
}

// The caller's process waits here for one byte: whether its child serves. The child gets the end to write to.
int become_daemon() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return -1;
  const pid_t child = ::fork();
  if (child < 0) return -1;
  if (child > 0) {
    ::close(ends[1]);
    char settled = 1;
    const ssize_t n = ::read(ends[0], &settled, 1);
    ::_exit(n == 1 ? settled : 1);
  }
  ::close(ends[0]);
  ::setsid();
  // No file system stays busy for a daemon.
  if (::chdir("/") != 0) return -1;
  return ends[1];
}

void leave_terminal() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < 3; ++i) ::dup2(null, i);
  ::close(null);
}

// Signals are the monitor's; a key pressed at a terminal reaches all of us.
void hold_signals() {
  sigset_t held;
  ::sigemptyset(&held);
  for (const int number : {SIGHUP, SIGTERM, SIGINT, SIGUSR1}) ::sigaddset(&held, number);
  ::sigprocmask(SIG_BLOCK, &held, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  // A file that may not grow is an error of that write.
  ::signal(SIGXFSZ, SIG_IGN);
}

// The network process' part of everything.
ResultOrText<void> begin_network(ProcessLink& orders, const ServerConfig& config, const Machine& machine,
                                 const ListenPlaces& places, UniqueFd monitor_end, bool foreground) {
  const auto text = text_file(network_text(config, machine));
  if (!text) return fail(text.error());
  std::vector<int> descriptors{text->get(), monitor_end.get()};
  const auto sockets = places.descriptors();
  descriptors.insert(descriptors.end(), sockets.begin(), sockets.end());
  if (!orders.send(Order::begin, foreground ? kForeground : std::string_view(), descriptors)) {
    return fail("the network process cannot be started: " + std::to_string(sockets.size()) +
                " addresses to listen on, or it is gone");
  }
  return {};
}

int serve(const ServerOptions& options, ParsedConfig parsed, const Machine& machine, int settled_end) {
  MonitorStart start;
  start.settled = [settled_end, foreground = options.foreground](const ResultOrText<std::string>& where) {
    if (!where) complain(where.error());
    if (foreground || settled_end < 0) return;
    if (where) std::printf("sluiced: serving on %s, process %d\n", where->c_str(), static_cast<int>(::getpid()));
    std::fflush(stdout);
    const char status = where ? 0 : 1;
    [[maybe_unused]] const ssize_t n = ::write(settled_end, &status, 1);
    leave_terminal();
  };
  if (const auto opened = start.places.open(parsed.config); !opened) return complain(opened.error());
  open_log(parsed.config, options.foreground);
  open_transfer_log(parsed.config.sftp.transfer_log_file);
  hold_signals();
  StarterSettings sessions;
  sessions.silent = !options.foreground;
  sessions.users = parsed.config.brokers.users;
  sessions.broker.linger_ms = int64_t{parsed.config.brokers.linger_seconds} * 1000;
  if (machine.root) {
    sessions.session = open_login_session;
    sessions.records = RecordFiles();
  }
  start.starter = BrokerStarter::fork_off(sessions, file_digests());
  if (!start.starter) return complain(std::string("fork: ") + std::strerror(errno));
  auto orders = ProcessLink::make_pair();
  if (!orders) return complain(orders.error());
  const auto [ours, theirs] = MonitorLink::make_pair();
  if (ours < 0) return complain(std::string("socketpair: ") + std::strerror(errno));
  const pid_t network = ::fork();
  if (network < 0) return complain(std::string("fork: ") + std::strerror(errno));
  if (network == 0) {
    // What it has to say it tells the monitor, or the log.
    if (!options.foreground) leave_terminal();
    become_network_program(orders->second);
    orders->second.send(Order::failed, std::string("/proc/self/exe: ") + std::strerror(errno));
    ::_exit(1);
  }
  orders->second = ProcessLink(UniqueFd());
  if (const auto told =
          begin_network(orders->first, parsed.config, machine, start.places, UniqueFd(theirs), options.foreground);
      !told) {
    return complain(told.error());
  }
  start.options = options;
  start.config = std::move(parsed.config);
  start.machine = machine;
  start.state_directory =
      start.config.state_directory.empty() ? default_state_directory(machine.root) : start.config.state_directory;
  start.pid_file = options.pid_file;
  if (start.pid_file.empty() && machine.root && !options.foreground) start.pid_file = kRootPidFile;
  start.monitor_end = ours;
  start.orders = std::move(orders->first);
  start.network = network;
  return run_monitor_process(std::move(start));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], kNetworkWord) == 0) return run_network_program(std::atoi(argv[2]));
  ServerOptions options;
  const OptionsOutcome outcome = parse_options(argc, argv, options);
  if (outcome != OptionsOutcome::run) return outcome == OptionsOutcome::done ? 0 : 2;
  const Machine machine = Machine::here();
  const auto text = read_config_text(options, machine.root);
  if (!text) return complain(text.error()), 2;
  ParsedConfig parsed = parse_config_text(*text, machine);
  tell(parsed.warnings);
  tell(parsed.errors);
  if (!parsed.ok()) return 2;
  for (const std::string& doubt : doubts_about(parsed.config)) std::fprintf(stderr, "sluiced: %s\n", doubt.c_str());
  if (options.check_only) {
    std::puts("sluiced: the configuration is good");
    return 0;
  }
  int settled_end = -1;
  if (!options.foreground && (settled_end = become_daemon()) < 0) {
    return complain(std::string("fork: ") + std::strerror(errno));
  }
  return serve(options, std::move(parsed), machine, settled_end);
}
