// Keys, accounts, signals, and the loop of the monitor.
#include "apps/sluiced/monitor_process.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <tuple>

#include "apps/sluiced/broker_wiring.h"
#include "apps/sluiced/log_output.h"
#include "apps/sluiced/notify.h"
#include "apps/sluiced/pid_file.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/auth/backends/local_users.h"
#include "control/config/login_setup.h"
#include "control/monitor/monitor_link.h"

namespace sluice {
namespace {

// Signatures and verifications; hashing of passwords and talks with PAM.
constexpr unsigned kQuickThreads = 1;
constexpr unsigned kSlowThreads = 4;
// What the network process may take to end once it was told.
constexpr int kEndWaitMs = 3000;
constexpr unsigned kFirstFreePort = 1024;

class MonitorProcess {
 public:
  explicit MonitorProcess(MonitorStart start) : start_(std::move(start)) {}
  int run();

 private:
  ResultOrText<HostKeys> load_keys() const;
  std::unique_ptr<LoginBackend> make_backend() const;
  void start_broker(uint32_t connection, const LoginSource& source, const Permit& permit, BrokerDone done);
  void take_signal();
  void take_order();
  void hear_starter();
  void reload();
  // Whether it ended in good order.
  bool end_network();

  MonitorStart start_;
  UniqueFd signals_;
  PidFile pid_file_;
  // While it runs.
  LiveBackend* backend_ = nullptr;
  Monitor* monitor_ = nullptr;
  std::atomic<bool> stop_{false};
  bool up_ = false;
  bool failed_ = false;
};

ResultOrText<HostKeys> MonitorProcess::load_keys() const {
  KeyLimits limits;
  limits.min_rsa_bits = start_.config.algorithms.min_rsa_bits;
  // The store itself makes the last folder, and judges it.
  std::error_code error;
  std::filesystem::create_directories(start_.state_directory, error);
  if (error) return fail(start_.state_directory + ": " + error.message());
  const auto store = HostKeyStore::open(start_.state_directory + "/host_keys", limits);
  if (!store) return fail(store.error());
  const AlgorithmSettings& wanted = start_.config.algorithms;
  const auto made = store->generate_missing(wanted.host_key_label);
  if (!made) return fail(made.error());
  if (!wanted.rsa_keypair.empty() && !store->has(KeyType::rsa, wanted.rsa_keypair)) {
    if (const auto rsa = store->generate(KeyType::rsa, wanted.rsa_keypair); !rsa) return fail(rsa.error());
  }
  for (const KeyType type : *made) {
    log_line(LogLevel::notice, "generated host key " + std::string(row_of(type).store_name) + " in " + store->folder());
  }
  return HostKeys::load_labelled(*store, wanted.host_key_label, wanted.rsa_keypair);
}

std::unique_ptr<LoginBackend> MonitorProcess::make_backend() const {
  std::vector<std::unique_ptr<LoginBackend>> links;
  KeyLimits limits;
  limits.min_rsa_bits = start_.config.algorithms.min_rsa_bits;
  auto local = std::make_unique<LocalUsers>();
  auto users = local_users(start_.config, limits);
  if (!users) {
    log_line(LogLevel::error, users.error());
  } else {
    for (LocalUser& user : *users) {
      const std::string name = user.name;
      if (const auto put = local->put(std::move(user)); !put) log_line(LogLevel::error, name + ": " + put.error());
    }
  }
  links.push_back(std::move(local));
  links.push_back(std::make_unique<SystemUsers>(system_users_config(start_.config)));
  return std::make_unique<LoginChain>(std::move(links));
}

void MonitorProcess::take_signal() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    switch (info.ssi_signo) {
      case SIGHUP: reload(); break;
      case SIGTERM:
        notify_supervisor("STOPPING=1");
        start_.orders.send(Order::drain);
        break;
      case SIGINT:
        notify_supervisor("STOPPING=1");
        start_.orders.send(Order::stop);
        break;
      default: break;
    }
  }
}

