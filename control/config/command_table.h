// The commands of the configuration, in the order in which running-config prints them.
#pragma once

#include "control/config/command_grammar.h"

namespace sluice {

std::span<const CommandRow> config_commands();
// Of config_commands(), made once.
const CommandGrammar& config_grammar();

// What the words that several commands begin with mean, up to the last of these; empty where it is only one's.
std::string_view shared_help(std::string_view words);
// The title of the section that begins with the row; empty where none does.
std::string_view section_at(const CommandRow& row);

}  // namespace sluice
