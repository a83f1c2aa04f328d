// What the SFTP service itself costs: put and get through a channel that is memory, beside a plain loop of the same
// system calls over the same memory.
//
// sftp_bench [FOLDER [MiB]]; names and figures as lines: put/tmpfs/service 12.3 GB/s, and the ratio to the loop.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "base/wire.h"
#include "services/connection/connection_notes.h"
#include "services/sftp/sftp_protocol.h"
#include "services/sftp/sftp_service.h"
#include "tests/support/broker_fixture.h"
#include "tests/support/fake_channel.h"

namespace sluice {
namespace {

constexpr size_t kRecord = 32 * 1024;             // what OpenSSH's client takes and sends
constexpr uint32_t kRequest = 256 * 1024 - 1024;  // as its transfers ask
constexpr size_t kPiecesAtOnce = 16;
constexpr int kRounds = 5;

// Records in a ring of memory; what is sent is counted, its last packet's length kept.
class RingChannel final : public Channel {
 public:
  std::optional<DataDraft> reserve(size_t most) override {
    const size_t n = std::min(most, kRecord);
    if (left == 0) return std::nullopt;
    --left;
    next_ = (next_ + 1) % kPlaces;
    return DataDraft{MutableBytes(memory_).subspan(next_ * kRecord, n), 0, nullptr};
  }
  std::optional<DataDraft> reserve_stderr(size_t) override { return std::nullopt; }
  void finish(const DataDraft& draft, size_t n) override {
    sent += n;
    last.assign(draft.data.begin(), draft.data.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(n, 64)));
  }
  uint64_t window() const override { return 1 << 30; }
  void consumed(size_t) override {}
  void answer(bool) override {}
  void request(std::string_view, bool, Bytes) override {}
  void send_eof() override {}
  void close() override {}
  void confirm(Bytes) override {}
  void refuse(OpenFailure, std::string_view) override {}
  void fail(ErrorCode) override {}
  bool watch(int descriptor, Watcher& watcher) override { return host->watch(descriptor, watcher); }
  void unwatch(int descriptor) override { host->unwatch(descriptor); }
  void ask_turn() override {}

  test::FakeHost* host = nullptr;
  size_t left = 0;
  uint64_t sent = 0;
  std::vector<uint8_t> last;

 private:
  static constexpr size_t kPlaces = 64;
  std::vector<uint8_t> memory_ = std::vector<uint8_t>(kPlaces * kRecord, 1);
  size_t next_ = 0;
};

double seconds_of(const std::function<void()>& work) {
  double best = 1e9;
  for (int i = 0; i < kRounds; ++i) {
    const uint64_t begin = monotonic_clock().now_ns();
    work();
    best = std::min(best, static_cast<double>(monotonic_clock().now_ns() - begin) / 1e9);
  }
  return best;
}

class Bench {
 public:
  Bench(const std::string& folder, uint64_t bytes)
      : broker_(test::own_identity(folder)), requests_(bytes / kRequest), bytes_(requests_ * kRequest) {
    connection_.attach(host_);
    channel_.host = &host_;
    service_ = make_sftp_service(connection_);
    service_->attach(channel_);
    SinkNote note;
    note.kind = static_cast<uint32_t>(ConnectionNote::broker);
    note.descriptor = broker_.take_link();
    connection_.on_note(std::move(note));
    ask(WireWriter().u8(1).u32(kSftpVersion).view());
  }
  ~Bench() { service_.reset(); }

  void run(const std::string& name, const std::string& path) {
    ask(WireWriter().u8(3).u32(1).string(path).u32(kSftpRead | kSftpWrite | kSftpCreate).u32(0).view());
    SLUICE_CHECK(channel_.last.size() == 25 && channel_.last[4] == 102);
    handle_.assign(channel_.last.begin() + 13, channel_.last.end());
    descriptor_ = UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    SLUICE_CHECK(descriptor_);
    report("put/" + name, seconds_of([this] { put(); }), seconds_of([this] { put_plainly(); }));
    if (path != "/dev/null")
      report("get/" + name, seconds_of([this] { get(); }), seconds_of([this] { get_plainly(); }));
  }

