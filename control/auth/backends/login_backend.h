// LoginBackend: whoever knows accounts. One interface for local users, the system's users and PAM; runs in the monitor.
//
// Every call may take long and is made on the monitor's pool threads, several at a time. An unknown user costs the same
// work as a known one and gets the same answer.
#pragma once

#include <functional>
#include <memory>

#include "base/secret.h"
#include "control/auth/auth_verdict.h"
#include "control/keys/certificate.h"

namespace sluice {

struct LoginSource {
  std::string address = {};
  std::string host = {};  // empty where the name is not known
  uint16_t port = 0;
  // Where it came to.
  std::string local_address = {};
  uint16_t local_port = 0;
};

// shut_out: as accepted, but nobody like him may come in now. He hears why when he has proved who he is.
enum class LoginOutcome : uint8_t { refused, accepted, shut_out, prompts, change_password };

struct LoginAnswer {
  LoginOutcome outcome = LoginOutcome::refused;
  std::string reason;  // for the log, never for the client; of accepted what else there is to say
  std::string text;    // of change_password and shut_out, for the user
  PromptSet prompts;
  std::optional<Permit> permit;
  TouchPolicy touch;  // what a signature by this key has to show
};

inline LoginAnswer refused(std::string reason) { return {LoginOutcome::refused, std::move(reason), {}, {}, {}, {}}; }
inline LoginAnswer accepted(Permit permit) { return {LoginOutcome::accepted, {}, {}, {}, std::move(permit), {}}; }
inline LoginAnswer shut_out(Permit permit, std::string reason, std::string text) {
  return {LoginOutcome::shut_out, std::move(reason), std::move(text), {}, std::move(permit), {}};
}
inline LoginAnswer change_wanted(std::string text) {
  return {LoginOutcome::change_password, {}, std::move(text), {}, {}, {}};
}
inline LoginAnswer ask(PromptSet prompts) { return {LoginOutcome::prompts, {}, {}, std::move(prompts), {}, {}}; }

// What proof is asked of, and of nobody else.
inline bool identifies(LoginOutcome outcome) {
  return outcome == LoginOutcome::accepted || outcome == LoginOutcome::shut_out;
}

// Called once, on any thread.
using LoginSink = std::function<void(LoginAnswer)>;

// A keyboard-interactive dialogue. Dropped when the client abandons it.
class Conversation {
 public:
  virtual ~Conversation() = default;
  virtual void begin(LoginSink done) = 0;
  // As many answers as there were prompts.
  virtual void answer(std::vector<Secret> answers, LoginSink done) = 0;
};

class LoginBackend {
 public:
  virtual ~LoginBackend() = default;

  virtual bool knows(std::string_view user) const = 0;
  // For any user: judge_key() reads nothing but memory, so that the monitor's own thread may call it.
  virtual bool judges_keys_at_once() const { return false; }
  // accepted: this key may log this user in, once somebody signed with it.
  virtual LoginAnswer judge_key(std::string_view user, const PublicKey& key, const LoginSource& source) = 0;
  // The same of a key with its authority's word on it; that the authority signed it is known.
  virtual LoginAnswer judge_certificate(std::string_view user, const Certificate& certificate,
                                        const LoginSource& source) = 0;
  virtual LoginAnswer check_password(std::string_view user, const Secret& password, const LoginSource& source) = 0;
  virtual LoginAnswer change_password(std::string_view user, const Secret& old_password, const Secret& new_password,
                                      const LoginSource& source) = 0;
  // Unless a back end knows better, a dialogue that asks for the password.
  virtual std::shared_ptr<Conversation> converse(std::string_view user, const LoginSource& source);
};

// The first that knows the user answers; the last one answers for users that nobody knows.
class LoginChain : public LoginBackend {
 public:
  explicit LoginChain(std::vector<std::unique_ptr<LoginBackend>> links);

  bool knows(std::string_view user) const override;
  bool judges_keys_at_once() const override;
  LoginAnswer judge_key(std::string_view user, const PublicKey& key, const LoginSource& source) override;
  LoginAnswer judge_certificate(std::string_view user, const Certificate& certificate,
                                const LoginSource& source) override;
  LoginAnswer check_password(std::string_view user, const Secret& password, const LoginSource& source) override;
  LoginAnswer change_password(std::string_view user, const Secret& old_password, const Secret& new_password,
                              const LoginSource& source) override;
  std::shared_ptr<Conversation> converse(std::string_view user, const LoginSource& source) override;

 private:
  LoginBackend& link_for(std::string_view user);

  std::vector<std::unique_ptr<LoginBackend>> links_;
};

}  // namespace sluice
