// TransferLog: what a connection's file transfers came to, in lines for whoever keeps watch: one for each file, and one
// for each operation that was refused or failed.
//
// Bounded: a client can have anything refused as fast as he can ask, so refusals beyond some a second are counted and
// the next line says how many there were. Names are escaped and cut.
#pragma once

#include "services/connection/connection_services.h"

namespace sluice {

// Of a name, in a line.
inline constexpr size_t kMaxQuoted = 512;

// One file, at its end.
struct TransferEnd {
  std::string_view operation, path;
  // " read N written M" or as much of it as makes sense.
  std::string_view figures;
  uint64_t opened_ns;
  std::string_view result;
};

// A name of a stranger's as one word of a line: printable ASCII, anything else by its number, cut where it is long.
std::string quoted(std::string_view name);

class TransferLog final : public ConnectionPart {
 public:
  static constexpr std::string_view kName = "transfer log";
  explicit TransferLog(ConnectionServices& connection) : connection_(connection) {}

  bool kept() const { return connection_.settings().sftp.transfer_log; }
  // `protocol`: sftp or scp.
  void ended(std::string_view protocol, const TransferEnd& transfer);
  // `other`: where an operation has two names.
  void refused(std::string_view protocol, std::string_view operation, std::string_view path, std::string_view other,
               std::string_view why);

 private:
  std::string begin(std::string_view protocol) const;
  bool may_tell();

  ConnectionServices& connection_;
  uint64_t untold_ = 0;
  uint64_t paid_ns_ = 0;  // when the refusals told are paid for
};

}  // namespace sluice
