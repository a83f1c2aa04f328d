// What is left of a driver when the crypto is taken out.
#include "drivers/null_driver.h"

namespace sluice {
namespace {

struct NullKey final : PreparedKey {
  explicit NullKey(size_t tag) : tag_bytes(tag) {}
  size_t tag_bytes;
};

}  // namespace

Support NullDriver::supports(const CipherSuite& suite) const {
  if (suite.is_plain()) return Support::no("protects nothing");
  return {true, {}, kMaxRecordLength + 4, 128, 1};
}

ResultOrText<std::unique_ptr<PreparedKey>> NullDriver::prepare(const CipherSuite& suite, Direction,
                                                               const KeyMaterial&) {
  return std::make_unique<NullKey>(suite.tag_bytes);
}

size_t NullDriver::submit(std::span<CryptoOp* const> ops) {
  const size_t taken = std::min(ops.size(), done_.room());
  for (CryptoOp* op : ops.first(taken)) {
    if (op->src != op->dst) std::memcpy(op->dst, op->src, op->length);
    if (op->direction == Direction::seal) std::memset(op->tag, 0, static_cast<const NullKey&>(*op->key).tag_bytes);
    op->status = OpStatus::ok;
    done_.push(*op);
  }
  return taken;
}

void NullDriver::read_lengths(std::span<LengthQuestion> questions) {
  for (LengthQuestion& question : questions) question.length = load_be32(question.first);
}

}  // namespace sluice
