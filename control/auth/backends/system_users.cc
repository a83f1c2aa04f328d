// Look-ups in the system's files, and what they say about a key or a password.
#include "control/auth/backends/system_users.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <shadow.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "base/log.h"
#include "base/unique_fd.h"
#include "control/auth/backends/acting_as.h"
#include "control/auth/backends/hashed_secret.h"
#include "control/auth/backends/pam_login.h"
#include "control/keys/guarded_file.h"

namespace sluice {
namespace {

constexpr size_t kEntryRoom = 64 * 1024;
// Of a group with all its members.
constexpr size_t kMostEntryRoom = 16 << 20;
constexpr int kMaxGroups = 4096;
constexpr int64_t kDaySeconds = 86400;
constexpr size_t kRefusedLinesLogged = 4;
// While the system starts and stops.
constexpr const char* kNologinOfBoot = "/run/nologin";
constexpr const char* kShut = "logins are off: there is a nologin file";

bool runs(const std::string& shell) {
  struct stat status;
  return ::stat(shell.c_str(), &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0111) != 0;
}

// Nothing: it is not there. One that cannot be read is there all the same.
std::optional<std::string> text_of_nologin(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  // A FIFO there would make every login wait.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::string text(kMaxBanner / 2, '\0');
  const ssize_t n = file ? ::read(file.get(), text.data(), text.size()) : 0;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  if (!text.empty() && text.back() != '\n') text.push_back('\n');
  return text;
}

// Adds the name where there is one. False: whether there is one cannot be known.
bool add_group_name(gid_t gid, std::vector<std::string>& names) {
  for (size_t size = kEntryRoom; size <= kMostEntryRoom; size *= 4) {
    std::vector<char> room(size);
    struct group entry;
    struct group* found = nullptr;
    const int error = ::getgrgid_r(gid, &entry, room.data(), room.size(), &found);
    if (error == ERANGE) continue;
    if (found) names.emplace_back(found->gr_name);
    return found != nullptr || error == 0 || error == ENOENT;
  }
  return false;
}

}  // namespace

SystemUsers::SystemUsers(SystemUsersConfig config) : config_(std::move(config)), root_(::geteuid() == 0) {
  std::string model;
  // The first password of the file tells which method the others are likely to have.
  if (root_) {
    std::vector<char> room(kEntryRoom);
    struct spwd entry;
    struct spwd* found = nullptr;
    ::setspent();
    while (model.empty() && ::getspent_r(&entry, room.data(), room.size(), &found) == 0 && found)
      if (usable_hash(found->sp_pwdp)) model = found->sp_pwdp;
    ::endspent();
  }
  fake_ = fake_hash_like(model);
}

// sshd's tokens.
std::string SystemUsers::expand(const std::string& pattern, const Account& account) {
  std::string path;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      path += pattern[i];
      continue;
    }
    switch (pattern[++i]) {
      case 'h': path += account.home; break;
      case 'u': path += account.facts.name; break;
      case 'U': path += std::to_string(account.facts.uid); break;
      default: path += pattern[i];
    }
  }
  return path.starts_with('/') ? path : account.home + "/" + path;
}

bool SystemUsers::uses_pam() const { return config_.pam.on && root_ && pam_available(); }

void SystemUsers::read_shadow(Account& account) const {
  std::vector<char> room(kEntryRoom);
  struct spwd entry;
  struct spwd* found = nullptr;
  if (::getspnam_r(account.facts.name.c_str(), &entry, room.data(), room.size(), &found) == 0 && found) {
    account.hashed = found->sp_pwdp;
    const int64_t today = std::time(nullptr) / kDaySeconds;
    // An empty field is -1; day 0 is what administrators write to shut an account.
    account.facts.expired = found->sp_expire != -1 && today > found->sp_expire;
    // Changed on day 0 is an administrator's way to demand a change.
    account.password_expired = found->sp_lstchg == 0 || (found->sp_lstchg > 0 && found->sp_max >= 0 &&
                                                         today > int64_t{found->sp_lstchg} + found->sp_max);
  }
  wipe(room.data(), room.size());
  // "*" means that no password opens the account; keys do. "!" is what locking puts in front. PAM judges for itself.
  account.facts.locked = account.hashed.starts_with('!') && !uses_pam();
}

