// sluice bench: which of its subcommands is meant.
#include <signal.h>

#include <cstdio>
#include <string_view>

#include "apps/sluice/bench/bench_output.h"
#include "apps/sluice/bench/bench_programs.h"
#include "apps/sluice/programs.h"

namespace sluice {
namespace {

struct Subcommand {
  std::string_view name;
  int (*run)(int, char**);
  const char* summary;
};

constexpr Subcommand kSubcommands[] = {
    {"transfer", bench::run_transfer, "files by this client and others, to this server and others, in turn"},
    {"rekey", bench::run_rekey, "many sessions that renew their keys while data flows"},
    {"linerate", bench::run_linerate, "the record layer beside the wire: rates, latencies, cores a link needs"},
    {"sessions", bench::run_sessions, "how many logins a second, how many sessions, what each costs"},
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

}  // namespace

int run_bench(int argc, char** argv) {
  if (argc < 2) return help(stderr, bench::kUsage);
  const std::string_view word = argv[1];
  if (word == "--help" || word == "-h" || word == "help") return help(stdout, bench::kPassed);
  ::signal(SIGPIPE, SIG_IGN);
  for (const Subcommand& row : kSubcommands) {
    if (row.name == word) return row.run(argc - 1, argv + 1);
  }
  std::fprintf(stderr, "sluice bench: %s: no such subcommand\n", argv[1]);
  return help(stderr, bench::kUsage);
}

}  // namespace sluice
