// One component after the other: literal ones are appended, patterns are looked for in every folder found so far.
#include "services/scp/path_expander.h"

#include <algorithm>

namespace sluice {

void PathExpander::expand(std::vector<ShellWord> words, Then then) {
  words_ = std::move(words);
  then_ = std::move(then);
  next_word();
}

void PathExpander::next_word() {
  // A loop, since most words are no patterns.
  while (word_ < words_.size()) {
    const ShellWord& now = word();
    const bool home = !now.text.empty() && now.text[0] == '~' && now.special[0];
    if (home) return expand_home();
    if (now.text.size() <= kMaxPattern && is_pattern(now, 0, now.text.size())) return begin_word();
    if (!keep(results_, now.text)) return then_(std::nullopt);
    ++word_;
  }
  then_(std::move(results_));
}

// XCU 2.6.1. An unknown user's stays as it is.
void PathExpander::expand_home() {
  ShellWord& now = words_[word_];
  const size_t end = std::min(now.text.find('/'), now.text.size());
  connection_.broker().ask(caller_, FindHome{now.text.substr(1, end - 1)}, [this, end](BrokerReceived&& received) {
    ShellWord& changed = words_[word_];
    changed.special[0] = false;
    if (const auto* home = std::get_if<PathFound>(&received.answer)) {
      changed.text.replace(0, end, home->path);
      changed.special.erase(changed.special.begin(), changed.special.begin() + static_cast<std::ptrdiff_t>(end));
      changed.special.insert(changed.special.begin(), home->path.size(), false);
    }
    next_word();
  });
}

// As many as make little work for a turn: each may be compared from each of its characters on.
uint32_t PathExpander::names_at_once() const {
  const size_t pattern = part_.to - part_.from;
  return static_cast<uint32_t>(std::clamp<size_t>(kMaxPatternWork / std::max<size_t>(pattern, 1), 1, 1000));
}

void PathExpander::begin_word() {
  found_ = {""};
  at_ = 0;
  next_part();
}

void PathExpander::next_part() {
  const ShellWord& now = word();
  for (;;) {
    if (at_ == now.text.size() || found_.empty()) return end_word();
    size_t end = std::min(now.text.find('/', at_), now.text.size());
    part_ = {at_, end};
    // With the slashes behind it.
    while (end < now.text.size() && now.text[end] == '/') ++end;
    at_ = end;
    exact_ = is_pattern(now, part_.from, part_.to) && part_.to == now.text.size();
    if (is_pattern(now, part_.from, part_.to)) break;
    for (std::string& path : found_) path.append(now.text, part_.from, at_ - part_.from);
  }
  next_.clear();
  look_into(0);
}

void PathExpander::look_into(size_t index) {
  if (index == found_.size()) {
    std::sort(next_.begin(), next_.end());
    found_ = std::exchange(next_, {});
    return next_part();
  }
  const std::string folder = found_[index].empty() ? "." : found_[index];
  connection_.broker().ask(caller_, OpenDirectory{folder}, [this, index](BrokerReceived&& received) {
    if (const auto* opened = std::get_if<DirectoryOpened>(&received.answer)) return read_folder(opened->handle, index);
    look_into(index + 1);
  });
}

void PathExpander::read_folder(uint32_t handle, size_t index) {
  connection_.broker().ask(
      caller_, ReadDirectory{handle, names_at_once()}, [this, handle, index](BrokerReceived&& received) {
        const auto* entries = std::get_if<Entries>(&received.answer);
        if (entries) {
          for (const DirectoryEntry& entry : entries->entries) {
            if (entry.name == "." || entry.name == ".." || !matches_pattern(entry.name, word(), part_.from, part_.to))
              continue;
            std::string path = found_[index] + entry.name;
            path.append(word().text, part_.to, at_ - part_.to);
            if (!keep(next_, std::move(path))) {
              connection_.broker().tell(CloseHandle{handle});
              return then_(std::nullopt);
            }
          }
          if (!entries->last) return read_folder(handle, index);
        }
        connection_.broker().tell(CloseHandle{handle});
        look_into(index + 1);
      });
}

bool PathExpander::keep(std::vector<std::string>& paths, std::string path) {
  bytes_ += path.size() + 1;
  if (bytes_ > kMaxExpandedBytes) return false;
  paths.push_back(std::move(path));
  return true;
}

// What came after the last pattern may not be there.
void PathExpander::end_word() { check(0); }

void PathExpander::check(size_t index) {
  if (!exact_ && index < found_.size()) {
    connection_.broker().ask(caller_, StatPath{found_[index], false}, [this, index](BrokerReceived&& received) {
      if (std::holds_alternative<Attributes>(received.answer)) next_.push_back(found_[index]);
      check(index + 1);
    });
    return;
  }
  if (!exact_) found_ = std::exchange(next_, {});
  if (found_.empty()) {
    if (!keep(found_, word().text)) return then_(std::nullopt);
  }
  results_.insert(results_.end(), std::make_move_iterator(found_.begin()), std::make_move_iterator(found_.end()));
  found_.clear();
  next_.clear();
  ++word_;
  next_word();
}

}  // namespace sluice
