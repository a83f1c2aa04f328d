// getpwuid_r and getgrgid_r behind two small memories.
#include "services/broker/account_names.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <vector>

namespace sluice {
namespace {

// A tree of a hundred thousand foreign numbers must not fill a broker's memory.
constexpr size_t kMaxRemembered = 1024;
// So that an entry of a directory has its bound; useradd stops at 32.
constexpr size_t kMaxAccountName = 64;
// Groups of thousands of members need much; on the heap, which gives it back, not on a stack that keeps it.
constexpr size_t kLeastRoom = 1024, kMostRoom = 256 * 1024;

// `ask` is one of the getpw and getgr functions, with its key bound.
template <class Entry, class Ask>
std::string looked_up(Ask ask, char* Entry::*field) {
  std::vector<char> room(kLeastRoom);
  for (;;) {
    Entry entry;
    Entry* found = nullptr;
    const int result = ask(&entry, room.data(), room.size(), &found);
    if (result == ERANGE && room.size() < kMostRoom)
      room.resize(room.size() * 4);
    else
      return found ? std::string(found->*field) : std::string();
  }
}

template <class Look>
const std::string& remembered(std::unordered_map<uint32_t, std::string>& names, uint32_t id, Look look) {
  const auto found = names.find(id);
  if (found != names.end()) return found->second;
  if (names.size() >= kMaxRemembered) names.clear();
  return names.emplace(id, look().substr(0, kMaxAccountName)).first->second;
}

}  // namespace

const std::string& AccountNames::user(uint32_t uid) {
  return remembered(users_, uid, [uid] {
    return looked_up<passwd>([uid](auto... rest) { return ::getpwuid_r(uid, rest...); }, &passwd::pw_name);
  });
}

const std::string& AccountNames::group(uint32_t gid) {
  return remembered(groups_, gid, [gid] {
    return looked_up<::group>([gid](auto... rest) { return ::getgrgid_r(gid, rest...); }, &::group::gr_name);
  });
}

std::string home_of_account(const std::string& user) {
  return looked_up<passwd>([&user](auto... rest) { return ::getpwnam_r(user.c_str(), rest...); }, &passwd::pw_dir);
}

}  // namespace sluice
