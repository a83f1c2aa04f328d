// Keys compared, secrets hashed, always outside the lock: hashing one secret must not hold up another user.
#include "control/auth/backends/local_users.h"

#include <ctime>

#include "control/auth/backends/hashed_secret.h"
#include "control/keys/fingerprint.h"
#include "control/keys/user_certificate.h"

namespace sluice {
namespace {

constexpr const char* kExpired = "Your password has expired.\nEnter a new one now.";

}  // namespace

LocalUsers::LocalUsers(Keeper keeper) : keeper_(std::move(keeper)), fake_(fake_hash_like({})) {}

ResultOrText<void> LocalUsers::put(LocalUser user) {
  if (user.name.empty() || user.name.size() > kMaxUserName) return fail("user name: 1 to 255 characters");
  for (const char c : user.name)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return fail("user name: no blanks or control characters");
  if (user.privilege > kMaxPrivilege) return fail("privilege: 0 to 15");
  if (user.keys.size() + user.key_hashes.size() > kMaxKeysPerUser) return fail("too many keys for one user");
  // Unknown users cost what known ones do. Made once for all who cost the same.
  std::string fake;
  if (usable_hash(user.hashed_secret)) {
    const std::string like = method_and_cost(user.hashed_secret);
    const std::lock_guard lock(fakes_mutex_);
    std::string& known = fakes_[like];
    if (known.empty() || like.empty()) known = fake_hash_like(user.hashed_secret);
    fake = known;
  }
  const std::lock_guard lock(mutex_);
  if (users_.size() >= kMaxLocalUsers && !users_.contains(user.name)) return fail("too many local users");
  if (!fake.empty()) fake_ = std::move(fake);
  std::string name = user.name;
  users_.insert_or_assign(std::move(name), std::move(user));
  return {};
}

bool LocalUsers::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  if (found == users_.end()) return false;
  users_.erase(found);
  return true;
}

std::optional<LocalUser> LocalUsers::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  return found == users_.end() ? std::nullopt : std::optional(found->second);
}

bool LocalUsers::knows(std::string_view user) const {
  const std::lock_guard lock(mutex_);
  return users_.contains(user);
}

Permit LocalUsers::permit_for(const LocalUser& user) {
  Permit permit;
  permit.user = user.name;
  permit.privilege = user.privilege;
  return permit;
}

LoginAnswer LocalUsers::judge_key(std::string_view user, const PublicKey& key, const LoginSource& source) {
  const auto found = find(user);
  if (!found) return refused("unknown user");
  LoginAnswer answer = refused("key not listed");
  for (const AuthorizedKey& listed : found->keys) {
    if (!(listed.key == key)) continue;
    const KeyOptions& options = listed.options;
    if (options.cert_authority || (options.expires_at && std::time(nullptr) >= *options.expires_at) ||
        (options.from && !options.from->admits(source.host, source.address))) {
      answer = refused("key listed, but its conditions are not met");
      continue;
    }
    answer = accepted(permit_for(*found));
    answer.permit->apply(options);
    answer.touch = options.touch;
    return answer;
  }
  for (const std::string& hash : found->key_hashes)
    if (key.type() == KeyType::rsa && matches_key_hash(key, hash)) return accepted(permit_for(*found));
  return answer;
}

LoginAnswer LocalUsers::judge_certificate(std::string_view user, const Certificate& certificate,
                                          const LoginSource& source) {
  const auto found = find(user);
  if (!found) return refused("unknown user");
  const auto admission =
      admit_certificate(found->keys, certificate, {user, std::time(nullptr), source.host, source.address});
  if (!admission.options)
    return refused(admission.reason.empty() ? "no key of the user is the certificate's authority" : admission.reason);
  LoginAnswer answer = accepted(permit_for(*found));
  answer.permit->apply(*admission.options);
  answer.touch = admission.options->touch;
  return answer;
}

LoginAnswer LocalUsers::check_password(std::string_view user, const Secret& password, const LoginSource&) {
  const auto found = find(user);
  std::string fake;
  {
    const std::lock_guard lock(mutex_);
    fake = fake_;
  }
  if (!matches_hashed_secret(password, found ? found->hashed_secret : std::string(), fake))
    return refused(found ? "wrong password" : "unknown user");
  return found->must_change ? change_wanted(kExpired) : accepted(permit_for(*found));
}

LoginAnswer LocalUsers::change_password(std::string_view user, const Secret& old_password, const Secret& new_password,
                                        const LoginSource& source) {
  const LoginAnswer first = check_password(user, old_password, source);
  if (first.outcome == LoginOutcome::refused) return first;
  if (new_password.empty()) return change_wanted("An empty password is not allowed.");
  const bool same = new_password.size() == old_password.size() &&
                    equal_in_constant_time(new_password.data(), old_password.data(), old_password.size());
  if (same) return change_wanted("The new password must differ from the old one.");
  const std::string hashed = hash_secret(new_password);
  if (hashed.empty()) return refused("crypt(3) failed");
  const std::string name(user);
  if (!keeper_ || !keeper_(name, hashed)) return refused("the new password could not be kept");
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(user);
  if (found == users_.end()) return refused("unknown user");
  found->second.hashed_secret = hashed;
  found->second.must_change = false;
  return accepted(permit_for(found->second));
}

}  // namespace sluice
