// ScpPeer: what both of scp's sides have in common: bytes in, lines out, errors counted, paths expanded, an end with a
// status.
#pragma once

#include "services/connection/transfer_log.h"
#include "services/scp/path_expander.h"
#include "services/scp/scp_command.h"
#include "services/shell/byte_queue.h"
#include "services/transfer/disk_jobs.h"
#include "services/transfer/held_file.h"
#include "services/transfer/throttle.h"

namespace sluice {

// What waits for the client to read. Beyond it nothing more of his is taken.
inline constexpr size_t kMaxScpWaiting = 64 * 1024;

// What one side has in the pool of one file: a disk's queue does not run empty, and nobody's memory is spent for more.
inline constexpr size_t kMaxScpJobs = 4 << 20;

class ScpPeer : public Service {
 public:
  ScpPeer(ConnectionServices& connection, ScpCommand command);
  ~ScpPeer() override { jobs_.leave(); }

  void attach(Channel& channel) override;
  void on_data(std::span<const MutableBytes> pieces) override;
  void on_stderr(Bytes data) override { channel_->consumed(data.size()); }
  RequestAnswer on_request(const ChannelRequest&) override { return RequestAnswer::failure; }
  void on_eof() override;
  void on_close() override;
  void on_turn() override;

 protected:
  virtual void begin(std::vector<std::string> paths) = 0;
  // As many bytes as can be taken now; the rest is shown again after wake() and when what waits was sent.
  virtual size_t take(std::span<const MutableBytes> pieces) = 0;
  // No more comes and everything was taken. Told in every turn from then on: what is waited for may come yet.
  virtual void on_lost() = 0;
  // What was gathered in a turn may go to the pool.
  virtual void start_jobs() {}
  // In a turn in which nothing said waits any more.
  virtual void send() {}
  // Of `jobs_`, done.
  virtual void take_job(std::unique_ptr<FileJob> job) = 0;
  // Gives back what costs.
  virtual void release() = 0;

  void say(std::string_view bytes) { waiting_.append(bytes); }
  void say_ok() { waiting_.push_back('\0'); }
  // As scp's run_err: counted, and told the other side.
  void say_error(std::string_view text);
  void say_error(std::string_view path, std::string_view why);
  // Likewise, and into the log of transfers.
  void say_refused(std::string_view path, std::string_view why);
  void count_error() { ++errors_; }
  // After what was said, with the status that the errors come to.
  void end();
  bool ended() const { return ending_; }
  // Something that was waited for is there.
  void wake();
  void ask(BrokerRequest request, BrokerSession::Then then);
  // An answer that is not wanted: what it opened is closed.
  void give_back(BrokerReceived&& received);
  // Who shares the pool's threads with others.
  const std::string& owner() const { return connection_.login().user; }
  // A place for one more open file or folder. Null: none, and `why` is told.
  std::shared_ptr<HandleGrant> take_handle(std::string_view& why) const;
  // What was read or written of a file that was opened then, and the error that it ended with.
  void log_transfer(std::string_view path, uint64_t bytes, uint64_t opened_ns, std::string_view fault);

  ConnectionServices& connection_;
  TransferLog& log_;
  const ScpCommand command_;
  Channel* channel_ = nullptr;
  DiskJobs jobs_;
  Throttle throttle_;
  MemoryShare memory_;  // of jobs

 private:
  void let_go();
  void take_kept();
  void flush();

  std::string waiting_;
  ByteQueue kept_;
  size_t errors_ = 0;
  bool eof_received_ = false;
  bool ending_ = false, closed_ = false;
  PathExpander expander_;
  BrokerCaller caller_;
};

// A failure in scp's words.
std::string why_not(const BrokerAnswer& answer);
std::string why_not(int system_error);

}  // namespace sluice
