// Bindings of the commands whose settings are more than one member: lists with entries, users, keys.
#pragma once

#include "control/config/command_row.h"

namespace sluice::binding {

extern const SettingBinding kVersionTwo;    // ssh server v2
extern const SettingBinding kVersion;       // ip ssh version
extern const SettingBinding kListen;        // ssh server listen
extern const SettingBinding kVrf;           // ssh server vrf
extern const SettingBinding kAccessList;    // {ipv4|ipv6} access-list
extern const SettingBinding kAccessRule;    // a rule in it
extern const SettingBinding kEnableCipher;  // ssh server enable cipher
extern const SettingBinding kPermitOpen;    // ssh server port-forwarding permit-open
extern const SettingBinding kPermitListen;
extern const SettingBinding kUser;         // username
extern const SettingBinding kUserSecret;   // secret, below username
extern const SettingBinding kUserGroup;    // group, below username
extern const SettingBinding kPubkeyChain;  // ip ssh pubkey-chain
extern const SettingBinding kPubkeyUser;   // username, below it
extern const SettingBinding kKeyString;
extern const SettingBinding kKeyHash;

}  // namespace sluice::binding
