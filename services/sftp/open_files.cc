// Slots and what they hold.
#include "services/sftp/open_files.h"

#include "base/random.h"

namespace sluice {

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
