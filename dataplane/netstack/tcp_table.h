// TcpTable: who is connected with whom: connections, half-open ones, those in TIME_WAIT, listeners; and their timers.
//
// One hash table of fixed size names all three by their endpoints, keyed, so that nobody can make them collide. All
// pools are bounded by TcpSettings.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "dataplane/netstack/tcp_connection.h"
#include "dataplane/netstack/tcp_half_open.h"
#include "dataplane/netstack/tcp_index.h"
#include "dataplane/netstack/tcp_secrets.h"
#include "dataplane/netstack/tcp_settings.h"
#include "dataplane/netstack/tcp_stack.h"
#include "dataplane/netstack/tcp_time_wait.h"

namespace sluice {

class TcpTable {
 public:
  TcpTable(const TcpSettings& settings, SegmentSink& sink, uint64_t now_ns);
  ~TcpTable();

  // The stack's calls.
  bool listen(const IpEndpoint& at, TcpAcceptor& acceptor);
  void stop_listening(const IpEndpoint& at);
  std::unique_ptr<TcpTransport> connect(IpEndpoints endpoints);
  void on_segment(const SegmentIn& in);
  void on_notice(const SegmentNotice& notice);
  void end_burst();
  void resume();
  void advance();
  uint64_t next_deadline_us() const;
  void show(const std::function<void(const TcpConnectionFacts&)>& each) const;
  void set_now(uint64_t now_ns);
  size_t connections() const { return connection_count_; }
  size_t half_open() const { return half_open_.size(); }
  size_t time_waits() const { return time_waits_.size(); }
  size_t memory_in_use() const { return memory_; }

  // Connections' calls.
  const TcpSettings& settings() const { return settings_; }
  SegmentSink& sink() { return sink_; }
  const TcpSecrets& secrets() const { return secrets_; }
  TcpCounters& counters() { return counters_; }
  const TcpCounters& counters() const { return counters_; }
  uint64_t now_us() const { return now_us_; }
  uint64_t now_ns() const { return now_ns_; }
  // Its deadline may have come nearer.
  void arm(TcpConnection& connection);
  void touch(TcpConnection& connection);
  void wait_for_room(TcpConnection& connection);
  // It has no part in the table any more; its memory may still be in use.
  void retire(TcpConnection& connection);
  void enter_time_wait(TcpConnection& connection);
  // Nobody refers to it any more. It goes when nobody can be inside it.
  void bury(TcpConnection& connection);
  // False: more than the budget.
  bool take_memory(size_t bytes);
  void give_memory(size_t bytes) { memory_ -= bytes; }
  // For more than a connection begins with: half of it is for who is yet to come.
  bool take_growth(size_t bytes) { return memory_ + bytes <= settings_.memory_budget / 2 && take_memory(bytes); }
  // Connections that nobody owns any more and that have words left to send. False: there are enough.
  bool take_orphan();
  void give_orphan() { --orphans_; }
  bool may_challenge();
  // Without a connection: an answer made of the segment itself.
  void send_bare(const IpEndpoints& endpoints, const TcpSegment& header);
  // RFC 9293 section 3.10.7.1.
  void reset_stranger(const IpEndpoints& endpoints, const TcpSegment& segment);

 private:
  struct Listener {
    IpEndpoint at;
    TcpAcceptor* acceptor;
  };
  static constexpr size_t kRecent = 256;
  using Key = TcpIndex::Key;
  struct Found {
    Key key;
    bool found = false;
  };

  Found find(const IpEndpoints& endpoints);
  const IpEndpoints& endpoints_of(Key key) const;
  TcpConnection*& recent(const IpEndpoints& endpoints) {
    return recent_[(endpoints.local.port ^ endpoints.remote.port) % kRecent];
  }
  TcpAcceptor* listener_of(const IpEndpoint& local) const;
  uint32_t free_slot();
  void reap();
  void sift_up(size_t at);
  void sift_down(size_t at);
  void heap_set(size_t at, TcpConnection* connection);
  void heap_remove(TcpConnection& connection);

  void take_new(const IpEndpoints& endpoints, const TcpSegment& segment);
  void take_syn(const IpEndpoints& endpoints, const TcpSegment& segment, TcpAcceptor& acceptor, uint32_t least_sequence,
                bool at_least);
  void take_half_open(TcpHalfOpen& half, uint32_t index, const TcpSegment& segment);
  void take_cookie(const IpEndpoints& endpoints, const TcpSegment& segment, TcpAcceptor& acceptor);
  void take_time_wait(TcpTimeWait& wait, uint32_t index, const TcpSegment& segment);
  void send_syn_ack(const TcpHalfOpen& half);
  void drop_half_open(uint32_t index);
  void drop_time_wait(uint32_t index);
  void open_passive(const IpEndpoints& endpoints, const TcpAgreement& agreement, const TcpSegment& segment,
                    TcpAcceptor& acceptor);
  void scan_half_open();
  void count_refusal();
  TcpHalfOpen half_from(const IpEndpoints& endpoints, const TcpSegment& syn) const;
  uint16_t own_mss(const IpEndpoints& endpoints) const;

  const TcpSettings settings_;
  SegmentSink& sink_;
  TcpSecrets secrets_;
  TcpCounters counters_;
  uint64_t now_ns_ = 0;
  uint64_t now_us_ = 0;
  TcpIndex index_;
  // Connections that were found last, by their ports: to compare costs less than to hash. Who makes them collide makes
  // us hash.
  std::array<TcpConnection*, kRecent> recent_{};
  std::vector<std::unique_ptr<TcpConnection>> slots_;
  std::vector<uint32_t> free_slots_;
  size_t connection_count_ = 0;
  std::vector<TcpConnection*> heap_;
  std::vector<TcpConnection*> burst_;
  std::vector<TcpConnection*> waiting_;
  std::vector<TcpConnection*> buried_;
  TcpPool<TcpHalfOpen> half_open_;
  TcpPool<TcpTimeWait> time_waits_;
  std::vector<Listener> listeners_;
  uint64_t scan_at_ = 0;
  uint64_t cookie_until_ = 0;
  uint32_t next_port_ = 0;
  size_t memory_ = 0;
  size_t orphans_ = 0;
  uint64_t challenge_window_ = 0;
  uint32_t challenges_ = 0;
  uint32_t most_challenges_ = 0;
};

}  // namespace sluice
