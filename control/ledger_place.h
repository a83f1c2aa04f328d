// LedgerPlace: one connection's place in the SourceLedger, held by the connection and given back when it goes.
#pragma once

#include <memory>
#include <utility>

#include "control/auth/login_limits.h"

namespace sluice {

class LedgerPlace {
 public:
  // Of a connection that nobody counts.
  LedgerPlace() = default;
  // For one that the ledger has just admitted.
  LedgerPlace(std::shared_ptr<SourceLedger> ledger, const Address& from) : ledger_(std::move(ledger)), from_(from) {}
  LedgerPlace(LedgerPlace&& other) noexcept
      : ledger_(std::move(other.ledger_)), from_(other.from_), authenticated_(other.authenticated_) {}
  LedgerPlace& operator=(LedgerPlace&&) = delete;
  // Whose holder did not say how it ended, ended by our own doing.
  ~LedgerPlace() { ended(ConnectionEnd::orderly, Instant(0)); }

  void authenticated() {
    if (ledger_ && !std::exchange(authenticated_, true)) ledger_->authenticated(from_);
  }
  void ended(ConnectionEnd how, Instant now) {
    if (const auto ledger = std::exchange(ledger_, nullptr)) ledger->closed(from_, authenticated_, how, now);
  }

 private:
  std::shared_ptr<SourceLedger> ledger_;
  Address from_{};
  bool authenticated_ = false;
};

}  // namespace sluice
