// sluice bench transfer: its command line.
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "apps/sluice/bench/bench_output.h"
#include "apps/sluice/bench/bench_programs.h"
#include "apps/sluice/bench/transfer_matrix.h"
#include "base/plain_text.h"

namespace sluice::bench {
namespace {

constexpr const char* kHelp = R"(usage: sluice bench transfer [FLAG]...
Files by each client to each server in turn, round by round; sums are compared.
  --client LIST     sluice-cp sluice-cp-auto sluice-sftp sluice-scp sftp scp
                    scp-O psftp pscp lftp rclone rsync curl, or all; another
                    build of a program as sftp=/opt/hpn/bin/sftp
  --server LIST     sluiced, sshd (started here), sshd=PATH, HOST:PORT
  --pair LIST       only these: sluice-cp+sluiced,sftp+sshd (the default)
  --against PAIR    what ratios are to (sftp+sshd, else the last)
  --way put|get     one way only
  --suite LIST      aes128-gcm, chacha20-poly1305 ... or default
  --size LIST       of a file: 256M,1G;  --files N  a folder of N of them
  --streams LIST    so many clients at once: 1,4,100
  --rounds N        measured rounds (5), after one to warm up
  --to-null         measured rounds end in /dev/null, the one before in a file
  --folder DIR      where files are (memory); --remote-folder DIR at a HOST
  --user NAME, --identity FILE, --option LINE (as ssh -o)   for HOST:PORT
  --patience S      the longest that a transfer may take (3600)
  --json FILE --html FILE --plain -q     as for all (sluice bench --help)
Exit status: 0; 1 wrong bytes or a failure; 2 usage; 3 a program is missing.
)";

struct Words {
  std::vector<std::string> clients, servers, pairs, suites{"aes128-gcm"};
  std::string against, way;
};

using Contestants = std::vector<TransferPlan::Contestant>;

ResultOrText<void> add(Contestants& to, const std::string& client, const std::string& server) {
  auto who = parse_client(client);
  if (!who) return fail(who.error());
  auto where = parse_server(server);
  if (!where) return fail(where.error());
  to.push_back({std::move(*who), std::move(*where)});
  return {};
}

ResultOrText<Contestants> contestants_of(const Words& words) {
  Contestants out;
  auto pairs = words.pairs;
  if (pairs.empty() && words.clients.empty() && words.servers.empty()) pairs = {"sluice-cp+sluiced", "sftp+sshd"};
  for (const std::string& pair : pairs) {
    const size_t plus = pair.rfind('+');
    if (plus == pair.npos) return fail("--pair: " + pair + " is no CLIENT+SERVER");
    if (auto added = add(out, pair.substr(0, plus), pair.substr(plus + 1)); !added) return fail(added.error());
  }
  if (words.clients.empty() && words.servers.empty()) return out;
  std::vector<std::string> clients = words.clients, servers = words.servers;
  if (clients.empty()) clients = {"sluice-cp", "sftp"};
  if (servers.empty()) servers = {"sluiced", "sshd"};
  if (clients == std::vector<std::string>{"all"}) {
    clients.clear();
    for (const ClientKind& kind : client_kinds()) clients.emplace_back(kind.name);
  }
  for (const std::string& client : clients) {
    for (const std::string& server : servers) {
      if (auto added = add(out, client, server); !added) return fail(added.error());
    }
  }
  return out;
}

ResultOrText<void> choose_reference(TransferPlan& plan, const std::string& against) {
  plan.reference = plan.contestants.size() - 1;
  for (size_t i = 0; i < plan.contestants.size(); ++i) {
    if (plan.contestants[i].name() != (against.empty() ? "sftp+sshd" : against)) continue;
    plan.reference = i;
    return {};
  }
  return against.empty() ? ResultOrText<void>{} : fail("--against: " + against + " does not compete");
}

ResultOrText<void> complete(TransferPlan& plan, const Words& words) {
  for (const std::string& name : words.suites) {
    auto suite = parse_transfer_suite(name);
    if (!suite) return fail("--suite: " + suite.error());
    plan.suites.push_back(std::move(*suite));
  }
  if (!words.way.empty() && words.way != "put" && words.way != "get") return fail("--way: put or get");
  if (words.way == "put") plan.ways = {Way::put};
  if (words.way == "get") plan.ways = {Way::get};
  if (plan.folder.empty()) plan.folder = default_folder();
  if (plan.to_null && plan.files > 1) return fail("--to-null is for one file, not for a folder");
  auto contestants = contestants_of(words);
  if (!contestants) return fail(contestants.error());
  plan.contestants = std::move(*contestants);
  std::set<std::string> names;
  for (const auto& who : plan.contestants) {
    if (!names.insert(who.name()).second) return fail(who.name() + " competes twice");
  }
  return choose_reference(plan, words.against);
}

// Of OpenSSH's programs the ssh beside them knows; sshd says it among other things.
std::string version_line(const std::string& program) {
  namespace fs = std::filesystem;
  const std::string name = fs::path(program).filename(), beside = fs::path(program).parent_path() / "ssh";
  if (name == "sftp" || name == "scp") return version_of(find_program(beside).empty() ? "ssh" : beside, "-V");
  const bool brief = name == "sshd" || name == "psftp" || name == "pscp";
  return version_of(program, brief ? "-V" : "--version");
}

void tell_versions(const TransferPlan& plan, RunReport& report) {
  std::map<std::string, std::string> programs;
  for (const auto& who : plan.contestants) {
    if (who.client.installed() && !who.client.kind->program.empty()) programs[who.client.name] = who.client.program;
    if (who.server.kind != ServerKind::foreign) programs[who.server.name] = who.server.program;
  }
  for (const auto& [name, program] : programs) {
    if (std::string version = version_line(program); !version.empty())
      report.machine.versions.emplace_back(name, std::move(version));
  }
}

void tell_settings(const TransferPlan& plan, const Words& words, RunReport& report) {
  std::vector<std::string> names, sizes, streams;
  for (const auto& who : plan.contestants) {
    names.push_back(who.name());
    if (who.client.installed()) report.settings.emplace_back("client " + who.client.name, who.client.program);
    if (who.server.kind != ServerKind::foreign)
      report.settings.emplace_back("server " + who.server.name, who.server.program);
  }
  for (const uint64_t size : plan.sizes) sizes.push_back(size_text(size));
  for (const uint64_t n : plan.streams) streams.push_back(std::to_string(n));
  report.settings.insert(report.settings.end(), {{"contestants", join(names, ", ")},
                                                 {"reference", plan.contestants[plan.reference].name()},
                                                 {"suites", join(words.suites, ", ")},
                                                 {"sizes", join(sizes, ", ")},
                                                 {"files", std::to_string(plan.files)},
                                                 {"streams", join(streams, ", ")},
                                                 {"rounds", std::to_string(plan.rounds)},
                                                 {"target", plan.to_null ? "/dev/null" : "a file"},
                                                 {"folder", plan.folder}});
  const auto same = std::unique(report.settings.begin(), report.settings.end());
  report.settings.erase(same, report.settings.end());
}

}  // namespace

