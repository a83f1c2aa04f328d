// One thread reads all of them.
#include "apps/sluice/bench/foreign_crowd.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>

#include "apps/sluice/bench/figures.h"
#include "base/clock.h"

namespace sluice::bench {
namespace {

constexpr double kStartSeconds = 300;
constexpr size_t kPiece = 32u << 10;

std::vector<std::string> words_for(const std::string& program, const CrowdPlan& plan, size_t which) {
  std::vector<std::string> words{program};
  words.insert(words.end(), plan.server.ssh_options.begin(), plan.server.ssh_options.end());
  const auto option = [&](const std::string& line) { words.insert(words.end(), {"-o", line}); };
  if (!plan.kexes.empty()) option("KexAlgorithms=" + plan.kexes[which % plan.kexes.size()]);
  if (!plan.suites.empty()) {
    const auto& [cipher, mac] = plan.suites[which / std::max<size_t>(plan.kexes.size(), 1) % plan.suites.size()];
    option("Ciphers=" + cipher);
    if (!mac.empty()) option("MACs=" + mac);
  }
  const uint64_t seconds = plan.limits.time_ns / 1000000000;
  const bool by_volume = plan.limits.volume_bytes < uint64_t{1} << 50, by_time = seconds < 1000000;
  if (by_volume || by_time) {
    option("RekeyLimit=" + (by_volume ? std::to_string(plan.limits.volume_bytes) : std::string("default")) +
           (by_time ? " " + std::to_string(std::max<uint64_t>(seconds, 1)) : ""));
  }
  words.insert(words.end(), {"-p", std::to_string(plan.server.port), plan.server.user + "@" + plan.server.host,
                             "source 1000000000000000"});
  return words;
}

}  // namespace

ResultOrText<std::unique_ptr<ForeignCrowd>> ForeignCrowd::start(const std::string& client, const CrowdPlan& plan) {
  const size_t equals = std::min(client.find('='), client.size());
  if (client.substr(0, equals) != "ssh") return fail("--client: \"" + client + "\" is none of self, ssh and ssh=PATH");
  const std::string program = equals < client.size() ? client.substr(equals + 1) : "ssh";
  if (auto allowed = allow_descriptors(plan.sessions + 256); !allowed) return fail(allowed.error());
  std::unique_ptr<ForeignCrowd> crowd(new ForeignCrowd);
  crowd->plan_ = plan;
  for (size_t i = 0; i < plan.sessions; ++i) {
    ChildOptions options;
    options.words = words_for(program, plan, i);
    options.errors_apart = true;
    auto child = Child::start(std::move(options));
    if (!child) return fail(child.error());
    crowd->children_.push_back(std::move(*child));
    crowd->members_.push_back(std::make_unique<Member>());
  }
  crowd->reader_ = std::thread([raw = crowd.get()] { raw->read_all(); });
  const double deadline = monotonic_seconds() + kStartSeconds;
  const auto flows = [](const auto& member) { return member->received > 0 || member->ended; };
  while (!std::all_of(crowd->members_.begin(), crowd->members_.end(), flows)) {
    if (monotonic_seconds() > deadline) return fail("not all of " + client + " have data after five minutes");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return crowd;
}

ForeignCrowd::~ForeignCrowd() { stop(); }

void ForeignCrowd::stop() {
  stopping_ = true;
  if (reader_.joinable()) reader_.join();
  children_.clear();
}

TreeUse ForeignCrowd::use() const {
  TreeUse sum;
  for (const auto& child : children_) {
    const TreeUse one = tree_use(child->process());
    sum.cpu_seconds += one.cpu_seconds;
    sum.memory_bytes += one.memory_bytes;
    sum.processes += one.processes;
  }
  return sum;
}

void ForeignCrowd::count(bool on) {
  if (on) counting_since_ns_ = monotonic_clock().now_ns();
  counting_.store(on, std::memory_order_release);
}

void ForeignCrowd::read_all() {
  std::vector<pollfd> ready;
  for (const auto& child : children_) ready.push_back({child->output(), POLLIN, 0});
  std::vector<uint8_t> piece(kPiece);
  while (!stopping_) {
    ::poll(ready.data(), ready.size(), 100);
    for (size_t i = 0; i < ready.size(); ++i) {
      if (ready[i].revents == 0) continue;
      Member& member = *members_[i];
      const ssize_t n = ::read(ready[i].fd, piece.data(), piece.size());
      if (n < 0 && errno == EAGAIN) continue;
      if (n <= 0) {
        member.why = "the client ended";
        member.ended = true;
        ready[i].fd = -1;
        continue;
      }
      const uint64_t before = member.received.load(std::memory_order_relaxed);
      if (!matches_pattern(Bytes(piece).first(static_cast<size_t>(n)), before)) member.wrong = true;
      const uint64_t now = before + static_cast<uint64_t>(n);
      if (counting_.load(std::memory_order_acquire)) note_data(member, now, counting_since_ns_, plan_.stretch);
      member.received.store(now, std::memory_order_relaxed);
    }
  }
}

}  // namespace sluice::bench
