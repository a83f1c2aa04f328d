// Keys, accounts, signals, and the loop of the monitor.
#include "apps/sluiced/monitor_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "apps/sluiced/broker_census.h"
#include "apps/sluiced/broker_wiring.h"
#include "apps/sluiced/log_output.h"
#include "apps/sluiced/management_desk.h"
#include "apps/sluiced/notify.h"
#include "apps/sluiced/pid_file.h"
#include "apps/sluiced/served_counts.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/auth/backends/local_users.h"
#include "control/config/algorithm_choice.h"
#include "control/config/login_setup.h"
#include "control/config/state_folder.h"
#include "control/engine_work.h"
#include "control/monitor/monitor_link.h"
#include "services/broker/login_records.h"

namespace sluice {
namespace {

// As the routers count.
constexpr uint8_t kFullPrivilege = 15;
// Signatures and verifications; hashing of passwords and talks with PAM.
constexpr unsigned kQuickThreads = 1;
constexpr unsigned kSlowThreads = 4;
// What the network process may take to end once it was told.
constexpr int kEndWaitMs = 3000;

class MonitorProcess {
 public:
  explicit MonitorProcess(MonitorStart start) : start_(std::move(start)) {}
  int run();

 private:
  ResultOrText<HostKeys> load_keys(bool make_missing) const;
  static std::shared_ptr<LoginBackend> make_backend(const ServerConfig& config);
  MonitorConfig monitor_config();
  void start_broker(uint32_t connection, const LoginSource& source, const Permit& permit, BrokerDone done);
  void take_signal();
  void take_order();
  void hear_starter();
  void tell_counts();
  void reload();
  void take_up(const ServerConfig& config, std::function<void(ResultOrText<std::string>)> done);
  DeskParts desk_parts();
  // Done once the network process works by it.
  void finish_reload(std::shared_ptr<LoginBackend> backend, std::function<void(std::string told)> done);
  std::string pass_on(std::shared_ptr<LoginBackend> backend);
  // Whether it ended in good order.
  bool end_network();

  void open_engines();

  std::unique_ptr<ManagementDesk> desk_;
  std::shared_ptr<LoginBackend> backend_;  // of now
  MonitorStart start_;
  std::unique_ptr<KeyEngine> engine_;
  std::string engine_spec_;  // as at the start: engines are loaded once
  std::unique_ptr<KeyEngine> token_;
  UniqueFd signals_;
  PidFile pid_file_;
  Monitor* monitor_ = nullptr;
  WorkPool* slow_ = nullptr;
  std::shared_ptr<Completions> completions_;
  uint64_t reloads_ = 0;      // begun; an older one's users are not taken up any more
  bool listen_anew_ = false;  // what no reload has told the network process yet
  std::atomic<bool> stop_{false};
  bool up_ = false;
  bool failed_ = false;
};

ResultOrText<HostKeys> MonitorProcess::load_keys(bool make_missing) const {
  KeyLimits limits;
  limits.min_rsa_bits = start_.config.algorithms.min_rsa_bits;
  // The store itself makes the last folder, and judges it.
  if (const auto made = make_state_folder(start_.state_directory); !made) return fail(made.error());
  const auto store = HostKeyStore::open(start_.state_directory + "/host_keys", limits);
  if (!store) return fail(store.error());
  // Whose keys are in a token wants none in files.
  if (make_missing && start_.config.engines.host_keys.empty()) {
    const auto made = store->generate_missing();
    if (!made) return fail(made.error());
    for (const KeyType type : *made)
      log_line(LogLevel::notice,
               "generated host key " + std::string(row_of(type).store_name) + " in " + store->folder());
  }
  HostKeyChoice choice;
  choice.label = start_.config.algorithms.host_key_label;
  choice.rsa_label = start_.config.algorithms.rsa_keypair;
  choice.allow_sha1 = choose_algorithms(start_.config).sha1_host_keys;
  auto keys = HostKeys::load(*store, choice);
  if (keys && token_) keys->load_held(*token_, start_.config.engines.host_keys, limits);
  if (keys && keys->empty())
    log_line(LogLevel::error, "there is no host key with the label " + choice.label +
                                  ": nobody can connect until one is made (sluicectl crypto key generate ...)");
  return keys;
}

std::shared_ptr<LoginBackend> MonitorProcess::make_backend(const ServerConfig& config) {
  std::vector<std::unique_ptr<LoginBackend>> links;
  KeyLimits limits;
  limits.min_rsa_bits = config.algorithms.min_rsa_bits;
  auto local = std::make_unique<LocalUsers>();
  auto users = local_users(config, limits);
  if (!users) {
    log_line(LogLevel::error, users.error());
  } else {
    for (LocalUser& user : *users) {
      const std::string name = user.name;
      if (const auto put = local->put(std::move(user)); !put) log_line(LogLevel::error, name + ": " + put.error());
    }
  }
  links.push_back(std::move(local));
  links.push_back(std::make_unique<SystemUsers>(system_users_config(config)));
  return std::make_shared<LoginChain>(std::move(links));
}

void MonitorProcess::take_signal() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    switch (info.ssi_signo) {
      case SIGHUP: reload(); break;
      case SIGTERM:
        notify_supervisor("STOPPING=1");
        // Refused by the kernel from now on.
        start_.places.close();
        start_.orders.send(Order::drain);
        break;
      case SIGUSR1: tell_counts(); break;
      case SIGINT:
        notify_supervisor("STOPPING=1");
        start_.orders.send(Order::stop);
        break;
      default: break;
    }
  }
}

