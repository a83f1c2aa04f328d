// CommitHistory: what was in effect before each of the last commits, in a folder of its own, so that a restart forgets
// none of it.
//
// A file for each commit, written whole or not at all, 0600: there may be users' secrets in it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "base/result.h"

namespace sluice {

// As IOS XR keeps. Each is a file, and a configuration in memory.
inline constexpr size_t kMaxCommits = 100;

struct CommitRecord {
  uint64_t number;
  uint64_t when_ms;  // of the clock on the wall
  std::string who;
  std::string before;  // as lines
};

class CommitHistory {
 public:
  // With an empty folder nothing outlives the process. What cannot be read is logged and left out.
  explicit CommitHistory(std::string folder);

  void add(uint64_t when_ms, std::string who, std::string before);
  // The last one first.
  const std::deque<CommitRecord>& commits() const { return commits_; }

 private:
  void read_all();
  ResultOrText<void> write(const CommitRecord& record) const;
  std::string path_of(uint64_t number) const;

  std::string folder_;
  std::deque<CommitRecord> commits_;
  uint64_t last_number_ = 0;
};

}  // namespace sluice
