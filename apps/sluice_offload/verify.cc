// verify: every suite of a device, both directions, against OpenSSL's answer; then forgeries, which it must refuse.
//
// Each record lies between guard bytes: a device that writes beside it, or into a source that it was to read, is wrong
// too.
#include <algorithm>
#include <array>
#include <cstdio>

#include "apps/json_writer.h"
#include "apps/sluice_offload/commands.h"
#include "apps/sluice_offload/workload.h"
#include "base/random.h"
#include "crypto_offload/key_epoch.h"

namespace sluice::offload {
namespace {

constexpr size_t kBatch = 32;
constexpr uint8_t kGuardByte = 0xa5;
constexpr size_t kGuard = 32;
// What a device that gives nothing back is waited for.
constexpr uint64_t kPatienceNs = 5'000'000'000;
constexpr uint32_t kEverySizeTo = 300;
constexpr std::array<uint32_t, 10> kSizes{511, 1024, 1400, 1448, 4096, 8192, 16384, 32768, 64000, kMaxPayload};

struct Tally {
  size_t checked = 0;
  size_t wrong = 0;
  std::string first_wrong;
  void complain(const std::string& what) {
    if (wrong++ == 0) first_wrong = what;
  }
};

struct Case {
  std::vector<uint8_t> record;
  std::vector<uint8_t> wire;
  std::vector<uint8_t> iv;
  uint32_t sequence;
  bool forged;
};

class Verifier {
 public:
  Verifier(CryptoDriver& driver, const CipherSuite& suite)
      : driver_(driver),
        suite_(suite),
        pool_({2 * kBatch, 0}),
        random_(suite.id),
        keys_(random_keys(suite, suite.id)) {}

  Tally run() {
    if (auto known = driver_.register_memory(pool_.memory()); !known) tally_.complain(known.error());
    for (const Direction direction : {Direction::seal, Direction::open}) {
      auto key = driver_.prepare(suite_, direction, {keys_.cipher_key, keys_.iv, keys_.mac_key});
      if (!key) return tally_.complain(key.error()), tally_;
      key_ = std::move(*key);
      direction_ = direction;
      for (uint32_t payload = 1; payload <= kEverySizeTo; ++payload) add(payload, false);
      for (const uint32_t payload : kSizes) add(payload, false);
      for (uint32_t i = 0; direction == Direction::open && i < 64; ++i) add(20 + 37 * i, true);
      flush();
    }
    return tally_;
  }

 private:
  void add(uint32_t payload, bool forged) {
    Case c;
    std::vector<uint8_t> bytes(payload);
    random_.fill(bytes);
    c.record = frame_payload(suite_, bytes, random_.next());
    const Support support = driver_.supports(suite_);
    if (c.record.size() > support.longest) return;
    c.iv.resize(suite_.cipher->iv_bytes);
    random_.fill(c.iv);
    CryptoOp probe{};
    probe.length = static_cast<uint32_t>(c.record.size());
    std::copy(c.iv.begin(), c.iv.end(), probe.iv.begin());
    if (counter_wraps(probe, suite_, support.counter_bits)) return;
    c.sequence = static_cast<uint32_t>(random_.next());
    c.wire = reference_seal(suite_, keys_, c.sequence, c.iv, c.record);
    c.forged = forged;
    if (forged) c.wire[random_.below(c.wire.size())] ^= static_cast<uint8_t>(1u << random_.below(8));
    cases_.push_back(std::move(c));
    if (cases_.size() == kBatch) flush();
  }

  void flush() {
    std::array<CryptoOp, kBatch> ops{};
    std::array<CryptoOp*, kBatch> offered;
    for (size_t i = 0; i < cases_.size(); ++i) {
      lay_out(cases_[i], ops[i]);
      offered[i] = &ops[i];
    }
    if (!push_through({offered.data(), cases_.size()})) return;
    for (size_t i = 0; i < cases_.size(); ++i) {
      check(cases_[i], ops[i]);
      pool_.give(const_cast<uint8_t*>(ops[i].src));
      if (ops[i].dst != ops[i].src) pool_.give(ops[i].dst);
    }
    cases_.clear();
  }

  uint8_t* guarded(size_t bytes) {
    uint8_t* at = pool_.take(bytes);
    std::fill(at - kGuard, at + bytes + kGuard, kGuardByte);
    return at;
  }

  void lay_out(Case& c, CryptoOp& op) {
    const bool seal = direction_ == Direction::seal;
    const std::vector<uint8_t>& input = seal ? c.record : c.wire;
    uint8_t* source = guarded(c.wire.size());
    std::copy(input.begin(), input.end(), source);
    op.key = key_.get();
    op.src = source;
    op.dst = driver_.placement() == Placement::separate ? guarded(c.wire.size()) : source;
    op.length = static_cast<uint32_t>(c.record.size());
    op.tag = seal ? op.dst + op.length : c.wire.data() + op.length;
    op.sequence = c.sequence;
    op.direction = direction_;
    std::copy(c.iv.begin(), c.iv.end(), op.iv.begin());
  }

