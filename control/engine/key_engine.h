// KeyEngine: an OpenSSL ENGINE that computes key agreements, signs, gives random bytes or holds keys, and software for
// whatever it does not do or fails at.
//
// Chosen once, before threads. In a job of the pool (async_lane) an engine that can pauses while its device works.
#pragma once

#include <openssl/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/result.h"

namespace sluice {

// So many failures in a row and it is asked no more: each costs the arithmetic twice.
inline constexpr unsigned kMostEngineFailures = 16;

class KeyEngine {
 public:
  // As EngineSpec has it: an id, or the path of a shared module where it has a slash, and control commands.
  static ResultOrText<std::unique_ptr<KeyEngine>> open(const std::string& spec);
  ~KeyEngine();
  KeyEngine(const KeyEngine&) = delete;
  KeyEngine& operator=(const KeyEngine&) = delete;

  // For this process; null: software alone. It stays the caller's.
  static void use(KeyEngine* engine);
  // Null when there is none or it was given up.
  static KeyEngine* in_use();

  // Null unless it has methods for keys of this kind, an NID.
  ENGINE* for_keys(int kind) const;
  const EC_KEY_METHOD* for_curves() const;
  // Null unless it computes powers. The DH is one of its own.
  const DH_METHOD* for_powers() const { return powers_; }
  DH* dh() const { return dh_; }
  // Null unless its methods for keys of this kind, an NID, sign.
  ENGINE* for_signatures(int kind) const;
  // Null unless it signs by the older methods.
  const RSA_METHOD* for_rsa() const;
  const RAND_METHOD* for_random() const;
  bool agrees_on_keys() const;
  const std::string& name() const { return name_; }

  // A private key that stays in the engine. Null with the reason.
  ResultOrText<EVP_PKEY*> load_key(const std::string& id) const;

  // What it did, or what software then did in its place. A peer's bad value fails with both and is nobody's failure.
  void succeeded();
  void failed(std::string_view what);
  // It has no methods for that, and software does it: told once for each kind of work.
  void lacks(std::string_view what);
  void give_up(std::string_view why);
  uint64_t operations() const { return operations_.load(std::memory_order_relaxed); }
  uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }
  uint64_t lacking() const { return lacking_.load(std::memory_order_relaxed); }
  bool is_given_up() const { return given_up_.load(std::memory_order_relaxed); }

 private:
  KeyEngine(ENGINE* engine, std::string name);

  ENGINE* engine_;
  std::string name_;
  const DH_METHOD* powers_ = nullptr;
  DH* dh_ = nullptr;
  std::atomic<uint64_t> operations_{0};
  std::atomic<uint64_t> failures_{0};
  std::atomic<uint64_t> lacking_{0};
  std::mutex told_mutex_;
  std::set<std::string, std::less<>> told_;  // of what it lacks; the callers' constants
  std::atomic<unsigned> in_a_row_{0};
  std::atomic<bool> given_up_{false};
};

}  // namespace sluice
