// One transfer after another: start the clients, wait, account, compare the sums.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "apps/sluice/bench/figures.h"
#include "apps/sluice/bench/file_sums.h"
#include "apps/sluice/bench/memory_watch.h"
#include "apps/sluice/bench/transfer_matrix.h"
#include "base/plain_text.h"

namespace sluice::bench {
namespace {

constexpr double kGib = 1024.0 * 1024 * 1024;

struct Outcome {
  double seconds = 0;
  double client_cpu = 0, server_cpu = 0;
  double client_mib = 0, server_mib = 0;
  double slowest_share = 1;  // the slowest stream's throughput : the mean
};

class Runner {
 public:
  Runner(const TransferPlan& plan, RunReport& report, LiveView& view) : plan_(plan), report_(report), view_(view) {}

  ResultOrText<void> run() {
    auto folder = RunFolder::make(plan_.folder);
    if (!folder) return fail(folder.error());
    folder_ = std::move(*folder);
    auto keys = make_run_keys(folder_->path());
    if (!keys) return fail(keys.error());
    keys_ = std::move(*keys);
    make_ppk();
    const auto cases = cases_of(plan_);
    view_.begin("sluice bench transfer: " + std::to_string(cases.size()) + " cases, " +
                    std::to_string(plan_.contestants.size()) + " contestants, " + std::to_string(plan_.rounds) +
                    " rounds",
                cases.size() * plan_.contestants.size() * plan_.rounds);
    for (const TransferCase& one : cases) {
      if (auto ready = prepare(one); !ready) return ready;
      run_case(one);
      if (&one == &cases.back() || source(one, "") != source((&one)[1], "")) remove_sources(one);
    }
    return {};
  }

 private:
  // PuTTY's programs read no other form of a key. Without puttygen they are told of none and fail, which shows.
  void make_ppk() {
    const std::string program = find_program("puttygen");
    const bool wanted = std::any_of(plan_.contestants.begin(), plan_.contestants.end(),
                                    [](const auto& c) { return c.client.kind->package == "putty-tools"; });
    if (!wanted || program.empty()) return;
    ChildOptions options;
    options.words = {program, keys_.private_file, "-O", "private", "-o", keys_.ppk_file};
    have_ppk_ = run_child(options).success();
  }

  std::string source(const TransferCase& one, const std::string& folder) const {
    return folder + "/source-" + std::to_string(one.size) + "-" + std::to_string(one.files);
  }

  // The file or tree to be moved, and its sum; that of the size before is gone.
  ResultOrText<void> prepare(const TransferCase& one) {
    const std::string path = source(one, folder_->path());
    if (path == source_) return {};
    std::error_code gone;
    if (!source_.empty()) std::filesystem::remove_all(source_, gone);
    auto made = one.files > 1 ? make_tree(path, one.files, one.size) : make_file(path, one.size);
    if (!made) return made;
    auto sum = sum_of(path);
    if (!sum) return fail(sum.error());
    source_ = path;
    sum_ = *sum;
    brought_.clear();
    return {};
  }

  // Why a contestant cannot take part in a case; empty: it can.
  std::string unfit(const TransferPlan::Contestant& who, const TransferCase& one) const {
    const ClientKind& kind = *who.client.kind;
    if (!who.client.installed())
      return who.client.name + " is not installed (Debian package " + std::string(kind.package) + ")";
    for (const std::string_view word : split_list(kind.lacks)) {
      if (one.suite->name.find(word) != std::string::npos) return who.client.name + " lacks this suite";
    }
    if (one.files > 1 && !kind.trees) return who.client.name + " moves no folders by SFTP as others do";
    if (plan_.to_null && !kind.to_null) return who.client.name + " is not let near /dev/null: it may replace it";
    if (who.server.kind == ServerKind::foreign && !one.suite->cipher.empty() && !kind.takes_suite)
      return who.client.name + " cannot be told which cipher to use";
    if (who.server.kind != ServerKind::foreign && kind.package == "putty-tools" && !have_ppk_)
      return "puttygen is needed for its key (Debian package putty-tools)";
    return {};
  }

  // A server for that suite, started when it is first asked for; others of its kind end before.
  ResultOrText<BenchServer*> server_for(const ServerSpec& spec, const TransferSuite& suite) {
    auto& [name, server] = servers_[spec.name];
    if (server && name == suite.name) return server.get();
    server.reset();
    name = suite.name;
    ServerWishes wishes;
    if (!suite.cipher.empty()) wishes.ciphers = {suite.cipher};
    if (!suite.mac.empty()) wishes.macs = {suite.mac};
    const std::string home = folder_->path() + "/server-" + std::to_string(servers_.size());
    std::filesystem::create_directories(home);
    auto started = BenchServer::start(spec, keys_, home, wishes, plan_.access);
    if (!started) return fail(started.error());
    server = std::move(*started);
    return server.get();
  }

  // Who fails is out of this case; the others go on.
  void run_case(const TransferCase& one) {
    std::vector<const TransferPlan::Contestant*> fit;
    for (const auto& who : plan_.contestants) {
      Row& row = report_.row(one.name() + " " + who.name());
      row.skipped = unfit(who, one);
      if (row.skipped.empty()) fit.push_back(&who);
    }
    // Before the clock counts: the sums once with a file, caches warm, brokers there.
    std::erase_if(fit, [&](const auto* who) {
      view_.now(one.name() + " " + who->name() + ", to warm up");
      return !measure(one, *who, false);
    });
    for (uint64_t round = 0; round < plan_.rounds; ++round) {
      std::erase_if(fit, [&](const auto* who) {
        view_.now(one.name() + " " + who->name() + ", round " + std::to_string(round + 1));
        return !measure(one, *who, true);
      });
    }
  }

  bool measure(const TransferCase& one, const TransferPlan::Contestant& who, bool counts) {
    const std::string name = one.name() + " " + who.name();
    const auto outcome = transfer(one, who, counts && plan_.to_null);
    Row& row = report_.row(name);
    if (!outcome) {
      row.skipped = "failed";
      report_.failures.push_back(name + ": " + terminal_text(outcome.error()));
      view_.note(report_.failures.back());
      return false;
    }
    if (!counts) return true;
    note(one, who, row, *outcome);
    view_.step(name, row.find("throughput")->rounds.back(), "GB/s");
    return true;
  }

  void note(const TransferCase& one, const TransferPlan::Contestant& who, Row& row, const Outcome& outcome) const {
    const double bytes = static_cast<double>(one.size * one.files * one.streams), gib = bytes / kGib;
    const auto add = [&](const char* name, const char* unit, Better better, double value) {
      row.measure(name, unit, better).rounds.push_back(value);
    };
    add("throughput", "GB/s", Better::higher, bytes / outcome.seconds / 1e9);
    add("time", "s", Better::lower, outcome.seconds);
    if (one.files > 1)
      add("files", "files/s", Better::higher, static_cast<double>(one.files * one.streams) / outcome.seconds);
    add("client CPU", "s/GiB", Better::lower, outcome.client_cpu / gib);
    // It had ended before anybody looked.
    if (outcome.client_mib > 0) add("client memory", "MiB", Better::lower, outcome.client_mib);
    if (one.streams > 1) add("slowest stream : mean", "", Better::higher, outcome.slowest_share);
    if (who.server.kind == ServerKind::foreign) return;
    add("server CPU", "s/GiB", Better::lower, outcome.server_cpu / gib);
    add("CPU of both ends", "s/GiB", Better::lower, (outcome.client_cpu + outcome.server_cpu) / gib);
    add("server memory", "MiB", Better::lower, outcome.server_mib);
  }

  // Where what is moved ends, for a stream: here or at the server. There each transfer has a name of its own: what one
  // before it has left would pass for what it brings.
  std::string target(const TransferCase& one, bool ours, uint64_t stream, bool null) const {
    if (null) return "/dev/null";
    const std::string name = "/sluice-bench-target-" + std::to_string(stream);
    if (one.way == Way::get || ours) return folder_->path() + name;
    return plan_.remote_folder + name + "-" + std::to_string(::getpid()) + "-" + std::to_string(transfers_);
  }

  TransferJob job_for(const TransferCase& one, const BenchServer& server, uint64_t stream, bool null) const {
    const bool ours = server.endpoint().ours;
    const std::string where = ours ? source_ : source_there(one);
    TransferJob job{
        one.way, one.files > 1, source_, where, one.suite, &server.endpoint(), have_ppk_ ? keys_.ppk_file : ""};
    (one.way == Way::put ? job.there : job.here) = target(one, ours, stream, null);
    return job;
  }

  ResultOrText<Outcome> transfer(const TransferCase& one, const TransferPlan::Contestant& who, bool null) {
    auto server = server_for(who.server, *one.suite);
    if (!server) return fail(server.error());
    const bool ours = (*server)->endpoint().ours;
    if (!ours && one.way == Way::get) {
      if (auto there = bring_source(one, who, **server); !there) return fail(there.error());
    }
    ++transfers_;
    for (uint64_t i = 0; i < one.streams; ++i) remove_target(one, ours, i);
    auto outcome = run_clients(one, who, **server, null);
    for (uint64_t i = 0; outcome && !null && i < one.streams; ++i) {
      if (auto same = check(one, who, **server, i); !same) return fail(same.error());
    }
    return outcome;
  }

  void remove_target(const TransferCase& one, bool ours, uint64_t stream) const {
    std::error_code gone;
    if (one.way == Way::get || ours) std::filesystem::remove_all(target(one, ours, stream, false), gone);
  }

  ResultOrText<void> run_one(const TransferPlan::Contestant& who, const TransferJob& job) const {
    ChildOptions options = who.client.kind->command(who.client.program, job);
    options.patience_seconds = plan_.patience_seconds;
    const ChildOutcome outcome = run_child(options);
    if (outcome.success()) return {};
    return fail("the client ended with status " + std::to_string(outcome.status) + ": " + outcome.output);
  }

