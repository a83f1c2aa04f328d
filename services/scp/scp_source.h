// ScpSource: scp -f: files and folders described to a client, their data read straight into records.
#pragma once

#include "services/scp/scp_peer.h"
#include "services/transfer/draft_stream.h"

namespace sluice {

class ScpSource final : public ScpPeer {
 public:
  using ScpPeer::ScpPeer;
  ~ScpSource() override { release(); }

 private:
  // What the client's next answer is about.
  enum class Awaited : uint8_t {
    nothing,
    start,
    file_times,
    file_entry,
    file_end,
    folder_times,
    folder_entry,
    folder_end,
  };
  struct Folder {
    std::string path;
    uint32_t handle = 0;
    FileAttributes attributes;
    std::shared_ptr<HandleGrant> grant;
    std::deque<DirectoryEntry> entries{};
    bool last = false;  // there are no more to be read
  };
  // A file of the folder at hand whose open was asked for before its turn came.
  struct Ahead {
    std::string path;
    std::shared_ptr<HandleGrant> grant;
    std::optional<BrokerReceived> opened{};
  };
  // A piece of the file at hand that is read in the pool.
  struct Read {
    uint32_t id;
    std::unique_ptr<FileJob> done{};  // when it is
    size_t sent = 0;
  };
  struct File {
    std::string path;
    HeldFile held;
    std::shared_ptr<HandleGrant> grant;
    uint32_t handle = 0;
    FileAttributes attributes;
    uint64_t offset = 0;
    // What is read in the pool: in order, from the offset on.
    std::deque<Read> reads;
    uint64_t asked = 0;       // where the next one begins
    uint64_t pool_until = 0;  // no disk is tried on the worker before
    uint64_t opened_ns = 0;
    std::string fault;
  };

  void begin(std::vector<std::string> paths) override;
  size_t take(std::span<const MutableBytes> pieces) override;
  void on_lost() override;
  void send() override;
  void take_job(std::unique_ptr<FileJob> job) override;
  void release() override;

  void take_answer(bool success);
  void next();
  void next_of_folder();
  void ask_ahead();
  void read_folder();
  void open_argument(const std::string& path);
  void describe_file(std::string path, BrokerReceived&& received, std::shared_ptr<HandleGrant> grant);
  void open_folder(const std::string& path, const FileAttributes& attributes);
  void say_times(const FileAttributes& attributes, Awaited then);
  void say_file();
  void say_folder();
  void refuse(std::string_view path, std::string_view why);
  bool send_data();
  bool may_send() const;
  size_t fill(DraftStream& stream, size_t room);
  size_t read_now(std::span<const iovec> places);
  size_t take_read(DraftStream& stream, size_t room);
  void read_ahead();
  void drop_job(std::unique_ptr<FileJob> job);
  void drop_reads();
  void end_data();
  void drop_file();
  void drop_folder();

  Awaited awaited_ = Awaited::nothing;
  bool ready_ = false;  // for the next file or folder
  bool sending_ = false;
  std::string reply_;
  std::vector<std::string> arguments_;
  size_t argument_ = 0;
  std::vector<Folder> folders_;
  std::deque<std::unique_ptr<Ahead>> ahead_;
  std::optional<File> file_;
  uint32_t last_read_ = 0;
};

}  // namespace sluice
