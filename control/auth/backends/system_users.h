// SystemUsers: accounts of passwd, group and shadow with their authorized_keys, judged as sshd judges them.
//
// As root: everybody whom the policy lets in. As an ordinary user: that user, by key.
#pragma once

#include <functional>

#include "control/auth/backends/login_policy.h"
#include "control/keys/user_certificate.h"

namespace sluice {

struct PamSettings {
  bool on = false;
  std::string service = "sshd";
  // Where the service's file is, instead of /etc/pam.d.
  std::string folder;
};

struct SystemUsersConfig {
  LoginPolicy policy;
  PamSettings pam;
  KeyLimits key_limits;
};

class SystemUsers : public LoginBackend {
 public:
  explicit SystemUsers(SystemUsersConfig config);

  bool knows(std::string_view user) const override;
  LoginAnswer judge_key(std::string_view user, const PublicKey& key, const LoginSource& source) override;
  LoginAnswer judge_certificate(std::string_view user, const Certificate& certificate,
                                const LoginSource& source) override;
  LoginAnswer check_password(std::string_view user, const Secret& password, const LoginSource& source) override;
  LoginAnswer change_password(std::string_view user, const Secret& old_password, const Secret& new_password,
                              const LoginSource& source) override;
  std::shared_ptr<Conversation> converse(std::string_view user, const LoginSource& source) override;

  // PAM was compiled in, is wanted and can work: root alone can ask it about others.
  bool uses_pam() const;

 private:
  struct Account {
    AccountFacts facts;
    gid_t gid = 0;
    std::vector<gid_t> group_ids;
    std::string home;
    std::string hashed;  // empty where shadow cannot be read
    bool password_expired = false;
  };

  std::optional<Account> find(std::string_view name) const;
  void read_shadow(Account& account) const;
  // What a file says of the key or certificate in question; why not, where it says anything at all.
  using Search = std::function<CertifiedAdmission(const AuthorizedKeys&)>;
  LoginAnswer search_files(const Account& account, const Search& search) const;
  LoginAnswer judge_by(std::string_view user, const LoginSource& source, const Search& search) const;
  ResultOrText<AuthorizedKeys> read_keys(const std::string& path, const Account& account) const;
  // Why the account may not use the method from there.
  std::optional<std::string> refusal(const Account& account, AuthMethod method, const LoginSource& source) const;
  LoginAnswer check_by_pam(const std::optional<Account>& account, std::string_view user, const Secret& password,
                           const Secret* new_password, const LoginSource& source) const;
  static std::string expand(const std::string& pattern, const Account& account);
  static Permit permit_for(const Account& account);
  // Of whoever proved to be him.
  static LoginAnswer let_in(const Account& account);

  SystemUsersConfig config_;
  bool root_;
  std::string fake_;
};

}  // namespace sluice
