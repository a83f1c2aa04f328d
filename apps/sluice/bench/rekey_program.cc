// sluice bench rekey: its command line.
#include <cstdio>

#include "apps/sluice/bench/bench_output.h"
#include "apps/sluice/bench/bench_programs.h"
#include "apps/sluice/bench/rekey_plan.h"
#include "apps/sluice/bench/transfer_clients.h"
#include "control/kex/kex_method.h"
#include "control/transport/transport_machine.h"

namespace sluice::bench {
namespace {

constexpr const char* kHelp = R"(usage: sluice bench rekey [FLAG]...    or: sluice bench rekey --serve [FLAG]...
Many sessions renew their keys while data flows and is verified; before that the
same without rekeys. Rates, pauses, neighbours, errors, CPU, memory.
  --sessions N, --seconds S      (100, 10); --calm S without rekeys (3; 0: none)
  --mode random|time|volume, --interval S (1), --volume SIZE (16M)
  --by client|server|both        who starts them (both)
  --kex LIST, --suite LIST       in turn by the sessions; mixed: all that
                                 the server has
  --server self|sluiced|sshd|HOST:PORT   self: this program; others run cat
  --client self|ssh|ssh=PATH     whose client; ssh only with --server self
  --neighbours N    sessions that are only asked how quickly they answer (2)
  --workers N, --window SIZE     threads at each end (1); of a session (64K)
  --rounds N (1), --folder DIR; for HOST:PORT --user, --identity, --option LINE
  --json FILE --html FILE --plain -q     as for all (sluice bench --help)
Limits, by the medians of the rounds; errors always count:
  --least-rekeys N a second, --least-rate GB/s, --least-share OF_CALM
  --most-pause MS, --most-pause-p99 MS, --most-neighbour-p99 MS
  --most-server-kib N a session
--serve --port N --listen ADDRESS, and --mode and so on: to whoever comes, as
  ssh -p PORT any@HOST 'source 1000000' (or cat, or sink)
Exit status: 0 within the limits; 1 not, or an error; 2 usage; 3 no server.
)";

struct Words {
  std::string mode, by, listen = "127.0.0.1";
  std::vector<std::string> kexes, suites;
  bool serve = false;
  uint64_t port = 0, seconds_given = 0;
  LoadServing inner;
  bool child = false;
};

ResultOrText<void> read_algorithms(const Words& words, RekeyPlan& plan) {
  const TransportConfig all = default_transport_config(Role::client);
  plan.kexes = words.kexes;
  plan.mixed_kexes = words.kexes == std::vector<std::string>{"mixed"};
  plan.mixed_suites = words.suites == std::vector<std::string>{"mixed"};
  if (plan.mixed_kexes) plan.kexes = {all.kex.begin(), all.kex.end()};
  for (const std::string& name : plan.kexes) {
    if (find_kex_method(name) == nullptr)
      return fail("--kex: there is no method " + name + "; sluice ssh -Q kex lists them");
  }
  std::vector<std::string> suites = words.suites;
  if (plan.mixed_suites) {
    suites.clear();
    for (const CipherSuite& suite : cipher_suites()) {
      if (suite.negotiable && suite.on_by_default) suites.push_back(suite.name());
    }
  }
  for (const std::string& name : suites) {
    auto suite = parse_transfer_suite(name);
    if (!suite || suite->cipher.empty()) return fail("--suite: " + (suite ? "a suite's name or mixed" : suite.error()));
    plan.suites.emplace_back(suite->cipher, suite->mac);
  }
  return {};
}

ResultOrText<void> complete(const Words& words, RekeyPlan& plan) {
  if (!words.mode.empty() && words.mode != "random" && words.mode != "time" && words.mode != "volume")
    return fail("--mode: random, time or volume");
  if (words.mode == "time") plan.mode = RekeyMode::time;
  if (words.mode == "volume") plan.mode = RekeyMode::volume;
  if (!words.by.empty() && words.by != "client" && words.by != "server" && words.by != "both")
    return fail("--by: client, server or both");
  if (words.by == "client") plan.by_server = false;
  if (words.by == "server") plan.by_client = false;
  if (plan.folder.empty()) plan.folder = default_folder();
  const bool self = plan.server == "self";
  if (!self) {
    auto spec = parse_server(plan.server);
    if (!spec) return fail("--server: " + spec.error());
    // Only who is ours can be told when to renew keys.
    const bool can = spec->kind == ServerKind::sshd && plan.mode != RekeyMode::random;
    if (plan.by_server && !can) {
      if (!plan.by_client)
        return fail("--by server: of other servers only sshd, started here, can be told when, and not at random");
      plan.by_server = false;
    }
    if (plan.client != "self") return fail("--client " + plan.client + " is for --server self");
  }
  if (plan.client != "self" && plan.by_client && plan.mode == RekeyMode::random) {
    if (words.by == "client")
      return fail("--by client: " + plan.client + " cannot be told to rekey at random; --mode time or volume");
    plan.by_client = false;
  }
  return read_algorithms(words, plan);
}

void tell_settings(const RekeyPlan& plan, const Words& words, RunReport& report) {
  const char* mode = plan.mode == RekeyMode::random ? "random" : plan.mode == RekeyMode::time ? "time" : "volume";
  std::vector<std::string> suites;
  for (const auto& [cipher, mac] : plan.suites) suites.push_back(mac.empty() ? cipher : cipher + "+" + mac);
  report.settings = {{"sessions", std::to_string(plan.sessions)},
                     {"seconds", figure(plan.seconds)},
                     {"mode", mode},
                     {plan.mode == RekeyMode::volume ? "volume" : "interval",
                      plan.mode == RekeyMode::volume ? size_text(plan.volume) : figure(plan.interval) + " s"},
                     {"by", plan.by_client && plan.by_server ? "both"
                            : plan.by_client                 ? "client"
                                                             : "server"},
                     {"key exchange", plan.kexes.empty() ? "default" : join(plan.kexes, ", ")},
                     {"suites", suites.empty() ? "default" : join(suites, ", ")},
                     {"server", plan.server},
                     {"client", plan.client},
                     {"neighbours", std::to_string(plan.neighbours)},
                     {"workers", std::to_string(plan.workers)},
                     {"window", size_text(plan.window)},
                     {"rounds", std::to_string(plan.rounds)}};
  (void)words;
}

int serve(const RekeyPlan& plan, const Words& words, bool forever) {
  LoadServing serving = words.inner;
  serving.address = words.listen;
  serving.port = static_cast<uint16_t>(words.port);
  if (!words.child) {
    serving.workers = plan.workers;
    const auto ms = static_cast<uint64_t>(plan.interval * 1e3);
    if (plan.mode == RekeyMode::random) serving.rekey_mean_ms = ms;
    if (plan.mode == RekeyMode::time) serving.rekey_ms = ms;
    if (plan.mode == RekeyMode::volume) serving.rekey_bytes = plan.volume;
  }
  return serve_load(serving, forever ? 0 : plan.seconds);
}

std::vector<Flag> flags_of(Words& words, RekeyPlan& plan, bool& timed) {
  RekeyLimitsAsked& asked = plan.asked;
  Flag seconds = flag_decimal("--seconds", 0.1, 86400, plan.seconds);
  seconds.apply = [inner = seconds.apply, &timed](const std::string& v) { return timed = true, inner(v); };
  Flag own = flag_count("--serve-workers", 1, 64, words.inner.workers);
  own.apply = [inner = own.apply, &words](const std::string& v) { return words.child = true, inner(v); };
  return {flag_count("--sessions", 1, 10000, plan.sessions),
          seconds,
          own,
          flag_decimal("--calm", 0, 86400, plan.calm_seconds),
          flag_text("--mode", words.mode),
          flag_decimal("--interval", 0.01, 86400, plan.interval),
          {"--volume", true,
           [&plan](const std::string& v) {
             auto size = parse_size(v);
             if (size) plan.volume = *size;
             return size ? std::string(*size < 16384 ? "16K at least" : "") : size.error();
           }},
          flag_text("--by", words.by),
          flag_list("--kex", words.kexes),
          flag_list("--suite", words.suites),
          flag_text("--server", plan.server),
          flag_text("--client", plan.client),
          flag_count("--neighbours", 0, 100, plan.neighbours),
          flag_count("--workers", 1, 64, plan.workers),
          {"--window", true,
           [&plan](const std::string& v) {
             auto size = parse_size(v);
             if (size) plan.window = *size;
             return size ? std::string(*size < 32768 || *size > (64u << 20) ? "from 32K to 64M" : "") : size.error();
           }},
          flag_count("--rounds", 1, 1000, plan.rounds),
          flag_text("--folder", plan.folder),
          flag_decimal("--least-rekeys", 0, 1e9, asked.least_rekeys),
          flag_decimal("--least-rate", 0, 1e6, asked.least_rate),
          flag_decimal("--least-share", 0, 100, asked.least_share),
          flag_decimal("--most-pause", 0, 1e9, asked.most_pause),
          flag_decimal("--most-pause-p99", 0, 1e9, asked.most_pause_p99),
          flag_decimal("--most-neighbour-p99", 0, 1e9, asked.most_neighbour_p99),
          flag_decimal("--most-server-kib", 0, 1e9, asked.most_server_kib),
          flag_switch("--serve", words.serve),
          flag_count("--port", 1, 65535, words.port),
          flag_text("--listen", words.listen),
          flag_count("--serve-mean-ms", 1, 1u << 31, words.inner.rekey_mean_ms),
          flag_count("--serve-ms", 1, 1u << 31, words.inner.rekey_ms),
          flag_count("--serve-bytes", 1, uint64_t{1} << 50, words.inner.rekey_bytes)};
}

}  // namespace

