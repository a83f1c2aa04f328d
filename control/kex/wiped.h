// Wiped<T>: a plain value that is zeroed when it goes out of scope, for secrets that live on the stack.
#pragma once

#include <type_traits>

#include "base/bytes.h"

namespace sluice {

template <class T>
struct Wiped : T {
  static_assert(std::is_trivially_copyable_v<T>, "bytes can only be wiped where they are all there is");
  Wiped() : T{} {}
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { wipe(static_cast<void*>(this), sizeof *this); }
};

}  // namespace sluice
