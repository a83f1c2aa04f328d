// In place of PAM where its library is not there: system users log in by key and by shadow.
#include "control/auth/backends/pam_login.h"

namespace sluice {

bool pam_available() { return false; }

LoginAnswer pam_check_password(const PamAttempt&, const Secret&, const Secret*) { return refused("built without PAM"); }

LoginAnswer pam_check_account(const PamAttempt&) { return refused("built without PAM"); }

std::shared_ptr<Conversation> pam_converse(PamAttempt) { return nullptr; }

}  // namespace sluice
