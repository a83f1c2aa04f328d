// PamSession: what PAM calls a session, opened and closed by the process that has this.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sluice {

struct PamSessionWish {
  std::string service = "sshd";
  std::string folder = {};  // of service files; empty: the system's
  std::string user = {};
  std::string remote_host = {};
};

class PamSession {
 public:
  virtual ~PamSession() = default;
  // As sshd: credentials, then the session. With root's rights, in a process of its own: modules change it.
  static ResultOrText<std::unique_ptr<PamSession>> open(const PamSessionWish& wish);
  // For programs.
  virtual std::vector<std::pair<std::string, std::string>> environment() const = 0;
  // What modules had to say.
  virtual const std::string& text() const = 0;
};

}  // namespace sluice
