// SftpSession: SFTP version 3 on one channel.
//
// Requests begin in the order in which they came, except that a WRITE passes those of other files: READs wait for room
// to be answered, requests to the broker for those before them on the same file, everything for the pool's answers
// where it could see a difference. While too much waits the reader stops, and then the channel's window.
// Invariant: what waits is bounded: tasks_ and outbox_ by the constants below, input_ by the window, jobs by
// kMaxJobBytes.
#pragma once

#include "services/connection/transfer_log.h"
#include "services/sftp/open_files.h"
#include "services/sftp/packet_reader.h"
#include "services/sftp/sftp_fields.h"
#include "services/sftp/write_gather.h"
#include "services/transfer/disk_jobs.h"
#include "services/transfer/outbox.h"
#include "services/transfer/throttle.h"

namespace sluice {

// A peer that asks and does not read costs no more than these.
inline constexpr size_t kMaxTasks = 256;
inline constexpr size_t kMaxTaskBytes = 256 * 1024;
inline constexpr size_t kMaxOutbox = 64 * 1024;
inline constexpr size_t kMaxJobBytes = 4 << 20;
// One channel's share of the broker's link, which others use too.
inline constexpr size_t kMaxAtBroker = 16;

class SftpSession final : public Service, private PacketSink {
 public:
  explicit SftpSession(ConnectionServices& connection);
  ~SftpSession() override { release(); }

  void attach(Channel& channel) override {
    channel_ = &channel;
    jobs_.attach(channel);
    throttle_.attach(channel);
  }
  void on_data(std::span<const MutableBytes> pieces) override;
  void on_stderr(Bytes data) override { channel_->consumed(data.size()); }
  RequestAnswer on_request(const ChannelRequest&) override { return RequestAnswer::failure; }
  void on_eof() override { eof_ = true; }
  void on_close() override { release(); }
  void on_turn() override;

 private:
  // A request that waits for its turn. The body is what follows the handles.
  struct Task {
    const struct SftpRequest* request;
    uint32_t id;
    uint32_t length = 0;  // of a READ, as is the offset
    uint64_t offset = 0;
    SftpFile* file = nullptr;
    SftpFile* other = nullptr;
    std::vector<uint8_t> body{};
  };
  // A request as it is told where it is refused.
  struct Asked {
    const struct SftpRequest* request = nullptr;
    std::string path{}, other{};
  };
  friend struct SftpRequest;
  friend struct SftpRequests;
  enum class Served : uint8_t { some, waits };

  // sftp_session.cc: what comes, in which order it is begun, the end.
  bool may_begin() override;
  void on_packet(SftpType type, uint32_t id, Bytes body) override;
  void on_malformed(uint32_t id) override { answer(id, SftpStatus::bad_message, "Malformed request"); }
  void take_init(uint32_t version);
  bool take_handles(Task& task, WireReader& reader);
  bool idle() const;
  // The peer speaks no SFTP: to be ended when nothing of the turn is open.
  bool broken() const { return broken_ || reader_.broken(); }
  bool resume_input();
  bool run_tasks(DraftStream& stream);
  bool may_start(const Task& task) const;
  void drop_front();
  void end(uint32_t exit_status);
  void release();

  // sftp_writes.cc
  bool begin_write(uint32_t id, Bytes handle, uint64_t offset, uint32_t length) override;
  void on_write_data(MutableBytes data) override;
  void on_write_end() override;
  void flush_writes();
  void queue_write_job(SftpFile& file);
  void start_write_job(SftpFile& file);
  void tell_written(SftpFile& file, std::span<const WriteMark> marks);
  // The last close of a file that was written may wait for its file system.
  void close_in_pool(SftpFile& file, uint32_t id);
  // So many bytes more may be in jobs.
  bool may_hold(size_t bytes) const { return job_bytes_ + bytes <= kMaxJobBytes && bytes <= memory_.room(); }
  void take_jobs();
  void take_write(std::unique_ptr<FileJob> job);
  void take_close(std::unique_ptr<FileJob> job);
  void take_read(std::unique_ptr<FileJob> job);

  // sftp_reads.cc
  Served serve_reads(DraftStream& stream);
  Served read_run(DraftStream& stream, size_t count, size_t room);
  Served read_stream();
  Served read_in_pool();
  Served refuse_read(int error);
  Served end_read(uint32_t id, SftpStatus status, std::string_view text);

  void log_transfer(const SftpFile& file, std::string_view result);
  // For what is refused from now on.
  void begin_to_answer(const struct SftpRequest& request, Bytes body, const SftpFile* file);
  void tell_refused(const Asked& asked, SftpStatus status, std::string_view why);
  void refuse(uint32_t id, SftpStatus status, std::string_view why);
  void answer(std::vector<uint8_t> packet) { outbox_.add(std::move(packet)); }
  void answer(uint32_t id, SftpStatus status, std::string_view text) { answer(status_packet(id, status, text)); }

  // Who shares the pool's threads with others.
  const std::string& owner() const { return connection_.login().user; }

  ConnectionServices& connection_;
  TransferLog& log_;
  Asked asked_;
  Channel* channel_ = nullptr;
  PacketReader reader_{*this};
  OpenFiles files_;
  Outbox outbox_;
  std::deque<Task> tasks_;
  size_t task_bytes_ = 0;
  std::deque<std::vector<uint8_t>> input_;  // that could not be taken yet
  size_t input_taken_ = 0;                  // of its first
  size_t at_broker_ = 0;
  size_t moved_ = 0;  // bytes in this turn
  bool read_in_turn_ = false;
  bool began_ = false, broken_ = false, eof_ = false, ended_ = false;

  // The WRITE whose data comes; without a file it is only counted.
  SftpFile* write_file_ = nullptr;
  uint32_t write_id_ = 0;
  uint32_t write_length_ = 0;
  uint64_t write_at_ = 0;
  WriteGather gather_;

  DiskJobs jobs_;
  // Of jobs, and of their answers until those are sent.
  MemoryShare memory_;
  size_t job_bytes_ = 0;
  size_t answer_bytes_ = 0;
  Throttle throttle_;
  size_t write_jobs_ = 0;
  // Last: what comes back finds everything else there.
  std::optional<BrokerCaller> caller_;
};

}  // namespace sluice
