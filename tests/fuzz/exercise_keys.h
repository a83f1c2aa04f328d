// What the fuzz targets of control/keys do with one input. The unit tests do the same with the seeds.
#pragma once

#include "base/bytes.h"

namespace sluice::fuzz {

// As a public key blob, as the text of one, and as a signature under keys of each family.
void exercise_key_blob(Bytes input);
void exercise_key_file(Bytes input);
void exercise_authorized_keys(Bytes input);
void exercise_known_hosts(Bytes input);

}  // namespace sluice::fuzz