int run_rekey(int argc, char** argv) {
  CommonFlags common;
  RekeyPlan plan;
  Words words;
  bool timed = false;
  std::vector<Flag> flags = flags_of(words, plan, timed);
  for (Flag& flag : access_flags(plan.access)) flags.push_back(std::move(flag));
  const auto rest = parse_flags(argc, argv, common, std::move(flags));
  if (!rest) return complain("rekey", rest.error(), kUsage);
  if (common.help) return std::fputs(kHelp, stdout), kPassed;
  if (!rest->empty()) return complain("rekey", rest->front() + ": flags only; --help lists them", kUsage);
  if (auto fine = complete(words, plan); !fine) return complain_of_wishes("rekey", fine.error());
  if (words.serve) return serve(plan, words, !timed);
  if (plan.server != "self") {
    if (auto why = why_absent(*parse_server(plan.server)); !why.empty()) return complain("rekey", why, kNotAvailable);
  }
  if (auto why = why_unwritable(common); !why.empty()) return complain("rekey", why, kUsage);
  RunReport report = begin_report("rekey");
  tell_settings(plan, words, report);
  {
    LiveView view(manner_of(common), stderr);
    measure_rekeys(plan, report, view);
  }
  return finish_report(report, common);
}

}  // namespace sluice::bench
