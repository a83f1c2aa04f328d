// Phases: a server, its crowd and the neighbours come, data flows and is counted, and all of them go.
#include <algorithm>
#include <thread>

#include "apps/sluice/bench/figures.h"
#include "apps/sluice/bench/foreign_crowd.h"
#include "apps/sluice/bench/rekey_plan.h"
#include "apps/sluice/bench/server_offer.h"
#include "base/clock.h"

namespace sluice::bench {
namespace {

constexpr uint64_t kNever = uint64_t{1} << 50;
// How long a session may take after the end to show that it still lives. Counted in looks: a machine that stands still
// as a whole is no fault of a session.
constexpr int kGraceLooks = 3000, kLookMs = 5;

uint64_t milliseconds(double seconds) { return static_cast<uint64_t>(seconds * 1e3); }

// Each side's share: where both start rekeys, each does half of them.
uint64_t mean_ms(const RekeyPlan& plan) {
  return std::max<uint64_t>(milliseconds(plan.interval) * (plan.by_client && plan.by_server ? 2 : 1), 1);
}

LoadServing serving_of(const RekeyPlan& plan, bool rekeys) {
  LoadServing serving;
  serving.workers = plan.workers;
  if (!rekeys || !plan.by_server) return serving;
  if (plan.mode == RekeyMode::random) serving.rekey_mean_ms = mean_ms(plan);
  if (plan.mode == RekeyMode::time) serving.rekey_ms = milliseconds(plan.interval);
  if (plan.mode == RekeyMode::volume) serving.rekey_bytes = plan.volume;
  return serving;
}

CrowdPlan crowd_of(const RekeyPlan& plan, bool rekeys) {
  CrowdPlan crowd;
  crowd.sessions = plan.sessions;
  crowd.workers = plan.workers;
  crowd.kexes = plan.kexes;
  crowd.suites = plan.suites;
  crowd.window = static_cast<uint32_t>(plan.window);
  crowd.limits = {kNever, ~uint64_t{0} >> 1, uint64_t{1} << 31};
  if (rekeys && plan.by_client) {
    if (plan.mode == RekeyMode::random) crowd.rekey_mean_ms = mean_ms(plan);
    if (plan.mode == RekeyMode::time) crowd.limits.time_ns = milliseconds(plan.interval) * 1000000;
    if (plan.mode == RekeyMode::volume) crowd.limits.volume_bytes = plan.volume;
  }
  // Of another client's rekeys nobody here hears: its pauses are told by the time or the bytes between two.
  if (!rekeys || plan.client != "self") {
    (plan.mode == RekeyMode::volume ? crowd.stretch.bytes : crowd.stretch.ms) =
        plan.mode == RekeyMode::volume ? plan.volume : std::max<uint64_t>(milliseconds(plan.interval), 1);
  }
  return crowd;
}

// Whoever serves: our load's server, a server of the run's, or somebody else's.
class Target {
 public:
  static ResultOrText<std::unique_ptr<Target>> start(const RekeyPlan& plan, bool rekeys) {
    std::unique_ptr<Target> target(new Target);
    if (plan.server == "self") {
      auto own = LoadServerProcess::start(serving_of(plan, rekeys));
      if (!own) return fail(own.error());
      target->own_ = std::move(*own);
      return target;
    }
    auto spec = parse_server(plan.server);
    if (!spec) return fail(spec.error());
    auto folder = RunFolder::make(plan.folder);
    if (!folder) return fail(folder.error());
    target->folder_ = std::move(*folder);
    auto keys = make_run_keys(target->folder_->path());
    if (!keys) return fail(keys.error());
    auto started =
        BenchServer::start(*spec, *keys, target->folder_->path(), wishes_of(plan, *spec, rekeys), plan.access);
    if (!started) return fail(started.error());
    target->other_ = std::move(*started);
    return target;
  }

  const Endpoint& endpoint() const { return own_ ? own_->endpoint() : other_->endpoint(); }
  const Endpoint& quiet() const { return own_ ? own_->quiet_endpoint() : other_->endpoint(); }
  // 0: not ours to look at.
  pid_t process() const { return own_ ? own_->process() : other_->process(); }
  double cpu_seconds() const { return own_ ? tree_cpu_seconds(own_->process()) : other_->cpu_seconds(); }
  // That the load's own server counts; nothing where it does not say.
  std::optional<uint64_t> rekeys() const { return own_ ? own_->rekeys() : std::nullopt; }
  CrowdPlan::Runs data() const { return own_ ? CrowdPlan::Runs::source : CrowdPlan::Runs::cat; }

