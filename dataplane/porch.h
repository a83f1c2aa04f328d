// A worker that control's own thread turns: connections live in it until they have logged in, then they move.
//
// Between two strangers' messages lie an answer of control and the network, never data: on one thread that costs no
// wake-ups, and no stranger is seen by the workers that serve sessions. Everything here is called by control's thread.
#pragma once

#include "dataplane/control_port.h"

namespace sluice {

class Porch {
 public:
  virtual ~Porch() = default;
  virtual ControlPort& port() = 0;
  // Readable when look_now() would find something.
  virtual int descriptor() const = 0;
  virtual void look_now() = 0;
  // A turn. True when anything moved.
  virtual bool step() = 0;
  // How long control may leave it alone.
  virtual int wait_ms() const = 0;
  // A session to be adopted elsewhere, its keys prepared on those drivers. Null: it is gone, or has something under
  // way; ask again after a step.
  virtual ResultOrText<std::unique_ptr<MovingSession>> release(SessionId session, const DriverSet& drivers) = 0;
};

}  // namespace sluice
