// Lists of algorithms as the user writes them: whole, or as changes to the default with +, - and ^, with patterns.
#pragma once

#include <string_view>

#include "base/result.h"
#include "control/transport/kexinit.h"

namespace sluice {

enum class AlgorithmFamily : uint8_t { kex, ciphers, macs, host_keys, signatures, authorities };

// All that there are, those that are off by default too; ssh -Q prints them.
NameList all_algorithms(AlgorithmFamily family);
NameList default_algorithms(AlgorithmFamily family);
ResultOrText<NameList> choose_algorithms(AlgorithmFamily family, std::string_view spec);

}  // namespace sluice
