// sluice bench sessions: logins, sessions that wait, sessions that work, against each server in turn.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <thread>

#include "apps/sluice/bench/bench_output.h"
#include "apps/sluice/bench/bench_programs.h"
#include "apps/sluice/bench/load_crowd.h"
#include "base/plain_text.h"

namespace sluice::bench {
namespace {

constexpr const char* kHelp = R"(usage: sluice bench sessions [FLAG]...
For each server in turn: sessions log in and wait, then fewer of them work.
Logins a second, CPU of a login, memory and CPU of what waits, throughput and
fairness of what works.
  --server LIST     sluiced,sshd (the default), sshd=PATH, HOST:PORT
  --sessions N      that log in and wait (200), to 10000
  --at-once N       logins under way at a time (8)
  --hold S          how long they wait (3)
  --active N        that work (20): each an echo by the command cat; 0: none
  --seconds S       how long they work (3)
  --kex LIST        of the logins: curve25519-sha256 ...
  --workers N       threads of the client (1)
  --rounds N        of all of this (3)
  --folder DIR; for HOST:PORT --user, --identity, --option LINE (as ssh -o)
Limits, by the medians of the first server's rounds:
  --least-logins N  a second;  --most-idle-kib N;  --least-fairness SHARE
  --json FILE --html FILE --plain -q     as for all (sluice bench --help)
Exit status: 0 within the limits; 1 not, or an error; 2 usage; 3 no server.
)";

struct Plan {
  std::vector<ServerSpec> servers;
  std::vector<std::string> kexes;
  uint64_t sessions = 200, at_once = 8, active = 20, workers = 1, rounds = 3;
  double hold = 3, seconds = 3;
  std::string folder;
  ForeignAccess access;
  double least_logins = -1, most_idle_kib = -1, least_fairness = -1;
};

class Run {
 public:
  Run(const Plan& plan, RunReport& report, LiveView& view) : plan_(plan), report_(report), view_(view) {}

  ResultOrText<void> run() {
    auto folder = RunFolder::make(plan_.folder);
    if (!folder) return fail(folder.error());
    folder_ = std::move(*folder);
    auto keys = make_run_keys(folder_->path());
    if (!keys) return fail(keys.error());
    view_.begin("sluice bench sessions: " + std::to_string(plan_.sessions) + " that wait, " +
                    std::to_string(plan_.active) + " that work",
                plan_.rounds * plan_.servers.size() * (plan_.active > 0 ? 2 : 1));
    std::vector<std::unique_ptr<BenchServer>> servers;
    for (const ServerSpec& spec : plan_.servers) {
      const std::string home = folder_->path() + "/server-" + std::to_string(servers.size());
      if (::mkdir(home.c_str(), 0755) != 0) return fail("cannot make " + home);
      auto server = BenchServer::start(spec, *keys, home, {}, plan_.access);
      if (!server) return fail(server.error());
      servers.push_back(std::move(*server));
      if (auto warm = warm_up(plan_.servers[servers.size() - 1].name, *servers.back()); !warm) return warm;
    }
    for (uint64_t round = 0; round < plan_.rounds; ++round) {
      for (size_t i = 0; i < servers.size(); ++i) {
        if (auto done = wait_there(plan_.servers[i].name, *servers[i]); !done) return done;
        if (plan_.active == 0) continue;
        if (auto done = work_there(plan_.servers[i].name, *servers[i], round + 1 == plan_.rounds); !done) return done;
      }
    }
    report_.plots.push_back(std::move(shares_));
    return {};
  }

 private:
  static void add(Row& row, const char* name, const char* unit, Better better, double value) {
    row.measure(name, unit, better).rounds.push_back(value);
  }

  CrowdPlan crowd_for(const BenchServer& server, uint64_t sessions, CrowdPlan::Runs runs) const {
    CrowdPlan crowd;
    crowd.server = server.endpoint();
    crowd.sessions = sessions;
    crowd.workers = plan_.workers;
    crowd.kexes = plan_.kexes;
    crowd.runs = runs;
    crowd.handshakes_at_once = plan_.at_once;
    return crowd;
  }

  ResultOrText<std::unique_ptr<LoadCrowd>> arrive(const std::string& name, CrowdPlan wishes) {
    constexpr double kPatience = 1800;
    auto crowd = LoadCrowd::make(std::move(wishes));
    if (crowd && !(*crowd)->arrive(kPatience)) {
      (*crowd)->stop();
      const std::string why = (*crowd)->first_trouble();
      return fail(name + ": " + std::to_string((*crowd)->logged_in()) +
                  " sessions are in: " + (why.empty() ? "no time is left" : why));
    }
    if (crowd && (*crowd)->turned_away() > 0)
      report_.remarks.push_back(name + ": the server turned logins away for load " +
                                std::to_string((*crowd)->turned_away()) + " times; these came again, later");
    return crowd;
  }

