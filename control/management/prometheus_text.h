// NetworkFacts in Prometheus' text format, version 0.0.4.
#pragma once

#include <string>

#include "control/management/network_facts.h"

namespace sluice {

std::string prometheus_text(const NetworkFacts& facts);

}  // namespace sluice
