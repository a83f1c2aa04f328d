// Frames judged, work handed to the pools, answers written.
#include "control/monitor/monitor_connection.h"

#include "base/check.h"
#include "base/log.h"
#include "base/wire.h"
#include "control/kex/kex_method.h"
#include "control/keys/fingerprint.h"
#include "control/keys/host_key_proof.h"

namespace sluice {
Monitor::Monitor(MonitorConfig config, HostKeys keys, std::shared_ptr<LoginBackend> backend, JobRunner& quick,
                 JobRunner& slow, std::shared_ptr<Completions> completions)
    : quick_(quick), slow_(slow), completions_(std::move(completions)), self_(std::make_shared<Monitor*>(this)) {
  set_rules(std::move(config), std::move(keys), std::move(backend));
}

Monitor::~Monitor() { *self_ = nullptr; }

void Monitor::set_rules(MonitorConfig config, HostKeys keys, std::shared_ptr<LoginBackend> backend) {
  rules_ = std::make_shared<const Rules>(Rules{std::move(config), std::move(keys), std::move(backend)});
}

Monitor::Connection* Monitor::find(uint32_t id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

const Permit* Monitor::permit_of(uint32_t connection) const {
  const auto found = connections_.find(connection);
  if (found == connections_.end() || found->second->condemned || !found->second->login.authenticated()) return nullptr;
  return &found->second->login.permit();
}

void Monitor::complain(const std::string& text) {
  constexpr Instant kApart{1000};
  if (now_ - complaints_since_ >= kApart || complaints_since_ == Instant(0)) {
    const unsigned untold = complaints_ > kMaxComplaints ? complaints_ - kMaxComplaints : 0;
    if (untold > 0) log_line(LogLevel::error, "monitor: " + std::to_string(untold) + " complaints more");
    complaints_since_ = now_;
    complaints_ = 0;
  }
  if (++complaints_ <= kMaxComplaints) log_line(LogLevel::error, text);
}

void Monitor::condemn(Connection& connection, std::string_view why) {
  if (!connection.condemned) {
    ++condemned_;
    complain("monitor: connection " + std::to_string(connection.id) + " from " + log_text(connection.source.address) +
             " condemned: " + std::string(why));
  }
  connection.condemned = true;
  connection.conversation.reset();
  output_.append({MonitorType::condemned, connection.id, 0}, write_reason(why));
}

bool Monitor::take_packet(Bytes packet, Instant now) {
  now_ = now;
  if (packet.empty() || packet.size() > kMaxMonitorPacket) return false;
  FrameReader frames(packet);
  while (!frames.at_end()) {
    const auto frame = frames.next();
    if (!frame || !take_frame(*frame, now)) return false;
  }
  return true;
}

bool Monitor::take_frame(const MonitorFrame& frame, Instant now) {
  const MonitorHeader& header = frame.header;
  if (header.type == MonitorType::list_host_keys) {
    if (header.connection != 0 || !frame.body.empty()) return false;
    output_.append({MonitorType::host_keys, 0, header.request},
                   write_host_keys({rules_->keys.offered(), LoginState(rules_->config.login).can_continue()}));
    return true;
  }
  if (header.type == MonitorType::open) return open(frame, now);
  Connection* connection = find(header.connection);
  // One that was refused for want of room is closed like any other.
  if (!connection && header.type == MonitorType::close && header.connection <= last_opened_) return true;
  if (!connection) {
    // Closed or never opened: an honest network process mentions neither.
    ++condemned_;
    complain("monitor: a request for connection " + std::to_string(header.connection) + ", which does not exist");
    output_.append({MonitorType::condemned, header.connection, 0}, write_reason("no such connection"));
    return true;
  }
  if (header.type == MonitorType::close) {
    open_jobs_ -= quick_.forget(header.connection);
    connections_.erase(header.connection);
    return true;
  }
  if (connection->condemned) {
    output_.append({MonitorType::condemned, header.connection, header.request}, write_reason("condemned"));
    return true;
  }
  serve(*connection, frame, now);
  return true;
}

bool Monitor::open(const MonitorFrame& frame, Instant now) {
  auto source = read_open(frame.body);
  // Numbers only grow: an id that comes again could be taken for its predecessor, answers included.
  if (!source || frame.header.connection <= last_opened_) {
    log_line(LogLevel::error, "monitor: a connection was opened out of order");
    return false;
  }
  last_opened_ = frame.header.connection;
  if (connections_.size() >= rules_->config.max_connections) {
    output_.append({MonitorType::condemned, last_opened_, 0}, write_reason("too many connections"));
    return true;
  }
  auto connection = std::make_unique<Connection>(rules_);
  connection->id = last_opened_;
  connection->source = std::move(*source);
  connection->opened = now;
  connections_.emplace(last_opened_, std::move(connection));
  return true;
}

void Monitor::serve(Connection& connection, const MonitorFrame& frame, Instant now) {
  if (frame.header.request <= connection.last_request) return condemn(connection, "a request number came again");
  connection.last_request = frame.header.request;
  if (connection.open_requests >= kMaxOpenRequests) return condemn(connection, "too many requests at once");
  switch (frame.header.type) {
    case MonitorType::sign: return sign(connection, frame);
    case MonitorType::prove: return prove(connection, frame);
    case MonitorType::question: return question(connection, frame, now);
    case MonitorType::start_broker: return broker(connection, frame);
    default: return condemn(connection, "a message that only the monitor sends");
  }
}

// Whoever is logged in always finds room: his requests are few. A stranger's may run beside one another.
WorkOrigin Monitor::origin_of(const Connection& connection) {
  static_assert(kMaxOpenRequests <= kWaitingOfSession);
  const bool logged_in = connection.login.authenticated();
  return {connection.source.address, logged_in ? connection.id : 0, logged_in};
}

void Monitor::run(Connection& connection, JobRunner& runner, Job job) {
  count_job(connection, runner.submit(origin_of(connection), std::move(job)));
}

void Monitor::run_pausable(Connection& connection, JobRunner& runner, Job job) {
  Job lost = [self = self_, completions = completions_, id = connection.id] {
    completions->post([self, id] {
      Monitor* monitor = *self;
      if (!monitor) return;
      --monitor->open_jobs_;
      Connection* still = monitor->find(id);
      if (!still) return;
      --still->open_requests;
      monitor->condemn(*still, "an engine did not answer");
    });
  };
  WorkOrigin origin = origin_of(connection);
  origin.may_pause = true;
  count_job(connection, runner.submit_pausable(origin, std::move(job), std::move(lost)));
}

// Its end comes by way of the completions, on this thread and so not before this.
void Monitor::count_job(Connection& connection, bool taken) {
  if (!taken) return condemn(connection, "the monitor is overloaded");
  ++connection.open_requests;
  ++open_jobs_;
}

void Monitor::sign(Connection& connection, const MonitorFrame& frame) {
  auto wanted = read_sign(frame.body);
  if (!wanted) return condemn(connection, "malformed sign request");
  const KexMethod* method = find_kex_method(wanted->kex);
  if (!method) return condemn(connection, "unknown key exchange method");
  if (wanted->hash.size() != hash_size(method->hash))
    return condemn(connection, "what is to be signed has not the length of an exchange hash");
  auto key = connection.rules->keys.find(wanted->host_key, wanted->algorithm);
  if (!key) return condemn(connection, "no such host key or algorithm");
  if (++connection.signs > kMaxSignsBeforeLogin && !connection.login.authenticated())
    return condemn(connection, "too many key exchanges before a login");
  if (connection.session_id.empty()) connection.session_id = wanted->hash;

  const Reply reply{connection.id, frame.header.request};
  // Whoever else signs may take his time.
  if (!signs_slowly(key->type()) && !key->is_held_elsewhere() && !KeyEngine::in_use()) {
    const auto signature = key->sign(wanted->algorithm, wanted->hash);
    if (!signature) return condemn(connection, "the crypto library refused to sign");
    output_.append({MonitorType::signature, reply.connection, reply.request}, write_blobs({*signature}));
    return;
  }
  const auto run_it = KeyEngine::in_use() && !key->is_held_elsewhere() ? &Monitor::run_pausable : &Monitor::run;
  (this->*run_it)(
      connection, quick_,
      [self = self_, completions = completions_, key, reply, algorithm = wanted->algorithm, hash = wanted->hash] {
        auto signature = key->sign(algorithm, hash);
        completions->post([self, reply, signature = std::move(signature)] {
          Monitor* monitor = *self;
          if (!monitor) return;
          --monitor->open_jobs_;
          Connection* still = monitor->find(reply.connection);
          if (!still) return;
          --still->open_requests;
          if (still->condemned) return;
          if (!signature) return monitor->condemn(*still, "the crypto library refused to sign");
          monitor->output_.append({MonitorType::signature, reply.connection, reply.request}, write_blobs({*signature}));
        });
      });
}

// OpenSSH PROTOCOL section 2.5: proof of the other host keys, over data that names its purpose and the session.
void Monitor::prove(Connection& connection, const MonitorFrame& frame) {
  const auto wanted = read_prove(frame.body);
  if (!wanted || wanted->empty()) return condemn(connection, "malformed proof request");
  if (!connection.login.authenticated()) return condemn(connection, "host key proofs wanted before a login");
  std::vector<std::shared_ptr<const PrivateKey>> keys;
  for (const ProofKey& proof : *wanted) {
    auto key = connection.rules->keys.find(proof.host_key, proof.algorithm);
    if (!key) return condemn(connection, "no such host key or algorithm");
    keys.push_back(std::move(key));
  }
  const Reply reply{connection.id, frame.header.request};
  run(connection, quick_,
      [self = self_, completions = completions_, keys = std::move(keys), wanted = *wanted, reply,
       session_id = connection.session_id] {
        std::vector<std::vector<uint8_t>> signatures;
        for (size_t i = 0; i < keys.size(); ++i) {
          const auto data = host_key_proof_data(session_id, keys[i]->public_key().blob());
          auto signature = keys[i]->sign(wanted[i].algorithm, data);
          signatures.push_back(signature ? std::move(*signature) : std::vector<uint8_t>());
        }
        completions->post([self, reply, signatures = std::move(signatures)] {
          Monitor* monitor = *self;
          if (!monitor) return;
          --monitor->open_jobs_;
          Connection* still = monitor->find(reply.connection);
          if (!still) return;
          --still->open_requests;
          if (!still->condemned)
            monitor->output_.append({MonitorType::proof, reply.connection, reply.request}, write_blobs(signatures));
        });
      });
}

void Monitor::broker(Connection& connection, const MonitorFrame& frame) {
  if (!frame.body.empty()) return condemn(connection, "malformed broker request");
  if (!connection.login.authenticated()) return condemn(connection, "a broker wanted before a login");
  if (connection.broker_asked) return condemn(connection, "two brokers at once");
  if (++connection.broker_links > kMaxBrokerLinks) return condemn(connection, "too many brokers");
  connection.broker_asked = true;
  ++connection.open_requests;
  const Reply reply{connection.id, frame.header.request};
  BrokerDone done = [self = self_, reply](ResultOrText<UniqueFd> link) {
    Connection* still = *self ? (*self)->find(reply.connection) : nullptr;
    if (!still) return;
    --still->open_requests;
    still->broker_asked = false;
    if (still->condemned) return;
    const auto body = write_broker({link.has_value(), link ? "" : link.error()});
    (*self)->output_.append({MonitorType::broker, reply.connection, reply.request}, body,
                            link ? std::move(*link) : UniqueFd());
  };
  const auto& start = connection.rules->config.start_broker;
  if (!start) return done(fail("brokers are not available"));
  start(connection.id, connection.source, connection.login.permit(), std::move(done));
}

}  // namespace sluice
