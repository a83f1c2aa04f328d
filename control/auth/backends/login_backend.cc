// The chain of back ends, and the dialogue that asks for a password and, when it has expired, for a new one.
#include "control/auth/backends/login_backend.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {
namespace {

// The words of the routers' dialogue.
constexpr const char* kPasswordPrompt = "Password: ";
constexpr const char* kNewPrompt = "New Password: ";
constexpr const char* kAgainPrompt = "Re-enter New password: ";
constexpr const char* kMismatch = "The New and Re-entered passwords have to be the same.\nTry again.\n";

class PasswordConversation : public Conversation {
 public:
  PasswordConversation(LoginBackend& backend, std::string user, LoginSource source)
      : backend_(backend), user_(std::move(user)), source_(std::move(source)) {}

  void begin(LoginSink done) override { done(ask({"", "", {{kPasswordPrompt, false}}})); }

  void answer(std::vector<Secret> answers, LoginSink done) override {
    if (answers.size() == 1) {
      LoginAnswer first = backend_.check_password(user_, answers[0], source_);
      if (first.outcome != LoginOutcome::change_password) return done(std::move(first));
      old_ = std::move(answers[0]);
      return done(ask_new(first.text + "\n"));
    }
    if (answers.size() != 2) return done(refused("wrong number of answers"));
    const bool same = answers[0].size() == answers[1].size() &&
                      equal_in_constant_time(answers[0].data(), answers[1].data(), answers[0].size());
    if (!same) return done(ask_new(kMismatch));
    LoginAnswer changed = backend_.change_password(user_, old_, answers[0], source_);
    if (changed.outcome == LoginOutcome::change_password) return done(ask_new(changed.text + "\n"));
    done(std::move(changed));
  }

 private:
  static LoginAnswer ask_new(std::string why) {
    return ask({"", std::move(why), {{kNewPrompt, false}, {kAgainPrompt, false}}});
  }

  LoginBackend& backend_;
  std::string user_;
  LoginSource source_;
  Secret old_;
};

}  // namespace

std::shared_ptr<Conversation> LoginBackend::converse(std::string_view user, const LoginSource& source) {
  return std::make_shared<PasswordConversation>(*this, std::string(user), source);
}

LoginChain::LoginChain(std::vector<std::unique_ptr<LoginBackend>> links) : links_(std::move(links)) {
  SLUICE_CHECK(!links_.empty());
}

bool LoginChain::judges_keys_at_once() const {
  return std::all_of(links_.begin(), links_.end(), [](const auto& link) { return link->judges_keys_at_once(); });
}

LoginBackend& LoginChain::link_for(std::string_view user) {
  // Each link is asked, so that the time does not say which of them knew.
  LoginBackend* chosen = nullptr;
  for (const auto& link : links_)
    if (link->knows(user) && !chosen) chosen = link.get();
  return chosen ? *chosen : *links_.back();
}

bool LoginChain::knows(std::string_view user) const {
  bool known = false;
  for (const auto& link : links_) known = link->knows(user) || known;
  return known;
}

LoginAnswer LoginChain::judge_key(std::string_view user, const PublicKey& key, const LoginSource& source) {
  return link_for(user).judge_key(user, key, source);
}

LoginAnswer LoginChain::judge_certificate(std::string_view user, const Certificate& certificate,
                                          const LoginSource& source) {
  return link_for(user).judge_certificate(user, certificate, source);
}

LoginAnswer LoginChain::check_password(std::string_view user, const Secret& password, const LoginSource& source) {
  return link_for(user).check_password(user, password, source);
}

LoginAnswer LoginChain::change_password(std::string_view user, const Secret& old_password, const Secret& new_password,
                                        const LoginSource& source) {
  return link_for(user).change_password(user, old_password, new_password, source);
}

std::shared_ptr<Conversation> LoginChain::converse(std::string_view user, const LoginSource& source) {
  return link_for(user).converse(user, source);
}

}  // namespace sluice
