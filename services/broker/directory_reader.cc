// readdir and fstatat, a batch at a time.
#include "services/broker/directory_reader.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "services/broker/attributes_of.h"

namespace sluice {
namespace {

// lstats of one batch: about a millisecond, for which the broker's other links wait.
constexpr size_t kMostEntries = 1000;
// On the wire, besides the three texts.
constexpr size_t kEntryOverhead = 3 * 4 + 4 + 4 + 8 + 4 + 4 + 2 * 12;

size_t size_of(const DirectoryEntry& entry) {
  return kEntryOverhead + entry.name.size() + entry.owner.size() + entry.group.size();
}

}  // namespace

Outcome<DirectoryReader> DirectoryReader::open(const std::string& path) {
  UniqueFd descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
  if (!descriptor) return system_failure();
  DIR* stream = ::fdopendir(descriptor.get());
  if (!stream) return system_failure();
  (void)descriptor.release();
  return DirectoryReader(stream);
}

std::optional<DirectoryEntry> DirectoryReader::entry_of(const dirent& found, AccountNames& names) const {
  struct stat facts {};
  if (::fstatat(descriptor(), found.d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
    // Gone since it was read. Other reasons (a folder that may be read but not searched) leave its name and type.
    if (errno == ENOENT) return std::nullopt;
    facts.st_mode = DTTOIF(found.d_type);
  }
  DirectoryEntry entry{found.d_name, attributes_of(facts), names.user(facts.st_uid), names.group(facts.st_gid)};
  if (entry.owner.empty()) entry.owner = std::to_string(facts.st_uid);
  if (entry.group.empty()) entry.group = std::to_string(facts.st_gid);
  return entry;
}

Outcome<Entries> DirectoryReader::next(size_t most, AccountNames& names) {
  most = std::clamp<size_t>(most, 1, kMostEntries);
  Entries batch;
  size_t room = kMaxBrokerBody - 1 - 4;
  while (batch.entries.size() < most) {
    if (!kept_) {
      errno = 0;
      const dirent* found = ::readdir(stream_.get());
      if (!found && errno != 0) return system_failure();
      batch.last = !found;
      if (!found) break;
      kept_ = entry_of(*found, names);
      if (!kept_) continue;
    }
    if (size_of(*kept_) > room) break;
    room -= size_of(*kept_);
    batch.entries.push_back(std::move(*kept_));
    kept_.reset();
  }
  return batch;
}

}  // namespace sluice
