// LoadCrowd: many client sessions of this process with one server, each of which is followed: its data, its pauses, its
// rekeys, its end.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "apps/sluice/bench/bench_server.h"
#include "apps/sluice/bench/load_end.h"
#include "apps/sluice/bench/load_member.h"
#include "apps/sluice/terminal_dialog.h"
#include "control/client/config/client_options.h"

namespace sluice::bench {

// How a session's pauses are told apart.
struct PauseStretch {
  // Not by rekeys but by so many bytes or milliseconds; 0: not by this.
  uint64_t bytes = 0, ms = 0;
};
struct CrowdPlan {
  Endpoint server;
  uint64_t sessions = 1;
  size_t workers = 1;
  // Taken in turn by the sessions; empty: the client's own.
  std::vector<std::string> kexes;
  std::vector<std::pair<std::string, std::string>> suites;  // cipher, MAC or empty
  RekeyLimits limits;
  // By our word, at random moments so far apart on average; 0: never.
  uint64_t rekey_mean_ms = 0;
  enum class Runs : uint8_t { nothing, source, cat, pings };
  Runs runs = Runs::source;
  uint32_t window = 64u << 10;
  uint64_t handshakes_at_once = 64;
  PauseStretch stretch;
};

// So many bytes were received by now, `since` being when counting began.
void note_data(Member& member, uint64_t received, uint64_t since_ns, const PauseStretch& stretch);
// No more will come. Of the stretch under way, whose end is not known, only a gap longer than all others of the session
// is noted, so that none is lost and the others are not made to look shorter. `dead_ns`: it had no data until then; 0:
// it lives.
void note_end(Member& member, uint64_t since_ns, uint64_t dead_ns);

class LoadCrowd {
 public:
  static ResultOrText<std::unique_ptr<LoadCrowd>> make(CrowdPlan plan);
  ~LoadCrowd();

  // Starts its threads and waits until all are logged in, or one has failed or the time is over.
  bool arrive(double patience_seconds);
  // From now on pauses and delays are noted, since `began` on the monotonic clock.
  void count(bool on);
  // No thread of it runs any more; sessions are cut when it goes.
  void stop();

  const std::vector<std::unique_ptr<Member>>& members() const { return members_; }
  uint64_t bytes() const;
  uint64_t rekeys() const;
  size_t ended() const;
  size_t logged_in() const { return in_; }
  std::string first_trouble() const;
  double arrival_seconds() const { return arrival_seconds_; }
  // How often the server let none of them in for the moment, for load: whoever was turned away comes again.
  size_t turned_away() const { return turned_away_; }

 private:
  explicit LoadCrowd(CrowdPlan plan, ClientOptions options);
  void add_some();
  void add(size_t which);
  void note_end_of(size_t which, const std::optional<ClientFailure>& failure);
  bool come_again(size_t which, const ClientFailure& failure);
  std::unique_ptr<ConnectionSink> sink_for(Member& member);

  const CrowdPlan plan_;
  const ClientOptions options_;
  std::unique_ptr<LoadEnd> end_;
  std::shared_ptr<const HostKeyPolicy> policy_;
  std::unique_ptr<TerminalDialog> dialog_;
  std::vector<std::unique_ptr<Member>> members_;
  std::atomic<size_t> in_{0}, out_{0}, turned_away_{0};
  size_t added_ = 0;
  uint64_t at_once_;
  std::atomic<bool> counting_{false}, stopping_{false};
  uint64_t counting_since_ns_ = 0;
  double arrival_seconds_ = 0;
};

// As many descriptors as the system lets us have; what is wrong where that is too few.
ResultOrText<void> allow_descriptors(uint64_t wanted);

}  // namespace sluice::bench
