// Where each source goes, and the threads that copy.
#include "services/copy/copy_run.h"

#include <fnmatch.h>
#include <stdlib.h>

#include <chrono>

#include "services/copy/file_copy.h"
#include "services/copy/small_files.h"

namespace sluice {
namespace {

// Files at once: of large ones a connection is filled by one, small ones come in batches.
constexpr size_t kThreads = 4;
constexpr size_t kMostMatches = 100'000;
// Connections that are tried, and what one more has to bring.
constexpr size_t kMostConnections = 8;
constexpr double kWorthIt = 1.15;
// Less is over before it is measured.
constexpr double kWorthSeconds = 4;
constexpr auto kMeasure = std::chrono::milliseconds(1000);

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool is_pattern(std::string_view path) { return path.find_first_of("*?[") != std::string_view::npos; }

}  // namespace

void CopyRun::fault(const std::string& shown, SftpFault why) {
  failed_ = true;
  ++counts_.files_failed;
  if (why.kind == SftpFault::Kind::lost) why.text += ": run the same command again";
  listener_.on_fault(shown, why);
}

bool CopyRun::copy(const std::vector<CopyPlace>& sources, const CopyPlace& target) {
  std::vector<CopyPlace> found;
  for (const CopyPlace& source : sources) {
    auto matches = expand(source);
    found.insert(found.end(), matches.begin(), matches.end());
  }
  CopySide& side = target.side ? *target.side : here_;
  const auto there = side.look(target.path.empty() ? "." : target.path, true);
  if (!there && there.error().kind == SftpFault::Kind::lost) return fault(target.path, there.error()), false;
  const bool into = there && there->is_directory();
  if (!into && (found.size() > 1 || target.path.ends_with('/'))) {
    fault(
        target.path,
        sftp_fault(SftpFault::Kind::local, fit_for_terminal(target.path) + ": is no directory: make it first").value());
    return false;
  }
  for (const CopyPlace& source : found) {
    if (!copy_one(source, target, there)) break;
  }
  counts_.all_found = true;
  return !failed();
}

// A pattern in the last name of a server's path; the shell sees to ours.
std::vector<CopyPlace> CopyRun::expand(const CopyPlace& source) {
  const std::string name(name_of(source.path));
  if (!source.side || !is_pattern(name) || source.side->look(source.path, true)) return {source};
  std::vector<CopyPlace> found;
  const std::string folder(folder_of(source.path));
  auto listed = source.side->list(folder.empty() ? "." : folder, [&](SftpName&& entry) {
    if (is_safe_name(entry.name) && ::fnmatch(name.c_str(), entry.name.c_str(), FNM_PERIOD) == 0)
      found.push_back({source.side, join_path(folder, entry.name), source.name});
    return found.size() < kMostMatches;
  });
  if (!listed) fault(source.path, listed.error());
  if (listed && found.empty()) return {source};
  std::sort(found.begin(), found.end(), [](const CopyPlace& a, const CopyPlace& b) { return a.path < b.path; });
  return found;
}

// False: the connection is gone, nothing more can be done.
bool CopyRun::copy_one(const CopyPlace& source, const CopyPlace& target, const SftpResult<SftpAttributes>& there) {
  const bool into = there && there->is_directory();
  CopySide& from = source.side ? *source.side : here_;
  const std::string path = without_slashes(source.path.empty() ? "." : source.path);
  const auto facts = from.look(path, true);
  if (!facts) return fault(source.path, facts.error()), facts.error().kind != SftpFault::Kind::lost;
  if (facts->is_directory() && !options_.recursive) {
    fault(path,
          sftp_fault(SftpFault::Kind::local, fit_for_terminal(path) + ": is a directory (-r copies those)").value());
    return true;
  }
  std::string to = target.path.empty() ? "." : without_slashes(target.path);
  const std::string name(name_of(path));
  const bool named = !name.empty() && name != "." && name != "..";
  if (into && named) to = join_path(to, name);
  CopySide* side = target.side;
  std::unique_ptr<LocalSide> below;
  if (!side) {
    // Below the directory that the user named no link leads anywhere else.
    const auto itself = here_.look(to, false);
    if (itself && itself->is_symlink() && !facts->is_directory()) {
      char* resolved = ::realpath(to.c_str(), nullptr);
      if (resolved) to = resolved;
      ::free(resolved);
    }
    const bool contents = into && !named;
    auto made = LocalSide::below(contents ? to : std::string(folder_of(to)));
    if (!made) return fault(to, made.error()), true;
    below = std::move(*made);
    side = below.get();
    to = contents ? std::string() : std::string(name_of(to));
  }
  CopyPlan plan{from, *side, source.name.empty() ? "" : source.name, options_, counts_, listener_};
  CopyPlace whole = source;
  whole.path = path;
  return copy_found(plan, whole, std::move(to), *facts, into || below ? nullptr : &there);
}

bool CopyRun::copy_found(CopyPlan& plan, const CopyPlace& source, std::string to, const SftpAttributes& facts,
                         const SftpResult<SftpAttributes>* known) {
  CopyQueue queue;
  Walk walk{plan, queue, source.path};
  {
    const std::lock_guard held(lock_);
    copied_ = false;
  }
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads && !options_.dry_run; ++i)
    threads.emplace_back([this, &plan, &queue] { copy_queued(plan, queue); });
  RemoteSide* measured = plan.target.remote() ? plan.target.remote() : plan.source.remote();
  std::thread measuring;
  if (options_.connections == 0 && measured && !options_.limit && !options_.dry_run)
    measuring = std::thread([this, measured] { measure_connections(*measured); });
  const std::string shown(name_of(source.path));
  if (facts.is_directory()) {
    walk_folder(walk, source.path, to, "", 0);
  } else if (facts.is_regular() || !facts.mode) {
    CopyItem item{source.path, to, shown, facts};
    const auto there = known ? *known : plan.target.look(to, true);
    item.in_place = there && there->mode && !there->is_regular() && !there->is_directory() && !there->is_symlink();
    if (plan.target.remote() && there && !item.in_place) {
      // A link is written through, as everybody expects of a name that he typed.
      if (const auto itself = plan.target.look(to, false); itself && itself->is_symlink()) {
        if (const auto real = plan.target.remote()->real_path(to)) item.to = *real;
      }
    }
    take_file(walk, std::move(item));
  } else {
    fault(shown, sftp_fault(SftpFault::Kind::local, fit_for_terminal(source.path) + ": is no regular file").value());
  }
  queue.finish();
  for (std::thread& thread : threads) thread.join();
  {
    const std::lock_guard held(lock_);
    copied_ = true;
  }
  changed_.notify_all();
  if (measuring.joinable()) measuring.join();
  // From the inside out: what is put into a directory changes its time.
  for (auto folder = walk.folders.rbegin(); folder != walk.folders.rend() && !options_.dry_run; ++folder) {
    if (auto changed = plan.target.change(folder->path, folder->wanted); !changed) fault(folder->path, changed.error());
  }
  for (CopySide* side : {&plan.source, &plan.target}) {
    if (side->remote() && side->remote()->client()->gone()) return failed_ = true, false;
  }
  return true;
}

