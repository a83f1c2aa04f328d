// LegacyTalk: the client's side of scp's old protocol over a socket: a sink for what a server sends, a source for what
// it takes.
//
// Invariant of the sink: a path that is written to is the target, or below it by names without a slash.
#pragma once

#include "apps/sluice/sftp/file_copier.h"
#include "services/scp/scp_command.h"

namespace sluice {

class LegacyTalk {
 public:
  struct Wishes {
    bool recursive = false, preserve = false;
    bool trust_names = false;  // -T
    CopyMeter* meter = nullptr;
    std::shared_ptr<RateLimit> limit;
    std::function<bool()> interrupted;
  };
  LegacyTalk(int socket, Wishes wishes) : socket_(socket), wishes_(std::move(wishes)) {}

  // What `scp -f pattern` sends, into the folder or as the file `target`. False: something is missing.
  bool receive(const std::string& pattern, const std::string& target);
  // Of `scp -t`: waits until it is ready.
  bool begin_sending() { return hear(); }
  bool send(const std::string& path);

 private:
  // Of the sink: a folder that is being filled.
  struct Level {
    std::string path;
    std::optional<FileTimes> times;
    std::optional<uint32_t> mode;
  };
  bool take_record(const std::string& line, const ShellWord& wanted);
  bool take_entry(const ScpEntry& entry, const ShellWord& wanted);
  bool enter_folder(const ScpEntry& entry, const std::string& path);
  void leave_folder();
  bool receive_file(const ScpEntry& entry, const std::string& path);
  std::string path_for(const std::string& name) const;

  bool send_file(const std::string& path, int file, const struct stat& facts);
  bool send_folder(const std::string& path, const struct stat& facts, int depth);
  bool send_at(const std::string& path, int depth);
  bool send_times(const struct stat& facts);

  // The other side's answer: false, and told, unless it is well.
  bool hear();
  void say(std::string_view bytes);
  void say_ok() { say(std::string_view("\0", 1)); }
  bool refuse(const std::string& why);
  bool complain(const std::string& why);
  bool read_all(char* to, size_t size);
  std::optional<std::string> read_line();
  void pace(size_t bytes);

  const int socket_;
  const Wishes wishes_;
  bool broken_ = false;
  bool good_ = true;
  std::string target_;
  bool into_ = false;          // names go into the target; else one thing becomes it
  bool target_taken_ = false;  // has become it
  std::vector<Level> levels_;
  std::optional<FileTimes> times_;
};

}  // namespace sluice
