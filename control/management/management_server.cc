// Descriptors of one epoll: the listener is 0, the timer 1, operators are the rest.
#include "control/management/management_server.h"

#include <pwd.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/debug_words.h"
#include "base/log.h"
#include "control/management/exec_handlers.h"

namespace sluice {
namespace {

constexpr uint64_t kListener = 0, kTimer = 1;
constexpr int kBacklog = 16;
// Everybody may connect: what he may do is decided behind it.
constexpr mode_t kSocketMask = 0111;
// Of replies and events that an operator has not read. Beyond it events are dropped; a reply that is as long ends him.
constexpr size_t kMostEventsUnread = size_t{1} << 20;
// In front of a date.
constexpr size_t kWeekday = 4;

bool watch(int epoll, int descriptor, uint64_t number, uint32_t events, int change = EPOLL_CTL_ADD) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = number;
  return ::epoll_ctl(epoll, change, descriptor, &event) == 0;
}

std::string name_of(uid_t uid) {
  std::array<char, 4096> room{};
  passwd entry{};
  passwd* found = nullptr;
  const bool known = ::getpwuid_r(uid, &entry, room.data(), room.size(), &found) == 0 && found != nullptr;
  return known ? found->pw_name : "uid " + std::to_string(uid);
}

}  // namespace

struct ManagementServer::Peer {
  uint64_t number;
  UniqueFd socket;
  uid_t uid;
  FrameBuffer in{kMaxManagementRequest};
  std::vector<uint8_t> out = {};
  size_t sent = 0;
  std::unique_ptr<ShellSession> shell = {};
  bool closing = false;
  bool lost = false;
  bool taking = false;
  std::string ticket = {};  // by which he is who he is
  uint64_t untold = 0;      // events that were dropped
};

ManagementServer::ManagementServer(ManagementHost& host, TicketHolder ticket_holder, std::string history_folder)
    : host_(host),
      ticket_holder_(std::move(ticket_holder)),
      ledger_(host, std::move(history_folder)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  SLUICE_CHECK(epoll_ && timer_);
  SLUICE_CHECK(watch(epoll_.get(), timer_.get(), kTimer, EPOLLIN));
}

ManagementServer::~ManagementServer() {
  // Of another server that has taken the place meanwhile there is no telling; it listens on.
  if (listener_ && !path_.empty()) ::unlink(path_.c_str());
}

ResultOrText<void> ManagementServer::listen(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(path + ": too long for a socket's path");
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto* place = reinterpret_cast<const sockaddr*>(&address);
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (probe && ::connect(probe.get(), place, sizeof address) == 0) return fail(path + ": another server listens there");
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) == 0) {
    if (!S_ISSOCK(facts.st_mode)) return fail(path + ": is in the way");
    ::unlink(path.c_str());
  }
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // With its rights from the start: a path could be another's by the time they were changed.
  const mode_t mask = ::umask(kSocketMask);
  const bool bound = socket && ::bind(socket.get(), place, sizeof address) == 0;
  const int why = errno;
  ::umask(mask);
  errno = why;
  if (!bound || ::listen(socket.get(), kBacklog) != 0) return fail(path + ": " + std::strerror(errno));
  if (!watch(epoll_.get(), socket.get(), kListener, EPOLLIN)) return fail(path + ": " + std::strerror(errno));
  listener_ = std::move(socket);
  path_ = path;
  return {};
}

