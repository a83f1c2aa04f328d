// floor: what this machine allows a file to be moved over loopback under AES-128-GCM, with no SSH logic at all:
// pread, seal, send; receive, open, write to /dev/null.
//
// usage: floor [put|get] [--file PATH] [--mib N] [--rounds N] [--record BYTES] [--batch RECORDS]
// Two processes, one connection. put: the parent has the file; get: the child has it. Without --file a memory file is
// made. A round is timed by the parent, from the word to begin to the receiver's answer that it has everything.
#include <arpa/inet.h>
#include <fcntl.h>
#include <intel-ipsec-mb.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace sluice::bench {
namespace {

constexpr size_t kHeader = 4, kTag = 16;

struct Plan {
  std::string file;
  uint64_t bytes = 0;
  size_t record = 64512, batch = 4;  // the fastest of those tried
  int rounds = 5;
};

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

// One key for both ends; the IV counts records, as SSH's does.
class Gcm {
 public:
  Gcm() {
    init_mb_mgr_auto(manager_, nullptr);
    const uint8_t key[16] = {1, 2, 3};
    IMB_AES128_GCM_PRE(manager_, key, &key_);
  }
  ~Gcm() { free_mb_mgr(manager_); }
  Gcm(const Gcm&) = delete;
  Gcm& operator=(const Gcm&) = delete;

  void seal(uint8_t* record, size_t length) {
    store_be32(record, static_cast<uint32_t>(length));
    gcm_context_data context;
    IMB_AES128_GCM_ENC(manager_, &key_, &context, record + kHeader, record + kHeader, length, next_iv(), record,
                       kHeader, record + kHeader + length, kTag);
  }
  bool open(uint8_t* record, size_t length) {
    gcm_context_data context;
    uint8_t tag[kTag];
    IMB_AES128_GCM_DEC(manager_, &key_, &context, record + kHeader, record + kHeader, length, next_iv(), record,
                       kHeader, tag, kTag);
    return equal_in_constant_time(tag, record + kHeader + length, kTag);
  }

 private:
  const uint8_t* next_iv() {
    store_be64(iv_ + 4, ++records_);
    return iv_;
  }

  IMB_MGR* manager_ = alloc_mb_mgr(0);
  alignas(64) gcm_key_data key_;
  uint8_t iv_[12] = {};
  uint64_t records_ = 0;
};

void send_all(int to, const uint8_t* data, size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(to, data, size, MSG_NOSIGNAL);
    if (sent <= 0) give_up("send");
    data += sent;
    size -= static_cast<size_t>(sent);
  }
}

void say(int to) { send_all(to, reinterpret_cast<const uint8_t*>("!"), 1); }
void hear(int from) {
  char byte;
  if (::recv(from, &byte, 1, MSG_WAITALL) != 1) give_up("recv");
}

void send_file(int to, int file, const Plan& plan, Gcm& gcm) {
  const size_t place = kHeader + plan.record + kTag;
  std::vector<uint8_t> buffer(place * plan.batch);
  uint64_t offset = 0;
  while (offset < plan.bytes) {
    size_t filled = 0;
    for (size_t i = 0; i < plan.batch && offset < plan.bytes; ++i) {
      uint8_t* record = buffer.data() + filled;
      const ssize_t got = ::pread(file, record + kHeader, std::min<uint64_t>(plan.record, plan.bytes - offset),
                                  static_cast<off_t>(offset));
      if (got <= 0) give_up("pread");
      gcm.seal(record, static_cast<size_t>(got));
      filled += kHeader + static_cast<size_t>(got) + kTag;
      offset += static_cast<uint64_t>(got);
    }
    send_all(to, buffer.data(), filled);
  }
}

void receive_file(int from, int sink, const Plan& plan, Gcm& gcm) {
  const size_t place = kHeader + plan.record + kTag;
  std::vector<uint8_t> buffer(place * (plan.batch + 1));
  size_t held = 0;
  uint64_t written = 0;
  while (written < plan.bytes) {
    const ssize_t got = ::recv(from, buffer.data() + held, buffer.size() - held, 0);
    if (got <= 0) give_up("recv");
    held += static_cast<size_t>(got);
    size_t at = 0;
    while (held - at >= kHeader) {
      const size_t length = load_be32(buffer.data() + at);
      if (held - at < kHeader + length + kTag) break;
      if (!gcm.open(buffer.data() + at, length)) give_up("tag");
      if (::write(sink, buffer.data() + at + kHeader, length) != static_cast<ssize_t>(length)) give_up("write");
      written += length;
      at += kHeader + length + kTag;
    }
    std::memmove(buffer.data(), buffer.data() + at, held - at);
    held -= at;
  }
}

