// Who somebody is: questions admitted, judged at once or by the pools, settled.
#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "control/keys/fingerprint.h"
#include "control/monitor/monitor_connection.h"

namespace sluice {
namespace {

// Who verified what is worth a line; a stranger's name in it must stay one word.
std::string quoted(std::string_view name) {
  std::string text = log_text(name.substr(0, 64));
  return text.insert(0, 1, '\'').append("'");
}

// Of the signature, whether or not a certificate is around its key.
std::string_view plain_algorithm(std::string_view name) {
  const CertificateAlgorithm* certified = find_certificate_algorithm(name);
  return certified ? certified->plain : name;
}

// An empty list: what is on by default.
bool user_algorithm_allowed(const std::vector<std::string>& list, std::string_view name) {
  const SignatureAlgorithm* row = find_signature_algorithm(name);
  if (!row) return false;
  return list.empty() ? row->on_by_default : std::find(list.begin(), list.end(), name) != list.end();
}

LoginAnswer verify_proof(const AuthQuestion& question, const PublicKey& key, Bytes session_id, LoginAnswer judged) {
  if (!identifies(judged.outcome)) return judged;
  const auto data = publickey_signed_data(session_id, question.user, question.algorithm, question.key);
  const auto verified = key.verify(question.signature, plain_algorithm(question.algorithm), data, judged.touch);
  if (!verified) return refused(std::string(describe(verified.error())));
  return judged;
}

}  // namespace

// All that is asked about one key, on whichever thread.
struct Monitor::KeyJudgement {
  std::shared_ptr<const Rules> rules;
  std::shared_ptr<AuthQuestion> question;
  std::vector<uint8_t> session_id;
  LoginSource source;
  bool allowed;

  LoginAnswer run() const {
    if (!allowed) return refused("signature algorithm off");
    if (find_certificate_algorithm(question->algorithm)) {
      const auto certificate = Certificate::parse(question->key, rules->config.user_keys);
      if (!certificate) return refused("certificate: " + std::string(describe(certificate.error())));
      return finish(certificate->key, [&] {
        LoginAnswer answer = rules->backend->judge_certificate(question->user, *certificate, source);
        if (identifies(answer.outcome)) answer.reason = "certificate " + describe_certificate(*certificate);
        return answer;
      });
    }
    const auto key = PublicKey::parse(question->key, rules->config.user_keys);
    if (!key) return refused(std::string(describe(key.error())));
    return finish(*key, [&] { return rules->backend->judge_key(question->user, *key, source); });
  }

  template <class Ask>
  LoginAnswer finish(const PublicKey& key, const Ask& ask) const {
    // The name decides what is verified: one that is not of this key is refused before anything is read.
    if (find_signature_algorithm(plain_algorithm(question->algorithm))->key_type != key.type())
      return refused("the algorithm is not of this key");
    LoginAnswer answer = ask();
    if (answer.permit) answer.permit->key = sha256_fingerprint(key);
    if (question->kind != QuestionKind::key_proof) return answer;
    return verify_proof(*question, key, session_id, std::move(answer));
  }
};

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
  if (method_of(*question) == AuthMethod::publickey) return judge_key(connection, std::move(question), request);
  const Reply reply{connection.id, request};
  judge_secret(connection, question, [self = self_, completions = completions_, question, reply](LoginAnswer answer) {
    auto kept = std::make_shared<LoginAnswer>(std::move(answer));
    completions->post([self, question, reply, kept] {
      if (Monitor* monitor = *self) monitor->settle(reply, *question, std::move(*kept));
    });
  });
}

void Monitor::judge_key(Connection& connection, std::shared_ptr<AuthQuestion> question, uint32_t request) {
  const Reply reply{connection.id, request};
  const std::string_view plain = plain_algorithm(question->algorithm);
  const SignatureAlgorithm* algorithm = find_signature_algorithm(plain);
  const bool certified = plain != question->algorithm;
  const bool allowed = user_algorithm_allowed(connection.rules->config.user_algorithms, plain);
  KeyJudgement judgement{connection.rules, question, connection.session_id, connection.source, allowed};
  // Two thread switches cost as much as the work. A certificate's authority may have any kind of key.
  if (allowed && !certified && !signs_slowly(algorithm->key_type) && connection.rules->backend->judges_keys_at_once()) {
    ++connection.open_requests;
    ++open_jobs_;
    return settle(reply, *question, judgement.run());
  }
  run(connection, quick_,
      [self = self_, completions = completions_, question, reply, judgement = std::move(judgement)] {
        auto answer = std::make_shared<LoginAnswer>(judgement.run());
        completions->post([self, question, reply, answer] {
          if (Monitor* monitor = *self) monitor->settle(reply, *question, std::move(*answer));
        });
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
    log_line(LogLevel::info, "Authentication successful: " + about + (reason.empty() ? "" : ": " + log_text(reason)));
  else if (verdict.kind == VerdictKind::refused || verdict.kind == VerdictKind::exhausted ||
           verdict.kind == VerdictKind::shut_out)
    log_line(LogLevel::info, "Authentication failed: " + about + (reason.empty() ? "" : ": " + log_text(reason)));
  const bool failed = verdict.kind == VerdictKind::refused || verdict.kind == VerdictKind::exhausted;
  const MonitorConfig& config = connection->rules->config;
  if (failed && method_of(question) != AuthMethod::publickey && config.login_failed)
    config.login_failed(connection->login.user(), connection->source);
  send_verdict(*connection, reply.request, std::move(verdict));
}

void Monitor::send_verdict(Connection& connection, uint32_t request, AuthVerdict verdict) {
  if (verdict.kind == VerdictKind::exhausted) log_line(LogLevel::error, "Max authentication tries reached-exiting");
  output_.append({MonitorType::verdict, connection.id, request}, write_verdict(verdict));
}

}  // namespace sluice
