// Freed: the deleter for what a C library's own function gives back: std::unique_ptr<T, Freed<T_free>>.
#pragma once

namespace sluice {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};

}  // namespace sluice
