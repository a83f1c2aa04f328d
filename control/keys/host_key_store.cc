// The files of the host key store.
#include "control/keys/host_key_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "control/keys/guarded_file.h"
#include "control/keys/public_key_text.h"

namespace sluice {
namespace {

constexpr KeyType kMadeAtFirstStart[] = {KeyType::ed25519, KeyType::ecdsa_nistp256, KeyType::ecdsa_nistp384,
                                         KeyType::ecdsa_nistp521, KeyType::rsa};
constexpr std::string_view kPublicSuffix = ".pub";
// In front of a type: a file that says that the operator removed the default pair. No type begins so.
constexpr std::string_view kUnwantedPrefix = ".zeroized-";

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// Best effort: a file system may write elsewhere, but where it does not the key is gone from the disk as well.
bool overwrite_with_zeros(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  struct stat status;
  bool done = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  const std::vector<uint8_t> zeros(done ? std::min<size_t>(static_cast<size_t>(status.st_size), kMaxPrivateKeyFile)
                                        : 0);
  done = done && ::pwrite(fd, zeros.data(), zeros.size(), 0) == static_cast<ssize_t>(zeros.size()) && ::fsync(fd) == 0;
  ::close(fd);
  return done;
}

// The type and label that a file name stands for; null for what is none of ours.
const KeyTypeRow* split_name(std::string_view name, std::string_view& label) {
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) return nullptr;
  label = name.substr(dot + 1);
  const KeyTypeRow* row = find_key_type_by_store_name(name.substr(0, dot));
  return row && valid_key_label(label) ? row : nullptr;
}

// Public halves of files that are as they were when they were read: whoever lists pairs reads no private key again.
class KnownHalves {
 public:
  std::optional<PublicKey> find(const std::string& path, const struct stat& status) {
    const std::lock_guard lock(mutex_);
    const auto found = halves_.find(path);
    if (found == halves_.end() || !(found->second.first == mark_of(status))) return std::nullopt;
    return found->second.second;
  }
  void keep(const std::string& path, const struct stat& status, const PublicKey& key) {
    const std::lock_guard lock(mutex_);
    if (halves_.size() >= 2 * kMaxHostKeys) halves_.clear();
    halves_.insert_or_assign(path, std::pair(mark_of(status), key));
  }

 private:
  // A change of anything, rights included, changes it.
  using Mark = std::array<int64_t, 6>;
  static Mark mark_of(const struct stat& s) {
    return {static_cast<int64_t>(s.st_ino),
            s.st_size,
            s.st_mtim.tv_sec,
            s.st_mtim.tv_nsec,
            s.st_ctim.tv_sec,
            s.st_ctim.tv_nsec};
  }
  std::mutex mutex_;
  std::map<std::string, std::pair<Mark, PublicKey>> halves_;
};

KnownHalves& known_halves() {
  static KnownHalves all;
  return all;
}

}  // namespace

