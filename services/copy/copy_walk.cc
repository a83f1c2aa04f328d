// What there is to be copied: a tree of one end, looked at as it comes, each name a stranger's.
#include <fnmatch.h>

#include "services/copy/copy_run.h"

namespace sluice {
namespace {

// A server can make up directories without end: deeper, or more in one, is no tree of anybody's.
constexpr size_t kMostDepth = 256;
constexpr uint64_t kMostInFolder = 5'000'000;
constexpr size_t kMostPath = 4096;

SftpFault refused(std::string text) { return sftp_fault(SftpFault::Kind::protocol, std::move(text)).value(); }

// Whether a link's target, read from where the link is, stays below the root of the copy.
bool stays_inside(std::string_view target, std::string_view below) {
  if (target.empty() || target.front() == '/') return false;
  long depth = std::count(below.begin(), below.end(), '/');
  while (!target.empty()) {
    const size_t slash = std::min(target.find('/'), target.size());
    const std::string_view step = target.substr(0, slash);
    target.remove_prefix(std::min(slash + 1, target.size()));
    if (step == "..") {
      if (--depth < 0) return false;
    } else if (!step.empty() && step != ".") {
      ++depth;
    }
  }
  return true;
}

}  // namespace

bool CopyRun::excluded(const std::string& name, const std::string& below) const {
  for (const std::string& pattern : options_.exclude) {
    const bool whole = pattern.find('/') != std::string::npos;
    if (::fnmatch(pattern.c_str(), whole ? below.c_str() : name.c_str(), whole ? FNM_PATHNAME : 0) == 0) return true;
  }
  return false;
}

void CopyRun::walk_folder(Walk& walk, const std::string& from, const std::string& to, const std::string& below,
                          size_t depth) {
  if (depth > kMostDepth || from.size() > kMostPath)
    return fault(from, refused(fit_for_terminal(from, 200) + ": directories without end are not copied"));
  const auto facts = walk.plan.source.look(from, depth == 0 || options_.follow);
  if (!facts) return fault(from, facts.error());
  const uint32_t mode = facts->mode.value_or(0755) & 07777u;
  if (!options_.dry_run && !to.empty()) {
    // Ours to write in until all is there.
    const uint32_t first = options_.preserve ? (mode & 0777u) | 0700u : (mode & 0777u) | 0300u;
    if (auto made = walk.plan.target.make_directory(to, first); !made) return fault(to, made.error());
  }
  if (options_.preserve && !to.empty()) {
    SftpAttributes wanted;
    wanted.mode = mode;
    wanted.times = facts->times;
    walk.folders.push_back({to, wanted});
  }
  uint64_t entries = 0;
  std::vector<SftpName> folders;
  auto listed = walk.plan.source.list(from, [&](SftpName&& name) {
    if (++entries > kMostInFolder) return false;
    // Depth first would keep as many directories open as there are levels.
    if (name.attributes.is_directory()) {
      folders.push_back(std::move(name));
    } else {
      take_entry(walk, std::move(name), from, to, below, depth);
    }
    return true;
  });
  if (!listed) fault(from, listed.error());
  if (entries > kMostInFolder)
    fault(from, refused(fit_for_terminal(from, 200) + ": a directory without end is not copied"));
  for (SftpName& name : folders) take_entry(walk, std::move(name), from, to, below, depth);
}

void CopyRun::take_entry(Walk& walk, SftpName&& name, const std::string& from, const std::string& to,
                         const std::string& below, size_t depth) {
  // Our own files may have any name that the server takes.
  if (walk.plan.source.remote() && !is_safe_name(name.name))
    return fault(name.name,
                 refused("The server gave a name that is refused: \"" + fit_for_terminal(name.name, 200) + "\""));
  const std::string path = join_path(from, name.name);
  const std::string target = join_path(to, name.name);
  const std::string inside = join_path(below, name.name);
  if (excluded(name.name, inside)) return;
  SftpAttributes facts = name.attributes;
  if (!facts.mode || (facts.is_symlink() && options_.follow)) {
    auto found = walk.plan.source.look(path, options_.follow);
    if (!found) return fault(inside, found.error());
    facts = *found;
  }
  if (facts.is_directory()) return walk_folder(walk, path, target, inside, depth + 1);
  if (facts.is_symlink()) return take_link(walk, path, target, inside, depth);
  if (!facts.is_regular()) {
    ++counts_.files_skipped;
    return listener_.on_notice(fit_for_terminal(inside) + ": is no regular file, left out");
  }
  take_file(walk, {path, target, inside, facts});
}

void CopyRun::take_link(Walk& walk, const std::string& from, const std::string& to, const std::string& below, size_t) {
  auto target = walk.plan.source.read_link(from);
  if (!target) return fault(below, target.error());
  // What a server says could lead anywhere; our own links are the user's.
  if (walk.plan.source.remote() && (!stays_inside(*target, below) || target->find('\0') != std::string::npos)) {
    ++counts_.files_skipped;
    return listener_.on_notice(fit_for_terminal(below) + ": a link out of the tree, left out");
  }
  if (options_.dry_run) return listener_.on_done(below, 0, false);
  ++counts_.files_found;
  if (auto made = walk.plan.target.make_symlink(*target, to); !made) {
    ++counts_.files_failed;
    return listener_.on_fault(below, made.error());
  }
  ++counts_.files_done;
  listener_.on_done(below, 0, false);
}

void CopyRun::take_file(Walk& walk, CopyItem item) {
  const uint64_t size = item.facts.size.value_or(0);
  if (options_.update) {
    const auto there = walk.plan.target.look(item.to, false);
    if (there && there->is_regular() && there->size == item.facts.size && there->times && item.facts.times &&
        there->times->modified == item.facts.times->modified) {
      ++counts_.files_skipped;
      return;
    }
  }
  ++counts_.files_found;
  counts_.bytes_found += size;
  if (options_.dry_run) return listener_.on_done(item.shown, size, false);
  (void)walk.queue.push(std::move(item));
}

}  // namespace sluice
