// sluice bench: which of its subcommands is meant.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <thread>

#include "apps/sluice/bench/bench_output.h"
#include "apps/sluice/bench/bench_programs.h"
#include "apps/sluice/bench/bench_server.h"
#include "apps/sluice/programs.h"

namespace sluice {
namespace {

struct Subcommand {
  std::string_view name;
  int (*run)(int, char**);
  const char* summary;
};

constexpr Subcommand kSubcommands[] = {
    {"transfer", bench::run_transfer, "files by this client and others, to this server and others"},
    {"rekey", bench::run_rekey, "many sessions that renew their keys while data flows"},
    {"linerate", bench::run_linerate, "the record layer beside the wire: rates, latencies, cores"},
    {"sessions", bench::run_sessions, "logins a second, idle and active sessions, what each costs"},
    {"compare", bench::run_compare, "what changed between two results beyond the noise"},
};

int help(FILE* to, int code) {
  std::fputs("usage: sluice bench SUBCOMMAND [FLAG]...\n\n", to);
  for (const Subcommand& row : kSubcommands)
    std::fprintf(to, "  %-9.*s %s\n", static_cast<int>(row.name.size()), row.name.data(), row.summary);
  std::fputs(
      "\nFlags of all of them:\n"
      "  --json FILE    the result: machine, settings, every round of every figure\n"
      "  --html FILE    the report: tables and plots, in one file\n"
      "  --plain        plain lines on a terminal too\n"
      "  -q, --quiet    nothing while it runs\n"
      "`sluice bench SUBCOMMAND --help` lists its own. See sluice-bench(1).\n",
      to);
  return code;
}

// A signal ends a run without what it has in memory: gigabytes of files, servers, clients.
void clean_up_at_signals() {
  sigset_t ending;
  ::sigemptyset(&ending);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) ::sigaddset(&ending, number);
  }
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  std::thread([ending] {
    int number = 0;
    if (::sigwait(&ending, &number) != 0) return;
    bench::leave_nothing();
    ::_exit(128 + number);
  }).detach();
}

}  // namespace

int run_bench(int argc, char** argv) {
  if (argc < 2) return help(stderr, bench::kUsage);
  const std::string_view word = argv[1];
  if (word == "--help" || word == "-h" || word == "help") return help(stdout, bench::kPassed);
  ::signal(SIGPIPE, SIG_IGN);
  // Who serves ends by signals in its own way.
  const bool serves =
      std::any_of(argv, argv + argc, [](const char* each) { return std::string_view(each) == "--serve"; });
  if (!serves && word != "compare") clean_up_at_signals();
  for (const Subcommand& row : kSubcommands) {
    if (row.name == word) return row.run(argc - 1, argv + 1);
  }
  std::fprintf(stderr, "sluice bench: %s: no such subcommand\n", argv[1]);
  return help(stderr, bench::kUsage);
}

}  // namespace sluice
