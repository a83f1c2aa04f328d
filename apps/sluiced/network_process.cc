// Making the pieces, and passing what one says to the other.
#include "apps/sluiced/network_process.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <unordered_map>

#include "apps/sluiced/log_output.h"
#include "apps/sluiced/metrics_server.h"
#include "apps/sluiced/network_answers.h"
#include "apps/sluiced/port_setup.h"
#include "apps/sluiced/sandbox.h"
#include "apps/sluiced/service_table.h"
#include "apps/sluiced/session_book.h"
#include "apps/sluiced/worker_setup.h"
#include "base/debug.h"
#include "base/log.h"
#include "base/shared_by_name.h"
#include "base/wire.h"
#include "control/config/algorithm_choice.h"
#include "control/engine_work.h"
#include "control/listener.h"
#include "control/management/prometheus_text.h"
#include "control/server_connection.h"
#include "dataplane/channel_table.h"
#include "dataplane/worker.h"
#include "drivers/socket_transport.h"
#include "services/connection/broker_session.h"
#include "services/connection/connection_notes.h"
#include "services/transfer/file_io_pool.h"

namespace sluice {
namespace {

// After SIGTERM sessions may end by themselves for so long.
constexpr int64_t kDrainMs = 30000;
// What goodbyes may take.
constexpr int64_t kFarewellMs = 1000;
constexpr int64_t kFarewellLookMs = 50;
// A process whose monitor died and that does not end by itself is ended.
constexpr unsigned kOrphanSeconds = 5;

class Network {
 public:
  Network(NetworkStart start, std::vector<std::unique_ptr<DriverSet>> drivers, std::unique_ptr<DriverSet> porch_drivers,
          std::unique_ptr<KeyEngine> engine, ServedPort port);
  ~Network();
  int run();
  void serve_metrics(UniqueFd listener) {
    metrics_.emplace(loop_, std::move(listener), [this] { return prometheus_text(facts_of(parts())); });
  }

 private:
  void serve();
  void add(Arrival arrival);
  void enter(const std::shared_ptr<Login>& login, const Permit& permit);
  void log_session(const Login& login, const Permit& permit);
  bool ask_sink(const std::shared_ptr<Login>& login, const GlobalRequest& request, GlobalReply reply);
  void take_note(const std::shared_ptr<Login>& login, SinkNote&& note);
  void give_broker(const std::shared_ptr<Login>& login);
  void take_orders();
  void reload(const ReceivedOrder& order);
  void drain();
  void drain_on(int64_t left);
  void listen_no_more();
  void say_farewell();
  void tell_counts() const;
  void end_when_empty(int64_t left, int64_t step);
  NetworkParts parts() {
    return {loop_, book_, workers_, threads_, counts_, listener_, gate_, port_, debug_, engine_spec_, engine_.get()};
  }
  void apply(const ServerConfig& config);
  ListenerConfig listener_config() const;

