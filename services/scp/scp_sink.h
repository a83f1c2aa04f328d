// ScpSink: scp -t: files and folders as a client describes them, their data written straight from where it was
// received.
#pragma once

#include "services/scp/scp_peer.h"

namespace sluice {

class ScpSink final : public ScpPeer {
 public:
  using ScpPeer::ScpPeer;
  ~ScpSink() override { release(); }

 private:
  enum class State : uint8_t { waiting, line, data, status, status_text };
  // A folder that is being filled, or the target itself.
  struct Level {
    std::string path;
    bool folder = false;  // names go into it; else they replace it
    std::optional<FileTimes> times;
    std::optional<uint32_t> mode;  // at its end
  };
  struct File {
    std::string path;
    HeldFile held;
    std::shared_ptr<HandleGrant> grant;
    uint32_t handle = 0;    // the broker's; 0: closed
    FileAttributes before;  // as it was opened
    bool existed = false;
    uint32_t mode = 0;
    std::optional<FileTimes> times;
    uint64_t size = 0, offset = 0;
    uint64_t written = 0;
    uint64_t opened_ns = 0;
    std::string fault;  // the first
    bool logged = false;
    // One after the other: their errors are those of a file that grew from its beginning. The first is in the pool.
    std::deque<std::unique_ptr<FileJob>> jobs;
    size_t job_bytes = 0;
    bool ended = false;  // all of it came: to be finished when there are no more jobs
    bool regular() const;
  };

  void begin(std::vector<std::string> paths) override;
  size_t take(std::span<const MutableBytes> pieces) override;
  void on_lost() override;
  void start_jobs() override;
  void take_job(std::unique_ptr<FileJob> job) override;
  void release() override;

  size_t take_bytes(Bytes bytes);
  void take_line();
  void take_entry(ScpEntry&& entry);
  void make_folder(std::string path, uint32_t mode, std::optional<FileTimes> times);
  void find_folder(Level level, const BrokerAnswer& why);
  void enter(Level level);
  void leave();
  void open_file(std::string path, const ScpEntry& entry, std::optional<FileTimes> times, bool existing,
                 std::shared_ptr<HandleGrant> grant);
  size_t write(std::span<const MutableBytes> pieces, size_t first, size_t skip);
  void write_now(std::span<const iovec> places, size_t size);
  void write_in_pool(std::span<const iovec> places, size_t size);
  void drop_writes();
  void end_file();
  void finish_file();
  void close_file();
  // A failure is the file's fault.
  void ask_of_file(BrokerRequest request, std::function<void()> then);
  void answer_file();
  void refuse(std::string_view path, std::string_view why);
  void fail(std::string_view why);

  State state_ = State::waiting;
  std::string line_;
  std::optional<FileTimes> times_;
  std::vector<Level> levels_;
  std::optional<File> file_;
};

}  // namespace sluice
