// Phases: a server, its crowd and the neighbours come, data flows and is counted, and all of them go.
#include <algorithm>
#include <thread>

#include "apps/sluice/bench/figures.h"
#include "apps/sluice/bench/foreign_crowd.h"
#include "apps/sluice/bench/rekey_plan.h"
#include "base/plain_text.h"

namespace sluice::bench {
namespace {

constexpr uint64_t kNever = uint64_t{1} << 50;
constexpr size_t kPlotPoints = 4000;
constexpr double kMib = 1024.0 * 1024;

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
    auto started = BenchServer::start(*spec, *keys, target->folder_->path(), wishes_of(plan, *spec, rekeys), plan.user,
                                      plan.identity);
    if (!started) return fail(started.error());
    target->other_ = std::move(*started);
    return target;
  }

  const Endpoint& endpoint() const { return own_ ? own_->endpoint() : other_->endpoint(); }
  const Endpoint& quiet() const { return own_ ? own_->quiet_endpoint() : other_->endpoint(); }
  // 0: not ours to look at.
  pid_t process() const { return own_ ? own_->process() : other_->process(); }
  // That the load's own server counts.
  uint64_t rekeys() const { return own_ ? own_->rekeys() : 0; }
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

void judge(const Crowd& crowd, const std::vector<uint64_t>& before, PhaseOutcome& outcome) {
  for (size_t i = 0; i < crowd.members().size(); ++i) {
    const Member& member = *crowd.members()[i];
    const std::string trouble = trouble_of(member, member.received > before[i]);
    if (!trouble.empty() && outcome.errors++ == 0) outcome.trouble = "session " + std::to_string(i) + ": " + trouble;
    outcome.pauses.insert(outcome.pauses.end(), member.pauses.begin(), member.pauses.end());
  }
}

double server_cpu(const Target& target) { return target.process() == 0 ? 0 : tree_cpu_seconds(target.process()); }

// By the client's count where it is ours, else by the server's.
uint64_t rekeys_of(const Crowd& crowd, const Target& target) {
  return crowd.foreign() ? target.rekeys() : crowd.rekeys();
}

}  // namespace

ResultOrText<PhaseOutcome> run_phase(const RekeyPlan& plan, bool rekeys, LiveView& view) {
  const std::string name = rekeys ? "with rekeys" : "without rekeys";
  auto target = Target::start(plan, rekeys);
  if (!target) return fail(target.error());
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
  std::vector<uint64_t> before;
  for (const auto& member : (*crowd)->members()) before.push_back(member->received);
  PhaseOutcome outcome;
  const uint64_t first_rekeys = rekeys_of(**crowd, **target), first_bytes = (*crowd)->bytes();
  const double client_cpu = (*crowd)->cpu_seconds(), first_server_cpu = server_cpu(**target);
  const double began = monotonic_seconds(), length = rekeys ? plan.seconds : plan.calm_seconds;
  (*crowd)->count(true);
  (*neighbours)->count(true);
  for (double now; (now = monotonic_seconds() - began) < length;) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(0.5, length - now)));
    view.now(name + ": " + figure(now) + " of " + figure(length) + " s, " +
             std::to_string((*crowd)->rekeys() - first_rekeys) + " rekeys, " +
             figure(static_cast<double>((*crowd)->bytes() - first_bytes) / 1e9 / std::max(now, 0.001)) + " GB/s");
  }
  outcome.seconds = monotonic_seconds() - began;
  outcome.bytes = static_cast<double>((*crowd)->bytes() - first_bytes);
  outcome.rekeys = rekeys_of(**crowd, **target) - first_rekeys;
  outcome.client_cpu = (*crowd)->cpu_seconds() - client_cpu;
  outcome.server_cpu = server_cpu(**target) - first_server_cpu;
  outcome.client_bytes = static_cast<double>((*crowd)->memory_bytes());
  if ((*target)->process() != 0)
    outcome.server_bytes = static_cast<double>(tree_use((*target)->process()).memory_bytes);
  (*neighbours)->stop();
  (*crowd)->stop();
  judge(**crowd, before, outcome);
  for (const auto& member : (*neighbours)->members())
    outcome.neighbour_delays.insert(outcome.neighbour_delays.end(), member->delays.begin(), member->delays.end());
  return outcome;
}

