// The order is sshd's: the session's texts, the last login, the message of the day.
#include "services/broker/greeting.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "services/broker/login_records.h"

namespace sluice {
namespace {

constexpr const char* kMotd = "/etc/motd";

std::string text_of_file(const char* path) {
  // A FIFO there would make every login wait.
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::string text(kMostMotd, '\0');
  const ssize_t n = file ? ::read(file.get(), text.data(), text.size()) : 0;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

bool hushed(const std::string& home) {
  struct stat facts;
  return ::stat((home + "/.hushlogin").c_str(), &facts) == 0;
}

void add_line(std::string& text, const std::string& line) {
  text.append(line);
  if (!line.empty() && line.back() != '\n') text.push_back('\n');
}

}  // namespace

std::string greeting_for(const UserIdentity& identity, const LinkPolicy& policy, const SpawnProgram& spawn) {
  const bool greets = spawn.terminal && spawn.kind == ProgramKind::login_shell && !policy.forced_command;
  if (!greets || hushed(identity.home)) return {};
  std::string text;
  add_line(text, identity.session_text);
  if (policy.last_login) add_line(text, last_login_text(RecordFiles(), identity.uid));
  add_line(text, policy.message);
  if (policy.message_file) add_line(text, text_of_file(kMotd));
  return text;
}

}  // namespace sluice
