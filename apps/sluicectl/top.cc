// A live screen: sessions, their rates, the workers' load, the devices.
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "apps/sluicectl/shell.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/terminal_guard.h"
#include "base/clock.h"

namespace sluice::ctl {
namespace {

using Row = std::vector<std::string>;

Row words_of(std::string_view line) {
  Row words;
  for (size_t at = 0; (at = line.find_first_not_of(' ', at)) != line.npos;) {
    const size_t end = std::min(line.find(' ', at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

// Tables one after the other, each known by its first heading.
std::map<std::string, std::vector<Row>> tables_of(const std::string& text) {
  std::map<std::string, std::vector<Row>> tables;
  std::string name;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const Row words = words_of(std::string_view(text).substr(at, end - at));
    at = end + 1;
    if (words.empty() || words[0].starts_with("---")) continue;
    if (words[0] == "id" || words[0] == "worker" || words[0] == "Driver")
      name = words[0];
    else
      tables[name].push_back(words);
  }
  return tables;
}

double number_of(const Row& row, size_t column) {
  return column < row.size() ? std::strtod(row[column].c_str(), nullptr) : 0;
}

std::string rate_text(double bytes) {
  std::array<char, 32> out{};
  const char* unit = "B/s";
  for (const char* next : {"kB/s", "MB/s", "GB/s"}) {
    if (bytes < 1000) break;
    bytes /= 1000;
    unit = next;
  }
  std::snprintf(out.data(), out.size(), "%.1f %s", bytes, unit);
  return out.data();
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size() + 1, width), ' ');
  return text;
}

struct Seen {
  double in, out;
};

class Screen {
 public:
  std::string draw(const std::string& text, double seconds, size_t rows) {
    auto tables = tables_of(text);
    std::string out = workers(tables["worker"]);
    for (const Row& row : tables["Driver"])
      if (row.size() > 7)
        out.append("device " + padded(row[0], 16) + padded(row[2], 16) + "held " + row[3] + "  records " + row[7] +
                   "\n");
    out.append("\n").append(padded("ID", 7)).append(padded("USER", 14)).append(padded("HOST", 26));
    out.append(padded("CIPHER", 32)).append(padded("IN", 14)).append(padded("OUT", 14)).append("REKEYS  TYPE\n");
    return out.append(sessions(tables["id"], seconds, rows > 8 ? rows - 8 : rows));
  }

 private:
  std::string workers(const std::vector<Row>& rows) {
    std::string out = "workers:";
    for (const Row& row : rows) {
      const double used = number_of(row, 1), since = number_of(row, 2);
      const Seen before = std::exchange(workers_[row[0]], {used, since});
      const double load = since > before.out ? 100 * (used - before.in) / (since - before.out) : 0;
      std::array<char, 64> text{};
      std::snprintf(text.data(), text.size(), " %s %.0f%% (%s)", row[0].c_str(), load,
                    row.size() > 3 ? row[3].c_str() : "0");
      out.append(text.data());
    }
    return out.append("\n");
  }

  std::string sessions(const std::vector<Row>& rows, double seconds, size_t most) {
    struct Line {
      double rate;
      std::string text;
    };
    std::vector<Line> lines;
    std::map<std::string, Seen> now;
    for (const Row& row : rows) {
      if (row.size() < 8) continue;
      const Seen seen{number_of(row, 4), number_of(row, 5)};
      const auto before = sessions_.find(row[0]);
      const double in = before == sessions_.end() || seconds <= 0 ? 0 : (seen.in - before->second.in) / seconds;
      const double out = before == sessions_.end() || seconds <= 0 ? 0 : (seen.out - before->second.out) / seconds;
      now[row[0]] = seen;
      lines.push_back({in + out, padded(row[0], 7) + padded(row[1], 14) + padded(row[2], 26) + padded(row[3], 32) +
                                     padded(rate_text(in), 14) + padded(rate_text(out), 14) + padded(row[6], 8) +
                                     row[7] + "\n"});
    }
    sessions_ = std::move(now);
    std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.rate > b.rate; });
    std::string out;
    for (size_t i = 0; i < lines.size() && i < most; ++i) out.append(lines[i].text);
    return out;
  }

  std::map<std::string, Seen> workers_, sessions_;
};

}  // namespace

int run_top(ControlLink& link, double seconds, unsigned times) {
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  TerminalGuard guard(STDIN_FILENO);
  if (terminal && ::isatty(STDIN_FILENO) != 0) guard.make_silent();
  catch_interrupts();
  Screen screen;
  uint64_t before = 0;
  for (unsigned i = 0; times == 0 || i < times; ++i) {
    const auto reply = link.line("show top");
    if (!reply) return std::fprintf(stderr, "sluicectl: %s\n", reply.error().c_str()), 1;
    if (reply->failed) return std::fputs(reply->output.c_str(), stderr), 1;
    const uint64_t now = monotonic_clock().now_ns();
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) size.ws_row = 1000;
    const double passed = before == 0 ? 0 : static_cast<double>(now - before) / 1e9;
    before = now;
    if (terminal) std::fputs("\033[H\033[J", stdout);
    std::fputs(screen.draw(reply->output, passed, size.ws_row).c_str(), stdout);
    std::fflush(stdout);
    if (times != 0 && i + 1 == times) break;
    pollfd key{terminal ? STDIN_FILENO : -1, POLLIN, 0};
    const int ready = ::poll(&key, 1, static_cast<int>(seconds * 1000));
    char typed = 0;
    if (interrupted() || (ready > 0 && (::read(STDIN_FILENO, &typed, 1) <= 0 || typed == 'q'))) break;
  }
  return 0;
}

}  // namespace sluice::ctl
