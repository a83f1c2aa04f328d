// ActingAs: this thread, and no other, touches files with a user's identity until the end of a scope.
//
// The system calls themselves are per thread; libc's wrappers would change all threads. Only the effective ids change,
// so the user can neither signal nor trace us.
#pragma once

#include <sys/types.h>

#include <vector>

namespace sluice {

class ActingAs {
 public:
  // Does nothing for an ordinary user's process, whose only user is himself. ok() is false when the kernel refused.
  ActingAs(uid_t uid, gid_t gid, const std::vector<gid_t>& groups);
  ~ActingAs();
  ActingAs(const ActingAs&) = delete;
  ActingAs& operator=(const ActingAs&) = delete;
  bool ok() const { return ok_; }

 private:
  bool switched_ = false;
  bool ok_ = true;
  std::vector<gid_t> groups_before_;
};

}  // namespace sluice
