// A CopyProgress for each file that is shown.
#include "apps/sluice/sftp/progress_meter.h"

#include <algorithm>
#include <cstdio>

#include "base/clock.h"

namespace sluice {

void ProgressMeter::begin(const std::string& name, uint64_t total, uint64_t done) {
  file_ = std::make_unique<File>();
  file_->name = name;
  file_->began_ns = monotonic_clock().now_ns();
  file_->counts.files_found = 1;
  file_->counts.all_found = true;
  file_->counts.bytes_found = total;
  file_->counts.bytes_done = file_->counts.bytes_resumed = done;
  if (!shown_) return;
  file_->line = std::make_unique<CopyProgress>(file_->counts, ProgressManner::terminal, false);
  file_->line->on_begin(name, total);
}

void ProgressMeter::moved(uint64_t done) {
  if (!file_) return;
  CopyCounts& counts = file_->counts;
  counts.bytes_done = done;
  // Of a file whose size nobody told.
  if (done > counts.bytes_found) counts.bytes_found = done;
  if (file_->line || !snapshot_wished()) return;
  const double passed = std::max(1e-6, static_cast<double>(monotonic_clock().now_ns() - file_->began_ns) / 1e9);
  const uint64_t before = std::min<uint64_t>(counts.bytes_resumed, done);
  const std::string line = progress_line(file_->name, counts, static_cast<double>(done - before) / passed);
  std::fprintf(stderr, "%s\n", line.c_str());
}

void ProgressMeter::end(bool whole) {
  if (file_ && file_->line && whole) file_->line->on_done(file_->name, file_->counts.bytes_done, false);
  file_.reset();
}

}  // namespace sluice
