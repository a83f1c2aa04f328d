// Slots, and what a descriptor is.
#include "services/sftp/open_files.h"

#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/file_nature.h"
#include "base/random.h"

namespace sluice {
namespace {

// Of character devices: null, zero, full, random and their like, which answer at once.
constexpr unsigned kMemoryDevices = 1;

}  // namespace

bool look_at(int descriptor, struct stat& facts) { return ::syscall(SYS_fstat, descriptor, &facts) == 0; }

FileKind kind_of(int descriptor) {
  // Of tmpfs and hugetlbfs: nothing else has seals. fstatfs() would ask a file system's server.
  if (::fcntl(descriptor, F_GET_SEALS) >= 0) return FileKind::memory;
  struct statx facts;
  if (!nature_of(descriptor, facts) || S_ISREG(facts.stx_mode) || S_ISBLK(facts.stx_mode)) return FileKind::disk;
  if (S_ISCHR(facts.stx_mode) && facts.stx_rdev_major == kMemoryDevices) return FileKind::memory;
  // A worker reads and writes it: never one that makes it wait.
  const int flags = ::fcntl(descriptor, F_GETFL);
  const bool open = flags >= 0 && ((flags & O_NONBLOCK) != 0 || ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0);
  return open ? FileKind::stream : FileKind::disk;
}

SftpFile& OpenFiles::add(SftpFile&& file) {
  uint32_t slot = 0;
  while (slot < slots_.size() && slots_[slot]) ++slot;
  if (slot == slots_.size()) slots_.emplace_back();
  std::array<uint8_t, 8> secret;
  fill_random(secret);
  file.slot = slot;
  file.secret = load_be64(secret.data());
  slots_[slot] = std::make_unique<SftpFile>(std::move(file));
  return *slots_[slot];
}

SftpFile* OpenFiles::find(Bytes handle) {
  if (handle.size() != 12) return nullptr;
  const uint32_t slot = load_be32(handle.data());
  if (slot >= slots_.size() || !slots_[slot] || slots_[slot]->closing) return nullptr;
  return slots_[slot]->secret == load_be64(&handle[4]) ? slots_[slot].get() : nullptr;
}

void OpenFiles::remove(SftpFile& file) { slots_[file.slot].reset(); }

std::array<uint8_t, 12> OpenFiles::handle_of(const SftpFile& file) const {
  std::array<uint8_t, 12> handle;
  store_be32(handle.data(), file.slot);
  store_be64(&handle[4], file.secret);
  return handle;
}

}  // namespace sluice