// The network process says what it counted.
void MonitorProcess::tell_counts() {
  start_.orders.send(Order::count);
  log_line(LogLevel::notice, "monitor: connections " + std::to_string(monitor_->connections()) + ", condemned " +
                                 std::to_string(monitor_->condemned()) + ", starter restarted " +
                                 std::to_string(start_.starter->restarts()) +
                                 (engine_ ? "; " + engine_counts(*engine_) : std::string()));
}

void MonitorProcess::take_order() {
  // Some at a time: whoever logs in waits for this thread too, and what is left is still there next time.
  constexpr int kAtOnce = 16;
  for (int i = 0; i < kAtOnce; ++i) {
    auto order = start_.orders.receive();
    if (!order) break;
    if (order->order == Order::up && !up_) {
      up_ = true;
      log_line(LogLevel::notice, "serving on " + order->text);
      if (!start_.pid_file.empty()) {
        const auto written = pid_file_.write(start_.pid_file);
        if (!written) log_line(LogLevel::warning, "process number: " + written.error());
      }
      notify_supervisor("READY=1\nMAINPID=" + std::to_string(::getpid()));
      start_.settled(order->text);
    } else if (order->order == Order::answer) {
      if (desk_) desk_->take_answer(*order);
    } else if (order->order == Order::debug) {
      if (desk_) desk_->take_debug(order->text);
    } else if (order->order == Order::failed) {
      failed_ = true;
      log_line(LogLevel::error, order->text);
      start_.settled(fail(order->text));
      stop_ = true;
    }
  }
  if (start_.orders.ended()) stop_ = true;
}

MonitorConfig MonitorProcess::monitor_config() {
  MonitorConfig config;
  config.login = login_rules(start_.config);
  config.user_keys.min_rsa_bits = start_.config.algorithms.min_rsa_bits;
  config.user_algorithms = start_.config.login.key_algorithms;
  // Under the configuration of the day: brokers begin when a session first needs one.
  config.start_broker = [this](uint32_t connection, const LoginSource& source, const Permit& permit, BrokerDone done) {
    start_broker(connection, source, permit, std::move(done));
  };
  if (::geteuid() == 0) {
    config.login_failed = [](const std::string& user, const LoginSource& source) {
      record_failed_login(RecordFiles(), user, source.address);
    };
  }
  return config;
}

