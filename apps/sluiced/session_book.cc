// Facts of connections, gathered when they are asked for.
#include "apps/sluiced/session_book.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace sluice {
namespace {

constexpr uint64_t kNsInMs = 1'000'000, kNsInS = 1'000'000'000;
// Of one session that is told of.
constexpr size_t kMostChannels = 1024;

uint64_t wall_ms() {
  using namespace std::chrono;
  return static_cast<uint64_t>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

void add_keys(KeyFacts& facts, const CipherSuite* suite, const Activity::Keys& keys, const RekeyLimits& limits,
              uint64_t now_ns) {
  if (suite == nullptr) return;
  facts.cipher = suite->cipher->ssh_name;
  if (suite->mac) facts.mac = suite->mac->ssh_name;
  const uint64_t used = keys.used.load(std::memory_order_relaxed);
  const uint64_t age = now_ns - std::min(now_ns, keys.since.load(std::memory_order_relaxed));
  const uint64_t most = std::min(limits.volume_bytes, suite->byte_limit / 4 * 3);
  facts.bytes = keys.bytes.get();
  facts.records = keys.records.load(std::memory_order_relaxed);
  facts.bytes_left = most - std::min(most, used);
  facts.seconds_left = static_cast<uint32_t>((limits.time_ns - std::min(limits.time_ns, age)) / kNsInS);
}

}  // namespace

void SessionBook::begin(const std::shared_ptr<Login>& login) {
  login->facts.began_ms = wall_ms();
  login->facts.id = login->session;
  logins_[login->session] = login;
}

void SessionBook::entered(Login& login, const Permit& permit) {
  login.facts.user = permit.user;
  login.facts.methods = permit.methods;
  login.facts.key = permit.key;
  login.facts.privilege = permit.privilege;
}

void SessionBook::note_channel(Login& login, uint32_t number, Bytes what) {
  const auto found = login.channels.find(number);
  if (what.empty()) {
    if (found == login.channels.end()) return;
    if (found->second.pty) terminals_.erase(found->second.vty);
    // The history shows what it was.
    login.facts.channels = {found->second};
    login.channels.erase(found);
    return;
  }
  if (login.channels.size() >= kMostChannels) return;
  ChannelFacts channel;
  channel.number = number;
  channel.pty = what[0] != 0;
  channel.type = std::string(text_of(what.subspan(1)));
  while (channel.pty && terminals_.contains(channel.vty)) ++channel.vty;
  if (channel.pty) terminals_.insert(channel.vty);
  login.channels[number] = std::move(channel);
}

void SessionBook::ended(const Login& login, std::string_view why) {
  SessionFacts facts = facts_of(login);
  if (facts.channels.empty()) facts.channels = login.facts.channels;
  facts.ended_ms = wall_ms();
  facts.end = why.substr(0, 200);
  for (const auto& [number, channel] : login.channels)
    if (channel.pty) terminals_.erase(channel.vty);
  logins_.erase(login.session);
  // Strangers come and go by the thousand: they would leave no room for who was here.
  if (facts.user.empty()) return;
  history_.push_front(std::move(facts));
  if (history_.size() > kMaxHistory) history_.pop_back();
}

const Login* SessionBook::find(SessionId session) const {
  const auto found = logins_.find(session);
  return found == logins_.end() ? nullptr : found->second.get();
}

SessionFacts SessionBook::facts_of(const Login& login) const {
  SessionFacts facts = login.facts;
  facts.channels.clear();
  for (const auto& [number, channel] : login.channels) facts.channels.push_back(channel);
  const auto activity = loop_.activity(login.session);
  const TransportMachine* machine = loop_.machine(login.session);
  if (!activity || !machine) return facts;
  const Negotiated& agreed = machine->negotiated();
  const uint64_t now = monotonic_clock().now_ns();
  facts.software = machine->peer().software;
  if (agreed.method) facts.kex = agreed.method->name;
  facts.host_key = agreed.host_key_algorithm;
  facts.exchanges = machine->exchanges();
  facts.in_exchange = machine->in_kex();
  add_keys(facts.in, agreed.client_to_server, activity->received, login.rekey, now);
  add_keys(facts.out, agreed.server_to_client, activity->sent, login.rekey, now);
  const uint64_t moved = activity->moved_ns.load(std::memory_order_relaxed);
  facts.idle_ms = moved == 0 || moved > now ? 0 : (now - moved) / kNsInMs;
  return facts;
}

void SessionBook::write(NetworkFacts& facts) const {
  for (const auto& [session, login] : logins_) facts.sessions.push_back(facts_of(*login));
  facts.history.assign(history_.begin(), history_.end());
}

}  // namespace sluice
