// Placing records in guarded memory and looking at what a driver did there.
#include "tests/support/run_ops.h"

#include <algorithm>

#include "base/check.h"

namespace sluice::test {
namespace {

constexpr size_t kGuard = 64;
constexpr uint8_t kGuardByte = 0xa5;

}  // namespace

OpBench::OpBench(CryptoDriver& driver, const CipherSuite& suite, Direction direction, const ReferenceKeys& keys)
    : driver_(driver), suite_(suite), direction_(direction) {
  auto key = driver.prepare(suite, direction, {keys.cipher_key, keys.iv, keys.mac_key});
  SLUICE_CHECK(key.has_value());
  key_ = std::move(*key);
}

void OpBench::add(Bytes bytes, uint32_t sequence, Bytes iv, size_t alignment) {
  auto item = std::make_unique<Item>();
  const bool seal = direction_ == Direction::seal;
  item->at = kGuard + alignment;
  item->source.assign(item->at + bytes.size() + kMaxTagBytes + kGuard, kGuardByte);
  std::copy(bytes.begin(), bytes.end(), item->source.begin() + static_cast<ptrdiff_t>(item->at));
  const bool separate = driver_.placement() == Placement::separate;
  if (separate) item->target.assign(item->source.size(), kGuardByte);
  CryptoOp& op = item->op;
  op = {};
  op.key = key_.get();
  op.src = item->source.data() + item->at;
  op.dst = (separate ? item->target : item->source).data() + item->at;
  op.length = static_cast<uint32_t>(bytes.size() - (seal ? 0u : suite_.tag_bytes));
  op.sequence = sequence;
  op.direction = direction_;
  std::copy(iv.begin(), iv.end(), op.iv.begin());
  if (seal) {
    op.tag = op.dst + op.length;
  } else {
    item->received_tag.assign(bytes.end() - suite_.tag_bytes, bytes.end());
    op.tag = item->received_tag.data();
  }
  item->before = item->source;
  items_.push_back(std::move(item));
}

void OpBench::run() {
  std::vector<CryptoOp*> ops;
  for (const auto& item : items_) ops.push_back(&item->op);
  size_t taken = 0;
  size_t done = 0;
  std::array<CryptoOp*, 8> finished;
  while (done < ops.size()) {
    taken += driver_.submit({ops.data() + taken, ops.size() - taken});
    done += driver_.poll(finished);
  }
}

std::vector<uint8_t> OpBench::result(size_t i) const {
  const CryptoOp& op = items_[i]->op;
  std::vector<uint8_t> out(op.dst, op.dst + op.length);
  if (direction_ == Direction::seal) out.insert(out.end(), op.tag, op.tag + suite_.tag_bytes);
  return out;
}

bool OpBench::kept_its_place(size_t i) const {
  const Item& item = *items_[i];
  const auto& target = item.target.empty() ? item.source : item.target;
  const auto first = static_cast<ptrdiff_t>(item.at - suite_.headroom);
  const auto last = static_cast<ptrdiff_t>(item.at + item.op.length + suite_.tag_bytes);
  const auto is_guard = [](uint8_t b) { return b == kGuardByte; };
  if (!std::all_of(target.begin(), target.begin() + first, is_guard)) return false;
  if (!std::all_of(target.begin() + last, target.end(), is_guard)) return false;
  if (item.target.empty()) return true;
  const auto record = static_cast<ptrdiff_t>(item.at);
  return std::equal(item.source.begin() + record, item.source.end(), item.before.begin() + record);
}

std::vector<uint8_t> seal_on(const DriverUnderTest& driver, const CipherSuite& suite, const ReferenceKeys& keys,
                             uint32_t sequence, Bytes iv, Bytes record) {
  const auto instance = driver.make();
  OpBench bench(*instance, suite, Direction::seal, keys);
  bench.add(record, sequence, iv, 0);
  bench.run();
  return bench.result(0);
}

}  // namespace sluice::test
