// Listener: accepts connections and lets in whom the ledger admits. One thread, control's.
//
// accept -> a trusted proxy's header, where one stands before us -> the ledger -> the application. Whoever is turned
// away gets one line that a person can read, and is counted. Without descriptors or memory it pauses: the backlog
// waits.
#pragma once

#include <array>
#include <functional>
#include <unordered_map>

#include "base/counter.h"
#include "control/control_loop.h"
#include "control/ledger_place.h"
#include "control/listening_sockets.h"
#include "control/proxy_header.h"

namespace sluice {

// Connections whose proxy has not said all. Each holds a descriptor; a proxy that stalls must not take them all.
inline constexpr size_t kMaxUnheaded = 256;

// Somebody who was let in.
struct Arrival {
  int descriptor;  // the receiver's from now on; -1: there is a transport instead
  Endpoint from;
  Endpoint to;
  LedgerPlace place;
  std::unique_ptr<Transport> transport = {};
  std::optional<size_t> worker = {};  // where the transport is turned, and no other
};

struct ListenerConfig {
  LoginLimits limits;
  PenaltyCosts penalties = {};
  // Whose connections begin with a PROXY header. Nobody else's may: a header is the word of who sends it.
  std::vector<AddressRange> proxies = {};
  // Access lists: whether the address may connect at all, by the device that the connection is bound to, empty as a
  // rule. Null: everybody may.
  std::function<bool(std::string_view device, const Address&)> admits = {};
  int64_t proxy_header_ms = 3000;
  // How long to leave the backlog alone when descriptors or memory ran out.
  int64_t pause_ms = 100;
};

// Any thread may read them.
struct ListenerCounters {
  Counter admitted;
  std::array<Counter, static_cast<size_t>(ConnectAnswer::count_)> refused;
  Counter bad_proxy_header;  // malformed, late, or too many at once
  Counter pauses;
  Counter lost;  // gone before they were accepted
};

class Listener {
 public:
  // Chooses a worker for it where the application wants to, and adds it to the loop.
  using Arrived = std::function<void(Arrival)>;

  Listener(ControlLoop& loop, ListenerConfig config, Arrived arrived);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // In place of the sockets before; connections that came through those stay.
  void listen(std::vector<ListeningSocket> sockets);
  std::vector<Endpoint> endpoints() const;
  // For connections that come from now on; those that are there stay. Penalties stay as they were.
  void configure(ListenerConfig config);

  // A connection that did not come by a socket of ours: judged like those that did. Whoever is not admitted is turned
  // away with that line.
  using TurnAway = std::function<void(std::unique_ptr<Transport>, std::string_view line)>;
  void offer(std::unique_ptr<Transport> transport, const Endpoint& from, const Endpoint& to, size_t worker,
             const TurnAway& turn_away);

  const SourceLedger& ledger() const { return *ledger_; }
  const ListenerCounters& counters() const { return counters_; }

 private:
  // Told at most once a second of a kind, and then how many it was.
  struct Complaint {
    int64_t told_ms = -1000000;
    uint64_t untold = 0;
  };
  struct Unheaded {
    Endpoint proxy;
    Endpoint to;
    ProxyHeaderReader reader;
    uint64_t serial;
  };

  void watch_all();
  void unwatch_all();
  void accept_some(int listening);
  void pause(std::string_view why);
  bool is_proxy(const Address& address) const;
  void await_header(int descriptor, const Endpoint& proxy, const Endpoint& to);
  void read_header(int descriptor);
  void drop_unheaded(int descriptor, std::string_view why);
  void judge(int descriptor, const Endpoint& from, const Endpoint& to);
  ConnectAnswer ask(std::string_view device, const Address& from);
  void note_refusal(ConnectAnswer answer, const Endpoint& from);
  void complain(Complaint& about, const std::string& text);

  ControlLoop& loop_;
  ListenerConfig config_;
  Arrived arrived_;
  std::shared_ptr<SourceLedger> ledger_;
  std::vector<ListeningSocket> sockets_;
  std::unordered_map<int, Unheaded> unheaded_;
  uint64_t next_serial_ = 1;
  bool paused_ = false;
  ListenerCounters counters_;
  std::array<Complaint, static_cast<size_t>(ConnectAnswer::count_)> refusals_;
  Complaint about_headers_;
  Complaint about_pauses_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice
