// A file is a head of one line, "! NUMBER WHEN WHO", and the configuration below it.
#include "control/management/commit_history.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>

#include "base/log.h"
#include "base/plain_text.h"
#include "control/config/config_parser.h"
#include "control/config/state_folder.h"
#include "control/keys/guarded_file.h"

namespace sluice {
namespace {

constexpr std::string_view kPrefix = "commit.";
constexpr size_t kMostHead = 1024;
// Files that are looked at: whoever else fills the folder does not fill memory.
constexpr size_t kMostFiles = 4 * kMaxCommits;

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

std::optional<uint64_t> take_number(std::string_view& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  return number;
}

std::optional<CommitRecord> parse(std::string_view text, uint64_t number) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view head = text.substr(0, end);
  if (end == text.size() || head.size() > kMostHead || !head.starts_with("! ")) return std::nullopt;
  head.remove_prefix(2);
  const auto own = take_number(head);
  const auto when = own ? take_number(head) : std::nullopt;
  if (!when || *own != number) return std::nullopt;
  // It goes to terminals.
  return CommitRecord{number, *when, log_text(head), std::string(text.substr(end + 1))};
}

}  // namespace

CommitHistory::CommitHistory(std::string folder) : folder_(std::move(folder)) {
  if (!folder_.empty()) read_all();
}

std::string CommitHistory::path_of(uint64_t number) const {
  return folder_ + "/" + std::string(kPrefix) + std::to_string(number);
}

void CommitHistory::read_all() {
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir(folder_.c_str()));
  if (!folder) return;  // there was no commit yet
  std::map<uint64_t, bool> numbers;
  while (const dirent* file = ::readdir(folder.get())) {
    std::string_view name = file->d_name;
    if (!name.starts_with(kPrefix) || numbers.size() >= kMostFiles) continue;
    name.remove_prefix(kPrefix.size());
    const auto number = take_number(name);
    if (number && name.empty()) numbers[*number] = true;
  }
  while (numbers.size() > kMaxCommits) {
    ::unlink(path_of(numbers.begin()->first).c_str());
    numbers.erase(numbers.begin());
  }
  for (const auto& [number, there] : numbers) {
    last_number_ = number;
    const auto text = read_guarded_file(path_of(number), kMaxConfigText + kMostHead, FileGuard::private_key);
    const auto record = text ? parse(text_of(text->view()), number) : std::nullopt;
    if (record)
      commits_.push_front(*record);
    else
      log_line(LogLevel::warning, "a commit of the past cannot be read: " + (text ? path_of(number) : text.error()));
  }
}

void CommitHistory::add(uint64_t when_ms, std::string who, std::string before) {
  commits_.push_front({++last_number_, when_ms, std::move(who), std::move(before)});
  if (commits_.size() > kMaxCommits) {
    if (!folder_.empty()) ::unlink(path_of(commits_.back().number).c_str());
    commits_.pop_back();
  }
  if (folder_.empty()) return;
  if (const auto written = write(commits_.front()); !written)
    log_line(LogLevel::warning, "this commit will not be known after a restart: " + written.error());
}

ResultOrText<void> CommitHistory::write(const CommitRecord& record) const {
  if (const auto made = make_state_folder(folder_); !made) return made;
  std::string text = "! " + std::to_string(record.number) + " " + std::to_string(record.when_ms) + " ";
  text.append(log_text(record.who).substr(0, kMostHead / 2)).append("\n").append(record.before);
  return write_file_atomically(path_of(record.number), bytes_of(text), 0600);
}

}  // namespace sluice
