// Which message is met how in which phase, the queue of requests, and answers out of verdicts.
#include "control/auth/auth_server.h"

#include <algorithm>
#include <array>

namespace sluice {
namespace {

using enum AuthReaction;

// Columns: 50 request, 51..53 and 60 (the server's own to send), 61 info response, the numbers without a meaning.
struct PhaseRow {
  AuthPhase phase;
  AuthReaction request;
  AuthReaction servers_own;
  AuthReaction info_response;
  AuthReaction unassigned;
};

constexpr std::array<PhaseRow, static_cast<size_t>(AuthPhase::count_)> kPhases{{
    {AuthPhase::idle, take, refuse, refuse, unimplemented},
    {AuthPhase::asking, take, refuse, refuse, unimplemented},
    {AuthPhase::prompting, take, refuse, take, unimplemented},
    // Requests that were on their way when success left: RFC 4252 section 5.1.
    {AuthPhase::done, ignore, refuse, refuse, unimplemented},
}};

}  // namespace

AuthReaction auth_reaction(AuthPhase phase, uint8_t message) {
  const PhaseRow& row = kPhases[static_cast<size_t>(phase)];
  if (message < auth_message::kFirst || message > auth_message::kLast) return refuse;
  switch (message) {
    case auth_message::kRequest: return row.request;
    case auth_message::kFailure:
    case auth_message::kSuccess:
    case auth_message::kBanner:
    case auth_message::kMethodReply: return row.servers_own;
    case auth_message::kInfoResponse: return row.info_response;
    default: return row.unassigned;
  }
}

Result<AuthActions> AuthServer::take(Bytes payload, Instant now) {
  if (payload.empty()) return fail(ErrorCode::malformed_message);
  AuthActions actions;
  switch (auth_reaction(phase_, payload[0])) {
    case refuse: return fail(ErrorCode::unexpected_message);
    case ignore: return actions;
    case unimplemented: actions.emplace_back(SendUnimplemented{}); return actions;
    case AuthReaction::take: break;
  }
  const bool is_request = payload[0] == auth_message::kRequest;
  if (auto taken = is_request ? take_request(payload, now) : take_answers(payload, now); !taken)
    return fail(taken.error());
  if (!banner_sent_ && !config_.banner.empty()) send(actions, banner_message(config_.banner), now);
  banner_sent_ = true;
  // A request while prompts are out abandons them, RFC 4256 section 3.1; the monitor sees it by the next question.
  if (phase_ != AuthPhase::asking) ask_next(actions);
  return actions;
}

Result<void> AuthServer::take_request(Bytes payload, Instant now) {
  auto question = parse_auth_request(payload);
  if (!question) return fail(question.error());
  if (waiting_.size() >= kMaxQueuedRequests) return fail(ErrorCode::auth_flood);
  waiting_.push_back({std::move(*question), now});
  return {};
}

Result<void> AuthServer::take_answers(Bytes payload, Instant now) {
  auto answers = parse_info_response(payload);
  if (!answers) return fail(answers.error());
  AuthQuestion question;
  question.kind = QuestionKind::answers;
  question.answers = std::move(*answers);
  waiting_.push_front({std::move(question), now});
  return {};
}

// Before the monitor was asked anything it has nothing to forget or to count: two wake-ups less for every stock client.
bool AuthServer::answers_itself(const AuthQuestion& question) const {
  return method_of(question) == AuthMethod::none && !question.unknown_method && !probed_ && question_id_ == 0 &&
         !config_.first_methods.names().empty();
}

void AuthServer::ask_next(AuthActions& actions) {
  phase_ = AuthPhase::idle;
  if (!waiting_.empty() && answers_itself(waiting_.front().question)) {
    probed_ = true;
    send(actions, failure_message(config_.first_methods, false), waiting_.front().arrived);
    waiting_.pop_front();
  }
  if (waiting_.empty()) return;
  Waiting next = std::move(waiting_.front());
  waiting_.pop_front();
  method_ = method_of(next.question);
  unknown_method_ = next.question.unknown_method;
  algorithm_ = next.question.algorithm;
  key_ = next.question.key;
  arrived_ = next.arrived;
  phase_ = AuthPhase::asking;
  actions.emplace_back(AskMonitor{++question_id_, std::move(next.question)});
}

void AuthServer::send(AuthActions& actions, std::vector<uint8_t> message, Instant now) {
  last_sent_ = std::max(last_sent_, now);
  actions.emplace_back(SendMessage{std::move(message), last_sent_});
}

Instant AuthServer::refusal_time(Instant now) const {
  // The list of methods is the same for everybody, so there is nothing to hide behind a probe's answer.
  if (method_ == AuthMethod::none) return now;
  const Instant step = method_ == AuthMethod::publickey ? config_.key_step : config_.secret_step;
  // A request that was sent ahead starts where the answer before it left.
  const Instant start = std::max(arrived_, std::min(last_sent_, now));
  const auto steps = std::max<int64_t>(1, (now - start + step - Instant(1)) / step);
  return start + steps * step;
}

Result<void> AuthServer::answer_refusal(AuthActions& actions, const AuthVerdict& verdict, Instant now) {
  const bool first_probe = method_ == AuthMethod::none && !unknown_method_ && !probed_;
  probed_ = probed_ || method_ == AuthMethod::none;
  if (!first_probe && ++failures_ >= config_.max_tries) return fail(ErrorCode::auth_tries);
  if (verdict.methods.names().empty()) return fail(ErrorCode::auth_no_methods);
  send(actions, failure_message(verdict.methods, false), refusal_time(now));
  return {};
}

Result<AuthActions> AuthServer::take_verdict(uint32_t id, AuthVerdict verdict, Instant now) {
  if (phase_ != AuthPhase::asking || id != question_id_) return fail(ErrorCode::auth_monitor);
  AuthActions actions;
  switch (verdict.kind) {
    case VerdictKind::refused:
      if (auto sent = answer_refusal(actions, verdict, now); !sent) return fail(sent.error());
      break;
    case VerdictKind::partial: send(actions, failure_message(verdict.methods, true), now); break;
    case VerdictKind::key_ok:
      if (method_ != AuthMethod::publickey) return fail(ErrorCode::auth_monitor);
      send(actions, key_ok_message(algorithm_, key_), now);
      break;
    case VerdictKind::change_password:
      if (method_ != AuthMethod::password) return fail(ErrorCode::auth_monitor);
      send(actions, change_request_message(verdict.text), now);
      break;
    case VerdictKind::prompts:
      if (method_ != AuthMethod::keyboard_interactive) return fail(ErrorCode::auth_monitor);
      send(actions, info_request_message(verdict.prompts), now);
      if (waiting_.empty()) {
        phase_ = AuthPhase::prompting;
        return actions;
      }
      break;
    case VerdictKind::accepted:
      if (!verdict.permit) return fail(ErrorCode::auth_monitor);
      send(actions, {auth_message::kSuccess}, now);
      actions.emplace_back(Authenticated{std::move(*verdict.permit)});
      phase_ = AuthPhase::done;
      waiting_.clear();
      return actions;
    case VerdictKind::shut_out:
      if (!verdict.text.empty()) send(actions, banner_message(verdict.text), now);
      actions.emplace_back(SendAway{ErrorCode::auth_shut_out});
      phase_ = AuthPhase::done;
      waiting_.clear();
      return actions;
    case VerdictKind::exhausted: return fail(ErrorCode::auth_tries);
    case VerdictKind::count_: return fail(ErrorCode::auth_monitor);
  }
  ask_next(actions);
  return actions;
}

}  // namespace sluice
