// LogStream: a place for lines that never waits: a file, standard error, or a pipe that nobody reads. What finds no
// room is counted, and how much that was is told with the next line that does.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace sluice {

// What stands around a line: the time, or as the routers have it.
enum class LineForm : uint8_t { plain, ios, ios_xr };
// Of all streams that have the routers' forms, from now on.
void set_line_form(LineForm form);
// A line's time and what else stands in front of it.
std::string line_head(LineForm form, std::chrono::system_clock::time_point when);

class LogStream {
 public:
  enum class Around : uint8_t { by_platform, time };
  explicit LogStream(Around around = Around::by_platform) : around_(around) {}
  // The descriptor of somebody who shares it with us: his keeps its flags.
  void share(int descriptor);
  // One of our own. Lines of other threads on their way have the old one's number: it stays the number.
  void take(UniqueFd descriptor);
  int descriptor() const { return descriptor_.get(); }
  explicit operator bool() const { return static_cast<bool>(descriptor_); }

  // With the time in front. One write a line, so that lines of several processes do not mix.
  void write_line(std::string_view text);

 private:
  enum class Kind : uint8_t { file, pipe, socket };
  void look();
  bool put(std::string_view line);
  std::string stamped(std::string_view text) const;

  const Around around_;
  UniqueFd descriptor_;
  Kind kind_ = Kind::file;
  bool may_wait_ = false;  // its flags are somebody else's: it is asked before each line
  std::atomic<uint64_t> lost_{0};
};

// To append to; made where it is missing. Of a FIFO it takes a reader that is there.
UniqueFd open_log_file(const char* path);

}  // namespace sluice