int connected(int listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) give_up("getsockname");
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) give_up("connect");
  return fd;
}

void run_end(int peer, bool sends, bool leads, const Plan& plan, std::vector<double>* seconds) {
  const int one = 1;
  ::setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const UniqueFd file(::open(sends ? plan.file.c_str() : "/dev/null", sends ? O_RDONLY : O_WRONLY));
  if (!file) give_up(plan.file.c_str());
  Gcm gcm;
  for (int round = 0; round < plan.rounds; ++round) {
    if (!leads) hear(peer);
    const uint64_t began = monotonic_clock().now_ns();
    if (leads) say(peer);
    if (sends) {
      send_file(peer, file.get(), plan, gcm);
      hear(peer);
    } else {
      receive_file(peer, file.get(), plan, gcm);
      say(peer);
    }
    if (seconds) seconds->push_back(static_cast<double>(monotonic_clock().now_ns() - began) / 1e9);
  }
}

double cpu_seconds(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

void measure(std::string_view direction, const Plan& plan) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) give_up("bind");
  if (::listen(listener.get(), 1) != 0) give_up("listen");
  const double before = cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN);
  const pid_t child = ::fork();
  if (child < 0) give_up("fork");
  const bool put = direction == "put";
  if (child == 0) {
    const UniqueFd peer(::accept(listener.get(), nullptr, nullptr));
    run_end(peer.get(), !put, false, plan, nullptr);
    std::_Exit(0);
  }
  std::vector<double> seconds;
  {
    const UniqueFd peer(connected(listener.get()));
    run_end(peer.get(), put, true, plan, &seconds);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) give_up("child");
  const double cpu = cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN) - before;
  std::sort(seconds.begin(), seconds.end());
  const auto rate = [&](double s) { return static_cast<double>(plan.bytes) / s / 1e9; };
  const double gib = static_cast<double>(plan.bytes) * plan.rounds / (1ULL << 30);
  std::printf("floor/%s/aes128-gcm/%zu %.2f GB/s (%.2f..%.2f), %.3f CPU s/GiB of both ends\n", direction.data(),
              plan.record, rate(seconds[seconds.size() / 2]), rate(seconds.back()), rate(seconds.front()), cpu / gib);
  std::fflush(stdout);
}

std::string memory_file(uint64_t bytes) {
  const int fd = ::memfd_create("floor", 0);
  if (fd < 0) give_up("memfd_create");
  std::vector<uint8_t> block(1 << 20);
  for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<uint8_t>(i * 2654435761U >> 13);
  for (uint64_t at = 0; at < bytes;) {
    const ssize_t n = ::write(fd, block.data(), std::min<uint64_t>(block.size(), bytes - at));
    if (n <= 0) give_up("write");
    at += static_cast<uint64_t>(n);
  }
  return "/proc/self/fd/" + std::to_string(fd);
}

int run(int argc, char** argv) {
  Plan plan;
  uint64_t mib = 2048;
  std::vector<std::string_view> directions;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (word == "put" || word == "get") {
      directions.push_back(word);
      continue;
    }
    const uint64_t number = value ? std::strtoull(value, nullptr, 10) : 0;
    ++i;
    if (word == "--file" && value)
      plan.file = value;
    else if (word == "--mib" && number)
      mib = number;
    else if (word == "--rounds" && number)
      plan.rounds = static_cast<int>(number);
    else if (word == "--record" && number)
      plan.record = number;
    else if (word == "--batch" && number)
      plan.batch = number;
    else {
      std::fputs("usage: floor [put|get] [--file PATH] [--mib N] [--rounds N] [--record BYTES] [--batch RECORDS]\n",
                 stderr);
      return 2;
    }
  }
  plan.bytes = mib << 20;
  if (plan.file.empty()) plan.file = memory_file(plan.bytes);
  struct stat facts {};
  if (::stat(plan.file.c_str(), &facts) != 0) give_up(plan.file.c_str());
  plan.bytes = std::min<uint64_t>(plan.bytes, static_cast<uint64_t>(facts.st_size));
  if (directions.empty()) directions = {"put", "get"};
  for (const std::string_view direction : directions) measure(direction, plan);
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::run(argc, argv); }
