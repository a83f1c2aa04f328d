// CopyRun: sources into a target: what there is to be copied is found by one thread, and copied by a few.
#pragma once

#include <thread>

#include "services/copy/copy_queue.h"

namespace sluice {

// What the user named, at one end.
struct CopyPlace {
  CopySide* side = nullptr;  // null: this machine
  std::string path;
  std::string name;  // of the host, with a colon; empty here
};

class CopyRun {
 public:
  CopyRun(const CopyOptions& options, CopyCounts& counts, CopyListener& listener)
      : options_(options), counts_(counts), listener_(listener) {}

  // All of them. False: something failed, and the listener knows what.
  bool copy(const std::vector<CopyPlace>& sources, const CopyPlace& target);

 private:
  // A directory whose times and mode are set when all is in it.
  struct Folder {
    std::string path;
    SftpAttributes wanted;
  };
  struct Walk {
    const CopyPlan& plan;
    CopyQueue& queue;
    std::string root;  // of the source
    std::vector<Folder> folders{};
    uint64_t entries = 0;
  };

  // With what is at the target.
  bool copy_one(const CopyPlace& source, const CopyPlace& target, const SftpResult<SftpAttributes>& there);
  // With what is at `to`, where it was looked at already.
  bool copy_found(CopyPlan& plan, const CopyPlace& source, std::string to, const SftpAttributes& facts,
                  const SftpResult<SftpAttributes>* known);
  std::vector<CopyPlace> expand(const CopyPlace& source);
  void walk_folder(Walk& walk, const std::string& from, const std::string& to, const std::string& below, size_t depth);
  void take_entry(Walk& walk, SftpName&& name, const std::string& from, const std::string& to, const std::string& below,
                  size_t depth);
  void take_link(Walk& walk, const std::string& from, const std::string& to, const std::string& below, size_t depth);
  void take_file(Walk& walk, CopyItem item);
  bool excluded(const std::string& name, const std::string& below) const;
  void copy_queued(const CopyPlan& plan, CopyQueue& queue);
  void fault(const std::string& shown, SftpFault why);
  void measure_connections(RemoteSide& side);
  // Bytes a second of a while; nothing: all is copied.
  std::optional<double> measure_rate();
  bool failed() const { return failed_ || counts_.files_failed > 0; }

  const CopyOptions& options_;
  CopyCounts& counts_;
  CopyListener& listener_;
  LocalSide here_;
  std::atomic<bool> failed_{false};
  std::mutex lock_;
  std::condition_variable changed_;
  bool copied_ = false;  // nothing is left to be measured
};

}  // namespace sluice
