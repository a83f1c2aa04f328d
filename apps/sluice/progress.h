// CopyProgress: what a copy tells its user: a line that moves on a terminal, plain lines elsewhere, JSON where asked.
//
// A thread of its own shows; SIGUSR1 has it show a snapshot. Names are a stranger's: nothing reaches a terminal raw.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "services/copy/copy_options.h"

namespace sluice {

enum class ProgressManner : uint8_t { quiet, lines, terminal, json };

class CopyProgress final : public CopyListener {
 public:
  // `dry`: nothing is copied; what would be is said.
  CopyProgress(CopyCounts& counts, ProgressManner manner, bool verbose, bool dry = false);
  // Shows the last of it.
  ~CopyProgress() override;

  void on_begin(const std::string& name, uint64_t size) override;
  void on_done(const std::string& name, uint64_t size, bool verified) override;
  void on_fault(const std::string& name, const SftpFault& fault) override;
  void on_notice(const std::string& text) override;
  // The last words: how much, how long, what failed.
  void finish(bool success);

 private:
  void run();
  std::string line() const;
  void say_would(const std::string& name, uint64_t size);
  std::string json_counts() const;
  void say(FILE* to, const std::string& text);
  void show_live();
  void clear_live();
  double rate() const;

  CopyCounts& counts_;
  const ProgressManner manner_;
  const bool verbose_, dry_;
  const uint64_t began_ns_;
  mutable std::mutex lock_;
  std::condition_variable ended_;
  bool over_ = false;
  bool live_ = false;  // the moving line is on the terminal
  std::string current_;
  uint64_t would_files_ = 0, would_bytes_ = 0;
  uint64_t seen_bytes_ = 0, seen_ns_ = 0;
  double rate_ = 0;  // of the last seconds
  std::thread thread_;
};

// From now on SIGUSR1 ends nobody, and is a wish for a snapshot.
void take_snapshot_signal();
// True once for each wish.
bool snapshot_wished();
std::string progress_line(const std::string& name, const CopyCounts& counts, double rate);

// "1.50 GB", "12 B": decimal, as disks and links are sold.
std::string bytes_in_words(double bytes);
std::string json_text(std::string_view text);

}  // namespace sluice