  bool push_through(std::span<CryptoOp* const> ops) {
    const uint64_t until = now_ns() + kPatienceNs;
    std::array<CryptoOp*, kBatch> done;
    size_t taken = 0;
    for (size_t back = 0; back < ops.size();) {
      taken += driver_.submit(ops.subspan(taken));
      back += driver_.poll(done);
      if (now_ns() < until) continue;
      tally_.complain("the device took " + std::to_string(taken) + " records and gave " + std::to_string(back) +
                      " back");
      // It may write to their memory whenever it likes: nothing after this could be trusted.
      std::fprintf(stderr, "sluice-offload: %s: %s\n", std::string(driver_.name()).c_str(), tally_.first_wrong.c_str());
      std::_Exit(kWrongAnswer);
    }
    return true;
  }

  void check(const Case& c, const CryptoOp& op) {
    ++tally_.checked;
    const std::string what =
        std::string(op.direction == Direction::seal ? "seal" : "open") + " of " + std::to_string(op.length) + " bytes";
    const OpStatus expected = c.forged ? OpStatus::bad_tag : OpStatus::ok;
    if (op.status != expected) {
      constexpr std::string_view kNames[] = {"pending", "ok", "bad tag", "device error"};
      return tally_.complain(what + (c.forged ? ", forged" : "") + ": " +
                             std::string(kNames[static_cast<size_t>(op.status)]));
    }
    const auto zero = [](uint8_t b) { return b == 0; };
    if (c.forged && !std::all_of(op.dst, op.dst + op.length, zero)) {
      return tally_.complain(what + ", forged: its plaintext was left");
    }
    const auto& answer = op.direction == Direction::seal ? c.wire : c.record;
    if (!c.forged && !std::equal(answer.begin(), answer.end(), op.dst)) return tally_.complain(what + ": wrong bytes");
    check_neighbours(c, op, what);
  }

  void check_neighbours(const Case& c, const CryptoOp& op, const std::string& what) {
    const auto guard = [](uint8_t b) { return b == kGuardByte; };
    const uint8_t* end = op.dst + c.wire.size();
    if (!std::all_of(op.dst - kGuard, op.dst - suite_.headroom, guard) || !std::all_of(end, end + kGuard, guard)) {
      return tally_.complain(what + ": it wrote beside the record");
    }
    if (op.src == op.dst) return;
    const auto& input = op.direction == Direction::seal ? c.record : c.wire;
    if (!std::equal(input.begin(), input.end(), op.src)) tally_.complain(what + ": it wrote to the source");
  }

  CryptoDriver& driver_;
  const CipherSuite& suite_;
  RecordPool pool_;
  CheapRandom random_;
  ReferenceKeys keys_;
  std::unique_ptr<PreparedKey> key_;
  Direction direction_ = Direction::seal;
  std::vector<Case> cases_;
  Tally tally_;
};

void report(const std::string& device, const CipherSuite& suite, const Support& support, const Tally& tally,
            JsonWriter& json, bool as_json) {
  if (as_json) {
    json.open_object().text("device", device).text("suite", suite.name());
    if (!support.yes) {
      json.text("skipped", support.reason);
    } else {
      json.number("records", uint64_t{tally.checked}).number("wrong", uint64_t{tally.wrong});
      if (tally.wrong > 0) json.text("first_wrong", tally.first_wrong);
    }
    json.close_object();
    return;
  }
  std::printf("%-36s %-36s ", device.c_str(), suite.name().c_str());
  if (!support.yes) {
    std::printf("skipped: %s\n", support.reason.c_str());
  } else if (tally.wrong > 0) {
    std::printf("WRONG: %zu of %zu records, first: %s\n", tally.wrong, tally.checked, tally.first_wrong.c_str());
  } else {
    std::printf("ok: %zu records\n", tally.checked);
  }
}

}  // namespace

int run_verify(const Options& options, const DeviceList& list) {
  JsonWriter json;
  json.open_object().text("dpdk", list.about_dpdk).open_array("rows");
  int status = kFine;
  for (const Device& device : list.devices) {
    if (!device.driver) continue;
    for (const CipherSuite* suite : chosen_suites(options)) {
      const Support support = device.driver->supports(*suite);
      Tally tally;
      if (support.yes) tally = Verifier(*device.driver, *suite).run();
      if (tally.wrong > 0) status = kWrongAnswer;
      report(device.name, *suite, support, tally, json, options.json);
    }
  }
  json.close_array().close_object();
  if (options.json) std::printf("%s\n", json.str().c_str());
  return status;
}

}  // namespace sluice::offload
