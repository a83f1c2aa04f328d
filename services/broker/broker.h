// Broker: one user's process: its loop, its links, its programs.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "services/broker/account_names.h"
#include "services/broker/event_loop.h"
#include "services/broker/file_digest.h"
#include "services/broker/link_policy.h"
#include "services/broker/program.h"
#include "services/broker/side_threads.h"
#include "services/broker/user_identity.h"

namespace sluice {

class BrokerLink;

// The kernel gives a user 64 MiB of pipes before it makes all his new ones tiny; this many programs have large ones.
inline constexpr size_t kAmplePrograms = 8;

struct BrokerSettings {
  // Without links and programs it ends after so long: the next login of the user soon after finds it there.
  int64_t linger_ms = 30000;
};

// A program on a terminal that began or ended, for whoever keeps records of logins.
struct TerminalNews {
  uint64_t link;
  uint32_t terminal;  // its number
  pid_t process;
  bool opened;
};
// With what is opened: the terminal, and what the program waits for to be closed.
using TerminalWatch = std::function<void(const TerminalNews&, std::vector<UniqueFd>)>;

class Broker {
 public:
  // digests outlives the broker.
  Broker(UserIdentity identity, BrokerSettings settings, const DigestMaker& digests);
  ~Broker();

  void attach(UniqueFd link, LinkPolicy policy);
  // Called when nothing was there to do for linger_ms; unless it is set, run() returns then.
  void on_idle(std::function<void()> idle) { on_idle_ = std::move(idle); }
  void watch_terminals(TerminalWatch watch) { watch_terminals_ = std::move(watch); }
  void on_link_end(std::function<void(uint64_t link)> ended) { link_ended_ = std::move(ended); }
  void run() { loop_.run(); }
  // There will be no more links. Programs without one are left to themselves.
  void end_with_last_link();

  // For links.
  EventLoop& loop() { return loop_; }
  SideThreads& side() { return side_; }
  AccountNames& names() { return names_; }
  const UserIdentity& identity() const { return identity_; }
  const DigestMaker& digests() const { return digests_; }
  // A request was served: once there have been none for a while, free memory goes back to the system.
  void note_work();
  // Dropped after what runs has returned.
  void retire(uint64_t link);
  size_t links() const { return links_.size(); }

  // A program's number, told to the link when it ends. 0: it cannot be watched and was ended. The gate is closed when
  // whoever watches terminals has heard of it.
  uint32_t adopt(uint64_t link, Program&& program, UniqueFd gate);
  // Null: it has ended, or belongs to another link.
  const Program* program(uint64_t link, uint32_t number) const;
  size_t programs_of(uint64_t link) const;
  // The link is gone: those with a terminal are told, nobody else is.
  void orphan(uint64_t link);
  bool pipes_are_ample() const { return programs_.size() < kAmplePrograms; }

 private:
  struct Child {
    uint64_t link;
    Program program;
  };

  bool busy() const { return !links_.empty() || (!programs_.empty() && !ending_); }
  void on_exit(uint32_t number);
  void look_whether_idle();
  void rest_when_quiet();

  UserIdentity identity_;
  BrokerSettings settings_;
  const DigestMaker& digests_;
  EventLoop loop_;
  AccountNames names_;
  std::map<uint64_t, std::shared_ptr<BrokerLink>> links_;
  uint64_t last_link_ = 0;
  std::map<uint32_t, Child> programs_;
  uint32_t last_program_ = 0;
  // Since when nothing is there to do; grows with each change.
  uint64_t idle_round_ = 0;
  std::function<void()> on_idle_;
  TerminalWatch watch_terminals_;
  std::function<void(uint64_t)> link_ended_;
  bool ending_ = false;
  bool resting_ = true;
  bool worked_ = false;
  // After the links: what it runs for them ends first.
  SideThreads side_;
};

}  // namespace sluice
