// Whoever forked off before there were keys keeps a starter running: one that was killed is followed by another.
#pragma once

#include "services/broker/starter_process.h"

namespace sluice {

// Starters that end at once are no use; and whoever kills them is not to keep a core busy.
inline constexpr int kMostStarters = 16;
inline constexpr unsigned kStarterPauseMs = 200;

// Returns when the monitor's end is closed, or no starter stays alive.
void keep_starter(UniqueFd orders, const StarterSettings& settings, const DigestMaker& digests);

}  // namespace sluice
