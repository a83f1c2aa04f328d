// Background: a process of ours that goes on when the one that the user started has returned to him.
//
// Threads do not survive a fork, so it is made before there are any: the child does the work, and until it lets go the
// parent waits for it as if there were one process.
#pragma once

#include <optional>

#include "base/unique_fd.h"

namespace sluice {

class Background {
 public:
  // In the parent: the child's exit code, or nothing where the child let go and the parent's part begins. In the child
  // this returns at once, with is_child() true.
  static Background split();

  bool is_child() const { return is_child_; }
  const std::optional<int>& child_ended() const { return child_ended_; }
  // The child: the parent may go. A session of its own, without the terminal; with `streams` null for all three.
  void let_go(bool streams_too);
  bool gone() const { return gone_; }

 private:
  bool is_child_ = false;
  bool gone_ = false;
  std::optional<int> child_ended_;
  UniqueFd ready_;
};

}  // namespace sluice
