// AuthVerdict: the monitor's answer to one AuthQuestion.
#pragma once

#include <optional>

#include "control/auth/auth_messages.h"
#include "control/auth/permit.h"

namespace sluice {

enum class VerdictKind : uint8_t {
  refused,
  partial,  // right, but more is demanded
  accepted,
  key_ok,
  prompts,
  change_password,
  exhausted,  // the limit of tries is reached; the connection has no future
  shut_out,   // right, but nobody like him may come in now; likewise
  count_,
};

struct AuthVerdict {
  VerdictKind kind = VerdictKind::refused;
  MethodSet methods;  // that can continue
  std::string text;   // of change_password and shut_out: what to tell the user
  PromptSet prompts;
  std::optional<Permit> permit;  // with accepted
};

}  // namespace sluice