std::optional<SystemUsers::Account> SystemUsers::find(std::string_view name) const {
  std::vector<char> room(kEntryRoom);
  struct passwd entry;
  struct passwd* found = nullptr;
  const std::string wanted(name);
  if (::getpwnam_r(wanted.c_str(), &entry, room.data(), room.size(), &found) != 0 || !found) return std::nullopt;
  // Some name services ignore case; policies that name users do not.
  if (name != found->pw_name || (!root_ && found->pw_uid != ::geteuid())) return std::nullopt;
  Account account;
  account.facts.name = found->pw_name;
  account.facts.uid = found->pw_uid;
  account.facts.shell = found->pw_shell && *found->pw_shell ? found->pw_shell : "/bin/sh";
  account.facts.shell_runs = runs(account.facts.shell);
  account.gid = found->pw_gid;
  account.home = found->pw_dir;
  account.facts.nologin = text_of_nologin(config_.policy.nologin_path);
  if (!account.facts.nologin) account.facts.nologin = text_of_nologin(kNologinOfBoot);
  int count = 64;
  account.group_ids.resize(static_cast<size_t>(count));
  while (::getgrouplist(wanted.c_str(), found->pw_gid, account.group_ids.data(), &count) < 0) {
    if (count > kMaxGroups || static_cast<size_t>(count) <= account.group_ids.size()) return std::nullopt;
    account.group_ids.resize(static_cast<size_t>(count));
  }
  account.group_ids.resize(static_cast<size_t>(count));
  if (!config_.policy.allow_groups.empty() || !config_.policy.deny_groups.empty())
    for (const gid_t gid : account.group_ids) {
      if (add_group_name(gid, account.facts.groups)) continue;
      // A list that denies a group must not be passed by because the group cannot be read.
      log_line(LogLevel::error, "group " + std::to_string(gid) + " cannot be read: " + wanted + " stays outside");
      return std::nullopt;
    }
  if (root_) read_shadow(account);
  return account;
}

bool SystemUsers::knows(std::string_view user) const {
  std::vector<char> room(kEntryRoom);
  struct passwd entry;
  struct passwd* found = nullptr;
  return ::getpwnam_r(std::string(user).c_str(), &entry, room.data(), room.size(), &found) == 0 && found;
}

LoginAnswer SystemUsers::let_in(const Account& account) {
  if (!is_shut_out(account.facts)) return accepted(permit_for(account));
  return shut_out(permit_for(account), kShut, *account.facts.nologin);
}

Permit SystemUsers::permit_for(const Account& account) {
  Permit permit;
  permit.user = account.facts.name;
  permit.system_account = true;
  permit.uid = account.facts.uid;
  permit.gid = account.gid;
  permit.home = account.home;
  permit.shell = account.facts.shell;
  // Who runs the server may do with it what he likes.
  permit.privilege = account.facts.uid == ::geteuid() ? kMaxPrivilege : 1;
  return permit;
}

std::optional<std::string> SystemUsers::refusal(const Account& account, AuthMethod method,
                                                const LoginSource& source) const {
  if (auto why = refusal_of(config_.policy, account.facts, source)) return why;
  if (account.facts.uid == 0 && !root_may_use(config_.policy.root_login, method))
    return "root may not use " + std::string(name_of(method));
  return std::nullopt;
}

ResultOrText<AuthorizedKeys> SystemUsers::read_keys(const std::string& path, const Account& account) const {
  const ActingAs user(account.facts.uid, account.gid, account.group_ids);
  if (!user.ok()) return fail(system_error_text(path, "cannot act as the user"));
  if (config_.policy.strict_modes)
    return AuthorizedKeys::load(path, account.home, account.facts.uid, config_.key_limits);
  const auto text = read_guarded_file(path, kMaxAuthorizedKeysFile, FileGuard::none, account.facts.uid);
  if (!text) return fail(text.error());
  return AuthorizedKeys::parse(text_of(text->view()), config_.key_limits);
}