void MonitorProcess::take_order() {
  while (auto order = start_.orders.receive()) {
    if (order->order == Order::up && !up_) {
      up_ = true;
      log_line(LogLevel::notice, "serving on " + order->text);
      if (!start_.pid_file.empty()) {
        const auto written = pid_file_.write(start_.pid_file);
        if (!written) log_line(LogLevel::warning, "process number: " + written.error());
      }
      notify_supervisor("READY=1\nMAINPID=" + std::to_string(::getpid()));
      start_.settled(order->text);
    } else if (order->order == Order::failed) {
      failed_ = true;
      log_line(LogLevel::error, order->text);
      start_.settled(fail(order->text));
      stop_ = true;
    }
  }
  if (start_.orders.ended()) stop_ = true;
}

void MonitorProcess::hear_starter() {
  const uint64_t before = start_.starter->restarts();
  start_.starter->receive();
  if (start_.starter->restarts() != before)
    log_line(LogLevel::error, "the process that starts sessions was killed and started again");
  if (start_.starter->alive()) return;
  // Nobody could get a session any more.
  log_line(LogLevel::error, "the process that starts sessions has ended: ending");
  failed_ = true;
  stop_ = true;
}

// What decides where connections are accepted.
auto listening_part(const ServerConfig& config) {
  return std::tuple(config.enabled, config.listen, config.vrfs, config.subsystems.contains("netconf"));
}

// The supervisor waits for it, whether anything was reloaded or not.
struct ReadyAgain {
  ~ReadyAgain() { notify_supervisor("READY=1"); }
};

// What needs new processes or threads keeps its value until a restart, and that is said.
void MonitorProcess::reload() {
  notify_supervisor("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_clock().now_ns() / 1000));
  const ReadyAgain ready{};
  const auto text = read_config_text(start_.options, start_.machine.root);
  if (!text) return log_line(LogLevel::error, "reload: " + text.error());
  const ParsedConfig parsed = parse_config_text(*text, start_.machine);
  for (const ConfigMessage& message : parsed.errors) log_line(LogLevel::error, message.text());
  if (!parsed.ok()) return log_line(LogLevel::error, "reload: the configuration stays as it was");
  std::vector<ListeningSocket> sockets;
  const bool listens_elsewhere = listening_part(parsed.config) != listening_part(start_.config);
  if (listens_elsewhere) {
    auto opened = open_sockets(parsed.config);
    if (!opened) return log_line(LogLevel::error, "reload: " + opened.error());
    sockets = std::move(*opened);
  }
  auto file = text_file(text->file + "\n" + text->lines);
  if (!file) return log_line(LogLevel::error, "reload: " + file.error());
  std::vector<int> descriptors{file->get()};
  open_log(parsed.config.log, start_.options.foreground);
  const bool has_log = log_file_descriptor() >= 0;
  if (has_log) descriptors.push_back(log_file_descriptor());
  for (const ListeningSocket& socket : sockets) descriptors.push_back(socket.descriptor());
  start_.config = parsed.config;
  backend_->replace(make_backend());
  monitor_->set_login_rules(login_rules(start_.config));
  std::string parts(has_log ? kWithLogFile : std::string_view());
  if (listens_elsewhere) parts.append(kWithSockets);
  start_.orders.send(Order::reload, parts, descriptors);
}

void MonitorProcess::start_broker(uint32_t connection, const LoginSource& source, const Permit& permit,
                                  BrokerDone done) {
  const auto identity = identity_for(permit, start_.config, source, connection);
  if (!identity) return done(fail(identity.error()));
  start_.starter->attach(*identity, link_policy_for(*identity, permit, start_.config, source), std::move(done),
                         source.address);
}

bool MonitorProcess::end_network() {
  start_.orders.send(Order::stop);
  int status = 0;
  for (int waited = 0; waited < kEndWaitMs; waited += 10) {
    const pid_t ended = ::waitpid(start_.network, &status, WNOHANG);
    if (ended < 0) return false;
    if (ended == start_.network) {
      if (WIFSIGNALED(status))
        log_line(LogLevel::error, "the network process was ended by signal " + std::to_string(WTERMSIG(status)));
      return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    ::usleep(10000);
  }
  log_line(LogLevel::error, "the network process does not end: killed");
  ::kill(start_.network, SIGKILL);
  ::waitpid(start_.network, nullptr, 0);
  return false;
}

int MonitorProcess::run() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int number : {SIGHUP, SIGTERM, SIGINT}) ::sigaddset(&wanted, number);
  signals_ = UniqueFd(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
  auto keys = load_keys();
  if (!keys) {
    start_.settled(fail(keys.error()));
    end_network();
    return 1;
  }
  LiveBackend backend(make_backend());
  backend_ = &backend;
  auto completions = std::make_shared<Completions>();
  bool in_order = false;
  {
    WorkPool quick({.threads = kQuickThreads});
    WorkPool slow({.threads = kSlowThreads});
    MonitorConfig config;
    config.login = login_rules(start_.config);
    config.user_keys.min_rsa_bits = start_.config.algorithms.min_rsa_bits;
    config.start_broker = [this](uint32_t connection, const LoginSource& source, const Permit& permit,
                                 BrokerDone done) { start_broker(connection, source, permit, std::move(done)); };
    Monitor monitor(std::move(config), std::move(*keys), backend, quick, slow, completions);
    monitor_ = &monitor;
    MonitorLink link(start_.monitor_end);
    in_order = run_monitor(monitor, *completions, link, stop_,
                           {{signals_.get(), [this] { take_signal(); }},
                            {start_.orders.descriptor(), [this] { take_order(); }},
                            {start_.starter->descriptor(), [this] { hear_starter(); }}});
  }
  // What it said last.
  take_order();
  if (!up_ && !failed_) start_.settled(fail(std::string("the network process ended at its start")));
  const bool ended_well = end_network();
  log_line(LogLevel::notice, "ended");
  return in_order && ended_well && up_ && !failed_ ? 0 : 1;
}

bool same_place(const ListenPlace& a, const ListenPlace& b) { return a.address == b.address && a.port == b.port; }

// Each place in each VRF that is served; without any VRF named, in the default one.
std::vector<ListenPlace> in_vrfs(const std::vector<ListenPlace>& places, const ServerConfig& config) {
  if (config.vrfs.empty()) return places;
  std::vector<ListenPlace> all;
  for (const auto& [name, vrf] : config.vrfs) {
    for (ListenPlace place : places) {
      if (name != "default") place.device = name;
      all.push_back(std::move(place));
    }
  }
  return all;
}

}  // namespace

