// TerminalBook: one user's logins on terminals, as his process tells of them: who came from where is the monitor's
// word, which terminal it is the kernel's.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/unique_fd.h"
#include "services/broker/login_records.h"
#include "services/broker/starter_protocol.h"

namespace sluice {

// Links whose ends a broker did not tell; more are nobody's.
inline constexpr size_t kMostBookedLinks = 4096;
// Each has a terminal, of which the kernel has that many.
inline constexpr size_t kMostBookedTerminals = 4096;

class TerminalBook {
 public:
  TerminalBook(const std::optional<RecordFiles>& files, std::string user, uint32_t uid)
      : files_(files), user_(std::move(user)), uid_(uid) {}
  ~TerminalBook();
  TerminalBook(const TerminalBook&) = delete;
  TerminalBook& operator=(const TerminalBook&) = delete;

  // The address of whom a link belongs to.
  void begin_link(uint64_t link, std::string source);
  // What is not true of the user's own terminals is not written down.
  void take(const BrokerNews& news, std::vector<UniqueFd> descriptors);

 private:
  bool is_his(pid_t process) const;

  const std::optional<RecordFiles>& files_;
  std::string user_;
  uint32_t uid_;
  std::map<uint64_t, std::string> sources_;
  std::map<uint32_t, TerminalLogin> open_;
};

}  // namespace sluice