LoginAnswer SystemUsers::search_files(const Account& account, const Search& search) const {
  std::string reason = "key not listed";
  for (const std::string& pattern : config_.policy.authorized_keys) {
    const std::string path = expand(pattern, account);
    const auto file = read_keys(path, account);
    if (!file) {
      reason = file.error();
      continue;
    }
    for (size_t i = 0; i < file->refused().size() && i < kRefusedLinesLogged; ++i)
      log_line(LogLevel::warning,
               path + " line " + std::to_string(file->refused()[i].line) + ": " + file->refused()[i].reason);
    const CertifiedAdmission admission = search(*file);
    if (!admission.options) {
      if (admission.reason.empty()) continue;
      reason = path + ": " + admission.reason;
      log_line(LogLevel::warning, reason);
      continue;
    }
    LoginAnswer answer = let_in(account);
    answer.permit->apply(*admission.options);
    answer.touch = admission.options->touch;
    return answer;
  }
  return refused(std::move(reason));
}

LoginAnswer SystemUsers::judge_key(std::string_view user, const PublicKey& key, const LoginSource& source) {
  return judge_by(user, source, [&](const AuthorizedKeys& file) -> CertifiedAdmission {
    Admission admission = file.admit(key, std::time(nullptr), source.host, source.address);
    if (!admission.key) return {std::nullopt, std::move(admission.reason)};
    return {admission.key->options, {}};
  });
}

LoginAnswer SystemUsers::judge_certificate(std::string_view user, const Certificate& certificate,
                                           const LoginSource& source) {
  return judge_by(user, source, [&](const AuthorizedKeys& file) {
    return admit_certificate(file.keys(), certificate, {user, std::time(nullptr), source.host, source.address});
  });
}

LoginAnswer SystemUsers::judge_by(std::string_view user, const LoginSource& source, const Search& search) const {
  const auto account = find(user);
  if (!account) return refused("unknown user");
  if (auto why = refusal(*account, AuthMethod::publickey, source)) return refused(std::move(*why));
  LoginAnswer answer = search_files(*account, search);
  if (identifies(answer.outcome) && account->facts.uid == 0 &&
      !root_may_enter(config_.policy.root_login, *answer.permit))
    return refused("root may use keys with a forced command only");
  if (answer.outcome != LoginOutcome::accepted || !uses_pam()) return answer;
  return pam_check_account({config_.pam, std::string(user), source, true, answer});
}

LoginAnswer SystemUsers::check_by_pam(const std::optional<Account>& account, std::string_view user,
                                      const Secret& password, const Secret* new_password,
                                      const LoginSource& source) const {
  const auto why =
      account ? refusal(*account, AuthMethod::password, source) : std::optional<std::string>("unknown user");
  PamAttempt attempt{config_.pam, std::string(user), source, !why, account ? let_in(*account) : LoginAnswer{}};
  LoginAnswer answer = pam_check_password(attempt, password, new_password);
  return why ? refused(*why) : answer;
}

LoginAnswer SystemUsers::check_password(std::string_view user, const Secret& password, const LoginSource& source) {
  const auto account = find(user);
  if (uses_pam()) return check_by_pam(account, user, password, nullptr, source);
  // Hashed in every case, before anything else is said.
  const bool right = matches_hashed_secret(password, account ? account->hashed : std::string(), fake_);
  if (!account) return refused("unknown user");
  if (auto why = refusal(*account, AuthMethod::password, source)) return refused(std::move(*why));
  if (!right) return refused(root_ ? "wrong password" : "passwords of the system cannot be read as an ordinary user");
  // Without PAM there is nobody to write the shadow file by the system's rules.
  if (account->password_expired) return refused("the password has expired and PAM is off");
  return let_in(*account);
}

LoginAnswer SystemUsers::change_password(std::string_view user, const Secret& old_password, const Secret& new_password,
                                         const LoginSource& source) {
  if (!uses_pam()) {
    const LoginAnswer first = check_password(user, old_password, source);
    return refused(first.outcome == LoginOutcome::refused ? first.reason : "passwords are changed through PAM only");
  }
  return check_by_pam(find(user), user, old_password, &new_password, source);
}

std::shared_ptr<Conversation> SystemUsers::converse(std::string_view user, const LoginSource& source) {
  if (!uses_pam()) return LoginBackend::converse(user, source);
  const auto account = find(user);
  const bool allowed = account && !refusal(*account, AuthMethod::keyboard_interactive, source);
  return pam_converse({config_.pam, std::string(user), source, allowed, account ? let_in(*account) : LoginAnswer{}});
}

}  // namespace sluice