void MonitorProcess::start_broker(uint32_t connection, const LoginSource& source, const Permit& permit,
                                  BrokerDone done) {
  auto identity = identity_for(permit, start_.config, source, connection);
  if (!identity) return done(fail(identity.error()));
  LinkPolicy policy = link_policy_for(*identity, permit, start_.config, source);
  // A user of the configuration is an operator: his shell is ours, and knows by the ticket who he is.
  // He gets no other one where it has nobody to talk to.
  if (!permit.system_account && start_.config.management.shell) {
    identity->shell = management_shell(start_.config);
    policy.message_file = policy.last_login = false;
    // Operators share an account: files and sockets would reach those of higher privilege.
    if (permit.privilege < kFullPrivilege) {
      policy.files = policy.agent = false;
      policy.connect_unix = policy.listen_unix = false;
      policy.subsystems.clear();
    }
    if (desk_ && !desk_->socket_path().empty()) {
      policy.environment.emplace_back("SLUICE_CONTROL", desk_->socket_path());
      policy.environment.emplace_back("SLUICE_TICKET", desk_->make_ticket(connection));
    }
  }
  start_.starter->attach(*identity, policy, std::move(done), source.address);
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

void MonitorProcess::finish_reload(std::shared_ptr<LoginBackend> backend, std::function<void(std::string)> done) {
  std::string told = pass_on(std::move(backend));
  if (!told.empty()) {
    log_line(LogLevel::error, "reload: " + told);
    told = "% " + told + "\n";
  }
  desk_->settle([told, done = std::move(done)](bool settled) {
    constexpr const char* kLate = "the network process has not confirmed the change yet";
    if (!settled) log_line(LogLevel::warning, kLate);
    done(settled ? told : told + "% " + kLate + "\n");
  });
}

// Host keys that were generated or zeroized meanwhile, users, who may log in and how. What did not go well is told.
std::string MonitorProcess::pass_on(std::shared_ptr<LoginBackend> backend) {
  backend_ = backend;
  std::string told;
  auto keys = load_keys(false);
  if (keys) {
    monitor_->set_rules(monitor_config(), std::move(*keys), std::move(backend));
  } else {
    told = keys.error() + "; host keys and users stay as they were";
  }
  auto file = text_file(network_text(start_.config, start_.machine));
  if (!file) return file.error();
  std::vector<int> descriptors{file->get()};
  std::string parts;
  if (log_file_descriptor() >= 0) {
    descriptors.push_back(log_file_descriptor());
    parts.append(kWithLogFile);
  }
  if (listen_anew_) {
    parts.append(kListenAnew);
    const auto places = start_.places.descriptors();
    descriptors.insert(descriptors.end(), places.begin(), places.end());
  }
  if (!start_.orders.send(Order::reload, parts, descriptors)) return "the network process was not reached";
  listen_anew_ = false;
  return told;
}

// The supervisor waits for it, whether anything was reloaded or not.
struct ReadyAgain {
  ~ReadyAgain() { notify_supervisor("READY=1"); }
};

// What needs new processes or threads keeps its value until a restart, and that is said.
void MonitorProcess::reload() {
  notify_supervisor("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_clock().now_ns() / 1000));
  const auto ready = std::make_shared<ReadyAgain>();
  const auto text = read_config_text(start_.options, start_.machine.root);
  if (!text) return log_line(LogLevel::error, "reload: " + text.error());
  const ParsedConfig parsed = parse_config_text(*text, start_.machine);
  for (const ConfigMessage& message : parsed.errors) log_line(LogLevel::error, message.for_log());
  if (!parsed.ok())
    return log_line(LogLevel::error,
                    "reload: the configuration stays as it was (sluiced -t shows the lines that are wrong)");
  desk_->take_file(parsed.config, [ready](const ResultOrText<std::string>& taken) {
    if (!taken) log_line(LogLevel::error, "reload: " + taken.error());
  });
}

// Nothing is changed where it fails.
void MonitorProcess::take_up(const ServerConfig& config, std::function<void(ResultOrText<std::string>)> done) {
  const auto listen_anew = start_.places.open(config);
  if (!listen_anew) return done(fail(listen_anew.error()));
  // Hashing what stands in the configuration takes as long as there are users; logins go on meanwhile. Its end is told
  // on this thread, so nothing of it is too early.
  const uint64_t number = reloads_ + 1;
  const bool taken = slow_->submit({.logged_in = true}, [this, done, number, config, completions = completions_] {
    completions->post([this, done, number, backend = make_backend(config)] {
      if (number != reloads_) return done(std::string());
      finish_reload(backend, done);
    });
  });
  if (!taken) {
    (void)start_.places.open(start_.config);
    return done(fail(std::string("too much is being done; try again")));
  }
  reloads_ = number;
  listen_anew_ = listen_anew_ || *listen_anew;
  start_.config = config;
  open_log(config, start_.options.foreground);
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

// An engine that cannot be had is said so, and software does its work. Host keys have no other place to come from, but
// those in files still serve.
void MonitorProcess::open_engines() {
  engine_spec_ = start_.config.engines.arithmetic;
  engine_ = use_key_engine(engine_spec_);
  if (start_.config.engines.token.empty()) return;
  auto token = KeyEngine::open(start_.config.engines.token);
  if (token) {
    token_ = std::move(*token);
  } else {
    log_line(LogLevel::error, "host keys of a token: " + token.error());
  }
}

DeskParts MonitorProcess::desk_parts() {
  return {.config = start_.config,
          .machine = start_.machine,
          .orders = start_.orders,
          .slow = *slow_,
          .completions = completions_,
          .state_directory = start_.state_directory,
          .config_file = config_file(start_.options, start_.machine.root),
          .options = start_.options,
          .take_up = [this](const ServerConfig& config, auto done) { take_up(config, std::move(done)); },
          .reload_keys =
              [this](const std::function<void()>& done) {
                finish_reload(backend_, [done](const std::string&) { done(); });
              },
          .broker_census = [starter = start_.starter->process()] { return brokers_below(starter); },
          .engines = [this] { return engine_facts(engine_spec_, engine_.get(), "monitor"); },
          .permit_of = [this](uint32_t connection) { return monitor_->permit_of(connection); }};
}

int MonitorProcess::run() {
  // Host keys and passwords are here: no core files, and no tracing by whoever has the same account.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int number : {SIGHUP, SIGTERM, SIGINT, SIGUSR1}) ::sigaddset(&wanted, number);
  signals_ = UniqueFd(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
  open_engines();
  auto keys = load_keys(true);
  if (!keys) {
    start_.settled(fail(keys.error()));
    end_network();
    return 1;
  }
  completions_ = std::make_shared<Completions>();
  bool in_order = false;
  {
    // Judging a key may wait for a name service or a home folder of the network.
    WorkPoolLimits limits = pool_limits(kQuickThreads + 1, engine_.get());
    limits.kept_for_sessions = 1;
    WorkPool quick(limits);
    WorkPool slow({.threads = kSlowThreads});
    backend_ = make_backend(start_.config);
    Monitor monitor(monitor_config(), std::move(*keys), backend_, quick, slow, completions_);
    monitor_ = &monitor;
    slow_ = &slow;
    desk_ = std::make_unique<ManagementDesk>(desk_parts());
    desk_->open();
    MonitorLink link(start_.monitor_end);
    in_order = run_monitor(monitor, *completions_, link, stop_,
                           {{signals_.get(), [this] { take_signal(); }},
                            {start_.orders.descriptor(), [this] { take_order(); }},
                            {start_.starter->descriptor(), [this] { hear_starter(); }},
                            {desk_->descriptor(), [this] { desk_->on_ready(); }},
                            {desk_->timer_descriptor(), [this] { desk_->on_timer(); }}});
    desk_.reset();
  }
  // What it said last.
  take_order();
  if (!up_ && !failed_) start_.settled(fail(std::string("the network process ended at its start")));
  const bool ended_well = end_network();
  if (engine_) log_line(LogLevel::notice, "monitor: " + engine_counts(*engine_));
  log_line(LogLevel::notice, "ended");
  return in_order && ended_well && up_ && !failed_ ? 0 : 1;
}

}  // namespace

int run_monitor_process(MonitorStart start) { return MonitorProcess(std::move(start)).run(); }

}  // namespace sluice
