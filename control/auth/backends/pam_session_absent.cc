// In place of PAM's sessions where its library is not there.
#include "control/auth/backends/pam_session.h"

namespace sluice {

ResultOrText<std::unique_ptr<PamSession>> PamSession::open(const PamSessionWish&) {
  return fail(std::string("built without PAM"));
}

}  // namespace sluice
