// PAM behind the back ends' interface: one attempt with a password in hand, or a dialogue on a thread of its own.
#pragma once

#include "control/auth/backends/system_users.h"

namespace sluice {

// Dialogues that wait for a user at one time; each is a thread.
inline constexpr unsigned kMaxPamDialogues = 64;
// Of one source (an IPv4 address, an IPv6 /64): it cannot keep everybody else from logging in.
inline constexpr unsigned kMaxPamDialoguesOfSource = 8;

bool pam_available();

struct PamAttempt {
  PamSettings settings;
  std::string user;
  LoginSource source;
  // False: everything is done as for a true account, but the answers given to PAM are not the user's and nothing is
  // accepted.
  bool allowed = true;
  LoginAnswer success;
};

// new_password: change it too, where PAM says that it has expired. Blocks.
LoginAnswer pam_check_password(const PamAttempt& attempt, const Secret& password, const Secret* new_password);
// Of somebody who proved who he is by other means. Blocks.
LoginAnswer pam_check_account(const PamAttempt& attempt);
std::shared_ptr<Conversation> pam_converse(PamAttempt attempt);

}  // namespace sluice
