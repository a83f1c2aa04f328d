// Tries counted, ways in walked, permits of several steps narrowed by each other.
#include "control/monitor/login_state.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice {

MethodSet LoginState::can_continue() const {
  MethodSet set;
  for (const auto& way : ways_)
    if (!way.empty()) set.add(way.front());
  if (password_failures_ >= rules_.password_tries) set.drop(AuthMethod::password);
  return set;
}

void LoginState::forget_progress() {
  ways_ = rules_.ways;
  permit_.reset();
  shut_.reset();
  used_keys_.clear();
  used_prints_.clear();
}

AuthVerdict LoginState::failure() {
  ++failures_;
  AuthVerdict verdict;
  verdict.methods = can_continue();
  exhausted_ = failures_ >= rules_.max_tries || verdict.methods.empty();
  if (exhausted_) verdict.kind = VerdictKind::exhausted;
  return verdict;
}

std::optional<AuthVerdict> LoginState::admit(const AuthQuestion& question) {
  SLUICE_CHECK(!finished_ && !exhausted_);
  if (question.kind == QuestionKind::answers) {
    dialogue_open_ = false;
    if (++rounds_ > kMaxDialogueRounds) return failure();
    return std::nullopt;
  }
  // Prompts left unanswered are a try: each dialogue may have cost a thread.
  if (std::exchange(dialogue_open_, false) && ++failures_ >= rules_.max_tries) return failure();
  // RFC 4252 section 5: another user starts from nothing. His predecessor's failures stay counted.
  if (question.user != user_) {
    forget_progress();
    user_ = question.user;
  }
  const AuthMethod method = method_of(question);
  if (method == AuthMethod::none) {
    if (question.unknown_method || std::exchange(probed_, true)) return failure();
    AuthVerdict verdict;
    verdict.methods = can_continue();
    return verdict;
  }
  if (!can_continue().has(method)) return failure();
  if (method == AuthMethod::keyboard_interactive) rounds_ = 0;
  const bool used = std::find(used_keys_.begin(), used_keys_.end(), question.key) != used_keys_.end();
  if (method == AuthMethod::publickey && used) return failure();
  if (question.kind == QuestionKind::key_query && ++offers_ > kMaxKeyOffers) return failure();
  return std::nullopt;
}

AuthVerdict LoginState::settle(const AuthQuestion& question, LoginAnswer answer) {
  const AuthMethod method = method_of(question);
  AuthVerdict verdict;
  dialogue_open_ = answer.outcome == LoginOutcome::prompts;
  switch (answer.outcome) {
    case LoginOutcome::prompts:
      verdict.kind = VerdictKind::prompts;
      verdict.prompts = std::move(answer.prompts);
      return verdict;
    case LoginOutcome::change_password:
      // Wrong new passwords could be sent for ever.
      if (question.kind == QuestionKind::password_change && ++password_failures_ >= rules_.password_tries)
        return failure();
      verdict.kind = VerdictKind::change_password;
      verdict.text = std::move(answer.text);
      return verdict;
    case LoginOutcome::accepted:
    case LoginOutcome::shut_out:
      if (!answer.permit || answer.permit->user != user_) break;
      if (question.kind != QuestionKind::key_query) {
        if (answer.outcome == LoginOutcome::shut_out) shut_ = std::move(answer.text);
        return success(question, method, std::move(*answer.permit));
      }
      verdict.kind = VerdictKind::key_ok;
      return verdict;
    case LoginOutcome::refused: break;
  }
  if (method == AuthMethod::password) ++password_failures_;
  return failure();
}

AuthVerdict LoginState::success(const AuthQuestion& question, AuthMethod method, Permit permit) {
  permit.methods = name_of(method);
  const std::string print = permit.key;
  // The same key again, with or without a certificate around it, is no second one.
  const bool used = std::find(used_prints_.begin(), used_prints_.end(), print) != used_prints_.end();
  if (method == AuthMethod::publickey && used) return failure();
  if (permit_) {
    // Two steps whose conditions cannot both hold let nobody in.
    Permit narrowed = *permit_;
    if (!narrowed.narrow(permit)) return failure();
    permit = std::move(narrowed);
  }
  if (!permit.fits()) return failure();
  permit_ = std::move(permit);
  if (method == AuthMethod::publickey) {
    used_keys_.push_back(question.key);
    used_prints_.push_back(print);
  }
  AuthVerdict verdict;
  for (auto& way : ways_) {
    if (way.empty() || way.front() != method) continue;
    way.erase(way.begin());
    finished_ = finished_ || way.empty();
  }
  if (finished_ && shut_) return shut_out();
  verdict.kind = finished_ ? VerdictKind::accepted : VerdictKind::partial;
  if (finished_) verdict.permit = permit_;
  verdict.methods = can_continue();
  return verdict;
}

AuthVerdict LoginState::shut_out() {
  AuthVerdict verdict;
  verdict.kind = VerdictKind::shut_out;
  verdict.text = std::move(*shut_);
  forget_progress();
  finished_ = false;
  exhausted_ = true;
  return verdict;
}

}  // namespace sluice
