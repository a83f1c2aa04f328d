// Frames judged, work handed to the pools, answers written.
#include "control/monitor/monitor.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "base/wire.h"
#include "control/kex/kex_method.h"
#include "control/keys/fingerprint.h"
#include "control/keys/host_key_proof.h"

namespace sluice {
namespace {

// Who verified what is worth a line; a stranger's name in it must stay one word.
std::string quoted(std::string_view name) {
  std::string text = log_text(name.substr(0, 64));
  return text.insert(0, 1, '\'').append("'");
}

// An empty list: what is on by default.
bool user_algorithm_allowed(const std::vector<std::string>& list, std::string_view name) {
  const SignatureAlgorithm* row = find_signature_algorithm(name);
  if (!row) return false;
  return list.empty() ? row->on_by_default : std::find(list.begin(), list.end(), name) != list.end();
}

LoginAnswer verify_proof(const AuthQuestion& question, const PublicKey& key, Bytes session_id, LoginAnswer judged) {
  if (judged.outcome != LoginOutcome::accepted) return judged;
  const auto data = publickey_signed_data(session_id, question.user, question.algorithm, question.key);
  const auto verified = key.verify(question.signature, question.algorithm, data, judged.touch);
  if (!verified) return refused(std::string(describe(verified.error())));
  return judged;
}

}  // namespace

struct Monitor::Connection {
  explicit Connection(std::shared_ptr<const Rules> by) : rules(std::move(by)), login(rules->config.login) {}

