// A terminal is asked itself which one it is and whose.
#include "services/broker/terminal_book.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <fstream>

namespace sluice {
namespace {

constexpr mode_t kTerminalMode = 0620;

// Asked once: a data base of names may be slow. Nothing where there is none, or where only root may give it.
std::optional<gid_t> terminal_group() {
  static const auto found = []() -> std::optional<gid_t> {
    const group* tty = ::geteuid() == 0 ? ::getgrnam("tty") : nullptr;
    return tty ? std::optional(tty->gr_gid) : std::nullopt;
  }();
  return found;
}

// The number of the user's terminal. Its mode is made what `write` and `wall` expect.
std::optional<uint32_t> check_terminal(int terminal, uint32_t uid) {
  unsigned number = 0;
  struct stat facts;
  if (::ioctl(terminal, TIOCGPTN, &number) != 0) return std::nullopt;
  const UniqueFd inside(::ioctl(terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!inside || ::fstat(inside.get(), &facts) != 0 || !S_ISCHR(facts.st_mode) || facts.st_uid != uid)
    return std::nullopt;
  // One of another file system for terminals may have any number.
  struct stat named;
  const std::string path = "/dev/pts/" + std::to_string(number);
  if (::stat(path.c_str(), &named) != 0 || named.st_dev != facts.st_dev || named.st_ino != facts.st_ino)
    return std::nullopt;
  if (const auto group = terminal_group(); group && ::fchown(inside.get(), uid, *group) == 0)
    (void)::fchmod(inside.get(), kTerminalMode);
  return number;
}

}  // namespace

TerminalBook::~TerminalBook() {
  if (!files_) return;
  for (const auto& [number, login] : open_) record_logout(*files_, login);
}

void TerminalBook::begin_link(uint64_t link, std::string source) {
  if (sources_.size() >= kMostBookedLinks) sources_.erase(sources_.begin());
  sources_[link] = std::move(source);
}

bool TerminalBook::is_his(pid_t process) const {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  std::string word;
  while (status >> word) {
    uint32_t uid = 0;
    if (word == "Uid:") return static_cast<bool>(status >> uid) && uid == uid_;
  }
  return false;
}

void TerminalBook::take(const BrokerNews& news, std::vector<UniqueFd> descriptors) {
  if (news.kind == BrokerNewsKind::link_ended) return static_cast<void>(sources_.erase(news.links));
  if (news.kind == BrokerNewsKind::terminal_closed) {
    const auto found = open_.extract(news.terminal);
    if (found && files_) record_logout(*files_, found.mapped());
    return;
  }
  const auto source = sources_.find(news.links);
  const auto number = descriptors.size() == 2 ? check_terminal(descriptors[0].get(), uid_) : std::nullopt;
  const auto process = static_cast<pid_t>(news.process);
  if (!files_ || !number || source == sources_.end() || open_.size() >= kMostBookedTerminals || !is_his(process))
    return;
  TerminalLogin login{user_, uid_, *number, process, source->second};
  // Before the program begins, which happens when the descriptors are closed.
  record_login(*files_, login);
  open_[*number] = std::move(login);
}

}  // namespace sluice
