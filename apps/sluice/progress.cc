// Words and numbers.
#include "apps/sluice/progress.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>

#include "base/clock.h"

namespace sluice {
namespace {

constexpr auto kLook = std::chrono::milliseconds(200);
constexpr uint64_t kPlainNs = 10'000'000'000;
constexpr uint64_t kJsonNs = 1'000'000'000;
// Files that are worth a line of their own where there are many.
constexpr uint64_t kLargeFile = uint64_t{16} << 20;
constexpr uint64_t kFewFiles = 50;

std::atomic<bool> g_snapshot{false};
void on_signal(int) { g_snapshot = true; }

std::string figure(const char* format, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string clock_words(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 360000) return "--:--";
  const auto whole = static_cast<long>(std::lround(seconds));
  std::array<char, 32> text{};
  if (whole >= 3600) {
    std::snprintf(text.data(), text.size(), "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(text.data(), text.size(), "%02ld:%02ld", whole / 60, whole % 60);
  }
  return text.data();
}

size_t columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

std::string bytes_in_words(double bytes) {
  constexpr std::array<const char*, 6> kUnits{"B", "kB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < kUnits.size()) bytes /= 1000, ++unit;
  return figure(unit == 0 ? "%.0f " : bytes < 10 ? "%.2f " : bytes < 100 ? "%.1f " : "%.0f ", bytes) + kUnits[unit];
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : fit_for_terminal(text, 8192)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out += "\"";
}

void take_snapshot_signal() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGUSR1, &action, nullptr);
}

bool snapshot_wished() { return g_snapshot.exchange(false); }

// name  45 %  912 MB of 2.00 GB  1.20 GB/s  00:02 left
std::string progress_line(const std::string& name, const CopyCounts& counts, double rate) {
  const auto done = static_cast<double>(counts.bytes_done.load());
  const auto found = static_cast<double>(counts.bytes_found.load());
  std::string text = fit_for_terminal(name, 60);
  const uint64_t files = counts.files_found;
  if (files > 1) text += " (" + std::to_string(counts.files_done) + " of " + std::to_string(files) + " files)";
  const bool known = counts.all_found || files == 1;
  if (found > 0) text += figure("  %.0f %%", std::min(100.0, 100 * done / found));
  text += "  " + bytes_in_words(done) + " of " + bytes_in_words(found) + (known ? "" : " or more");
  text += "  " + bytes_in_words(rate) + "/s";
  text += "  " + clock_words((found - done) / rate) + " left";
  if (counts.connections > 1) text += "  " + std::to_string(counts.connections) + " connections";
  return text;
}

CopyProgress::CopyProgress(CopyCounts& counts, ProgressManner manner, bool verbose, bool dry)
    : counts_(counts), manner_(manner), verbose_(verbose), dry_(dry), began_ns_(monotonic_clock().now_ns()) {
  seen_ns_ = began_ns_;
  take_snapshot_signal();
  thread_ = std::thread([this] { run(); });
}

CopyProgress::~CopyProgress() {
  {
    const std::lock_guard held(lock_);
    over_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

void CopyProgress::run() {
  uint64_t told_ns = began_ns_;
  std::unique_lock held(lock_);
  while (!ended_.wait_for(held, kLook, [this] { return over_; })) {
    const uint64_t now = monotonic_clock().now_ns();
    const uint64_t bytes = counts_.bytes_done - std::min<uint64_t>(counts_.bytes_resumed, counts_.bytes_done);
    const double passed = static_cast<double>(now - seen_ns_) / 1e9;
    const double latest = static_cast<double>(bytes - std::min(bytes, seen_bytes_)) / passed;
    // The last seconds count most: a rate that jumps is no help.
    rate_ = seen_bytes_ == 0 && rate_ == 0 ? latest : rate_ * 0.8 + latest * 0.2;
    seen_bytes_ = bytes;
    seen_ns_ = now;
    if (snapshot_wished()) {
      clear_live();
      std::fprintf(stderr, "%s\n", line().c_str());
    }
    if (manner_ == ProgressManner::terminal) show_live();
    if (manner_ == ProgressManner::lines && now - told_ns >= kPlainNs) {
      told_ns = now;
      std::fprintf(stderr, "%s\n", line().c_str());
    }
    if (manner_ == ProgressManner::json && now - told_ns >= kJsonNs) {
      told_ns = now;
      std::fprintf(stdout, "{\"event\": \"progress\", %s}\n", json_counts().c_str());
      std::fflush(stdout);
    }
  }
  clear_live();
}

std::string CopyProgress::line() const { return progress_line(current_, counts_, rate_); }

std::string CopyProgress::json_counts() const {
  return "\"bytes_done\": " + std::to_string(counts_.bytes_done) +
         ", \"bytes_total\": " + std::to_string(counts_.bytes_found) +
         ", \"bytes_resumed\": " + std::to_string(counts_.bytes_resumed) +
         ", \"files_done\": " + std::to_string(counts_.files_done) +
         ", \"files_total\": " + std::to_string(counts_.files_found) +
         ", \"files_failed\": " + std::to_string(counts_.files_failed) +
         ", \"files_skipped\": " + std::to_string(counts_.files_skipped) +
         ", \"connections\": " + std::to_string(counts_.connections) +
         ", \"bytes_per_second\": " + figure("%.0f", rate_) +
         ", \"seconds\": " + figure("%.3f", static_cast<double>(monotonic_clock().now_ns() - began_ns_) / 1e9);
}

void CopyProgress::show_live() {
  std::string text = line();
  if (text.size() > columns() - 1) text.resize(columns() - 1);
  std::fprintf(stderr, "\r%s\033[K", text.c_str());
  std::fflush(stderr);
  live_ = true;
}

void CopyProgress::clear_live() {
  if (!std::exchange(live_, false)) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
}

void CopyProgress::say(FILE* to, const std::string& text) {
  const std::lock_guard held(lock_);
  clear_live();
  std::fprintf(to, "%s\n", text.c_str());
  std::fflush(to);
}

void CopyProgress::on_begin(const std::string& name, uint64_t size) {
  if (manner_ == ProgressManner::json)
    say(stdout, "{\"event\": \"begin\", \"name\": " + json_text(name) + ", \"size\": " + std::to_string(size) + "}");
  const std::lock_guard held(lock_);
  current_ = name;
}

void CopyProgress::say_would(const std::string& name, uint64_t size) {
  {
    const std::lock_guard held(lock_);
    ++would_files_;
    would_bytes_ += size;
  }
  if (manner_ == ProgressManner::json)
    return say(stdout,
               "{\"event\": \"would\", \"name\": " + json_text(name) + ", \"size\": " + std::to_string(size) + "}");
  if (manner_ != ProgressManner::quiet)
    say(stderr, "would copy " + fit_for_terminal(name, 200) + "  " + bytes_in_words(static_cast<double>(size)));
}

void CopyProgress::on_done(const std::string& name, uint64_t size, bool verified) {
  if (dry_) return say_would(name, size);
  if (manner_ == ProgressManner::json) {
    return say(stdout, "{\"event\": \"done\", \"name\": " + json_text(name) + ", \"size\": " + std::to_string(size) +
                           ", \"verified\": " + (verified ? "true" : "false") + "}");
  }
  if (manner_ == ProgressManner::quiet) return;
  const bool worth =
      verbose_ || (manner_ == ProgressManner::terminal && (size >= kLargeFile || counts_.files_found <= kFewFiles));
  if (!worth) return;
  const double passed = static_cast<double>(monotonic_clock().now_ns() - began_ns_) / 1e9;
  say(stderr, fit_for_terminal(name, 200) + "  100 %  " + bytes_in_words(static_cast<double>(size)) + "  " +
                  clock_words(passed) + (verified ? "  verified" : ""));
}

void CopyProgress::on_fault(const std::string& name, const SftpFault& fault) {
  if (manner_ == ProgressManner::json)
    say(stdout, "{\"event\": \"failed\", \"name\": " + json_text(name) + ", \"why\": " + json_text(fault.text) + "}");
  // Where the text does not say already whose it is.
  const std::string shown = fit_for_terminal(name, 200);
  const bool named = fault.text.find(shown + ":") != std::string::npos;
  say(stderr, "sluice cp: " + (named ? "" : shown + ": ") + fault.text);
}

void CopyProgress::on_notice(const std::string& text) {
  if (manner_ == ProgressManner::json) return say(stdout, "{\"event\": \"notice\", \"text\": " + json_text(text) + "}");
  if (manner_ != ProgressManner::quiet) say(stderr, "sluice cp: " + text);
}

void CopyProgress::finish(bool success) {
  const double passed = std::max(1e-6, static_cast<double>(monotonic_clock().now_ns() - began_ns_) / 1e9);
  const auto moved =
      static_cast<double>(counts_.bytes_done - std::min<uint64_t>(counts_.bytes_resumed, counts_.bytes_done));
  if (manner_ == ProgressManner::json) {
    {
      const std::lock_guard held(lock_);
      // Of the whole copy now.
      rate_ = moved / passed;
    }
    return say(stdout, "{\"event\": \"end\", \"success\": " + std::string(success ? "true" : "false") + ", " +
                           json_counts() + "}");
  }
  if (manner_ == ProgressManner::quiet) return;
  const auto amount = [](uint64_t files, uint64_t bytes) {
    return std::to_string(files) + (files == 1 ? " file, " : " files, ") + bytes_in_words(static_cast<double>(bytes));
  };
  std::string text = dry_ ? amount(would_files_, would_bytes_) + " would be copied"
                          : amount(counts_.files_done, counts_.bytes_done) + " in " + figure("%.2f s, ", passed) +
                                bytes_in_words(moved / passed) + "/s";
  if (counts_.files_skipped > 0) text += ", " + std::to_string(counts_.files_skipped) + " left out";
  if (counts_.files_failed > 0) text += ", " + std::to_string(counts_.files_failed) + " FAILED";
  say(stderr, text);
}

}  // namespace sluice
