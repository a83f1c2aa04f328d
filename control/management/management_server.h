// ManagementServer: the socket of operators, on the monitor's thread: who connects is known by the socket's own word,
// or by a ticket that an SSH session of an operator was given.
//
// root and the server's own user have privilege 15. Whoever else connects has nothing without a ticket, and with one
// what its session's login gave him, as long as that session is there.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/unique_fd.h"
#include "control/management/config_ledger.h"
#include "control/management/management_protocol.h"

namespace sluice {

// Operators at a time: each holds a descriptor of the monitor's and a candidate configuration.
inline constexpr size_t kMaxOperators = 32;

class ManagementServer {
 public:
  // Whose ticket it is; nothing: nobody's any more.
  using TicketHolder = std::function<std::optional<Operator>(const std::string& ticket)>;

  // history_folder: of the ledger.
  ManagementServer(ManagementHost& host, TicketHolder ticket_holder, std::string history_folder = {});
  ~ManagementServer();
  ManagementServer(const ManagementServer&) = delete;
  ManagementServer& operator=(const ManagementServer&) = delete;

  // A socket of that path in the place of one that nobody listens on.
  ResultOrText<void> listen(const std::string& path);
  // Readable when there is something to do; then on_ready().
  int descriptor() const { return epoll_.get(); }
  void on_ready();

  // A line of debugging, to those who want it.
  void tell_debug(uint32_t kind, uint64_t session, std::string_view address, std::string_view line);
  // All that anybody wants to hear of the server.
  std::vector<DebugWish> debug_wishes() const;
  // The ledger of changes that are not by an operator's hand.
  ConfigLedger& ledger() { return ledger_; }
  size_t operators() const { return peers_.size(); }
  // Called when debug_wishes() are others than they were.
  std::function<void()> debug_changed = {};

 private:
  struct Peer;

  void accept();
  void read(Peer& peer);
  void take(Peer& peer);
  void answer(Peer& peer, const ManagementRequest& request);
  void greet(Peer& peer, const HelloRequest& hello);
  void send(Peer& peer, const ManagementReply& reply);
  void flush(Peer& peer);
  void drop(uint64_t number);
  void set_timer();

  ManagementHost& host_;
  TicketHolder ticket_holder_;
  ConfigLedger ledger_;
  UniqueFd epoll_;
  UniqueFd listener_;
  UniqueFd timer_;
  std::string path_;
  uint64_t next_number_ = 2;
  std::unordered_map<uint64_t, std::unique_ptr<Peer>> peers_;
  std::vector<DebugWish> told_wishes_;
};

}  // namespace sluice
