// What a descriptor is: whether it waits, and whether it has offsets.
#pragma once

#include <sys/stat.h>

#include <cstdint>

namespace sluice {

// What reading and writing it is like.
enum class FileKind : uint8_t {
  memory,  // never waits: tmpfs, /dev/null and its like
  disk,    // may wait for a device or a network
  stream,  // has no offsets, and may have nothing now
  directory,
};

FileKind kind_of(int descriptor);
// fstat() by that number: glibc makes it the call that takes paths too, which a confined process may not use.
bool look_at(int descriptor, struct stat& facts);

}  // namespace sluice