  ServerConfig config_;
  Machine machine_;
  ProcessLink orders_;
  DebugLines debug_{orders_};
  std::vector<ListeningSocket> sockets_;
  std::vector<std::unique_ptr<DriverSet>> drivers_;
  ServedPort port_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<DriverSet> porch_drivers_;
  Worker porch_;
  std::unique_ptr<KeyEngine> engine_;
  std::string engine_spec_;  // as at the start: engines are loaded once
  WorkPool pool_;
  WindowBudget windows_;
  SharedByName<WindowAccount> window_accounts_;
  TransportConfig transport_;
  ServerConnectionConfig connection_;
  RekeyLimits rekey_;
  std::shared_ptr<const ServiceSettings> services_;
  UserBudgets budgets_;
  ControlLoop loop_;
  SessionBook book_{loop_};
  MonitorGate gate_;
  std::unique_ptr<Listener> listener_;
  std::optional<MetricsServer> metrics_;
  struct OwedReply {
    uint32_t connection;
    GlobalReply reply;
  };
  std::unordered_map<uint32_t, OwedReply> global_replies_;
  uint32_t last_global_ = 0;
  std::vector<std::thread> threads_;
  ServedCounts counts_;
  bool draining_ = false;
  bool leaving_ = false;
  bool lost_ = false;
};

Network::Network(NetworkStart start, std::vector<std::unique_ptr<DriverSet>> drivers,
                 std::unique_ptr<DriverSet> porch_drivers, std::unique_ptr<KeyEngine> engine, ServedPort port)
    : machine_(start.machine),
      orders_(std::move(start.orders)),
      sockets_(std::move(start.sockets)),
      drivers_(std::move(drivers)),
      port_(std::move(port)),
      workers_(make_workers(drivers_, start.config.workers)),
      porch_drivers_(std::move(porch_drivers)),
      porch_(*porch_drivers_),
      engine_(std::move(engine)),
      engine_spec_(start.config.engines.arithmetic),
      pool_(pool_limits(default_work_threads(), engine_.get())),
      windows_(uint64_t{start.config.session.window_budget_megabytes} << 20),
      loop_(ports_of(workers_), pool_),
      gate_(loop_, start.monitor.release(), [this] {
        lost_ = true;
        log_line(LogLevel::error, "the monitor is gone: ending");
        say_farewell();
      }) {
  loop_.set_porch(porch_);
  for (size_t i = 0; i < port_.stacks.size(); ++i) workers_[i]->attach(*port_.stacks[i]);
  apply(start.config);
}

Network::~Network() {
  for (auto& worker : workers_) worker->stop();
  for (auto& thread : threads_) thread.join();
  listener_.reset();
  loop_.drop_connections();
}

void Network::apply(const ServerConfig& config) {
  config_ = config;
  set_log_platform(config.platform);
  transport_ = server_transport_config(config);
  connection_.auth.banner = config.banner_login.value_or("");
  connection_.auth.max_tries = config.limits.max_auth_tries;
  connection_.login_timeout_ms = int64_t{config.limits.login_timeout_s} * 1000;
  connection_.alive_interval_ms = int64_t{config.session.alive_interval_seconds} * 1000;
  connection_.alive_count_max = config.session.alive_count;
  rekey_ = rekey_limits(config.rekey);
  services_ = std::make_shared<const ServiceSettings>(service_settings(config));
}

ListenerConfig Network::listener_config() const {
  ListenerConfig config;
  config.limits = config_.limits;
  for (const std::string& network : config_.listen.proxies) {
    if (const auto range = AddressRange::parse(network)) config.proxies.push_back(*range);
  }
  if (!config_.vrfs.empty()) {
    config.admits = [this](std::string_view device, const Address& from) {
      return admitted(config_, device.empty() ? kDefaultVrf : device, from);
    };
  }
  return config;
}

int Network::run() {
  for (size_t i = 0; i < workers_.size(); ++i) {
    // The name by the thread itself: another's would be written into a file of /proc.
    threads_.emplace_back([worker = workers_[i].get(), name = "worker-" + std::to_string(i)] {
      ::pthread_setname_np(::pthread_self(), name.c_str());
      worker->run();
    });
    pin(threads_.back(), i, config_.workers.cores);
  }
  loop_.watch(orders_.descriptor(), [this] { take_orders(); });
  gate_.when_ready([this] {
    if (!listener_) serve();
  });
  loop_.run();
  return lost_ ? 1 : 0;
}

void Network::serve() {
  listener_ =
      std::make_unique<Listener>(loop_, listener_config(), [this](Arrival arrival) { add(std::move(arrival)); });
  listener_->listen(std::move(sockets_));
  serve_port(port_, loop_, *listener_);
  std::string where = port_places(config_);
  for (const Endpoint& endpoint : listener_->endpoints())
    where.append(where.empty() ? "" : ", ").append(endpoint.text());
  orders_.send(Order::up, where.empty() ? "no address: the SSH server is off" : where);
}

void Network::add(Arrival arrival) {
  if (gate_.host_keys()->empty()) {
    tell_no_host_key(arrival);
    if (!arrival.transport) return turn_away_without_keys(arrival.descriptor);
    // Its stack is its worker's: there it goes.
    return port_.stacks[*arrival.worker]->turn_away(std::move(arrival.transport), std::string(kNoHostKeyLine));
  }
  auto login = std::make_shared<Login>();
  login->source = arrival.from.text();
  login->facts.source = arrival.from.address.text();
  login->facts.port = arrival.from.port;
  login->facts.local = arrival.to.address.text();
  login->facts.local_port = arrival.to.port;
  login->rekey = rekey_;
  const std::string address = arrival.from.address.text();
  ServerConnection::Told told;
  told.logged_in = [this, login](const Permit& permit) { enter(login, permit); };
  told.ended = [this, login](ConnectionEnd end, const std::optional<Closing>& closing) {
    // What its channels would have answered nobody answers now.
    std::erase_if(global_replies_, [&](const auto& owed) { return owed.second.connection == login->monitor_id; });
    counts_.ended(end, closing);
    log_refusal(end, closing, login->source);
    book_.ended(*login, closing ? std::string_view(closing->text) : std::string_view());
    if (debugging(kDebugDetail)) debug_.tell(kDebugDetail, *login, "Session terminated normally");
    log_line(LogLevel::info, "connection from " + login->source + " ended" +
                                 (closing && !closing->text.empty() ? ": " + closing->text : std::string()));
  };
  told.global_request = [this, login](const GlobalRequest& request, GlobalReply reply) {
    return ask_sink(login, request, std::move(reply));
  };
  told.note = [this, login](SinkNote&& note) { take_note(login, std::move(note)); };
  told.keyed = [this] { counts_.keyed(); };
  told.judged = [this](AuthMethod method, VerdictKind verdict) { counts_.judged(method, verdict); };
  told.rekeyed = [this, login](uint64_t ns) {
    counts_.rekeyed(ns);
    log_line(LogLevel::debug, "%SECURITY-SSHD-7-INFO_REKEY : session " + std::to_string(login->session) + " of " +
                                  login->facts.user + ": new keys in " + std::to_string(ns / 1000) + " us");
  };
  told.debug = [this, login](uint32_t kind, std::string_view line) { debug_.tell(kind, *login, line); };
  const LoginSource source{address, "", arrival.from.port, arrival.to.address.text(), arrival.to.port};
  auto connection =
      std::make_unique<ServerConnection>(loop_, gate_, source, connection_, std::move(arrival.place), std::move(told));
  login->monitor_id = connection->monitor_id();
  std::unique_ptr<Transport> transport = std::move(arrival.transport);
  if (!transport) transport = std::make_unique<SocketTransport>(arrival.descriptor);
  // It says something while it is added.
  login->session = loop_.next_session();
  if (debugging(kDebugDetail)) debug_.tell(kDebugDetail, *login, "starting SSH control process");
  loop_.add(std::move(transport), transport_, rekey_, address, std::move(connection), arrival.worker);
  book_.begin(login);
  log_line(LogLevel::debug, "connection from " + login->source);
}

void Network::enter(const std::shared_ptr<Login>& login, const Permit& permit) {
  book_.entered(*login, permit);
  counts_.logged_in(permit.methods);
  if (debugging(kDebugDetail)) debug_.tell(kDebugDetail, *login, "authentication successful for " + permit.user);
  log_line(LogLevel::info, "%SECURITY-SSHD-6-INFO_SUCCESS : accepted " + permit.methods + " for " + permit.user +
                               " from " + login->source + (permit.key.empty() ? std::string() : ": " + permit.key));
  ChannelLimits limits;
  limits.channels = config_.session.channels;
  limits.most_window =
      static_cast<uint32_t>(std::min<uint64_t>(uint64_t{config_.session.window_kilobytes} << 10, uint64_t{1} << 31));
  limits.budget = &windows_;
  if (config_.log.sessions) log_session(*login, permit);
  auto settings = services_;
  const auto own = config_.sftp.user_bandwidths.find(permit.user);
  const bool without_scp = permit.privilege < kMaxPrivilege && scp_wants_privilege(config_);
  if (own != config_.sftp.user_bandwidths.end() || without_scp) {
    auto his = std::make_shared<ServiceSettings>(*services_);
    if (own != config_.sftp.user_bandwidths.end()) his->sftp.user.bytes_per_second = uint64_t{own->second} * 1024;
    if (without_scp) his->scp_enabled = false;
    settings = std::move(his);
  }
  auto budget = budgets_.of(permit.user, settings->sftp.user);
  limits.user = window_accounts_.of(permit.user, [] { return std::make_shared<WindowAccount>(); });
  auto services = std::make_unique<ConnectionServices>(service_makers(), std::move(settings),
                                                       login_facts(permit, login->source), std::move(budget));
  loop_.open_channels(login->session, std::make_unique<ChannelTable>(std::move(services), limits));
}

// In the routers' words.
void Network::log_session(const Login& login, const Permit& permit) {
  const TransportMachine* machine = loop_.machine(login.session);
  if (!machine) return;
  const Negotiated& agreed = machine->negotiated();
  log_line(LogLevel::notice, "%SECURITY-SSHD-6-INFO_GENERAL : SSH v2 connection from " + login.source +
                                 " succeeded (user:" + permit.user +
                                 ", cipher:" + std::string(agreed.client_to_server->name()) + ")");
}

bool Network::ask_sink(const std::shared_ptr<Login>& login, const GlobalRequest& request, GlobalReply reply) {
  if (!service_makers().global_requests.contains(request.name)) return false;
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::global_request);
  note.id = ++last_global_;
  note.bytes = WireWriter().string(request.name).raw(request.data).take();
  if (request.wants_reply) global_replies_[note.id] = {login->monitor_id, std::move(reply)};
  loop_.tell_sink(login->session, std::move(note));
  return true;
}

void Network::take_note(const std::shared_ptr<Login>& login, SinkNote&& note) {
  switch (static_cast<ConnectionNote>(note.kind)) {
    case ConnectionNote::want_broker: return give_broker(login);
    case ConnectionNote::global_success:
    case ConnectionNote::global_failure: {
      const auto found = global_replies_.find(note.id);
      if (found == global_replies_.end()) return;
      const GlobalReply reply = std::move(found->second.reply);
      global_replies_.erase(found);
      return reply(static_cast<ConnectionNote>(note.kind) == ConnectionNote::global_success, note.bytes);
    }
    case ConnectionNote::log: return log_line(static_cast<LogLevel>(note.id), text_of(note.bytes));
    case ConnectionNote::transfer: return log_transfer(text_of(note.bytes));
    case ConnectionNote::channel:
      if (debugging(kDebugDetail)) debug_.tell_channel(*login, note);
      return book_.note_channel(*login, note.id, note.bytes);
    case ConnectionNote::debug: return debug_.tell(note.id, *login, text_of(note.bytes));
    case ConnectionNote::hang_up:
      if (TransportMachine* machine = loop_.machine(login->session); machine && note.id < kErrors.size()) {
        machine->fail_with(static_cast<ErrorCode>(note.id));
      }
      return;
    default: return;
  }
}

void Network::give_broker(const std::shared_ptr<Login>& login) {
  gate_.start_broker(login->monitor_id, [this, login](ResultOrText<UniqueFd> link) {
    SinkNote note;
    if (link) {
      note.kind = static_cast<uint32_t>(ConnectionNote::broker);
      note.descriptor = std::move(*link);
    } else {
      note.kind = static_cast<uint32_t>(ConnectionNote::no_broker);
      note.bytes.assign(link.error().begin(), link.error().end());
      counts_.no_broker();
      log_line(LogLevel::warning, "no broker for the connection from " + login->source + ": " + link.error());
    }
    loop_.tell_sink(login->session, std::move(note));
  });
}

void Network::take_orders() {
  while (auto order = orders_.receive()) {
    switch (order->order) {
      case Order::reload: reload(*order); break;
      case Order::drain: drain(); break;
      case Order::stop: say_farewell(); break;
      case Order::count: tell_counts(); break;
      case Order::ask: answer_question(parts(), orders_, *order); break;
      default: break;
    }
  }
  // Whoever started us is gone: nobody could stop us any more.
  if (!orders_.ended()) return;
  loop_.unwatch(orders_.descriptor());
  say_farewell();
}

void Network::listen_no_more() {
  if (listener_) listener_->listen({});
  for (const auto& stack : port_.stacks) stack->accept_more(false);
}

// Clients hear that it is not their fault; whoever does not listen is not waited for.
void Network::say_farewell() {
  if (std::exchange(leaving_, true)) return;
  listen_no_more();
  tell_counts();
  loop_.close_all(Disconnect::by_application, "The server is ending");
  end_when_empty(kFarewellMs, kFarewellLookMs);
}

void Network::tell_counts() const {
  std::string text = counts_.text();
  if (listener_) text.append("; ").append(text_of(listener_->counters()));
  if (engine_) text.append("; ").append(engine_counts(*engine_));
  log_line(LogLevel::notice, text);
  if (port_.port) tell_port_counts(port_);
}

void Network::end_when_empty(int64_t left, int64_t step) {
  if (loop_.connections() == 0 || left <= 0) return loop_.stop();
  loop_.after(step, [this, left, step] { end_when_empty(left - step, step); });
}

void Network::reload(const ReceivedOrder& order) {
  if (order.descriptors.empty() || draining_) return;
  const auto text = read_text_file(order.descriptors.front().get(), kMaxNetworkText);
  if (!text) return log_line(LogLevel::error, "reload: " + text.error());
  const ParsedConfig parsed = parse_config_text({"configuration", *text, ""}, machine_);
  if (!parsed.ok()) return log_line(LogLevel::error, "reload: " + parsed.errors.front().for_log());
  apply(parsed.config);
  const bool has_log = order.text.starts_with(kWithLogFile) && order.descriptors.size() > 1;
  if (has_log) take_log_file(UniqueFd(::dup(order.descriptors[1].get())));
  set_log_level(log_level_of(parsed.config.log.detail));
  const bool listens_anew = order.text.ends_with(kListenAnew);
  std::vector<int> given;
  for (size_t i = has_log ? 2 : 1; i < order.descriptors.size(); ++i) given.push_back(order.descriptors[i].get());
  std::vector<ListeningSocket> sockets = ListeningSocket::copies(given);
  // The monitor's first answer may still be on its way.
  if (listens_anew && !listener_) sockets_ = std::move(sockets);
  if (listener_) listener_->configure(listener_config());
  if (listener_ && listens_anew) listener_->listen(std::move(sockets));
  gate_.ask_host_keys();
  log_line(LogLevel::notice, "configuration reloaded");
}

// New connections are refused by the kernel from now on; a second SIGTERM does not wait.
void Network::drain() {
  if (std::exchange(draining_, true)) return say_farewell();
  listen_no_more();
  log_line(LogLevel::notice, "draining: " + std::to_string(loop_.connections()) + " connections");
  drain_on(kDrainMs);
}

void Network::drain_on(int64_t left) {
  if (leaving_) return;
  if (loop_.connections() == 0 || left <= 0) return say_farewell();
  loop_.after(kFarewellLookMs, [this, left] { drain_on(left - kFarewellLookMs); });
}

// The monitor's end shows at its sockets too; this is for a process that does not look at them any more.
void end_with_parent() {
  struct sigaction action {};
  action.sa_handler = [](int) { ::alarm(kOrphanSeconds); };
  // None that anybody sends by hand.
  ::sigaction(SIGRTMIN, &action, nullptr);
  // What a change of identity forgets.
  ::prctl(PR_SET_PDEATHSIG, SIGRTMIN);
}

}  // namespace

