// Orders matched to brokers by identity; brokers forked, told of links, forgotten when they end.
#include "services/broker/starter_process.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstring>
#include <list>

#include "services/broker/packet_socket.h"
#include "services/broker/starter_protocol.h"
#include "services/broker/terminal_book.h"

namespace sluice {
namespace {

// A broker that a user has taken over may talk without end; the others get their turns.
constexpr int kNewsATurn = 8;

class Starter {
 public:
  Starter(UniqueFd orders, const StarterSettings& settings, const DigestMaker& digests)
      : orders_(std::move(orders)), settings_(settings), digests_(digests) {}

  void run() {
    if (!loop_.watch(orders_.get(), EPOLLIN, [this](uint32_t) { take_orders(); })) return;
    loop_.run();
  }

 private:
  struct Waiting {
    uint32_t number;
    std::string source;
    std::vector<uint8_t> policy;
  };
  struct Child {
    Child(UserIdentity who, const std::optional<RecordFiles>& files)
        : identity(std::move(who)), book(files, identity.name, identity.uid) {}
    UserIdentity identity;
    TerminalBook book;
    UniqueFd control;
    bool ready = false;
    uint64_t links = 0;
    std::list<Waiting> waiting;
  };
  using Children = std::list<Child>;

  void take_orders();
  void serve(LinkOrder&& order);
  Children::iterator start_child(const UserIdentity& identity);
  void take_news(Children::iterator child);
  void give_links(Children::iterator child);
  bool give_link(Child& child, const Waiting& link);
  void forget(Children::iterator child, const std::string& why);
  void answer(uint32_t number, const std::string& error, std::vector<UniqueFd> link = {});

  UniqueFd orders_;
  const StarterSettings& settings_;
  const DigestMaker& digests_;
  EventLoop loop_;
  Children children_;
  size_t waiting_ = 0;
};

void Starter::take_orders() {
  for (;;) {
    const ReceivedPacket packet = receive_packet(orders_.get(), kMaxStarterPacket, 0);
    if (packet.outcome == PacketOutcome::would_block) return;
    if (packet.outcome == PacketOutcome::ended) return loop_.stop();
    auto order = decode_order(packet.bytes);
    // Forks see this memory: one user's broker must not find another user's orders in it.
    wipe(const_cast<uint8_t*>(packet.bytes.data()), packet.bytes.size());
    if (!order) return loop_.stop();
    serve(std::move(*order));
  }
}

void Starter::answer(uint32_t number, const std::string& error, std::vector<UniqueFd> link) {
  // The monitor reads answers before it sends more orders than its own bound, so there is room for them.
  if (const auto packet = encode(LinkMade{number, error})) (void)send_packet(orders_.get(), *packet, link);
}

void Starter::serve(LinkOrder&& order) {
  auto child = children_.begin();
  while (child != children_.end() && child->identity != order.identity) ++child;
  if (waiting_ >= kMaxWaitingLinks) return answer(order.number, "too many sessions are being started");
  if (child == children_.end()) {
    if (children_.size() >= settings_.users) return answer(order.number, "too many users");
    child = start_child(order.identity);
    if (child == children_.end()) return answer(order.number, std::string("fork: ") + ::strerrordesc_np(errno));
  }
  child->waiting.push_back({order.number, std::move(order.source), std::move(order.policy)});
  ++waiting_;
  if (child->ready) give_links(child);
}

Starter::Children::iterator Starter::start_child(const UserIdentity& identity) {
  auto [ours, theirs] = make_packet_pair();
  if (!ours) return children_.end();
  const pid_t pid = ::fork();
  if (pid < 0) return children_.end();
  if (pid == 0) serve_as_broker(identity, std::move(theirs), settings_, digests_);
  const auto child = children_.emplace(children_.end(), identity, settings_.records);
  child->control = std::move(ours);
  if (!loop_.watch(child->control.get(), EPOLLIN, [this, child](uint32_t) { take_news(child); })) {
    children_.erase(child);
    return children_.end();
  }
  return child;
}

void Starter::take_news(Children::iterator child) {
  for (int i = 0; i < kNewsATurn; ++i) {
    ReceivedPacket packet = receive_packet(child->control.get(), kMaxStarterPacket, 2);
    if (packet.outcome == PacketOutcome::would_block) return;
    if (packet.outcome == PacketOutcome::ended) return forget(child, "the user's process ended");
    const auto news = decode_news(packet.bytes);
    if (!news) return forget(child, "the user's process is not what it was");
    switch (news->kind) {
      case BrokerNewsKind::ready:
        child->ready = true;
        give_links(child);
        break;
      case BrokerNewsKind::failed: return forget(child, news->text);
      case BrokerNewsKind::idle:
        if (news->links == child->links && child->waiting.empty()) return forget(child, "");
        break;
      default: child->book.take(*news, std::move(packet.descriptors));
    }
  }
}

void Starter::give_links(Children::iterator child) {
  while (!child->waiting.empty()) {
    Waiting link = std::move(child->waiting.front());
    child->waiting.pop_front();
    --waiting_;
    if (!give_link(*child, link)) answer(link.number, "the user's process takes no more sessions");
    wipe(link.policy.data(), link.policy.size());
  }
}

bool Starter::give_link(Child& child, const Waiting& link) {
  auto [network, broker] = make_packet_pair();
  if (!network) return false;
  std::vector<UniqueFd> theirs, ours;
  theirs.push_back(std::move(broker));
  if (send_packet(child.control.get(), link.policy, theirs) != PacketOutcome::packet) return false;
  child.book.begin_link(++child.links, link.source);
  ours.push_back(std::move(network));
  answer(link.number, "", std::move(ours));
  return true;
}

void Starter::forget(Children::iterator child, const std::string& why) {
  for (Waiting& link : child->waiting) {
    answer(link.number, why);
    wipe(link.policy.data(), link.policy.size());
  }
  waiting_ -= child->waiting.size();
  loop_.unwatch(child->control.get());
  children_.erase(child);
}

}  // namespace

void run_starter(UniqueFd orders, const StarterSettings& settings, const DigestMaker& digests) {
  // Children are reaped by the kernel; how one ended its control socket tells.
  ::signal(SIGCHLD, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (!keep_only(orders)) return;
  // libc waits for locks of utmp by this signal.
  sigset_t alarm;
  ::sigemptyset(&alarm);
  ::sigaddset(&alarm, SIGALRM);
  ::sigprocmask(SIG_UNBLOCK, &alarm, nullptr);
  Starter(std::move(orders), settings, digests).run();
}

}  // namespace sluice