 private:
  Target() = default;
  static ServerWishes wishes_of(const RekeyPlan& plan, const ServerSpec& spec, bool rekeys) {
    ServerWishes wishes;
    if (spec.kind != ServerKind::sshd || !rekeys || !plan.by_server) return wishes;
    wishes.rekey_volume = plan.mode == RekeyMode::volume ? std::to_string(plan.volume)
                                                         : "default " + figure(std::max(1.0, plan.interval));
    return wishes;
  }
  std::unique_ptr<LoadServerProcess> own_;
  std::unique_ptr<RunFolder> folder_;
  std::unique_ptr<BenchServer> other_;
};

// The crowd under its one face, ours or another program's.
class Crowd {
 public:
  static ResultOrText<std::unique_ptr<Crowd>> arrive(const RekeyPlan& plan, const Target& target, bool rekeys) {
    std::unique_ptr<Crowd> crowd(new Crowd);
    CrowdPlan wishes = crowd_of(plan, rekeys);
    wishes.server = target.endpoint();
    wishes.runs = target.data();
    if (plan.client != "self") {
      auto others = ForeignCrowd::start(plan.client, wishes);
      if (!others) return fail(others.error());
      crowd->others_ = std::move(*others);
      return crowd;
    }
    auto own = LoadCrowd::make(std::move(wishes));
    if (!own) return fail(own.error());
    crowd->own_ = std::move(*own);
    if (!crowd->own_->arrive(plan.login_seconds)) {
      crowd->own_->stop();
      const std::string why = crowd->own_->first_trouble();
      return fail(std::to_string(crowd->own_->logged_in()) + " of " + std::to_string(plan.sessions) +
                  " sessions are logged in: " + (why.empty() ? "no time is left" : why));
    }
    return crowd;
  }

  void count(bool on) { own_ ? own_->count(on) : others_->count(on); }
  void stop() { own_ ? own_->stop() : others_->stop(); }
  uint64_t rekeys() const { return own_ ? own_->rekeys() : 0; }
  const std::vector<std::unique_ptr<Member>>& members() const { return own_ ? own_->members() : others_->members(); }
  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const auto& member : members()) sum += member->received.load(std::memory_order_relaxed);
    return sum;
  }
  size_t turned_away() const { return own_ ? own_->turned_away() : 0; }
  bool foreign() const { return others_ != nullptr; }
  double cpu_seconds() const { return own_ ? cpu_seconds_of(::getpid()) : others_->use().cpu_seconds; }
  uint64_t memory_bytes() const { return own_ ? memory_of(::getpid()) : others_->use().memory_bytes; }

 private:
  Crowd() = default;
  std::unique_ptr<LoadCrowd> own_;
  std::unique_ptr<ForeignCrowd> others_;
};

std::string trouble_of(const Member& member, bool moved) {
  if (member.wrong) return "wrong bytes";
  if (member.ended) return member.why.empty() ? "its connection was closed" : member.why;
  if (member.closed) return "its channel was closed: the server has no such command, or lets us run none";
  return moved ? "" : "it stood still";
}

using Members = std::vector<std::unique_ptr<Member>>;

std::vector<uint64_t> received_by(const Members& members) {
  std::vector<uint64_t> out;
  for (const auto& member : members) out.push_back(member->received);
  return out;
}

// Whether all that live have had data since those counts.
bool all_moved(const Members& members, const std::vector<uint64_t>& since) {
  for (size_t i = 0; i < members.size(); ++i) {
    const Member& member = *members[i];
    if (member.received <= since[i] && !member.wrong && !member.ended && !member.closed) return false;
  }
  return true;
}

// That a session moved some time is not enough: one that a rekey has stopped for good would look well. So each has to
// move once more after the end.
class LastSigns {
 public:
  LastSigns(const Members& crowd, const Members& neighbours)
      : crowd_(crowd),
        neighbours_(neighbours),
        of_crowd_(received_by(crowd)),
        of_neighbours_(received_by(neighbours)) {}

  void wait() const {
    for (int i = 0; i < kGraceLooks && !(all_moved(crowd_, of_crowd_) && all_moved(neighbours_, of_neighbours_)); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(kLookMs));
  }
  // When nothing runs any more.
  void judge(uint64_t since_ns, PhaseOutcome& outcome) const {
    const uint64_t now = monotonic_clock().now_ns();
    for (size_t i = 0; i < crowd_.size(); ++i) {
      Member& member = *crowd_[i];
      const bool moved = member.received > of_crowd_[i];
      tell("session ", i, trouble_of(member, moved), outcome);
      note_end(member, since_ns, moved ? 0 : now);
      outcome.pauses.insert(outcome.pauses.end(), member.pauses.begin(), member.pauses.end());
    }
    for (size_t i = 0; i < neighbours_.size(); ++i) {
      const Member& member = *neighbours_[i];
      tell("neighbour ", i, trouble_of(member, member.received > of_neighbours_[i]), outcome);
      outcome.neighbour_delays.insert(outcome.neighbour_delays.end(), member.delays.begin(), member.delays.end());
    }
  }

 private:
  static void tell(const char* who, size_t which, const std::string& trouble, PhaseOutcome& outcome) {
    if (!trouble.empty() && outcome.errors++ == 0) outcome.trouble = who + std::to_string(which) + ": " + trouble;
  }

