// What requests and answers of SFTP are made of: attributes, names, statuses.
#pragma once

#include <optional>
#include <string>

#include "base/wire.h"
#include "services/broker/file_facts.h"
#include "services/sftp/sftp_protocol.h"

namespace sluice {

// Section 5. What is malformed turns the reader bad.
AttributeChange read_attributes(WireReader& reader);
void write_attributes(WireWriter& writer, const FileAttributes& attributes);
// One line of `ls -l`, section 7: clients show it as it is.
std::string long_name(const DirectoryEntry& entry, int64_t now_seconds);

SftpStatus status_of(BrokerFault fault);

// Whole packets, to be sent as they are.
std::vector<uint8_t> status_packet(uint32_t id, SftpStatus status, std::string_view text);
std::vector<uint8_t> failure_packet(uint32_t id, const Failure& failure);
// A packet of this type around what `body` holds.
std::vector<uint8_t> packet_of(SftpType type, uint32_t id, Bytes body);
void write_data_header(uint8_t* to, uint32_t id, uint32_t length);

}  // namespace sluice
