// From struct stat to what travels.
#pragma once

#include <sys/stat.h>

#include "services/broker/file_facts.h"

namespace sluice {

inline FileTime time_of(const timespec& time) { return {time.tv_sec, static_cast<uint32_t>(time.tv_nsec)}; }

inline FileAttributes attributes_of(const struct stat& facts) {
  return {facts.st_mode,
          static_cast<uint32_t>(facts.st_nlink),
          static_cast<uint64_t>(facts.st_size),
          facts.st_uid,
          facts.st_gid,
          time_of(facts.st_atim),
          time_of(facts.st_mtim)};
}

}  // namespace sluice