void ManagementServer::on_ready() {
  std::array<epoll_event, 32> events;
  const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < n; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    if (event.data.u64 == kListener) {
      accept();
    } else if (event.data.u64 == kTimer) {
      uint64_t times;
      [[maybe_unused]] const ssize_t got = ::read(timer_.get(), &times, sizeof times);
      ledger_.tick(monotonic_ms());
    } else if (const auto found = peers_.find(event.data.u64); found != peers_.end()) {
      Peer& peer = *found->second;
      if ((event.events & EPOLLOUT) != 0) {
        flush(peer);
        take(peer);
      }
      if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read(peer);
    }
  }
  std::vector<uint64_t> gone;
  for (const auto& [number, peer] : peers_)
    if (peer->lost || (peer->closing && peer->out.empty())) gone.push_back(number);
  for (const uint64_t number : gone) drop(number);
  set_timer();
  if (auto wishes = debug_wishes(); wishes != told_wishes_) {
    told_wishes_ = std::move(wishes);
    if (debug_changed) debug_changed();
  }
}

void ManagementServer::set_timer() {
  itimerspec when{};
  if (const auto deadline = ledger_.deadline_ms()) {
    const uint64_t now = monotonic_ms(), wait = *deadline > now ? *deadline - now : 1;
    when.it_value.tv_sec = static_cast<time_t>(wait / 1000);
    when.it_value.tv_nsec = static_cast<long>(wait % 1000 * 1'000'000);
  }
  ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void ManagementServer::accept() {
  UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return;
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return;
  // Whoever has no ticket is told so when he has said hello; who is too many, by the end of it.
  const bool own = who.uid == 0 || who.uid == ::geteuid();
  // Who has said nothing gives way, but none of our own to a stranger.
  const bool full = peers_.size() >= (own ? kMaxOperators : kMaxOperators / 2);
  if (full) {
    const auto silent = std::find_if(peers_.begin(), peers_.end(), [&](const auto& one) {
      const uid_t uid = one.second->uid;
      return !one.second->shell && (own || (uid != 0 && uid != ::geteuid()));
    });
    if (silent == peers_.end()) return;
    peers_.erase(silent);
  }
  const uint64_t number = next_number_++;
  if (!watch(epoll_.get(), socket.get(), number, EPOLLIN)) return;
  peers_[number] = std::make_unique<Peer>(Peer{number, std::move(socket), who.uid});
}

void ManagementServer::read(Peer& peer) {
  std::array<uint8_t, 16 * 1024> bytes;
  const ssize_t n = ::read(peer.socket.get(), bytes.data(), bytes.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    peer.lost = true;
    return;
  }
  peer.in.add(Bytes(bytes.data(), static_cast<size_t>(n)));
  wipe(bytes.data(), static_cast<size_t>(n));
  // A request that was begun is answered before the next is read: what waits is bounded.
  if (peer.in.size() > 2 * kMaxManagementRequest) {
    peer.lost = true;
    return;
  }
  take(peer);
}

// One request after the other, and no further one before its answer is read: neither the stack nor memory grows with
// what a peer sends ahead.
void ManagementServer::take(Peer& peer) {
  // An answer that came at once: the loop below goes on with it.
  if (std::exchange(peer.taking, true)) return;
  while (!peer.lost && !peer.closing && peer.out.empty() && !(peer.shell && peer.shell->busy())) {
    const auto frame = peer.in.next();
    if (frame && !*frame) break;
    auto request =
        frame ? read_management_request(**frame) : Result<ManagementRequest>(fail(ErrorCode::malformed_message));
    if (!request) {
      peer.lost = true;
      break;
    }
    answer(peer, *request);
    // It may have been a secret.
    if (auto* line = std::get_if<LineRequest>(&*request)) wipe(line->line.data(), line->line.size());
  }
  peer.taking = false;
}

void ManagementServer::greet(Peer& peer, const HelloRequest& hello) {
  std::optional<Operator> who;
  if (!hello.ticket.empty()) {
    who = ticket_holder_(hello.ticket);
  } else if (peer.uid == 0 || peer.uid == ::geteuid()) {
    who = Operator{name_of(peer.uid), kManages, "console"};
  }
  ShellReply reply;
  if (!who || peer.shell) {
    reply.failed = true;
    reply.next = ShellReply::Next::closed;
    reply.output = "this server is managed by root and by its own user (" + name_of(::geteuid()) + ")\n";
    peer.closing = true;
  } else {
    peer.shell = std::make_unique<ShellSession>(host_, ledger_, std::move(*who), hello.json);
    reply.prompt = peer.shell->prompt();
    peer.ticket = hello.ticket;
  }
  send(peer, reply);
}

void ManagementServer::answer(Peer& peer, const ManagementRequest& request) {
  if (const auto* hello = std::get_if<HelloRequest>(&request)) return greet(peer, *hello);
  // A ticket is good while its session lasts, and not a moment longer.
  if (!peer.shell || (!peer.ticket.empty() && !ticket_holder_(peer.ticket))) {
    peer.lost = true;
    return;
  }
  if (const auto* complete = std::get_if<CompleteRequest>(&request))
    return send(peer, CandidatesReply{peer.shell->complete(complete->line)});
  peer.shell->execute(std::get<LineRequest>(request).line, [this, number = peer.number](ShellReply reply) {
    const auto found = peers_.find(number);
    if (found == peers_.end()) return;
    found->second->closing = reply.next == ShellReply::Next::closed;
    send(*found->second, reply);
    // What came meanwhile, and what a commit set in motion.
    take(*found->second);
    set_timer();
  });
}

void ManagementServer::send(Peer& peer, const ManagementReply& reply) {
  const auto frame = write_management_reply(reply);
  if (std::holds_alternative<EventReply>(reply) && peer.out.size() + frame.size() > kMostEventsUnread) {
    ++peer.untold;
    return;
  }
  if (peer.out.size() + frame.size() > kMaxManagementReply) {
    peer.lost = true;
    return;
  }
  peer.out.insert(peer.out.end(), frame.begin(), frame.end());
  flush(peer);
}

void ManagementServer::flush(Peer& peer) {
  while (peer.sent < peer.out.size()) {
    const ssize_t n = ::send(peer.socket.get(), peer.out.data() + peer.sent, peer.out.size() - peer.sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      peer.lost = errno != EAGAIN;
      break;
    }
    peer.sent += static_cast<size_t>(n);
  }
  if (peer.sent == peer.out.size()) {
    peer.out.clear();
    peer.sent = 0;
    if (const uint64_t untold = std::exchange(peer.untold, 0))
      send(peer, EventReply{"% " + std::to_string(untold) + " lines were not shown\n"});
  }
  watch(epoll_.get(), peer.socket.get(), peer.number, peer.out.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
  // A peer that is over must be looked at again, and nothing of it may be ready any more.
  if (peer.lost || (peer.closing && peer.out.empty())) ::shutdown(peer.socket.get(), SHUT_RDWR);
}

void ManagementServer::drop(uint64_t number) { peers_.erase(number); }

// With the routers' time in front: "Mar 27 15:35:40.103: ".
void ManagementServer::tell_debug(uint32_t kind, uint64_t session, std::string_view address, std::string_view line) {
  const std::string now = exec::date_text(wall_ms());
  const std::string told = now.substr(kWeekday, now.rfind(' ') - kWeekday).append(": ").append(line).append("\n");
  for (const auto& [number, peer] : peers_)
    if (peer->shell && !peer->closing && any_wants(peer->shell->debug_wishes(), kind, session, address))
      send(*peer, EventReply{told});
}

std::vector<DebugWish> ManagementServer::debug_wishes() const {
  std::vector<DebugWish> all;
  uint32_t kinds = 0;
  for (const auto& [number, peer] : peers_) {
    if (!peer->shell) continue;
    for (DebugWish wish : peer->shell->debug_wishes()) {
      // What a client tells is told by the client.
      wish.kinds &= kDebugServer;
      kinds |= wish.kinds;
      if (wish.kinds != 0 && std::find(all.begin(), all.end(), wish) == all.end()) all.push_back(std::move(wish));
    }
  }
  if (all.size() > kMostWishesTold) return {{kinds}};
  return all;
}

}  // namespace sluice
