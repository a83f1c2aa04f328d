// sluice bench compare OLD NEW.
#include <cstdio>
#include <fstream>
#include <map>

#include "apps/sluice/bench/bench_output.h"
#include "apps/sluice/bench/bench_programs.h"
#include "apps/sluice/bench/compare.h"
#include "base/plain_text.h"

namespace sluice::bench {
namespace {

constexpr const char* kHelp = R"(usage: sluice bench compare [--percent N] [--all] OLD NEW
What changed between two results (files that --json wrote) beyond the noise: a
figure changed when the rounds of one run all lie above those of the other, it
has three rounds or more in both, and the medians differ by N percent (default
2). Figures that are the same are counted; --all lists them too.
Exit status: 0 nothing is worse; 1 something is, is gone or has failed in NEW
alone; 2 usage.
)";
constexpr size_t kMostBytes = size_t{64} << 20;

ResultOrText<RunReport> read_report(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(path + ": cannot be read");
  // A pipe has no size, and some devices no end.
  std::string text(kMostBytes + 1, 0);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return fail(path + ": cannot be read");
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMostBytes) return fail(path + ": too large for a result");
  auto report = report_from_json(text);
  if (!report) return fail(path + ": " + report.error());
  return report;
}

std::string version_named(const RunReport& report, std::string_view name) {
  for (const auto& [known, version] : report.machine.versions) {
    if (known == name) return version;
  }
  return {};
}

void tell_differences(const RunReport& before, const RunReport& after) {
  const auto tell = [](const char* what, const std::string& was, const std::string& is) {
    if (was != is) std::printf("%s: %s, then %s\n", what, log_text(was).c_str(), log_text(is).c_str());
  };
  tell("machine", before.machine.cpu, after.machine.cpu);
  tell("processors", std::to_string(before.machine.processors), std::to_string(after.machine.processors));
  tell("kernel", before.machine.kernel, after.machine.kernel);
  tell("sluice", version_named(before, "sluice"), version_named(after, "sluice"));
  const auto all = [](const RunReport& report) { return std::map(report.settings.begin(), report.settings.end()); };
  auto was = all(before), is = all(after);
  for (const auto& [name, value] : is) was.try_emplace(name, "none");
  for (const auto& [name, value] : was) tell(log_text(name).c_str(), value, is.try_emplace(name, "none").first->second);
}

bool is_worse(Change change) { return change == Change::worse || change == Change::missing; }

}  // namespace

int run_compare(int argc, char** argv) {
  CommonFlags common;
  double percent = 2;
  bool all = false;
  const auto files =
      parse_flags(argc, argv, common, {flag_decimal("--percent", 0, 1000, percent), flag_switch("--all", all)});
  if (!files) return complain("compare", files.error(), kUsage);
  if (common.help) return std::fputs(kHelp, stdout), kPassed;
  if (!common.json_file.empty() || !common.html_file.empty())
    return complain("compare", "it writes no files: its lines are the result", kUsage);
  if (files->size() != 2) return complain("compare", "two results are needed: OLD and NEW", kUsage);
  const auto before = read_report((*files)[0]), after = read_report((*files)[1]);
  if (!before) return complain("compare", before.error(), kUsage);
  if (!after) return complain("compare", after.error(), kUsage);
  if (before->kind != after->kind)
    return complain("compare", "one is of " + log_text(before->kind) + ", the other of " + log_text(after->kind),
                    kUsage);
  tell_differences(*before, *after);
  size_t same = 0, unsure = 0;
  bool worse = false;
  for (const Comparison& c : compare_reports(*before, *after, percent)) {
    same += c.change == Change::none;
    unsure += c.change == Change::unsure;
    worse |= is_worse(c.change);
    if (!all && (c.change == Change::none || c.change == Change::unsure)) continue;
    if (common.quiet) continue;
    std::printf("%-9s %s, %s: %s (%s to %s), then %s (%s to %s) %s%s\n", std::string(name_of(c.change)).c_str(),
                log_text(c.row).c_str(), log_text(c.measure).c_str(), figure(c.before.median).c_str(),
                figure(c.before.least).c_str(), figure(c.before.most).c_str(), figure(c.after.median).c_str(),
                figure(c.after.least).c_str(), figure(c.after.most).c_str(), log_text(c.unit).c_str(),
                c.ratio > 0 ? (", " + figure(c.ratio) + " x").c_str() : "");
  }
  for (const std::string& failure : after->failures) std::printf("FAILED    %s\n", log_text(failure).c_str());
  worse |= !after->failures.empty() && before->failures.empty();
  std::printf("%zu the same within the noise, %zu with too few rounds to tell\n", same, unsure);
  return worse ? kMissed : kPassed;
}

}  // namespace sluice::bench
