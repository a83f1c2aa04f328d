// TransferBudget: what one connection's file transfers may use together: bytes a second, open handles.
#pragma once

#include <memory>

#include "services/connection/connection_services.h"

namespace sluice {

class TransferBudget final : public ConnectionPart {
 public:
  static constexpr std::string_view kName = "sftp";
  explicit TransferBudget(ConnectionServices& connection)
      : rate_(connection.settings().sftp.bytes_per_second), handles_left_(connection.settings().sftp.handles) {}

  bool capped() const { return rate_ > 0; }
  // Nanoseconds until bytes may move again; 0: now.
  uint64_t wait_ns(uint64_t now_ns);
  // What moved; it may go into debt by what one request moves.
  void spend(uint64_t bytes) { left_ -= static_cast<int64_t>(bytes); }

  bool take_handle() { return handles_left_ > 0 && handles_left_--; }
  void give_handle() { ++handles_left_; }

 private:
  uint64_t rate_;
  uint32_t handles_left_;
  int64_t left_ = 0;
  uint64_t filled_ns_ = 0;
};

// One open handle of the budget, until it is gone.
class HandleGrant {
 public:
  // Null: none is left.
  static std::shared_ptr<HandleGrant> take(TransferBudget& budget) {
    return budget.take_handle() ? std::make_shared<HandleGrant>(budget) : nullptr;
  }
  explicit HandleGrant(TransferBudget& budget) : budget_(budget) {}
  ~HandleGrant() { budget_.give_handle(); }
  HandleGrant(const HandleGrant&) = delete;
  HandleGrant& operator=(const HandleGrant&) = delete;

 private:
  TransferBudget& budget_;
};

}  // namespace sluice
