// The default sink writes one line per message to stderr in a single write, so that lines of threads do not mix.
#include "base/log.h"

#include <cstdio>
#include <string>
#include <utility>

#include "base/plain_text.h"

namespace sluice {
namespace {

std::function<void(LogLevel, std::string_view)> g_sink;
LogLevel g_least = LogLevel::info;

}  // namespace

void set_log_sink(std::function<void(LogLevel, std::string_view)> sink) { g_sink = std::move(sink); }
void set_log_level(LogLevel least) { g_least = least; }

void log_line(LogLevel level, std::string_view text) {
  if (level < g_least) return;
  // Whatever a peer said in it: it begins no line of its own and commands nobody's terminal.
  const std::string shown = log_text(text);
  if (g_sink) return g_sink(level, shown);
  std::string line = "sluice: ";
  line.append(shown).push_back('\n');
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace sluice