 private:
  void report(const std::string& name, double service, double loop) const {
    const double giga = static_cast<double>(bytes_) / 1e9;
    std::printf("%-12s service %6.2f GB/s, loop %6.2f GB/s, %5.1f us/MiB more, ratio %.2f\n", name.c_str(),
                giga / service, giga / loop, (service - loop) * 1e6 / (static_cast<double>(bytes_) / (1 << 20)),
                loop / service);
  }
  void feed(Bytes packet) {
    std::vector<uint8_t> bytes = WireWriter().string(packet).take();
    const MutableBytes piece(bytes);
    service_->on_data({&piece, 1});
  }
  void turn() {
    channel_.left = 64;
    connection_.on_turn();
    service_->on_turn();
  }
  void ask(Bytes packet) {
    const uint64_t before = channel_.sent;
    feed(packet);
    for (turn(); channel_.sent == before; turn()) host_.poll(10);
  }
  // The client's stream: each WRITE's head and data, cut into records, some at once.
  void put() {
    std::vector<uint8_t> stream(kPiecesAtOnce * kRecord, 7);
    std::array<MutableBytes, kPiecesAtOnce> pieces;
    for (size_t i = 0; i < pieces.size(); ++i) pieces[i] = MutableBytes(stream).subspan(i * kRecord, kRecord);
    const size_t head = 4 + 1 + 4 + 4 + handle_.size() + 8 + 4;
    size_t at = 0;
    const auto show = [&] {
      if (at == 0) return;
      const size_t whole = at / kRecord;
      if (at % kRecord != 0) pieces[whole] = MutableBytes(stream).subspan(whole * kRecord, at % kRecord);
      service_->on_data({pieces.data(), whole + (at % kRecord != 0)});
      if (whole < pieces.size()) pieces[whole] = MutableBytes(stream).subspan(whole * kRecord, kRecord);
      at = 0;
      turn();
    };
    for (uint64_t i = 0; i < requests_; ++i) {
      if (stream.size() - at < head) show();
      const WireWriter first = WireWriter()
                                   .u32(static_cast<uint32_t>(head - 4 + kRequest))
                                   .u8(6)
                                   .u32(static_cast<uint32_t>(i))
                                   .string(Bytes(handle_))
                                   .u64(i * kRequest)
                                   .u32(kRequest);
      std::copy(first.view().begin(), first.view().end(), stream.begin() + static_cast<std::ptrdiff_t>(at));
      at += head;
      for (size_t left = kRequest; left > 0;) {
        const size_t n = std::min(left, stream.size() - at);
        at += n;
        left -= n;
        if (at == stream.size()) show();
      }
    }
    show();
  }
  void put_plainly() {
    std::vector<uint8_t> memory(kPiecesAtOnce * kRecord, 7);
    std::array<iovec, kPiecesAtOnce> pieces;
    for (size_t i = 0; i < pieces.size(); ++i) pieces[i] = {memory.data() + i * kRecord, kRecord};
    for (uint64_t at = 0; at < bytes_; at += memory.size())
      SLUICE_CHECK(::pwritev(descriptor_.get(), pieces.data(), kPiecesAtOnce, static_cast<off_t>(at)) > 0);
  }
  void get() {
    constexpr uint64_t kAhead = 4;
    const uint64_t begin = channel_.sent;
    const uint64_t expected = requests_ * (kRequest + kSftpDataHeader);
    uint64_t asked = 0;
    while (channel_.sent - begin < expected) {
      for (; asked < requests_ && asked * kRequest < channel_.sent - begin + kAhead * kRequest; ++asked)
        feed(WireWriter()
                 .u8(5)
                 .u32(static_cast<uint32_t>(asked))
                 .string(Bytes(handle_))
                 .u64(asked * kRequest)
                 .u32(kRequest)
                 .view());
      turn();
      if (disk_) host_.poll(0);
    }
  }
  void get_plainly() {
    std::vector<uint8_t> memory(4 * kPiecesAtOnce * kRecord, 1);
    for (uint64_t at = 0, round = 0; at < bytes_; at += kPiecesAtOnce * kRecord, ++round) {
      std::array<iovec, kPiecesAtOnce> pieces;
      for (size_t i = 0; i < pieces.size(); ++i)
        pieces[i] = {memory.data() + (round % 4 * kPiecesAtOnce + i) * kRecord, kRecord};
      SLUICE_CHECK(::preadv(descriptor_.get(), pieces.data(), kPiecesAtOnce, static_cast<off_t>(at)) > 0);
    }
  }

  test::BrokerFixture broker_;
  test::FakeHost host_;
  RingChannel channel_;
  ServiceMakers makers_;
  ConnectionServices connection_{makers_, std::make_shared<const ServiceSettings>(), LoginFacts{}};
  std::unique_ptr<Service> service_;
  std::vector<uint8_t> handle_;
  UniqueFd descriptor_;
  uint64_t requests_;
  uint64_t bytes_;
  bool disk_ = true;
};

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : "/dev/shm";
  const uint64_t mebibytes = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 512;
  sluice::Bench bench(folder, mebibytes << 20);
  const std::string file = folder + "/sluice-sftp-bench";
  bench.run("file", file);
  bench.run("null", "/dev/null");
  bench.run("zero", "/dev/zero");
  ::unlink(file.c_str());
  return 0;
}