  // What a server makes once, host keys above all, is not its sessions'.
  ResultOrText<void> warm_up(const std::string& name, const BenchServer& server) {
    constexpr uint64_t kSessions = 20;
    view_.now(name + ": to warm up");
    auto crowd = arrive(name, crowd_for(server, kSessions, CrowdPlan::Runs::nothing));
    if (!crowd) return fail(crowd.error());
    (*crowd)->stop();
    crowd->reset();
    server.settle();
    return {};
  }

  ResultOrText<void> wait_there(const std::string& name, const BenchServer& server) {
    view_.now(name + ": " + std::to_string(plan_.sessions) + " log in");
    const pid_t root = server.process();
    const double memory = root ? static_cast<double>(tree_use(root).memory_bytes) : 0;
    const double cpu = server.cpu_seconds(), own = cpu_seconds_of(::getpid());
    auto crowd = arrive(name, crowd_for(server, plan_.sessions, CrowdPlan::Runs::nothing));
    if (!crowd) return fail(crowd.error());
    const double sessions = static_cast<double>(plan_.sessions);
    Row& logins = report_.row("logins " + name);
    add(logins, "rate", "1/s", Better::higher, sessions / (*crowd)->arrival_seconds());
    add(logins, "client CPU", "ms", Better::lower, (cpu_seconds_of(::getpid()) - own) / sessions * 1e3);
    view_.step(logins.name, logins.find("rate")->rounds.back(), "1/s");
    Row& idle = report_.row(std::to_string(plan_.sessions) + " idle " + name);
    // What a login leaves to be done is done before the waiting is measured.
    const auto pause = [&](double share) {
      std::this_thread::sleep_for(std::chrono::duration<double>(plan_.hold * share));
    };
    pause(0.3);
    const double before = server.cpu_seconds(), began = monotonic_seconds();
    pause(0.7);
    const double waiting = server.cpu_seconds() - before;
    if (root) {
      const double now = static_cast<double>(tree_use(root).memory_bytes);
      add(idle, "server memory each", "KiB", Better::lower, std::max(0.0, now - memory) / 1024 / sessions);
      add(idle, "server CPU", "% of a core", Better::lower, waiting / (monotonic_seconds() - began) * 100);
    }
    add(idle, "lost", "", Better::lower, static_cast<double>((*crowd)->ended()));
    if ((*crowd)->ended() > 0)
      report_.failures.push_back(name + ": sessions were lost: " + log_text((*crowd)->first_trouble()));
    (*crowd)->stop();
    crowd->reset();
    server.settle();
    // Of processes that end with their session the kernel tells all only then; the logout is in it.
    if (root)
      add(report_.row("logins " + name), "server CPU", "ms", Better::lower,
          (server.cpu_seconds() - cpu - waiting) / sessions * 1e3);
    return {};
  }

