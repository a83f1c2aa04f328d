// A loaded OpenSSL ENGINE, or none: the one place that touches the ENGINE API on the record layer's behalf.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace sluice {

class OpenSslEngine {
 public:
  // As EngineSpec has it: an id or a path, and control commands.
  static ResultOrText<std::shared_ptr<OpenSslEngine>> load(const std::string& spec);
  ~OpenSslEngine();
  OpenSslEngine(const OpenSslEngine&) = delete;
  OpenSslEngine& operator=(const OpenSslEngine&) = delete;

  ENGINE* get() const { return engine_; }
  const std::string& id() const { return id_; }
  bool has_cipher(int nid) const;

 private:
  OpenSslEngine(ENGINE* engine, std::string id) : engine_(engine), id_(std::move(id)) {}
  ENGINE* engine_;
  std::string id_;
};

}  // namespace sluice
