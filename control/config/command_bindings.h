// Bindings of the commands whose settings are more than one member: lists with entries, users, keys.
#pragma once

#include "base/result.h"
#include "control/config/command_row.h"

namespace sluice::binding {

// Of a key-string: the key in one line as in .pub files, or why it is none.
ResultOrText<std::string> public_key_line(const std::string& block);
// The first word of a value; empty where the line has none.
const std::string& first_of(const CommandLine& line, size_t value);
// Whether a secret of this type may look so.
Refusal doubt_secret(const std::string& type, const std::string& text);

extern const SettingBinding kVersionTwo;  // ssh server v2
extern const SettingBinding kVersion;     // ip ssh version
extern const SettingBinding kListen;      // ssh server listen
extern const SettingBinding kVrf;         // ssh server vrf
extern const SettingBinding kAccessList;  // {ipv4|ipv6} access-list
extern const SettingBinding kAccessRule;  // a rule in it
extern const SettingBinding kPermitOpen;  // ssh server port-forwarding permit-open
extern const SettingBinding kPermitListen;
extern const SettingBinding kUser;         // username
extern const SettingBinding kUserSecret;   // secret, below username
extern const SettingBinding kUserGroup;    // group, below username
extern const SettingBinding kPubkeyChain;  // ip ssh pubkey-chain
extern const SettingBinding kPubkeyUser;   // username, below it
extern const SettingBinding kKeyString;
extern const SettingBinding kKeyHash;
extern const SettingBinding kEnableSecret;     // enable secret
extern const SettingBinding kShellsCommand;    // what only the shell does: taken, and nothing comes of it
extern const SettingBinding kSourceInterface;  // ssh client source-interface
extern const SettingBinding kChainServer;      // server, below ip ssh pubkey-chain
extern const SettingBinding kServerKeyString;
extern const SettingBinding kServerKeyHash;
extern const SettingBinding kLogHost;             // logging host
extern const SettingBinding kCertificateProfile;  // ip ssh server certificate profile
extern const SettingBinding kProfileServer;       // server, below it
extern const SettingBinding kProfileUser;

}  // namespace sluice::binding