  std::shared_ptr<const Rules> rules;
  uint32_t id = 0;
  LoginSource source;
  Instant opened{0};
  uint32_t last_request = 0;
  std::vector<uint8_t> session_id;
  unsigned signs = 0;
  unsigned open_requests = 0;
  bool asking = false;
  uint32_t question_request = 0;  // the open question's number
  bool condemned = false;
  LoginState login;
  std::shared_ptr<Conversation> conversation;
  size_t prompts_out = 0;
  bool broker_asked = false;
  unsigned broker_links = 0;
};

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

void Monitor::condemn(Connection& connection, std::string_view why) {
  if (!connection.condemned) {
    ++condemned_;
    log_line(LogLevel::error, "monitor: connection " + std::to_string(connection.id) + " from " +
                                  log_text(connection.source.address) + " condemned: " + std::string(why));
  }
  connection.condemned = true;
  connection.conversation.reset();
  output_.append({MonitorType::condemned, connection.id, 0}, write_reason(why));
}

bool Monitor::take_packet(Bytes packet, Instant now) {
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
    output_.append({MonitorType::host_keys, 0, header.request}, write_host_keys(rules_->keys.offered()));
    return true;
  }
  if (header.type == MonitorType::open) return open(frame, now);
  Connection* connection = find(header.connection);
  // One that was refused for want of room is closed like any other.
  if (!connection && header.type == MonitorType::close && header.connection <= last_opened_) return true;
  if (!connection) {
    // Closed or never opened: an honest network process mentions neither.
    ++condemned_;
    log_line(LogLevel::error,
             "monitor: a request for connection " + std::to_string(header.connection) + ", which does not exist");
    output_.append({MonitorType::condemned, header.connection, 0}, write_reason("no such connection"));
    return true;
  }
  if (header.type == MonitorType::close) {
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

void Monitor::run(Connection& connection, JobRunner& runner, Job job) {
  count_job(connection,
            runner.submit({connection.source.address, 0, connection.login.authenticated()}, std::move(job)));
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
  count_job(connection, runner.submit({connection.source.address, 0, connection.login.authenticated(), true},
                                      std::move(job), std::move(lost)));
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

void Monitor::question(Connection& connection, const MonitorFrame& frame, Instant now) {
  auto parsed = read_question(frame.body);
  if (!parsed) return condemn(connection, "malformed question");
  if (connection.session_id.empty()) return condemn(connection, "a login before the key exchange");
  if (connection.asking) return condemn(connection, "two questions at once");
  if (connection.login.authenticated()) return condemn(connection, "a login after the login");
  if (connection.login.exhausted()) return condemn(connection, "a login after the last try");
  if (now - connection.opened > connection.rules->config.login_timeout)
    return condemn(connection, "a login after the login timeout");
  auto asked = std::make_shared<AuthQuestion>(std::move(*parsed));
  if (asked->kind == QuestionKind::answers) {
    if (!connection.conversation || connection.prompts_out == 0)
      return condemn(connection, "answers without a dialogue");
    asked->user = connection.login.user();
  } else {
    connection.conversation.reset();
    connection.prompts_out = 0;
  }
  if (auto verdict = connection.login.admit(*asked)) {
    connection.conversation.reset();
    return send_verdict(connection, frame.header.request, std::move(*verdict));
  }
  connection.asking = true;
  connection.question_request = frame.header.request;
  judge(connection, std::move(asked), frame.header.request);
}

void Monitor::judge(Connection& connection, std::shared_ptr<AuthQuestion> question, uint32_t request) {
  const Reply reply{connection.id, request};
  LoginSink done = [self = self_, completions = completions_, question, reply](LoginAnswer answer) {
    auto kept = std::make_shared<LoginAnswer>(std::move(answer));
    completions->post([self, question, reply, kept] {
      if (Monitor* monitor = *self) monitor->settle(reply, *question, std::move(*kept));
    });
  };
  if (method_of(*question) == AuthMethod::publickey) return judge_key(connection, std::move(question), std::move(done));
  judge_secret(connection, std::move(question), std::move(done));
}

void Monitor::judge_key(Connection& connection, std::shared_ptr<AuthQuestion> question, LoginSink done) {
  const bool allowed = user_algorithm_allowed(connection.rules->config.user_algorithms, question->algorithm);
  run(connection, quick_,
      [allowed, question, done = std::move(done), session_id = connection.session_id, source = connection.source,
       rules = connection.rules] {
        if (!allowed) return done(refused("signature algorithm off"));
        const auto key = PublicKey::parse(question->key, rules->config.user_keys);
        if (!key) return done(refused(std::string(describe(key.error()))));
        // The name decides what is verified: one that is not of this key is refused before anything is read.
        if (find_signature_algorithm(question->algorithm)->key_type != key->type())
          return done(refused("the algorithm is not of this key"));
        LoginAnswer answer = rules->backend->judge_key(question->user, *key, source);
        if (answer.permit) answer.permit->key = sha256_fingerprint(*key);
        if (question->kind == QuestionKind::key_proof)
          answer = verify_proof(*question, *key, session_id, std::move(answer));
        done(std::move(answer));
      });
}

void Monitor::judge_secret(Connection& connection, std::shared_ptr<AuthQuestion> question, LoginSink done) {
  switch (question->kind) {
    case QuestionKind::password:
      return run(connection, slow_,
                 [question, done = std::move(done), source = connection.source, rules = connection.rules] {
                   done(rules->backend->check_password(question->user, question->password, source));
                 });
    case QuestionKind::password_change:
      return run(
          connection, slow_, [question, done = std::move(done), source = connection.source, rules = connection.rules] {
            done(rules->backend->change_password(question->user, question->password, question->new_password, source));
          });
    case QuestionKind::interactive: {
      // The connection learns of its dialogue only with the answer, on this thread.
      auto place = std::make_shared<std::shared_ptr<Conversation>>();
      const Reply reply{connection.id, connection.question_request};
      LoginSink keep = [self = self_, completions = completions_, place, reply, done = std::move(done)](LoginAnswer a) {
        completions->post([self, place, reply] {
          Connection* still = *self ? (*self)->find(reply.connection) : nullptr;
          if (still && still->asking && still->question_request == reply.request) still->conversation = *place;
        });
        done(std::move(a));
      };
      return run(connection, slow_,
                 [question, place, keep = std::move(keep), source = connection.source, rules = connection.rules] {
                   *place = rules->backend->converse(question->user, source);
                   const auto conversation = *place;
                   if (!conversation) return keep(refused("no dialogue"));
                   conversation->begin(keep);
                 });
    }
    default: {
      if (question->answers.size() != connection.prompts_out) {
        // RFC 4256 section 3.4: a failure, and the dialogue is over.
        ++connection.open_requests;
        ++open_jobs_;
        return done(refused("wrong number of answers"));
      }
      return run(connection, slow_,
                 [question, done = std::move(done), conversation = connection.conversation, rules = connection.rules] {
                   conversation->answer(std::move(question->answers), done);
                 });
    }
  }
}

void Monitor::settle(Reply reply, const AuthQuestion& question, LoginAnswer answer) {
  --open_jobs_;
  Connection* connection = find(reply.connection);
  if (!connection) return;
  --connection->open_requests;
  if (connection->condemned || !connection->asking) return;
  connection->asking = false;
  const std::string reason = answer.reason;
  connection->prompts_out = answer.outcome == LoginOutcome::prompts ? answer.prompts.prompts.size() : 0;
  const bool in_dialogue = answer.outcome == LoginOutcome::prompts;
  AuthVerdict verdict = connection->login.settle(question, std::move(answer));
  if (!in_dialogue) connection->conversation.reset();
  const std::string about = std::string(name_of(method_of(question))) + " for " + quoted(connection->login.user()) +
                            " from " + log_text(connection->source.address);
  if (verdict.kind == VerdictKind::accepted)
    log_line(LogLevel::info, "Authentication successful: " + about);
  else if (verdict.kind == VerdictKind::refused || verdict.kind == VerdictKind::exhausted)
    log_line(LogLevel::info, "Authentication failed: " + about + (reason.empty() ? "" : ": " + log_text(reason)));
  send_verdict(*connection, reply.request, std::move(verdict));
}

void Monitor::send_verdict(Connection& connection, uint32_t request, AuthVerdict verdict) {
  if (verdict.kind == VerdictKind::exhausted) log_line(LogLevel::error, "Max authentication tries reached-exiting");
  output_.append({MonitorType::verdict, connection.id, request}, write_verdict(verdict));
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
