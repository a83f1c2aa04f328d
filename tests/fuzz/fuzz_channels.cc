// Fuzzes a connection's channels: hostile messages behind well-formed ones, with services that do anything they may.
#include "base/check.h"
#include "base/message_numbers.h"
#include "base/random.h"
#include "tests/support/channel_bench.h"

namespace {

using namespace sluice;
using namespace sluice::test;

// What a service does in a callback, by chance.
void misbehave(CheapRandom& random, ChannelBench& bench, Channel& channel) {
  switch (random.below(10)) {
    case 0: return channel.send_eof();
    case 1: return random.below(8) == 0 ? channel.close() : void();
    case 2: channel.ask_turn(); return;
    case 3:
      if (bench.diaries.size() < 64) bench.open_ourselves();
      return;
    case 4:
    case 5: {
      const auto first = channel.reserve(1 + random.below(70000));
      const auto second = channel.reserve_stderr(1 + random.below(70000));
      if (second) channel.finish(*second, random.below(second->data.size() + 1));
      if (first) channel.finish(*first, random.below(first->data.size() + 1));
      return;
    }
    default: return;
  }
}

}  // namespace

// Byte 0: seed of what services do. Then messages: length (two bytes), bytes; length 0: a turn.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  CheapRandom random(data[0]);
  WindowBudget budget(1 << 20);
  ChannelLimits limits;
  limits.channels = 16;
  limits.least_window = 4096;
  limits.most_window = 65536;
  limits.budget = &budget;
  {
    ChannelBench bench(limits);
    bench.sender.room = 32;
    bench.pattern.then = [&](Channel& channel, std::string_view) { misbehave(random, bench, channel); };
    WireReader reader(Bytes(data + 1, size - 1));
    while (!reader.at_end() && reader.ok()) {
      size_t length = reader.u8();
      length = length << 8 | reader.u8();
      const Bytes bytes = reader.raw(std::min(length, reader.rest().size()));
      if (bytes.empty()) {
        bench.sender.room = random.below(64);
        bench.turn();
        bench.sender.take();
        continue;
      }
      std::vector<uint8_t> message(bytes.begin(), bytes.end());
      message[0] = static_cast<uint8_t>(kMsgChannelOpen + message[0] % 11);
      bench.give(std::move(message));
      SLUICE_CHECK(bench.host->channels() <= limits.channels);
      if (bench.sender.failed) break;
    }
  }
  SLUICE_CHECK(budget.take(1 << 20));
  return 0;
}
