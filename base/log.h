// Log lines of the program: a level, one sentence, to stderr or wherever the application sends them.
#pragma once

#include <functional>
#include <string_view>

namespace sluice {

enum class LogLevel : unsigned char { debug, info, notice, warning, error };

// Set once at start-up, before threads. Not for a worker's hot path.
void set_log_sink(std::function<void(LogLevel, std::string_view)> sink);
void set_log_level(LogLevel least);
void log_line(LogLevel level, std::string_view text);

}  // namespace sluice
