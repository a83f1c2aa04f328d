// A CopyProgress for each file.
#include "apps/sluice/sftp/progress_meter.h"

namespace sluice {

void ProgressMeter::begin(const std::string& name, uint64_t total, uint64_t done) {
  if (!shown_) return;
  file_ = std::make_unique<File>();
  file_->name = name;
  file_->counts.files_found = 1;
  file_->counts.all_found = true;
  file_->counts.bytes_found = total;
  file_->counts.bytes_done = file_->counts.bytes_resumed = done;
  file_->line = std::make_unique<CopyProgress>(file_->counts, ProgressManner::terminal, false);
  file_->line->on_begin(name, total);
}

void ProgressMeter::moved(uint64_t done) {
  if (!file_) return;
  file_->counts.bytes_done = done;
  // Of a file whose size nobody told.
  if (done > file_->counts.bytes_found) file_->counts.bytes_found = done;
}

void ProgressMeter::end(bool whole) {
  if (file_ && whole) file_->line->on_done(file_->name, file_->counts.bytes_done, false);
  file_.reset();
}

}  // namespace sluice
