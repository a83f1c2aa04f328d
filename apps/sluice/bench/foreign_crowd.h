// ForeignCrowd: many sessions of somebody else's client, each a process whose output is the pattern, or is wrong.
#pragma once

#include "apps/sluice/bench/load_crowd.h"

namespace sluice::bench {

class ForeignCrowd {
 public:
  // "ssh" or "ssh=PATH": programs with OpenSSH's flags. Returns when data flows in all of them.
  static ResultOrText<std::unique_ptr<ForeignCrowd>> start(const std::string& client, const CrowdPlan& plan);
  ~ForeignCrowd();

  void count(bool on);
  void stop();
  // Of all its processes.
  TreeUse use() const;
  const std::vector<std::unique_ptr<Member>>& members() const { return members_; }

 private:
  ForeignCrowd() = default;
  void read_all();

  CrowdPlan plan_;
  std::vector<std::unique_ptr<Child>> children_;
  std::vector<std::unique_ptr<Member>> members_;
  std::atomic<bool> counting_{false}, stopping_{false};
  uint64_t counting_since_ns_ = 0;
  std::thread reader_;
};

}  // namespace sluice::bench
