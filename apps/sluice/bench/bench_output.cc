// Columns, and files that are whole or not there.
#include "apps/sluice/bench/bench_output.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "apps/sluice/bench/child_process.h"
#include "apps/sluice/bench/html_report.h"

namespace sluice::bench {
namespace {

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text;
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

double g_began = 0;

std::string line(const std::string& name, const std::string& what, const std::string& value, const std::string& more) {
  std::array<char, 512> text;
  std::snprintf(text.data(), text.size(), "  %-*s %-26s %12s  %s\n", name.size() > 46 ? 0 : 46, name.c_str(),
                what.c_str(), value.c_str(), more.c_str());
  return text.data();
}

std::string range(const Spread& spread) { return figure(spread.least) + " to " + figure(spread.most); }

std::string compact_line(const Row& row) {
  std::string text;
  for (const Measure& m : row.measures)
    text += (text.empty() ? "" : ", ") + m.name + " " + figure(spread_of(m.rounds).median) +
            (m.unit.empty() ? "" : " " + m.unit);
  return text.empty() ? "" : "  " + row.name + ": " + text + "\n";
}

// A file is written beside its place and then put there, where a link leads to; what is no file, as a terminal or a
// pipe, is written to and stays what it is.
struct Target {
  std::string path, draft;
};

Target target_of(const std::string& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error) || error) return {file, file + ".part"};
  const std::string path = std::filesystem::canonical(file, error).string();
  if (error || !std::filesystem::is_regular_file(file, error)) return {file, file};
  return {path, path + ".part"};
}

bool write_file(const std::string& path, const std::string& text) {
  const Target target = target_of(path);
  errno = 0;
  std::ofstream out(target.draft, std::ios::binary);
  out << text;
  out.close();
  if (out && (target.draft == target.path || std::rename(target.draft.c_str(), target.path.c_str()) == 0)) return true;
  std::fprintf(stderr, "sluice bench: cannot write %s: %s\n", path.c_str(), std::strerror(errno));
  if (target.draft != target.path) ::unlink(target.draft.c_str());
  return false;
}

}  // namespace

ViewManner manner_of(const CommonFlags& common) {
  if (common.quiet) return ViewManner::quiet;
  return !common.plain && ::isatty(STDERR_FILENO) != 0 ? ViewManner::screen : ViewManner::lines;
}

int complain(std::string_view subcommand, const std::string& what, int code) {
  std::fprintf(stderr, "sluice bench%s%.*s: %s\n", subcommand.empty() ? "" : " ", static_cast<int>(subcommand.size()),
               subcommand.data(), what.c_str());
  return code;
}

int complain_of_wishes(std::string_view subcommand, const std::string& what) {
  return complain(subcommand, what, what.find("no such program") == std::string::npos ? kUsage : kNotAvailable);
}

std::string why_unwritable(const CommonFlags& common) {
  if (!common.json_file.empty() && common.json_file == common.html_file) return "--json and --html name the same file";
  for (const std::string& file : {common.json_file, common.html_file}) {
    if (file.empty()) continue;
    const Target target = target_of(file);
    // Whoever reads a pipe would see it end.
    if (target.draft == target.path) {
      std::error_code error;
      if (std::filesystem::is_directory(file, error)) return "cannot write " + file + ": it is a folder";
      if (::access(file.c_str(), W_OK) == 0) continue;
      return "cannot write " + file + ": " + std::strerror(errno);
    }
    std::ofstream out(target.draft, std::ios::binary);
    if (!out) return "cannot write " + file + ": " + std::strerror(errno);
    ::unlink(target.draft.c_str());
  }
  return {};
}

RunReport begin_report(std::string kind) {
  RunReport report;
  report.kind = std::move(kind);
  report.began = time_now();
  report.machine = this_machine();
  g_began = monotonic_seconds();
  return report;
}

std::string tables_of(const RunReport& report) {
  std::string out;
  for (const Row& row : report.rows) {
    if (!row.skipped.empty()) out += "  " + row.name + ": left out: " + row.skipped + "\n";
    if (report.compact) {
      out += compact_line(row);
      continue;
    }
    for (const Measure& m : row.measures) {
      const Spread spread = spread_of(m.rounds);
      out += line(row.name, m.name, figure(spread.median),
                  m.unit + (m.rounds.size() > 1 ? " (" + range(spread) + ")" : ""));
    }
  }
  if (!report.ratios.empty()) out += "ratios, round by round:\n";
  for (const Ratio& ratio : report.ratios) {
    const Spread spread = spread_of(ratio.rounds);
    out += "  " + ratio.name + ": " + figure(spread.median) + " (" + range(spread) + ")\n";
  }
  for (const Verdict& v : report.verdicts) {
    out += line(v.what, v.reached() ? "reached" : "MISSED", v.value ? figure(*v.value) : "not measured",
                (v.at_least ? "asked at least " : "asked at most ") + figure(v.asked));
  }
  for (const std::string& remark : report.remarks) out += remark + "\n";
  for (const std::string& failure : report.failures) out += "FAILED: " + failure + "\n";
  return out;
}

int finish_report(RunReport& report, const CommonFlags& common) {
  report.seconds = monotonic_seconds() - g_began;
  std::fputs(tables_of(report).c_str(), stdout);
  bool written = common.json_file.empty() || write_file(common.json_file, to_json(report));
  written &= common.html_file.empty() || write_file(common.html_file, to_html(report));
  return written && report.passed() ? kPassed : kMissed;
}

}  // namespace sluice::bench
