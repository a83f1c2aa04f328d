// The programs that can move a file, and how each is told to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/sluice/bench/bench_server.h"
#include "base/result.h"

namespace sluice::bench {

enum class Way : uint8_t { put, get };
inline std::string_view name_of(Way way) { return way == Way::put ? "put" : "get"; }

// "aes128-gcm" by SSH's names for -o; both empty: whatever the two ends prefer.
struct TransferSuite {
  std::string name;
  std::string cipher, mac;
};
ResultOrText<TransferSuite> parse_transfer_suite(std::string_view name);

struct TransferJob {
  Way way;
  bool tree;  // folders, whose target is not there yet
  std::string here, there;
  const TransferSuite* suite;
  const Endpoint* server;
  std::string ppk_file;  // the same key for PuTTY's programs
};

struct ClientKind {
  std::string_view name;
  std::string_view program;  // empty: sluice itself
  bool to_null;              // may be told to write to /dev/null without harm to it
  bool trees;
  bool takes_suite;  // by flags; else only from a server that allows no other
  std::string_view package;
  std::string_view lacks;  // parts of names of suites that it does not have
  ChildOptions (*command)(const std::string& program, const TransferJob& job);
};
const std::vector<ClientKind>& client_kinds();

// "sftp", "scp-O", "sftp=/opt/hpn/bin/sftp".
struct ClientSpec {
  std::string name;
  const ClientKind* kind = nullptr;
  std::string program;  // empty: it is not installed
  bool installed() const { return !program.empty(); }
};
ResultOrText<ClientSpec> parse_client(std::string_view text);

}  // namespace sluice::bench
