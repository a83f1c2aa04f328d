// LocalUsers: users of the configuration, as routers have them: name, hashed secret, keys or their hashes, privilege.
#pragma once

#include <map>
#include <mutex>

#include "control/auth/backends/login_backend.h"
#include "control/keys/authorized_keys.h"

namespace sluice {

// Whoever configures may not fill the monitor's memory.
inline constexpr size_t kMaxLocalUsers = 4096;
inline constexpr size_t kMaxKeysPerUser = 256;

struct LocalUser {
  std::string name;
  std::string hashed_secret;  // crypt(3); empty: no password opens it
  bool must_change = false;
  uint8_t privilege = 1;
  std::vector<AuthorizedKey> keys;
  std::vector<std::string> key_hashes;  // `key-hash ssh-rsa HEX`, of RSA keys
};

class LocalUsers : public LoginBackend {
 public:
  // Told the new hash when a user changed his secret; false when it could not be kept, and then nothing changed.
  using Keeper = std::function<bool(const std::string& user, const std::string& hashed)>;

  explicit LocalUsers(Keeper keeper = {});

  // Replaces a user of that name.
  ResultOrText<void> put(LocalUser user);
  bool remove(std::string_view name);

  bool knows(std::string_view user) const override;
  bool judges_keys_at_once() const override { return true; }
  LoginAnswer judge_key(std::string_view user, const PublicKey& key, const LoginSource& source) override;
  LoginAnswer judge_certificate(std::string_view user, const Certificate& certificate,
                                const LoginSource& source) override;
  LoginAnswer check_password(std::string_view user, const Secret& password, const LoginSource& source) override;
  LoginAnswer change_password(std::string_view user, const Secret& old_password, const Secret& new_password,
                              const LoginSource& source) override;

 private:
  std::optional<LocalUser> find(std::string_view name) const;
  static Permit permit_for(const LocalUser& user);

  Keeper keeper_;
  std::string fake_;
  std::mutex fakes_mutex_;
  std::map<std::string, std::string> fakes_;  // by method and cost
  mutable std::mutex mutex_;
  std::map<std::string, LocalUser, std::less<>> users_;
};

}  // namespace sluice
