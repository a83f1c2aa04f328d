// ConfigLedger: changes of the running configuration, one at a time: commit, commit for a time, roll back.
//
// Invariant: what is in effect is either confirmed and saved, or it goes back by itself.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "control/management/commit_history.h"
#include "control/management/management_host.h"

namespace sluice {

class ConfigLedger {
 public:
  // history_folder: where commits outlive the process; empty: nowhere.
  explicit ConfigLedger(ManagementHost& host, std::string history_folder = {})
      : host_(host), history_(std::move(history_folder)) {}

  // Lines for the operator: what waits for a restart, where it was saved.
  using Done = std::function<void(ResultOrText<std::string>)>;
  // With seconds it goes back by itself unless confirm() comes in time.
  void commit(ServerConfig config, const std::string& who, std::optional<unsigned> seconds, Done done);
  // False: nothing waited for it.
  bool confirm(std::string& told);
  void roll_back(size_t commits, const std::string& who, Done done);
  // What somebody wrote into the file, which is not written again. It waits its turn; a later one takes its place.
  void take_file(ServerConfig config, const std::string& who, Done done);

  bool waits_for_confirmation() const { return trial_.has_value(); }
  // When tick() has something to do, by the clock of monotonic milliseconds; nothing: never.
  std::optional<uint64_t> deadline_ms() const;
  void tick(uint64_t now_ms);

  // Grows with every change; a candidate that began under another may be an old one.
  uint64_t serial() const { return serial_; }
  const std::string& last_changed_by() const { return last_who_; }
  // The last one first.
  const std::deque<CommitRecord>& commits() const { return history_.commits(); }

 private:
  struct Trial {
    ServerConfig back_to;
    uint64_t deadline_ms;
  };
  struct Change {
    ServerConfig config;
    std::string who;
    std::optional<unsigned> seconds = {};
    bool from_file = false;
  };
  void change(Change wanted, Done done);
  std::string settle(const Change& made, const ServerConfig& before);
  std::string save() const;

  ManagementHost& host_;
  std::optional<Trial> trial_;
  CommitHistory history_;
  std::optional<std::pair<Change, Done>> waiting_file_;
  uint64_t serial_ = 0;
  std::string last_who_;
  bool busy_ = false;
};

// Of the wall and of nobody's setting.
uint64_t wall_ms();
uint64_t monotonic_ms();

}  // namespace sluice
