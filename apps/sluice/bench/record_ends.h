// The two ends of one session's records over any transport, without a key exchange: one seals, the other opens, and
// both turn to new known keys after as many bytes.
#pragma once

#include <memory>
#include <string>

#include "dataplane/receive_path.h"
#include "dataplane/send_path.h"
#include "drivers/driver_registry.h"

namespace sluice::bench {

// What both ends must agree on.
struct RecordStream {
  const CipherSuite* suite = nullptr;
  uint32_t payload = 0;
  std::string driver = "auto";

  // Records under one key.
  uint64_t per_key() const;
};

class SealingEnd {
 public:
  SealingEnd(Transport& transport, const RecordStream& stream);
  ~SealingEnd();

  // A turn: at most so many more records are begun, what is sealed goes to the transport. Returns how many were begun.
  size_t seal(size_t most);
  bool failed() const { return send_.error().has_value(); }

 private:
  void turn();
  bool renew_keys();

  Transport& transport_;
  const RecordStream stream_;
  std::unique_ptr<DriverSet> drivers_;
  Dispatch dispatch_;
  RecordPool pool_;
  SendPath send_;
  uint64_t left_ = 0;  // of the key
  uint64_t generation_ = 0;
  bool installed_ = false;  // the next keys, and their message had no room yet
};

class OpeningEnd {
 public:
  OpeningEnd(Transport& transport, const RecordStream& stream);
  ~OpeningEnd();

  // A turn over what has come. Returns how many were opened.
  size_t open();
  // A record that was not as it should be. What comes behind it is not looked at.
  bool failed() const { return failed_ || receive_.error().has_value(); }

 private:
  Transport& transport_;
  const RecordStream stream_;
  std::unique_ptr<DriverSet> drivers_;
  Dispatch dispatch_;
  RecordPool pool_;
  ReceivePath receive_;
  uint64_t left_ = 0;
  uint64_t generation_ = 0;
  bool failed_ = false;
};

}  // namespace sluice::bench