void CopyRun::copy_queued(const CopyPlan& plan, CopyQueue& queue) {
  const size_t at_once = small_files_at_once(plan, kThreads);
  for (;;) {
    auto items = queue.take(at_once, [&](const CopyItem& item) { return is_small(plan, item); });
    if (items.empty()) return;
    if (is_small(plan, items.front())) {
      copy_small_files(plan, std::move(items));
    } else {
      FileCopy(plan, std::move(items.front())).run();
    }
    for (CopySide* side : {&plan.source, &plan.target}) {
      if (side->remote() && side->remote()->client()->gone()) return queue.stop();
    }
  }
}

std::optional<double> CopyRun::measure_rate() {
  const uint64_t before = counts_.bytes_done;
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock held(lock_);
  if (changed_.wait_for(held, kMeasure, [this] { return copied_; })) return std::nullopt;
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(counts_.bytes_done - before) / passed.count();
}

// One connection more as long as it brings something.
void CopyRun::measure_connections(RemoteSide& side) {
  // The first moments are a connection's own start.
  if (!measure_rate()) return;
  auto before = measure_rate();
  while (before && counts_.connections < kMostConnections) {
    const double left = static_cast<double>(counts_.bytes_found - counts_.bytes_done);
    if (left < kWorthSeconds * *before || !side.grow()) return;
    ++counts_.connections;
    if (!measure_rate()) return;
    const auto after = measure_rate();
    if (!after) return;
    if (*after < *before * kWorthIt) {
      side.shrink();
      --counts_.connections;
      return;
    }
    before = after;
  }
}

}  // namespace sluice
