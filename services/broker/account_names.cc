// getpwuid_r and getgrgid_r behind two small memories.
#include "services/broker/account_names.h"

#include <grp.h>
#include <pwd.h>

#include <array>

namespace sluice {
namespace {

// A tree of a hundred thousand foreign numbers must not fill a broker's memory.
constexpr size_t kMaxRemembered = 1024;
// So that an entry of a directory has its bound; useradd stops at 32.
constexpr size_t kMaxAccountName = 64;
constexpr size_t kAccountRoom = 16 * 1024;

template <class Look>
const std::string& remembered(std::unordered_map<uint32_t, std::string>& names, uint32_t id, Look look) {
  const auto found = names.find(id);
  if (found != names.end()) return found->second;
  if (names.size() >= kMaxRemembered) names.clear();
  std::array<char, kAccountRoom> room;
  return names.emplace(id, look(room).substr(0, kMaxAccountName)).first->second;
}

}  // namespace

const std::string& AccountNames::user(uint32_t uid) {
  return remembered(users_, uid, [uid](auto& room) {
    passwd entry;
    passwd* found = nullptr;
    (void)::getpwuid_r(uid, &entry, room.data(), room.size(), &found);
    return found ? std::string(found->pw_name) : std::string();
  });
}

const std::string& AccountNames::group(uint32_t gid) {
  return remembered(groups_, gid, [gid](auto& room) {
    ::group entry;
    ::group* found = nullptr;
    (void)::getgrgid_r(gid, &entry, room.data(), room.size(), &found);
    return found ? std::string(found->gr_name) : std::string();
  });
}

std::string home_of_account(const std::string& user) {
  std::array<char, kAccountRoom> room;
  passwd entry;
  passwd* found = nullptr;
  (void)::getpwnam_r(user.c_str(), &entry, room.data(), room.size(), &found);
  return found ? std::string(found->pw_dir) : std::string();
}

}  // namespace sluice
