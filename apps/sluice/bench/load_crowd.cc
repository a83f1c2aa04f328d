// Sessions are added on control's thread, a few handshakes at once, and counted on their workers'.
#include "apps/sluice/bench/load_crowd.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "apps/sluice/bench/ping_channel.h"
#include "base/clock.h"
#include "control/client/dial.h"
#include "drivers/socket_transport.h"

namespace sluice::bench {
namespace {

constexpr int64_t kLookMs = 2;
// More than any session can move in the time.
constexpr uint64_t kEndless = uint64_t{1} << 50;
// A session that echoes has so much on its way: a server that starts a program for it holds it in pipes.
constexpr uint64_t kInFlight = 32u << 10;

// Who is turned away for load comes again this often, a little later each time: over a minute in all.
constexpr unsigned kMostTries = 40;
constexpr int64_t kAgainMs = 100, kAgainMostMs = 2000;
// What the busiest server takes at once.
constexpr uint64_t kFewestAtOnce = 4;

uint64_t now_ns() { return monotonic_clock().now_ns(); }

// An idle session: what the server says is heard and dropped.
class SilentSink final : public ConnectionSink {
 public:
  size_t on_messages(std::span<const Message> messages, ChannelSender&) override { return messages.size(); }
  void on_turn(ChannelSender&) override {}
};

ResultOrText<ClientOptions> options_for(const Endpoint& server) {
  ClientInvocation invocation;
  const bool bare = server.host.find(':') != std::string::npos;
  invocation.destination =
      "ssh://" + server.user + "@" + (bare ? "[" + server.host + "]" : server.host) + ":" + std::to_string(server.port);
  const auto& words = server.ssh_options;
  for (size_t i = 0; i + 1 < words.size(); i += 2) {
    if (words[i] == "-o") invocation.lines.push_back(words[i + 1]);
    if (words[i] == "-i") invocation.lines.push_back("IdentityFile \"" + words[i + 1] + "\"");
    if (words[i] == "-F") invocation.config_file = words[i + 1];
  }
  return read_client_options(invocation);
}

}  // namespace

ResultOrText<void> allow_descriptors(uint64_t wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return {};
  rlimit more{wanted, std::max<rlim_t>(wanted, limit.rlim_max)};
  if (::setrlimit(RLIMIT_NOFILE, &more) == 0) return {};
  return fail("so many sessions need " + std::to_string(wanted) + " descriptors, and this process may have " +
              std::to_string(limit.rlim_max) + ": raise the limit (ulimit -n) or ask for fewer sessions");
}

// A rekey is counted by control when data flows again already: the stretch ends some data later.
void note_data(Member& member, uint64_t received, uint64_t since_ns, const PauseStretch& by) {
  const uint64_t now = now_ns();
  if (member.last_ns >= since_ns) {
    member.longest_ns = std::max(member.longest_ns, now - member.last_ns);
  } else {
    // The gap in which counting began is longer than what is seen of it.
    member.longest_ns = now - since_ns;
    member.stretch_began_ns = now;
    member.stretch = ~uint64_t{0};
  }
  member.last_ns = now;
  uint64_t stretch = member.rekeys.load(std::memory_order_relaxed);
  if (by.bytes > 0) stretch = received / by.bytes;
  if (by.ms > 0) stretch = (now - member.stretch_began_ns) / (by.ms * 1000000);
  if (stretch == member.stretch) return;
  if (std::exchange(member.stretch, stretch) == ~uint64_t{0}) return;
  member.pauses.push_back({static_cast<double>(now - since_ns) * 1e-9, static_cast<double>(member.longest_ns) * 1e-6});
  member.longest_ns = 0;
}

void note_end(Member& member, uint64_t since_ns, uint64_t dead_ns) {
  const bool seen = member.last_ns >= since_ns;
  uint64_t gap = seen ? member.longest_ns : 0;
  if (dead_ns != 0) gap = std::max(gap, dead_ns - (seen ? member.last_ns : since_ns));
  const double ms = static_cast<double>(gap) * 1e-6;
  const auto shorter = [ms](const Point& pause) { return pause.y < ms; };
  if (gap == 0 || !std::all_of(member.pauses.begin(), member.pauses.end(), shorter)) return;
  const uint64_t at = dead_ns != 0 ? dead_ns : member.last_ns;
  member.pauses.push_back({static_cast<double>(at - since_ns) * 1e-9, ms});
}

LoadCrowd::LoadCrowd(CrowdPlan plan, ClientOptions options)
    : plan_(std::move(plan)), options_(std::move(options)), at_once_(plan_.handshakes_at_once) {
  end_ = std::make_unique<LoadEnd>("", plan_.workers, pool_of_load(3));
  policy_ = std::make_shared<const HostKeyPolicy>(options_.host_keys);
  dialog_ = std::make_unique<TerminalDialog>(end_->pool(), TerminalDialog::Manner{.batch = true, .show = false});
  for (uint64_t i = 0; i < plan_.sessions; ++i) members_.push_back(std::make_unique<Member>());
}

LoadCrowd::~LoadCrowd() { stop(); }

ResultOrText<std::unique_ptr<LoadCrowd>> LoadCrowd::make(CrowdPlan plan) {
  if (auto allowed = allow_descriptors(plan.sessions + 256); !allowed) return fail(allowed.error());
  auto options = options_for(plan.server);
  if (!options) return fail(options.error());
  return std::unique_ptr<LoadCrowd>(new LoadCrowd(std::move(plan), std::move(*options)));
}

bool LoadCrowd::arrive(double patience_seconds) {
  const double began = monotonic_seconds();
  add_some();
  end_->start();
  while (in_ < members_.size() && out_ == 0 && monotonic_seconds() - began < patience_seconds)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  arrival_seconds_ = monotonic_seconds() - began;
  return in_ == members_.size() && out_ == 0;
}

void LoadCrowd::add_some() {
  while (added_ < members_.size() && added_ - in_ - out_ < at_once_) add(added_++);
  if (added_ < members_.size()) end_->loop().after(kLookMs, [this] { add_some(); });
}

void LoadCrowd::add(size_t which) {
  Member* member = members_[which].get();
  auto socket = dial({.host = plan_.server.host, .port = plan_.server.port});
  if (!socket) return note_end_of(which, socket.error());
  TransportConfig config = options_.transport;
  if (!plan_.kexes.empty()) config.kex = {plan_.kexes[which % plan_.kexes.size()]};
  if (!plan_.suites.empty()) {
    // Another step than the methods': each meets each.
    const auto& [cipher, mac] = plan_.suites[which / std::max<size_t>(plan_.kexes.size(), 1) % plan_.suites.size()];
    config.ciphers = {cipher};
    if (!mac.empty()) config.macs = {mac};
  }
  auto id = std::make_shared<SessionId>(0);
  ControlLoop& loop = end_->loop();
  ClientEvents events{[this, member, id](const LoggedIn&) {
                        ++in_;
                        member->logged_in = true;
                        end_->loop().open_channels(*id, sink_for(*member));
                        rekey_at_random(end_->loop(), id, plan_.rekey_mean_ms);
                      },
                      [this, which](const std::optional<ClientFailure>& failure) { note_end_of(which, failure); }};
  events.rekeyed = [member] { ++member->rekeys; };
  ClientConnectionConfig connection_config = options_.connection;
  // Thousands of logins share the machine with both their ends.
  connection_config.login_timeout_ms = 600000;
  auto connection = std::make_unique<ClientConnection>(loop, end_->pool(), std::move(connection_config), policy_,
                                                       *dialog_, nullptr, std::move(events));
  *id = loop.add(std::make_unique<SocketTransport>(socket->descriptor), config, plan_.limits, plan_.server.host,
                 std::move(connection));
}

void LoadCrowd::note_end_of(size_t which, const std::optional<ClientFailure>& failure) {
  Member& member = *members_[which];
  if (failure && come_again(which, *failure)) return;
  if (failure) member.why = failure->text;
  member.ended = true;
  if (!stopping_) ++out_;
}

// A server that is busy with others' logins has lost no session, and has said nothing of those that are there.
bool LoadCrowd::come_again(size_t which, const ClientFailure& failure) {
  Member& member = *members_[which];
  const bool for_load = failure.kind == FailureKind::turned_away ||
                        (failure.kind == FailureKind::disconnected &&
                         failure.reason == static_cast<uint32_t>(Disconnect::too_many_connections));
  if (!for_load || member.logged_in || stopping_ || member.turned_away >= kMostTries) return false;
  ++turned_away_;
  at_once_ = std::max(std::min(kFewestAtOnce, at_once_), at_once_ * 3 / 4);
  end_->loop().after(std::min(kAgainMs * ++member.turned_away, kAgainMostMs), [this, which] { add(which); });
  return true;
}

std::unique_ptr<ConnectionSink> LoadCrowd::sink_for(Member& member) {
  if (plan_.runs == CrowdPlan::Runs::nothing) return std::make_unique<SilentSink>();
  if (plan_.runs == CrowdPlan::Runs::pings) return std::make_unique<PingChannel>(counting_, member);
  auto progress = [this, &member](const PullState& state) {
    if (state.wrong) member.wrong = true;
    if (state.closed) member.closed = true;
    if (counting_.load(std::memory_order_acquire)) note_data(member, state.received, counting_since_ns_, plan_.stretch);
    member.received.store(state.received, std::memory_order_relaxed);
  };
  const bool cat = plan_.runs == CrowdPlan::Runs::cat;
  return std::make_unique<PullChannel>(cat ? "cat" : "source " + std::to_string(kEndless), cat ? kEndless : 0,
                                       std::move(progress), plan_.window, kInFlight);
}

void LoadCrowd::count(bool on) {
  if (on) counting_since_ns_ = now_ns();
  counting_ = on;
}

void LoadCrowd::stop() {
  stopping_ = true;
  if (dialog_) dialog_->cancel();
  end_->stop();
}

uint64_t LoadCrowd::bytes() const {
  uint64_t sum = 0;
  for (const auto& member : members_) sum += member->received.load(std::memory_order_relaxed);
  return sum;
}

uint64_t LoadCrowd::rekeys() const {
  uint64_t sum = 0;
  for (const auto& member : members_) sum += member->rekeys.load(std::memory_order_relaxed);
  return sum;
}

size_t LoadCrowd::ended() const {
  size_t sum = 0;
  for (const auto& member : members_) sum += member->ended;
  return sum;
}

std::string LoadCrowd::first_trouble() const {
  for (const auto& member : members_) {
    if (member->wrong) return "wrong bytes";
    if (member->ended) return member->why.empty() ? "the server closed the connection" : member->why;
    if (member->closed) return "the server closed the channel: it has no such command, or does not let us run any";
  }
  return {};
}

}  // namespace sluice::bench
