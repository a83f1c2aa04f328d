// Numbers of questions, files, tickets.
#include "apps/sluiced/management_desk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "base/check.h"
#include "base/file_text.h"
#include "base/log.h"
#include "base/plain_text.h"
#include "base/random.h"
#include "control/config/config_parser.h"
#include "control/config/running_config.h"
#include "control/config/state_folder.h"

namespace sluice {
namespace {

constexpr const char* kRootFolder = "/run/sluice";
constexpr size_t kTicketBytes = 16;
// Questions that the network process has not answered: of each operator one, and the masks of debugging.
constexpr size_t kMostQuestions = 4 * kMaxOperators;
// What an answer may take: an operator waits for it, and whoever is stuck is told of.
constexpr uint64_t kMostWaitMs = 10'000;
// Tickets of sessions that are over go when so many are there.
constexpr size_t kManyTickets = 1024;

std::string error_text(const std::string& what) { return what + ": " + std::strerror(errno); }

}  // namespace

ManagementDesk::ManagementDesk(DeskParts parts)
    : parts_(std::move(parts)),
      started_ms_(wall_ms()),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      server_(
          *this, [this](const std::string& ticket) { return holder_of(ticket); }, parts_.state_directory + "/commits") {
  SLUICE_CHECK(timer_);
  server_.debug_changed = [this] { ask("debug " + wishes_text(server_.debug_wishes()), [](const auto&) {}); };
}

void ManagementDesk::open() {
  path_ = parts_.config.management.socket;
  if (path_.empty()) {
    // Root's is where those can connect whom a ticket lets in; another's folder is his own.
    const bool usual = parts_.machine.root && parts_.state_directory == default_state_directory(true);
    if (usual) ::mkdir(kRootFolder, 0755);
    path_ = (usual ? std::string(kRootFolder) : parts_.state_directory) + "/control";
  }
  const auto listens = server_.listen(path_);
  if (listens) return;
  log_line(LogLevel::error, "sluicectl is not served: " + listens.error());
  path_.clear();
}

void ManagementDesk::ask(const std::string& question, Answered answered) {
  if (questions_.size() >= kMostQuestions) return answered(fail(std::string("too many questions are open")));
  const uint64_t number = ++last_question_;
  if (!parts_.orders.send(Order::ask, std::to_string(number) + " " + question))
    return answered(fail(std::string("the network process is gone")));
  questions_[number] = {std::move(answered), monotonic_ms() + kMostWaitMs};
  if (questions_.size() == 1) set_timer();
}

void ManagementDesk::set_timer() {
  itimerspec when{};
  if (!questions_.empty()) {
    const uint64_t now = monotonic_ms(), deadline = questions_.begin()->second.deadline_ms;
    const uint64_t wait = deadline > now ? deadline - now : 1;
    when.it_value.tv_sec = static_cast<time_t>(wait / 1000);
    when.it_value.tv_nsec = static_cast<long>(wait % 1000 * 1'000'000);
  }
  ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void ManagementDesk::on_timer() {
  uint64_t times = 0;
  [[maybe_unused]] const ssize_t n = ::read(timer_.get(), &times, sizeof times);
  while (!questions_.empty() && questions_.begin()->second.deadline_ms <= monotonic_ms()) {
    const Answered answered = std::move(questions_.extract(questions_.begin()).mapped().answered);
    answered(fail(std::string("the network process did not answer in time")));
  }
  set_timer();
}

void ManagementDesk::settle(std::function<void(bool)> then) {
  ask("settle", [then = std::move(then)](const auto& answer) { then(answer.has_value()); });
}

void ManagementDesk::take_file(const ServerConfig& config, std::function<void(ResultOrText<std::string>)> done) {
  server_.ledger().take_file(config, parts_.config_file + " by a reload", std::move(done));
}

void ManagementDesk::take_answer(const ReceivedOrder& order) {
  uint64_t number = 0;
  std::from_chars(order.text.data(), order.text.data() + order.text.size(), number);
  const auto found = questions_.find(number);
  if (found == questions_.end()) return;
  const Answered answered = std::move(found->second.answered);
  questions_.erase(found);
  set_timer();
  if (order.descriptors.empty()) return answered(fail(std::string("no answer came")));
  const auto text = read_text_file(order.descriptors.front().get(), kMaxFacts);
  if (!text) return answered(fail(text.error()));
  answered(std::vector<uint8_t>(text->begin(), text->end()));
}

// KIND SESSION ADDRESS LINE
void ManagementDesk::take_debug(std::string_view text) {
  std::array<std::string_view, 3> words;
  for (std::string_view& word : words) {
    const size_t blank = text.find(' ');
    if (blank == text.npos) return;
    word = text.substr(0, blank);
    text.remove_prefix(blank + 1);
  }
  uint32_t kind = 0;
  uint64_t session = 0;
  std::from_chars(words[0].data(), words[0].data() + words[0].size(), kind);
  std::from_chars(words[1].data(), words[1].data() + words[1].size(), session);
  // It goes to a terminal, and there is no telling who wrote it.
  server_.tell_debug(kind, session, words[2], log_text(text));
}

void ManagementDesk::put_into_effect(const ServerConfig& config, std::function<void(ResultOrText<std::string>)> done) {
  parts_.take_up(config, std::move(done));
}

std::string ManagementDesk::saved() const { return file_text(parts_.config_file, kMaxConfigText).value_or(""); }

// Whole or not at all. There may be users' secrets in it.
ResultOrText<std::string> ManagementDesk::save(const ServerConfig& config) {
  // What the command line says stays there.
  ServerConfig wanted = config;
  if (const auto given = read_config_text(parts_.options, parts_.machine.root)) {
    ConfigText alone = *given;
    alone.lines.clear();
    const ParsedConfig whole = parse_config_text(*given, parts_.machine),
                       file = parse_config_text(alone, parts_.machine);
    if (whole.ok() && file.ok()) wanted = without_lines_behind(config, whole.config, file.config);
  }
  const std::string text = running_config(wanted, parts_.machine);
  const std::string& path = parts_.config_file;
  if (const size_t slash = path.rfind('/'); slash != path.npos && slash > 0) {
    if (const auto made = make_state_folder(path.substr(0, slash)); !made) return fail(made.error());
  }
  const std::string draft = path + ".new";
  ::unlink(draft.c_str());
  UniqueFd file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return fail(error_text(draft));
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = ::write(file.get(), text.data() + at, text.size() - at);
    if (n <= 0) return fail(error_text(draft));
    at += static_cast<size_t>(n);
  }
  if (::fsync(file.get()) != 0 || ::rename(draft.c_str(), path.c_str()) != 0) return fail(error_text(path));
  return path;
}

ResultOrText<HostKeyStore> ManagementDesk::host_keys() const {
  return HostKeyStore::open(parts_.state_directory + "/host_keys", {.min_rsa_bits = kRsaBitsFloor});
}

bool ManagementDesk::run_slowly(std::function<void()> work, std::function<void()> then) {
  return parts_.slow.submit({.logged_in = true},
                            [completions = parts_.completions, work = std::move(work), then = std::move(then)] {
                              work();
                              completions->post(then);
                            });
}

std::string ManagementDesk::make_ticket(uint32_t connection) {
  if (tickets_.size() >= kManyTickets)
    std::erase_if(tickets_, [this](const auto& one) { return parts_.permit_of(one.second) == nullptr; });
  std::array<uint8_t, kTicketBytes> octets;
  fill_random(octets);
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string ticket;
  for (const uint8_t octet : octets) {
    ticket.push_back(kDigits[octet >> 4]);
    ticket.push_back(kDigits[octet & 15]);
  }
  tickets_[ticket] = connection;
  return ticket;
}

std::optional<Operator> ManagementDesk::holder_of(const std::string& ticket) const {
  const auto found = tickets_.find(ticket);
  const Permit* permit = found == tickets_.end() ? nullptr : parts_.permit_of(found->second);
  if (permit == nullptr) return std::nullopt;
  return Operator{permit->user, permit->privilege, "vty"};
}

}  // namespace sluice