int run_network(NetworkStart start) {
  // Each connection is a descriptor, each open file another.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  const unsigned count = start.config.workers.count == 0 ? start.machine.cores : start.config.workers.count;
  std::vector<std::unique_ptr<DriverSet>> drivers;
  for (unsigned i = 0; i < std::max(1u, count); ++i) {
    auto set = make_drivers(start.config.offload);
    if (!set) {
      start.orders.send(Order::failed, set.error());
      return 1;
    }
    drivers.push_back(std::move(*set));
  }
  auto port = open_port(start.config, drivers.size());
  if (!port) {
    start.orders.send(Order::failed, port.error());
    return 1;
  }
  // One record at a time, and soon prepared: what a login needs.
  auto porch_drivers = make_driver_set("openssl");
  if (!porch_drivers) {
    start.orders.send(Order::failed, porch_drivers.error());
    return 1;
  }
  // Its module and its device are opened by whoever still may.
  auto engine = use_key_engine(start.config.engines.arithmetic);
  auto metrics = listen_for_metrics(start.config.metrics);
  if (!metrics) log_line(LogLevel::error, metrics.error());
  // Before any thread: the pools start theirs in the Network's members.
  const auto dropped = drop_rights();
  end_with_parent();
  const auto restricted = dropped ? restrict_calls(port->port != nullptr) : dropped;
  if (!restricted) {
    start.orders.send(Order::failed, restricted.error());
    return 1;
  }
  BrokerSession::discard_with([](std::vector<UniqueFd>&& refused) {
    for (UniqueFd& descriptor : refused) FileIoPool::shared().close(std::move(descriptor), "");
  });
  Network network(std::move(start), std::move(drivers), std::move(*porch_drivers), std::move(engine), std::move(*port));
  if (metrics && *metrics) network.serve_metrics(std::move(*metrics));
  return network.run();
}

}  // namespace sluice
