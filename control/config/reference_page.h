// The reference page of the configuration, made from the table.
#pragma once

#include <string>

namespace sluice {

// Markdown.
std::string reference_page();

}  // namespace sluice
