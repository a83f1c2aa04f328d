// Control-C as a wish that is looked at between steps, instead of the process' end.
#pragma once

namespace sluice {

// From now on SIGINT sets the flag, and interrupts what waits; a second one ends the process all the same.
void catch_interrupts();
bool interrupted();
void forget_interrupt();

}  // namespace sluice
