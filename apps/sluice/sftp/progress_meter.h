// ProgressMeter: the progress line of sluice cp for one file after the other, where sftp and scp show it; where they do
// not, SIGUSR1 has it shown once.
#pragma once

#include <memory>

#include "apps/sluice/progress.h"
#include "apps/sluice/sftp/copy_meter.h"

namespace sluice {

class ProgressMeter final : public CopyMeter {
 public:
  explicit ProgressMeter(bool shown) : shown_(shown) { take_snapshot_signal(); }

  // What it is then.
  bool toggle() { return shown_ = !shown_; }

  void begin(const std::string& name, uint64_t total, uint64_t done) override;
  void moved(uint64_t done) override;
  void end(bool whole) override;

 private:
  struct File {
    CopyCounts counts;
    std::string name;
    uint64_t began_ns = 0;
    std::unique_ptr<CopyProgress> line;  // null: not shown
  };

  bool shown_;
  std::unique_ptr<File> file_;
};

}  // namespace sluice
