// LoginState: what the monitor knows about one connection's login: who, which steps are done, how many tries are left.
//
// Pure: it is told what is asked and what the back end found, and says what that means. The network process's own count
// and state are not believed.
#pragma once

#include <optional>

#include "control/auth/backends/login_backend.h"
#include "control/auth/login_limits.h"

namespace sluice {

// Offers that were answered with "this key would do" fail nothing and so count for nothing; each reads a file.
inline constexpr unsigned kMaxKeyOffers = 64;
// Rounds of one dialogue.
inline constexpr unsigned kMaxDialogueRounds = 32;

struct LoginRules {
  unsigned max_tries = 20;
  unsigned password_tries = kPasswordTries;
  // Each is a way in: methods to be passed in order. {{publickey, password}} demands both.
  std::vector<std::vector<AuthMethod>> ways{
      {AuthMethod::publickey}, {AuthMethod::keyboard_interactive}, {AuthMethod::password}};
};

class LoginState {
 public:
  explicit LoginState(LoginRules rules) : rules_(std::move(rules)), ways_(rules_.ways) {}

  // An answer at once, or nothing: the back end is to be asked. answers without prompts before them never come here.
  std::optional<AuthVerdict> admit(const AuthQuestion& question);
  // What the back end's answer to an admitted question means.
  AuthVerdict settle(const AuthQuestion& question, LoginAnswer answer);

  bool authenticated() const { return permit_.has_value() && finished_; }
  bool exhausted() const { return exhausted_; }
  // Of whoever is authenticated.
  const Permit& permit() const { return *permit_; }
  unsigned failures() const { return failures_; }
  const std::string& user() const { return user_; }
  MethodSet can_continue() const;

 private:
  void forget_progress();
  AuthVerdict failure();
  AuthVerdict success(const AuthQuestion& question, AuthMethod method, Permit permit);
  AuthVerdict shut_out();

  LoginRules rules_;
  std::vector<std::vector<AuthMethod>> ways_;  // what is left of each
  std::string user_;
  std::optional<Permit> permit_;
  std::optional<std::string> shut_;  // why whoever passes all steps stays outside
  std::vector<std::vector<uint8_t>> used_keys_;
  std::vector<std::string> used_prints_;
  unsigned failures_ = 0;
  unsigned password_failures_ = 0;
  unsigned offers_ = 0;
  unsigned rounds_ = 0;
  bool probed_ = false;
  bool dialogue_open_ = false;
  bool finished_ = false;
  bool exhausted_ = false;
};

}  // namespace sluice