int run_monitor_process(MonitorStart start) { return MonitorProcess(std::move(start)).run(); }

ResultOrText<std::vector<ListeningSocket>> open_sockets(const ServerConfig& config) {
  if (!config.enabled) return std::vector<ListeningSocket>();
  SocketMarks marks;
  marks.dscp = config.listen.dscp;
  marks.window_scale = config.listen.tcp_window_scale;
  auto given = ListeningSocket::given(marks);
  if (!given || !given->empty()) return given;
  std::vector<ListenPlace> wanted;
  for (const BindAddress& address : config.listen.addresses) {
    wanted.push_back({address.address, static_cast<uint16_t>(address.port == 0 ? config.listen.port : address.port)});
  }
  if (wanted.empty()) wanted.push_back({"", static_cast<uint16_t>(config.listen.port), false});
  // NETCONF over SSH has a port of its own where there is a program for it; below 1024 it is root's.
  const unsigned netconf = config.listen.netconf_port;
  if (config.subsystems.contains("netconf") && (::geteuid() == 0 || netconf >= kFirstFreePort)) {
    for (size_t i = 0, count = wanted.size(); i < count; ++i) {
      ListenPlace place = wanted[i];
      place.port = static_cast<uint16_t>(netconf);
      if (std::none_of(wanted.begin(), wanted.end(),
                       [&](const ListenPlace& other) { return same_place(other, place); }))
        wanted.push_back(std::move(place));
    }
  }
  wanted = in_vrfs(wanted, config);
  std::vector<ListeningSocket> sockets;
  for (const ListenPlace& address : wanted) {
    auto socket = ListeningSocket::open(address, marks);
    if (!socket) return fail(socket.error());
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

}  // namespace sluice