  // To somebody else's host, once a size.
  ResultOrText<void> bring_source(const TransferCase& one, const TransferPlan::Contestant& who,
                                  const BenchServer& server) {
    if (std::find(brought_.begin(), brought_.end(), who.server.name) != brought_.end()) return {};
    TransferJob job = job_for(one, server, 0, false);
    job.way = Way::put;
    job.here = source_;
    job.there = source_there(one);
    if (auto there = run_one(who, job); !there) return there;
    brought_.push_back(who.server.name);
    return {};
  }

  void remove_sources(const TransferCase& one) {
    for (const auto& [name, server] : servers_) {
      const bool brought = std::find(brought_.begin(), brought_.end(), name) != brought_.end();
      if (brought && server.second) remove_there(one, *server.second, source_there(one));
    }
    brought_.clear();
  }

  std::string source_there(const TransferCase& one) const {
    return source(one, plan_.remote_folder) + "-" + std::to_string(::getpid());
  }

  // By our own client, where there is SFTP; else it stays.
  void remove_there(const TransferCase& one, const BenchServer& server, const std::string& path) const {
    const ClientSpec own = *parse_client("sluice-sftp");
    ChildOptions options = own.kind->command(own.program, job_for(one, server, 0, false));
    options.input = one.files > 1 ? "-rm \"" + path + "\"/*\n-rmdir \"" + path + "\"\n" : "-rm \"" + path + "\"\n";
    options.patience_seconds = plan_.patience_seconds;
    run_child(options);
  }

  ResultOrText<void> check(const TransferCase& one, const TransferPlan::Contestant& who, const BenchServer& server,
                           uint64_t stream) const {
    std::string arrived = target(one, server.endpoint().ours, stream, false);
    if (!server.endpoint().ours && one.way == Way::put) {
      // Nobody but its server can read it: it comes back by the same client.
      TransferJob job = job_for(one, server, stream, false);
      job.way = Way::get;
      job.here = folder_->path() + "/back";
      const auto back = run_one(who, job);
      remove_there(one, server, job.there);
      if (!back) return back;
      arrived = job.here;
    }
    const auto sum = sum_of(arrived);
    std::error_code gone;
    std::filesystem::remove_all(arrived, gone);
    if (!sum) return fail(sum.error());
    if (*sum == sum_) return {};
    return fail("WRONG BYTES: SHA-256 " + *sum + " arrived, " + sum_ + " was sent");
  }

  ResultOrText<Outcome> run_clients(const TransferCase& one, const TransferPlan::Contestant& who,
                                    const BenchServer& server, bool null) {
    Outcome outcome;
    MemoryWatch memory(2);
    if (server.process() != 0) memory.add(1, server.process());
    const double cpu = server.cpu_seconds();
    std::vector<std::unique_ptr<Child>> clients;
    std::vector<ChildOutcome> ends(one.streams);
    std::vector<std::string> problems(one.streams);
    const double began = monotonic_seconds();
    for (uint64_t i = 0; i < one.streams; ++i) {
      ChildOptions options = who.client.kind->command(who.client.program, job_for(one, server, i, null));
      options.patience_seconds = plan_.patience_seconds;
      options.with_keeper = true;
      auto child = Child::start(std::move(options));
      if (!child) return fail(child.error());
      memory.add(0, (*child)->process());
      clients.push_back(std::move(*child));
    }
    std::vector<std::thread> waits;
    for (uint64_t i = 1; i < one.streams; ++i) waits.emplace_back([&, i] { ends[i] = clients[i]->wait(); });
    ends[0] = clients[0]->wait();
    for (std::thread& thread : waits) thread.join();
    outcome.seconds = monotonic_seconds() - began;
    if (one.streams == 1) outcome.seconds = ends[0].seconds;
    outcome.client_mib = static_cast<double>(memory.most_bytes(0)) / (1 << 20);
    outcome.server_mib = static_cast<double>(memory.most_bytes(1)) / (1 << 20);
    server.settle();
    outcome.server_cpu = server.cpu_seconds() - cpu;
    double rates = 0, slowest = 0;
    for (const ChildOutcome& end : ends) {
      if (!end.success()) return fail("the client ended with status " + std::to_string(end.status) + ": " + end.output);
      outcome.client_cpu += end.cpu_seconds;
      const double rate = 1 / end.seconds;
      rates += rate;
      slowest = slowest == 0 ? rate : std::min(slowest, rate);
    }
    outcome.slowest_share = slowest * static_cast<double>(one.streams) / rates;
    return outcome;
  }

  const TransferPlan& plan_;
  RunReport& report_;
  LiveView& view_;
  std::unique_ptr<RunFolder> folder_;
  RunKeys keys_;
  bool have_ppk_ = false;
  std::string source_, sum_;
  std::vector<std::string> brought_;
  uint64_t transfers_ = 0;
  std::map<std::string, std::pair<std::string, std::unique_ptr<BenchServer>>> servers_;
};

}  // namespace

ResultOrText<void> measure_transfers(const TransferPlan& plan, RunReport& report, LiveView& view) {
  auto done = Runner(plan, report, view).run();
  conclude_transfers(plan, report);
  return done;
}

}  // namespace sluice::bench
