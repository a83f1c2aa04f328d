// FileCopy: one file in parts, over all connections that there are; resumed, checked, and put in place at the end.
//
// Steps: what is there of it already -> parts to every connection until all are acknowledged, the journal now and then
// -> is the source still what it was, is the copy the same -> attributes -> the final name.
// Invariant: the final name is given only to a file that has every byte.
#pragma once

#include <atomic>
#include <future>
#include <list>

#include "services/copy/content_check.h"
#include "services/copy/copy_item.h"

namespace sluice {

class FileCopy {
 public:
  FileCopy(const CopyPlan& plan, CopyItem item);
  // Waits for its end, and tells the listener.
  void run();

 private:
  // A connection at each end that is a server's, with its handles.
  struct Lane {
    std::shared_ptr<SftpClient> from, to;
    std::vector<uint8_t> from_handle, to_handle;
    size_t active = 0;
  };
  struct Part {
    Lane* lane;
    uint64_t begin, end;
    std::shared_ptr<UniqueFd> memory;  // between two servers
    std::shared_ptr<SftpTransfer> transfer;
  };

  SftpResult<void> copy();
  SftpResult<void> open_ends();
  SftpResult<void> find_done();
  SftpResult<SftpAttributes> look_at_former();
  SftpAttributes first_mode() const;
  SftpResult<void> open_target(bool fresh);
  SftpResult<void> check_room();
  SftpResult<bool> copy_on_server();
  void open_lanes();
  SftpResult<void> open_lane(std::shared_ptr<SftpClient> from, std::shared_ptr<SftpClient> to, uint32_t more_flags = 0);
  SftpResult<void> move_parts();
  bool start_part();
  void start_transfer(const std::shared_ptr<Part>& part, bool into_memory);
  void end_transfer(const std::shared_ptr<Part>& part, bool into_memory, TransferEnd end);
  void fail(SftpFault fault);
  SftpFault why_gone() const;
  bool is_checkpoint_due() const;
  void checkpoint();
  bool save_journal(const RangeSet& parts, const std::shared_ptr<SftpClient>& to, const std::vector<uint8_t>& handle);
  void finish_saving();
  SftpResult<void> settle();
  std::vector<std::string> journal_names() const;
  void drop_journal();
  SftpResult<void> check_source();
  SftpResult<void> set_attributes();
  SftpResult<void> explain(SftpFault fault);
  // What the servers say of what was written.
  SftpResult<void> close_target();
  SftpResult<void> close_lanes();
  bool relayed() const { return plan_.source.remote() && plan_.target.remote(); }
  CheckedFile source_file() const { return {from_file_, plan_.source.remote(), item_.from}; }
  CheckedFile target_file() const { return {to_file_, plan_.target.remote(), temporary_}; }

  CopyPlan plan_;
  CopyItem item_;
  const uint64_t size_;
  const SourceFacts facts_;
  std::string temporary_;
  std::string journal_;
  std::shared_ptr<UniqueFd> from_file_, to_file_;
  timespec from_modified_{};  // when it was opened: finer than what SFTP tells
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::list<Lane> lanes_;
  std::vector<std::shared_ptr<Part>> parts_;
  RangeSet left_;  // not begun
  mutable std::mutex lock_;
  RangeSet done_;  // acknowledged; by workers too
  std::optional<SftpFault> fault_;
  std::atomic<bool> moved_{false};  // every part: whoever saves the journal need not go on
  bool journalled_ = false;
  bool former_ = false;  // an earlier copy was cut
  bool temporary_made_ = false;
  uint64_t resumed_ = 0;
  uint64_t checkpoint_ns_ = 0, checkpoint_bytes_ = 0;
  // A thread of its own, which uses all of the above: the last member.
  std::future<bool> saving_;
};

}  // namespace sluice