bool valid_key_label(std::string_view label) {
  if (label.empty() || label.size() > kMaxKeyLabel || label[0] == '.' || label[0] == '-') return false;
  // Would be taken for the public file of another label, or for a write that was cut short.
  if (label.ends_with(kPublicSuffix) || label.find(".new-") != std::string_view::npos) return false;
  return std::all_of(label.begin(), label.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

ResultOrText<HostKeyStore> HostKeyStore::open(std::string folder, const KeyLimits& limits) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return fail(system_error_text(folder, "cannot create"));
  struct stat status;
  if (::stat(folder.c_str(), &status) != 0) return fail(system_error_text(folder, "cannot look at"));
  if (!S_ISDIR(status.st_mode)) return fail(folder + ": not a folder");
  if (status.st_uid != ::geteuid()) return fail(folder + ": belongs to another user");
  if (status.st_mode & 077) return fail(folder + ": others may enter it; host keys want mode 0700");
  return HostKeyStore(std::move(folder), limits);
}

ResultOrText<std::string> HostKeyStore::path_of(KeyType type, std::string_view label) const {
  if (!valid_key_label(label)) return fail("not a valid key label");
  std::string path = folder_;
  return path.append("/").append(row_of(type).store_name).append(".").append(label);
}

std::string HostKeyStore::unwanted_mark(KeyType type) const {
  return folder_ + "/" + std::string(kUnwantedPrefix) + std::string(row_of(type).store_name);
}

ResultOrText<std::vector<KeyType>> HostKeyStore::generate_missing() const {
  std::vector<KeyType> made;
  for (const KeyType type : kMadeAtFirstStart) {
    // One that is there but cannot be read stays: to replace it unasked would change what clients know.
    if (has(type) || ::access(unwanted_mark(type).c_str(), F_OK) == 0) continue;
    if (auto key = generate(type); !key) return fail(key.error());
    made.push_back(type);
  }
  return made;
}

ResultOrText<PublicKey> HostKeyStore::generate(KeyType type, std::string_view label, unsigned bits) const {
  if (auto path = path_of(type, label); !path) return fail(path.error());
  const auto key = PrivateKey::generate(type, bits, limits_);
  if (!key) return fail(std::string(describe(key.error())));
  return keep(*key, label);
}

ResultOrText<PublicKey> HostKeyStore::import(const std::string& path, const PassphraseSource& passphrase,
                                             std::string_view label) const {
  KeyFileLimits limits;
  limits.key = limits_;
  const auto key = load_private_key(path, passphrase, limits);
  if (!key) return fail(key.error());
  return keep(key->key, label);
}

ResultOrText<PublicKey> HostKeyStore::keep(const PrivateKey& key, std::string_view label) const {
  const auto path = path_of(key.type(), label);
  if (!path) return fail(path.error());
  if (!has(key.type(), label)) {
    const auto there = list();
    if (there && there->size() >= kMaxHostKeys) return fail("too many host keys");
  }
  if (auto saved = save_private_key(*path, key, label, nullptr); !saved) return fail(saved.error());
  const std::string line = to_text(key.public_key(), label) + "\n";
  if (auto saved = write_file_atomically(*path + std::string(kPublicSuffix), bytes_of(line), 0644); !saved)
    return fail(saved.error());
  if (label == kDefaultKeyLabel) ::unlink(unwanted_mark(key.type()).c_str());
  return key.public_key();
}

ResultOrText<bool> HostKeyStore::zeroize(KeyType type, std::string_view label) const {
  const auto path = path_of(type, label);
  if (!path) return fail(path.error());
  if (!has(type, label)) return false;
  // First the mark: a start in between must not make the pair again.
  if (label == kDefaultKeyLabel) {
    if (auto marked = write_file_atomically(unwanted_mark(type), {}, 0600); !marked) return fail(marked.error());
  }
  (void)overwrite_with_zeros(*path);
  if (::unlink(path->c_str()) != 0) return fail(system_error_text(*path, "cannot remove"));
  ::unlink((*path + std::string(kPublicSuffix)).c_str());
  return true;
}

bool HostKeyStore::has(KeyType type, std::string_view label) const {
  const auto path = path_of(type, label);
  struct stat status;
  return path && ::lstat(path->c_str(), &status) == 0;
}

ResultOrText<PrivateKey> HostKeyStore::load(KeyType type, std::string_view label) const {
  const auto path = path_of(type, label);
  if (!path) return fail(path.error());
  KeyFileLimits limits;
  limits.key = limits_;
  // Host keys are never encrypted: nobody is there to type a passphrase when a router starts.
  auto key = load_private_key(*path, nullptr, limits);
  if (!key) return fail(key.error());
  if (key->key.type() != type) return fail(*path + ": holds a key of another type");
  return std::move(key->key);
}

ResultOrText<std::vector<HostKeyInfo>> HostKeyStore::list(std::vector<std::string>* problems) const {
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir(folder_.c_str()));
  if (!folder) return fail(system_error_text(folder_, "cannot list"));
  std::vector<HostKeyInfo> keys;
  while (const dirent* file = ::readdir(folder.get())) {
    std::string_view label;
    const KeyTypeRow* row = split_name(file->d_name, label);
    if (!row) continue;
    const std::string path = folder_ + "/" + file->d_name;
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) continue;
    auto half = known_halves().find(path, status);
    if (!half) {
      const auto key = load(row->type, label);
      if (!key) {
        if (problems) problems->push_back(key.error());
        continue;
      }
      half = key->public_key();
      known_halves().keep(path, status, *half);
    }
    keys.push_back({std::string(label), std::move(*half), status.st_mtime});
  }
  std::sort(keys.begin(), keys.end(), [](const HostKeyInfo& a, const HostKeyInfo& b) {
    return a.key.type() != b.key.type() ? a.key.type() < b.key.type() : a.label < b.label;
  });
  return keys;
}

}  // namespace sluice