int run_transfer(int argc, char** argv) {
  CommonFlags common;
  TransferPlan plan;
  plan.remote_folder = "/tmp";
  Words words;
  std::vector<Flag> flags{flag_list("--client", words.clients),
                          flag_list("--server", words.servers),
                          flag_list("--pair", words.pairs),
                          flag_text("--against", words.against),
                          flag_text("--way", words.way),
                          flag_list("--suite", words.suites),
                          flag_sizes("--size", plan.sizes),
                          flag_count("--files", 1, 1000000, plan.files),
                          flag_counts("--streams", 1, 1000, plan.streams),
                          flag_count("--rounds", 1, 1000, plan.rounds),
                          flag_switch("--to-null", plan.to_null),
                          flag_text("--folder", plan.folder),
                          flag_text("--remote-folder", plan.remote_folder),
                          flag_decimal("--patience", 1, 86400, plan.patience_seconds)};
  for (Flag& flag : access_flags(plan.access)) flags.push_back(std::move(flag));
  const auto rest = parse_flags(argc, argv, common, std::move(flags));
  if (!rest) return complain("transfer", rest.error(), kUsage);
  if (common.help) return std::fputs(kHelp, stdout), kPassed;
  if (!rest->empty()) return complain("transfer", rest->front() + ": flags only; --help lists them", kUsage);
  if (auto fine = complete(plan, words); !fine) return complain_of_wishes("transfer", fine.error());
  for (const auto& who : plan.contestants) {
    if (auto why = why_absent(who.server); !why.empty()) return complain("transfer", why, kNotAvailable);
  }
  if (auto why = why_unwritable(common); !why.empty()) return complain("transfer", why, kUsage);
  RunReport report = begin_report("transfer");
  tell_versions(plan, report);
  tell_settings(plan, words, report);
  {
    LiveView view(manner_of(common), stderr);
    if (auto done = measure_transfers(plan, report, view); !done)
      report.failures.push_back(terminal_text(done.error()));
  }
  return finish_report(report, common);
}

}  // namespace sluice::bench
