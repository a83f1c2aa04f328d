// Control-C as a wish that is looked at between steps, instead of the process' end.
#pragma once

namespace sluice {

// From now on SIGINT sets the flag, and interrupts what waits; a second one ends the process all the same.
void catch_interrupts();
bool interrupted();
void forget_interrupt();
// At a prompt nothing is under way that an impatient second one would have to end: it is a wish like the first.
void suffer_interrupts(bool all);

}  // namespace sluice
