// Host keys as `show crypto key mypubkey` prints them, and as JSON.
#pragma once

#include <span>
#include <string>

#include "control/keys/host_key_store.h"

namespace sluice::ctl {

// One pair: label, type, size, time, and the bare public value in groups of eight hexadecimal digits.
std::string key_report(const HostKeyInfo& info);
std::string key_report_json(std::span<const HostKeyInfo> keys);

}  // namespace sluice::ctl