  const Members &crowd_, &neighbours_;
  const std::vector<uint64_t> of_crowd_, of_neighbours_;
};

// The plan with what this server has of a mix. Our own has all of it; names that were asked for one by one stay.
ResultOrText<std::vector<std::string>> leave_out_lacking(RekeyPlan& plan, const Target& target) {
  if (plan.server == "self" || (!plan.mixed_kexes && !plan.mixed_suites)) return std::vector<std::string>{};
  auto offer = ask_offer(target.endpoint().host, target.endpoint().port);
  if (!offer) return fail(offer.error());
  using Suites = decltype(plan.suites);
  Narrowed left = narrow(*offer, plan.mixed_kexes ? plan.kexes : std::vector<std::string>{},
                         plan.mixed_suites ? plan.suites : Suites{});
  if (plan.mixed_kexes && left.kexes.empty())
    return fail("no key exchange method of the mix is the server's: it has " + join_names((*offer)[KexList::kex]));
  if (plan.mixed_suites && left.suites.empty())
    return fail("no suite of the mix is the server's: it has " +
                join_names((*offer)[KexList::cipher_client_to_server]) + " with " +
                join_names((*offer)[KexList::mac_client_to_server]));
  if (plan.mixed_kexes) plan.kexes = std::move(left.kexes);
  if (plan.mixed_suites) plan.suites = std::move(left.suites);
  return std::move(left.lacking);
}

// By the client's count where it is ours, else by the server's.
std::optional<uint64_t> rekeys_of(const Crowd& crowd, const Target& target) {
  return crowd.foreign() ? target.rekeys() : crowd.rekeys();
}

}  // namespace

ResultOrText<PhaseOutcome> run_phase(RekeyPlan plan, bool rekeys, LiveView& view) {
  const std::string name = rekeys ? "with rekeys" : "without rekeys";
  auto target = Target::start(plan, rekeys);
  if (!target) return fail(target.error());
  auto lacking = leave_out_lacking(plan, **target);
  if (!lacking) return fail(lacking.error());
  view.now(name + ": " + std::to_string(plan.sessions) + " sessions log in");
  CrowdPlan near;
  near.server = (*target)->quiet();
  near.sessions = plan.neighbours;
  near.runs = CrowdPlan::Runs::pings;
  near.limits = {kNever, ~uint64_t{0} >> 1, uint64_t{1} << 31};
  auto neighbours = LoadCrowd::make(std::move(near));
  if (!neighbours) return fail(neighbours.error());
  if (plan.neighbours > 0 && !(*neighbours)->arrive(plan.login_seconds)) {
    (*neighbours)->stop();
    return fail("a neighbour: " + (*neighbours)->first_trouble());
  }
  auto crowd = Crowd::arrive(plan, **target, rekeys);
  if (!crowd) return fail(crowd.error());
  PhaseOutcome outcome;
  outcome.lacking = std::move(*lacking);
  const auto first_rekeys = rekeys_of(**crowd, **target);
  const uint64_t first_bytes = (*crowd)->bytes(), since_ns = monotonic_clock().now_ns();
  const double client_cpu = (*crowd)->cpu_seconds(), first_server_cpu = (*target)->cpu_seconds();
  const double began = monotonic_seconds(), length = rekeys ? plan.seconds : plan.calm_seconds;
  (*crowd)->count(true);
  (*neighbours)->count(true);
  for (double now; (now = monotonic_seconds() - began) < length;) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(0.5, length - now)));
    view.now(name + ": " + figure(now) + " of " + figure(length) + " s, " +
             ((*crowd)->foreign() ? std::string() : std::to_string((*crowd)->rekeys() - *first_rekeys) + " rekeys, ") +
             figure(static_cast<double>((*crowd)->bytes() - first_bytes) / 1e9 / std::max(now, 0.001)) + " GB/s");
  }
  outcome.seconds = monotonic_seconds() - began;
  outcome.bytes = static_cast<double>((*crowd)->bytes() - first_bytes);
  const auto last_rekeys = rekeys_of(**crowd, **target);
  if (!first_rekeys || !last_rekeys) return fail("the server does not say how many keys it renewed");
  outcome.rekeys = *last_rekeys - *first_rekeys;
  outcome.client_cpu = (*crowd)->cpu_seconds() - client_cpu;
  outcome.server_cpu = (*target)->cpu_seconds() - first_server_cpu;
  outcome.client_bytes = static_cast<double>((*crowd)->memory_bytes());
  if ((*target)->process() != 0)
    outcome.server_bytes = static_cast<double>(tree_use((*target)->process()).memory_bytes);
  outcome.turned_away = (*crowd)->turned_away() + (*neighbours)->turned_away();
  const LastSigns signs((*crowd)->members(), (*neighbours)->members());
  signs.wait();
  (*neighbours)->stop();
  (*crowd)->stop();
  signs.judge(since_ns, outcome);
  return outcome;
}

}  // namespace sluice::bench