namespace {

std::vector<double> heights(const std::vector<Point>& points) {
  std::vector<double> out;
  for (const Point& point : points) out.push_back(point.y);
  std::sort(out.begin(), out.end());
  return out;
}

void add_quantiles(Row& row, const std::string& what, const std::vector<double>& sorted) {
  const auto add = [&](const char* which, double share) {
    row.measure(what + " " + which, "ms", Better::lower).rounds.push_back(quantile_of(sorted, share));
  };
  if (sorted.empty()) return;
  add("p50", 0.5);
  add("p99", 0.99);
  add("p99.9", 0.999);
  add("max", 1);
}

void note(const RekeyPlan& plan, const PhaseOutcome& outcome, bool rekeys, Row& row) {
  const auto add = [&](const char* name, const char* unit, Better better, double value) {
    row.measure(name, unit, better).rounds.push_back(value);
  };
  add("throughput", "GB/s", Better::higher, outcome.bytes / outcome.seconds / 1e9);
  if (rekeys) {
    add("rekeys", "", Better::neither, static_cast<double>(outcome.rekeys));
    add("rekey rate", "1/s", Better::higher, static_cast<double>(outcome.rekeys) / outcome.seconds);
  }
  add_quantiles(row, rekeys ? "pause" : "longest gap", heights(outcome.pauses));
  std::vector<double> delays = outcome.neighbour_delays;
  std::sort(delays.begin(), delays.end());
  add_quantiles(row, "neighbour", delays);
  add("errors", "", Better::lower, static_cast<double>(outcome.errors));
  add("client CPU", "cores", Better::lower, outcome.client_cpu / outcome.seconds);
  add("client memory", "MiB", Better::lower, outcome.client_bytes / kMib);
  if (outcome.server_bytes == 0) return;
  add("server CPU", "cores", Better::lower, outcome.server_cpu / outcome.seconds);
  add("server memory", "MiB", Better::lower, outcome.server_bytes / kMib);
  add("server memory a session", "KiB", Better::lower,
      outcome.server_bytes / 1024 / static_cast<double>(plan.sessions + plan.neighbours));
}

Curve distribution(const std::string& name, const std::vector<double>& values) {
  return {name, distribution_of(values, 200)};
}

void add_plots(const PhaseOutcome* calm, const PhaseOutcome& storm, RunReport& report) {
  Plot time{"pauses of rekeys over time", "s", "ms", PlotStyle::points, false, {}, {}};
  Curve pauses{"pause", {}};
  const size_t step = storm.pauses.size() / kPlotPoints + 1;
  for (size_t i = 0; i < storm.pauses.size(); i += step) pauses.points.push_back(storm.pauses[i]);
  time.curves = {std::move(pauses)};
  report.plots.push_back(std::move(time));
  Plot share{"distribution of pauses", "ms", "share", PlotStyle::lines, true, {}, {}};
  if (calm != nullptr) share.curves.push_back(distribution("longest gap without rekeys", heights(calm->pauses)));
  share.curves.push_back(distribution("pause of a rekey", heights(storm.pauses)));
  report.plots.push_back(std::move(share));
  Plot delays{"a neighbour's answers", "ms", "share", PlotStyle::lines, true, {}, {}};
  if (calm != nullptr) delays.curves.push_back(distribution("without rekeys", calm->neighbour_delays));
  delays.curves.push_back(distribution("with rekeys", storm.neighbour_delays));
  report.plots.push_back(std::move(delays));
  Plot split{"CPU split", "", "cores", PlotStyle::bars, false, {}, {"client", "server"}};
  split.curves.push_back(
      {"with rekeys", {{0, storm.client_cpu / storm.seconds}, {1, storm.server_cpu / storm.seconds}}});
  report.plots.push_back(std::move(split));
}

double median(const Row& row, std::string_view name) {
  const Measure* measure = row.find(name);
  return measure == nullptr ? 0 : spread_of(measure->rounds).median;
}

void add_verdicts(const RekeyPlan& plan, RunReport& report) {
  const Row& storm = report.row("with rekeys");
  const auto add = [&](const char* what, double value, double asked, bool at_least) {
    if (asked >= 0) report.verdicts.push_back({what, value, asked, at_least});
  };
  const Measure* errors = storm.find("errors");
  add("errors", errors == nullptr ? 0 : spread_of(errors->rounds).most, 0, false);
  add("rekeys a second", median(storm, "rekey rate"), plan.asked.least_rekeys, true);
  add("pause p99, ms", median(storm, "pause p99"), plan.asked.most_pause_p99, false);
  add("longest pause, ms", median(storm, "pause max"), plan.asked.most_pause, false);
  add("neighbour's answer p99, ms", median(storm, "neighbour p99"), plan.asked.most_neighbour_p99, false);
  add("throughput, GB/s", median(storm, "throughput"), plan.asked.least_rate, true);
  add("server's memory a session, KiB", median(storm, "server memory a session"), plan.asked.most_server_kib, false);
  for (const Ratio& ratio : report.ratios)
    add("throughput with : without rekeys", spread_of(ratio.rounds).median, plan.asked.least_share, true);
}

}  // namespace

ResultOrText<void> measure_rekeys(const RekeyPlan& plan, RunReport& report, LiveView& view) {
  const bool calm_too = plan.calm_seconds > 0;
  view.begin("sluice bench rekey: " + std::to_string(plan.sessions) + " sessions", plan.rounds * (calm_too ? 2 : 1));
  for (uint64_t round = 0; round < plan.rounds; ++round) {
    std::optional<PhaseOutcome> calm;
    for (const bool rekeys : {false, true}) {
      if (!rekeys && !calm_too) continue;
      auto outcome = run_phase(plan, rekeys, view);
      if (!outcome) return fail(outcome.error());
      Row& row = report.row(rekeys ? "with rekeys" : "without rekeys");
      note(plan, *outcome, rekeys, row);
      view.step(row.name, row.find("throughput")->rounds.back(), "GB/s");
      if (outcome->errors > 0) {
        report.failures.push_back(std::to_string(outcome->errors) + " sessions failed " + row.name + "; " +
                                  log_text(outcome->trouble));
      }
      if (rekeys && outcome->rekeys == 0) report.failures.emplace_back("no key was renewed at all");
      if (rekeys && round + 1 == plan.rounds) add_plots(calm ? &*calm : nullptr, *outcome, report);
      if (!rekeys) calm = std::move(*outcome);
    }
  }
  if (calm_too) {
    report.ratios.push_back(
        {"throughput with : without rekeys", ratios_of(report.row("with rekeys").find("throughput")->rounds,
                                                       report.row("without rekeys").find("throughput")->rounds)});
  }
  add_verdicts(plan, report);
  return {};
}

}  // namespace sluice::bench
