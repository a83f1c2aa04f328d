// Threads on their way up and down, and a link's life between.
#include "apps/sluice/client_run.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>

#include "apps/sluice/reach.h"
#include "base/log.h"
#include "control/keys/fingerprint.h"
#include "drivers/driver_registry.h"
#include "drivers/socket_transport.h"

namespace sluice {
namespace {

// The agent may wait for its user, and the user be asked meanwhile; a third does the rest.
constexpr size_t kPoolThreads = 3;

// Our end of a port's connections, and the host's answer to it: it would ask a while for whoever is gone.
constexpr uint64_t kGoodbyeNs = 300'000'000;

tl::unexpected<ClientFailure> cannot(std::string why) {
  return tl::unexpected<ClientFailure>({FailureKind::overloaded, std::move(why)});
}

}  // namespace

struct ClientRun::Link {
  LinkWishes wishes;
  SessionId id = 0;
  int descriptor = -1;
  ClientConnection* connection = nullptr;
  bool probe_before_asking = true;
  // Under the run's mutex.
  bool logged_in = false;
  bool over = false;
  LinkEnd why;
};

ClientRun::ClientRun(ClientOptions options, size_t workers)
    : options_(std::move(options)), worker_count_(std::max<size_t>(workers, 1)) {}

ClientRun::~ClientRun() { shut_down(); }

void ClientRun::shut_down() {
  if (dialog_) dialog_->cancel();
  if (loop_) loop_->stop();
  for (const auto& worker : workers_) worker->stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (loop_) loop_->drop_connections();
  loop_.reset();
  pool_.reset();
  workers_.clear();
  if (port_) port_->stack().finish(kGoodbyeNs);
  port_.reset();
}

ResultOrText<void> ClientRun::start() {
  if (!threads_.empty()) return {};
  ::signal(SIGPIPE, SIG_IGN);
  for (size_t i = 0; i < worker_count_; ++i) {
    auto set = make_driver_set_from_environment();
    if (!set) return fail(set.error());
    drivers_.push_back(std::move(*set));
    workers_.push_back(std::make_unique<Worker>(*drivers_.back()));
  }
  // Signals are the caller's thread's: every other one is born with them blocked.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  if (!options_.own_port.device.empty()) {
    auto opened = PortDialer::open(options_);
    if (!opened) {
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      return fail(opened.error());
    }
    port_ = std::move(*opened);
    workers_.front()->attach(port_->stack());
  }
  engine_ = use_key_engine(options_.crypto_engine);
  pool_ = std::make_unique<WorkPool>(pool_limits(kPoolThreads, engine_.get()));
  std::vector<ControlPort*> ports;
  for (const auto& worker : workers_) ports.push_back(&worker->port());
  loop_ = std::make_unique<ControlLoop>(ports, *pool_);
  dialog_ =
      std::make_unique<TerminalDialog>(*pool_, TerminalDialog::Manner{.batch = options_.batch,
                                                                      .show = options_.verbosity >= Verbosity::info,
                                                                      .whose = options_.user + "@" + options_.host,
                                                                      .around = around_questions_});
  policy_ = std::make_shared<const HostKeyPolicy>(options_.host_keys);
  transport_ = options_.transport;
  transport_.host_keys = policy_->preferred(transport_.host_keys);
  if (options_.update_host_keys != UpdateHostKeys::no) {
    updater_ = std::make_unique<KnownHostsUpdater>(
        policy_, *pool_, *dialog_,
        options_.update_host_keys == UpdateHostKeys::ask ? UpdateConsent::ask : UpdateConsent::given);
  }
  posted_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  loop_->watch(posted_.get(), [this] { take_posts(); });
  for (const auto& worker : workers_) threads_.emplace_back([worker = worker.get()] { worker->run(); });
  threads_.emplace_back([this] { loop_->run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return {};
}

void ClientRun::post(std::function<void()> what) {
  {
    const std::lock_guard lock(mutex_);
    posts_.push_back(std::move(what));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(posted_.get(), &one, sizeof one);
}

void ClientRun::take_posts() {
  uint64_t count;
  [[maybe_unused]] const ssize_t n = ::read(posted_.get(), &count, sizeof count);
  std::deque<std::function<void()>> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(posts_);
  }
  for (const auto& what : taken) what();
}

tl::expected<ClientRun::Way, ClientFailure> ClientRun::reach(UniqueFd stream) {
  if (stream) return Way{.stream = std::move(stream)};
  if (options_.own_port.device.empty()) {
    auto reached = reach_host(options_);
    if (!reached) return tl::unexpected<ClientFailure>(std::move(reached.error()));
    return Way{.stream = std::move(reached->stream), .address = reached->address};
  }
  // A worker turns the port.
  if (auto started = start(); !started) return cannot(started.error());
  auto reached = port_->dial(options_);
  if (!reached) return tl::unexpected<ClientFailure>(std::move(reached.error()));
  return Way{.transport = std::move(reached->transport), .address = reached->address};
}

tl::expected<SessionId, ClientFailure> ClientRun::connect(LinkWishes wishes) {
  auto link = std::make_shared<Link>();
  link->wishes = std::move(wishes);
  const bool dialed = !link->wishes.stream;
  auto first = try_to_connect(link);
  if (first || !dialed || !first.error().probe_was_counted) return first;
  log_line(LogLevel::debug, "The server counts what was no try: once more, without it.");
  link->probe_before_asking = link->over = false;
  return try_to_connect(link);
}

tl::expected<SessionId, ClientFailure> ClientRun::try_to_connect(const std::shared_ptr<Link>& link) {
  auto way = reach(std::move(link->wishes.stream));
  if (!way) return tl::unexpected<ClientFailure>(std::move(way.error()));
  if (auto started = start(); !started) return cannot(started.error());
  auto waiting = std::make_shared<Way>(std::move(*way));
  post([this, link, waiting] { add(link, std::move(*waiting)); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return link->logged_in || link->over; });
  if (link->logged_in) return link->id;
  return tl::unexpected<ClientFailure>(
      link->why.value_or(ClientFailure{FailureKind::closed, "Connection to " + options_.host + " closed."}));
}

void ClientRun::add(const std::shared_ptr<Link>& link, Way way) {
  if (++connects_ > 1) dialog_->begin_again(!link->wishes.ask);
  ClientConnectionConfig config = options_.connection;
  config.probe_before_asking = link->probe_before_asking;
  link->descriptor = way.stream.get();
  ClientEvents events{[this, link](const LoggedIn& in) { log_in(link, in); },
                      [this, link](const LinkEnd& failure) { end(link, failure); }, [this, link] { note_keys(link); },
                      [link](SinkNote&& note) {
                        if (link->wishes.note) link->wishes.note(std::move(note));
                      }};
  auto connection = std::make_unique<ClientConnection>(*loop_, *pool_, std::move(config), policy_, *dialog_,
                                                       updater_.get(), std::move(events));
  link->connection = connection.get();
  // Of a port's connections its worker is the first.
  const auto worker = way.transport ? std::optional<size_t>(0) : std::nullopt;
  if (!way.transport) way.transport = std::make_unique<SocketTransport>(way.stream.release());
  link->id =
      loop_->add(std::move(way.transport), transport_, options_.rekey, way.address, std::move(connection), worker);
  const std::lock_guard lock(mutex_);
  links_[link->id] = link;
}

void ClientRun::note_keys(const std::shared_ptr<Link>& link) {
  TransportMachine* machine = loop_->machine(link->id);
  if (machine == nullptr) return;
  const Negotiated& agreed = machine->negotiated();
  log_line(LogLevel::debug, "Remote protocol version 2.0, remote software version " + machine->peer().software);
  log_line(LogLevel::debug, "kex: algorithm: " + std::string(agreed.method->name));
  log_line(LogLevel::debug, "kex: host key algorithm: " + agreed.host_key_algorithm);
  log_line(LogLevel::debug, "records: " + describe(link->id));
  const auto key = PublicKey::parse(link->connection->host_key());
  if (!key) return;
  log_line(LogLevel::debug, "Server host key: " + fingerprint(*key, options_.host_keys.fingerprints));
  if (options_.visual_host_key) {
    TerminalDialog::print("Host key fingerprint is " + fingerprint(*key, options_.host_keys.fingerprints) + "\n" +
                          randomart(*key));
  }
}

std::string ClientRun::describe(SessionId link) {
  TransportMachine* machine = loop_->machine(link);
  if (machine == nullptr || machine->negotiated().method == nullptr) return "no keys yet";
  const auto one = [&](const CipherSuite& suite) {
    for (size_t i = 0; i < drivers_.front()->size(); ++i) {
      const CryptoDriver& driver = (*drivers_.front())[i];
      if (driver.supports(suite).yes) return suite.name() + " (" + std::string(driver.name()) + ")";
    }
    return suite.name();
  };
  const std::string out = one(*machine->negotiated().client_to_server);
  const std::string in = one(*machine->negotiated().server_to_client);
  return out == in ? out + ", both ways" : out + " to the server, " + in + " back";
}

std::string ClientRun::peer_software(SessionId link) {
  auto answer = std::make_shared<std::promise<std::string>>();
  auto said = answer->get_future();
  post([this, answer, link] {
    TransportMachine* machine = loop_->machine(link);
    answer->set_value(machine != nullptr ? machine->peer().software : std::string());
  });
  return said.get();
}

void ClientRun::log_in(const std::shared_ptr<Link>& link, const LoggedIn& in) {
  log_line(LogLevel::debug,
           "Authenticated to " + options_.host + " using \"" + std::string(name_of(in.method)) + "\".");
  set_dscp(link->descriptor, link->wishes.interactive ? options_.dscp_interactive : options_.dscp_bulk);
  if (link->wishes.logged_in) link->wishes.logged_in(in);
  loop_->open_channels(link->id, std::make_unique<ChannelTable>(std::move(link->wishes.opener), link->wishes.channels));
  {
    const std::lock_guard lock(mutex_);
    link->logged_in = true;
  }
  changed_.notify_all();
}

void ClientRun::end(const std::shared_ptr<Link>& link, const LinkEnd& failure) {
  link->connection = nullptr;
  link->descriptor = -1;
  if (engine_) log_line(LogLevel::debug, engine_counts(*engine_));
  if (link->logged_in && link->wishes.ended) link->wishes.ended(failure);
  {
    const std::lock_guard lock(mutex_);
    link->over = true;
    link->why = failure;
  }
  changed_.notify_all();
}

void ClientRun::tell(SessionId link, SinkNote&& note) {
  auto kept = std::make_shared<SinkNote>(std::move(note));
  post([this, link, kept] { loop_->tell_sink(link, std::move(*kept)); });
}

ClientConnection* ClientRun::connection(SessionId id) {
  const std::lock_guard lock(mutex_);
  const auto found = links_.find(id);
  return found == links_.end() ? nullptr : found->second->connection;
}

void ClientRun::close(SessionId link) {
  post([this, link] {
    if (ClientConnection* open = connection(link)) open->close();
  });
}

std::string ClientRun::why_ended(SessionId id) {
  constexpr std::chrono::seconds kMoment{2};
  std::unique_lock lock(mutex_);
  const auto found = links_.find(id);
  if (found == links_.end()) return {};
  const auto link = found->second;
  changed_.wait_for(lock, kMoment, [&] { return link->over; });
  std::string text = link->why ? explain(*link->why, options_) : std::string();
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

LinkEnd ClientRun::wait_ended(SessionId id) {
  std::unique_lock lock(mutex_);
  const auto found = links_.find(id);
  if (found == links_.end()) return std::nullopt;
  const auto link = found->second;
  changed_.wait(lock, [&] { return link->over; });
  links_.erase(id);
  return link->why;
}

}  // namespace sluice
