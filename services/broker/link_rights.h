// Which of a policy's permissions each request needs, in one place.
#pragma once

#include <optional>

#include "services/broker/broker_protocol.h"
#include "services/broker/link_policy.h"

namespace sluice {

// Why the policy does not allow it; nothing when it may be tried.
std::optional<Failure> refusal(const LinkPolicy& policy, const BrokerRequest& request);

}  // namespace sluice