  ResultOrText<void> work_there(const std::string& name, const BenchServer& server, bool last) {
    view_.now(name + ": " + std::to_string(plan_.active) + " work");
    const pid_t root = server.process();
    const double memory = root ? static_cast<double>(tree_use(root).memory_bytes) : 0;
    auto crowd = arrive(name, crowd_for(server, plan_.active, CrowdPlan::Runs::cat));
    if (!crowd) return fail(crowd.error());
    // All of them, before the time counts.
    const auto flows = [](const auto& member) { return member->received > 0 || member->closed || member->ended; };
    const double deadline = monotonic_seconds() + 60;
    while (!std::all_of((*crowd)->members().begin(), (*crowd)->members().end(), flows) &&
           monotonic_seconds() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::vector<double> before, moved;
    for (const auto& member : (*crowd)->members()) before.push_back(static_cast<double>(member->received));
    const double cpu = server.cpu_seconds(), began = monotonic_seconds();
    std::this_thread::sleep_for(std::chrono::duration<double>(plan_.seconds));
    const double seconds = monotonic_seconds() - began, busy = server.cpu_seconds() - cpu;
    for (size_t i = 0; i < before.size(); ++i)
      moved.push_back(static_cast<double>((*crowd)->members()[i]->received) - before[i]);
    const double used = root ? static_cast<double>(tree_use(root).memory_bytes) - memory : 0;
    (*crowd)->stop();
    note_work(name, moved, seconds, root ? std::optional(std::pair(busy, used)) : std::nullopt, last);
    const bool wrong = std::any_of((*crowd)->members().begin(), (*crowd)->members().end(),
                                   [](const auto& m) { return m->wrong || m->closed || m->ended; });
    if (wrong) report_.failures.push_back(name + ": " + log_text((*crowd)->first_trouble()));
    const auto still = std::count(moved.begin(), moved.end(), 0.0);
    if (still > 0) report_.failures.push_back(name + ": " + std::to_string(still) + " of the sessions stood still");
    crowd->reset();
    server.settle();
    return {};
  }

  void note_work(const std::string& name, const std::vector<double>& moved, double seconds,
                 std::optional<std::pair<double, double>> server, bool last) {
    Row& row = report_.row(std::to_string(plan_.active) + " active " + name);
    double sum = 0;
    for (const double bytes : moved) sum += bytes;
    const double mean = sum / static_cast<double>(moved.size());
    add(row, "echoed", "GB/s", Better::higher, sum / seconds / 1e9);
    add(row, "fairness (Jain)", "", Better::higher, fairness_of(moved));
    add(row, "slowest : mean", "", Better::higher,
        mean == 0 ? 0 : *std::min_element(moved.begin(), moved.end()) / mean);
    if (server) {
      add(row, "server CPU", "cores", Better::lower, server->first / seconds);
      add(row, "server memory each", "KiB", Better::lower,
          std::max(0.0, server->second) / 1024 / static_cast<double>(moved.size()));
    }
    view_.step(row.name, row.find("echoed")->rounds.back(), "GB/s");
    if (!last) return;
    std::vector<double> shares;
    for (const double bytes : moved) shares.push_back(mean == 0 ? 0 : bytes / mean);
    shares_.curves.push_back({name, distribution_of(shares, 200)});
  }

  const Plan& plan_;
  RunReport& report_;
  LiveView& view_;
  std::unique_ptr<RunFolder> folder_;
  Plot shares_{"what each active session moved : the mean",
               "share of the mean",
               "share of the sessions",
               PlotStyle::lines,
               false,
               {},
               {}};
};

void add_verdicts(const Plan& plan, RunReport& report) {
  const std::string& name = plan.servers.front().name;
  const auto add = [&](const std::string& row, const char* measure, double asked, bool at_least) {
    const Row* found = report.find(row);
    const Measure* figures = found == nullptr ? nullptr : found->find(measure);
    if (asked >= 0) {
      report.verdicts.push_back({row + ", " + measure,
                                 figures ? std::optional(spread_of(figures->rounds).median) : std::nullopt, asked,
                                 at_least});
    }
  };
  add("logins " + name, "rate", plan.least_logins, true);
  add(std::to_string(plan.sessions) + " idle " + name, "server memory each", plan.most_idle_kib, false);
  add(std::to_string(plan.active) + " active " + name, "fairness (Jain)", plan.least_fairness, true);
}

}  // namespace

int run_sessions(int argc, char** argv) {
  CommonFlags common;
  Plan plan;
  std::vector<std::string> servers{"sluiced", "sshd"};
  std::vector<Flag> flags{flag_list("--server", servers),
                          flag_count("--sessions", 1, 10000, plan.sessions),
                          flag_count("--at-once", 1, 1000, plan.at_once),
                          flag_decimal("--hold", 0.1, 86400, plan.hold),
                          flag_count("--active", 0, 10000, plan.active),
                          flag_decimal("--seconds", 0.1, 86400, plan.seconds),
                          flag_list("--kex", plan.kexes),
                          flag_count("--workers", 1, 64, plan.workers),
                          flag_count("--rounds", 1, 1000, plan.rounds),
                          flag_text("--folder", plan.folder),
                          flag_decimal("--least-logins", 0, 1e9, plan.least_logins),
                          flag_decimal("--most-idle-kib", 0, 1e9, plan.most_idle_kib),
                          flag_decimal("--least-fairness", 0, 1, plan.least_fairness)};
  for (Flag& flag : access_flags(plan.access)) flags.push_back(std::move(flag));
  const auto rest = parse_flags(argc, argv, common, std::move(flags));
  if (!rest) return complain("sessions", rest.error(), kUsage);
  if (common.help) return std::fputs(kHelp, stdout), kPassed;
  if (!rest->empty()) return complain("sessions", rest->front() + ": flags only; --help lists them", kUsage);
  for (const std::string& name : servers) {
    auto spec = parse_server(name);
    if (!spec) return complain_of_wishes("sessions", spec.error());
    if (auto why = why_absent(*spec); !why.empty()) return complain("sessions", why, kNotAvailable);
    plan.servers.push_back(std::move(*spec));
  }
  if (plan.folder.empty()) plan.folder = default_folder();
  if (auto why = why_unwritable(common); !why.empty()) return complain("sessions", why, kUsage);
  RunReport report = begin_report("sessions");
  report.settings = {{"servers", join(servers, ", ")},
                     {"sessions", std::to_string(plan.sessions)},
                     {"logins at once", std::to_string(plan.at_once)},
                     {"hold", figure(plan.hold) + " s"},
                     {"active", std::to_string(plan.active)},
                     {"seconds", figure(plan.seconds)},
                     {"key exchange", plan.kexes.empty() ? "default" : join(plan.kexes, ", ")},
                     {"workers", std::to_string(plan.workers)},
                     {"rounds", std::to_string(plan.rounds)}};
  {
    LiveView view(manner_of(common), stderr);
    if (auto done = Run(plan, report, view).run(); !done) report.failures.push_back(terminal_text(done.error()));
  }
  add_verdicts(plan, report);
  return finish_report(report, common);
}

}  // namespace sluice::bench
