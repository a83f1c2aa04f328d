// What a client's connection tells who debugs it, in the words of `debug ip ssh client`.
#pragma once

#include <string_view>

namespace sluice {

// A line of the transport's; what those words do not have is left out.
void tell_client_step(std::string_view line);

}  // namespace sluice
