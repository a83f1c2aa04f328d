// Turns as a worker would give them.
#include "tests/unit/sftp/sftp_world.h"

#include <chrono>

#include <gtest/gtest.h>

#include "services/connection/connection_notes.h"

namespace sluice::test {
namespace {

constexpr std::chrono::seconds kPatience{30};

}  // namespace

SftpStatus SftpAnswer::status() const {
  if (type != SftpType::status) return SftpStatus(0xffffu);
  return SftpStatus(reader().u32());
}

SftpWorld::SftpWorld(const std::string& folder, SftpLimits settings, BrokerFixture::In in,
                     std::shared_ptr<UserBudget> budget)
    : broker(own_identity(folder), {}, in) {
  auto all = std::make_shared<ServiceSettings>();
  all->sftp = settings;
  LoginFacts login;
  login.user = "tester";
  login.source = "192.0.2.7:4022";
  connection = std::make_unique<ConnectionServices>(makers, std::move(all), std::move(login), std::move(budget));
  connection->attach(host);
  service = make_sftp_service(*connection);
  service->attach(channel);
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::broker);
  note.descriptor = broker.take_link();
  connection->on_note(std::move(note));
}

SftpWorld::~SftpWorld() {
  service.reset();
  connection.reset();
}

void SftpWorld::feed(Bytes bytes) {
  fed += bytes.size();
  std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  if (splits) {
    for (size_t at = 0; at < copy.size();) {
      std::vector<MutableBytes> pieces;
      for (size_t count = 1 + splits->below(6); count > 0 && at < copy.size(); --count) {
        const size_t n = std::min<size_t>(copy.size() - at, 1 + splits->below(splits->below(4) == 0 ? 60 : 60000));
        pieces.push_back(MutableBytes(copy).subspan(at, n));
        at += n;
      }
      service->on_data(pieces);
      if (splits->below(3) == 0) turn();
    }
    return;
  }
  const size_t step = cut == 0 ? std::max<size_t>(copy.size(), 1) : cut;
  for (size_t at = 0; at < copy.size(); at += step) {
    // Its own allocation: a byte too far shows.
    std::vector<uint8_t> piece(copy.begin() + static_cast<std::ptrdiff_t>(at),
                               copy.begin() + static_cast<std::ptrdiff_t>(std::min(at + step, copy.size())));
    const MutableBytes view(piece);
    service->on_data({&view, 1});
  }
}

void SftpWorld::send(SftpType type, uint32_t id, Bytes body) {
  WireWriter packet;
  packet.u32(static_cast<uint32_t>(5 + body.size())).u8(static_cast<uint8_t>(type)).u32(id).raw(body);
  feed(packet.view());
}

void SftpWorld::init() {
  send(SftpType::init, kSftpVersion, {});
  answer_to(kSftpVersion);
}

void SftpWorld::idle_for(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    host.poll(1);
    turn();
  }
}

void SftpWorld::turn() {
  channel.room = room_each_turn;
  channel.asked_turn = false;
  if (before_turn) before_turn();
  connection->on_turn();
  service->on_turn();
  collect();
}

bool SftpWorld::run_until(const std::function<bool()>& done) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    turn();
    if (done()) return true;
    host.poll(channel.asked_turn ? 0 : 20);
  }
  return false;
}

SftpAnswer SftpWorld::answer_to(uint32_t id) {
  if (!run_until([&] { return answers.contains(id); })) {
    ADD_FAILURE() << "no answer to " << id;
    return {};
  }
  SftpAnswer answer = std::move(answers[id]);
  answers.erase(id);
  return answer;
}

SftpAnswer SftpWorld::ask(SftpType type, Bytes body) {
  send(type, ++next_id, body);
  return answer_to(next_id);
}

SftpAnswer SftpWorld::extended(std::string_view name, Bytes body) {
  return ask(SftpType::extended, WireWriter().string(name).raw(body).view());
}

std::vector<uint8_t> SftpWorld::open(const std::string& path, uint32_t flags) {
  const SftpAnswer answer = ask(SftpType::open, WireWriter().string(path).u32(flags).u32(0).view());
  EXPECT_EQ(answer.type, SftpType::handle) << path;
  WireReader reader = answer.reader();
  const Bytes handle = reader.string();
  return {handle.begin(), handle.end()};
}

SftpStatus SftpWorld::write(Bytes handle, uint64_t offset, Bytes data) {
  return ask(SftpType::write, WireWriter().string(handle).u64(offset).string(data).view()).status();
}

SftpAnswer SftpWorld::read(Bytes handle, uint64_t offset, uint32_t length) {
  return ask(SftpType::read, WireWriter().string(handle).u64(offset).u32(length).view());
}

SftpStatus SftpWorld::close(Bytes handle) { return ask(SftpType::close, WireWriter().string(handle).view()).status(); }

void SftpWorld::collect() {
  received_.insert(received_.end(), channel.data.begin(), channel.data.end());
  channel.data.clear();
  size_t at = 0;
  while (received_.size() - at >= 4) {
    const size_t length = load_be32(&received_[at]);
    if (received_.size() - at - 4 < length) break;
    EXPECT_GE(length, 5u);
    EXPECT_LE(length, kMaxSftpPacket);
    SftpAnswer answer;
    answer.type = static_cast<SftpType>(received_[at + 4]);
    answer.id = load_be32(&received_[at + 5]);
    answer.body.assign(received_.begin() + static_cast<std::ptrdiff_t>(at + 9),
                       received_.begin() + static_cast<std::ptrdiff_t>(at + 4 + length));
    EXPECT_FALSE(answers.contains(answer.id)) << "answered twice: " << answer.id;
    order.push_back(answer.id);
    answers[answer.id] = std::move(answer);
    at += 4 + length;
  }
  received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(at));
}

std::vector<std::string> SftpWorld::log_lines() {
  std::vector<std::string> lines;
  for (const SinkNote& note : host.notes) {
    if (note.kind == static_cast<uint32_t>(ConnectionNote::log))
      lines.emplace_back(note.bytes.begin(), note.bytes.end());
  }
  return lines;
}

}  // namespace sluice::test
