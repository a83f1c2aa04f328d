// Frames.
#include "control/management/management_protocol.h"

#include <algorithm>
#include <cstring>

#include "base/wire.h"

namespace sluice {
namespace {

enum class Kind : uint8_t { hello = 1, line = 2, complete = 3, reply = 11, candidates = 12, event = 13 };

constexpr size_t kLength = 4;
constexpr uint32_t kMaxList = 4096;

std::vector<uint8_t> framed(WireWriter& body) {
  WireWriter out;
  out.string(body.view());
  return out.take();
}

}  // namespace

std::vector<uint8_t> write_management_request(const ManagementRequest& request) {
  WireWriter body;
  if (const auto* hello = std::get_if<HelloRequest>(&request)) {
    body.u8(static_cast<uint8_t>(Kind::hello)).string(hello->ticket).boolean(hello->json);
  } else if (const auto* line = std::get_if<LineRequest>(&request)) {
    body.u8(static_cast<uint8_t>(Kind::line)).string(line->line);
  } else {
    body.u8(static_cast<uint8_t>(Kind::complete)).string(std::get<CompleteRequest>(request).line);
  }
  return framed(body);
}

std::vector<uint8_t> write_management_reply(const ManagementReply& reply) {
  WireWriter body;
  if (const auto* shell = std::get_if<ShellReply>(&reply)) {
    body.u8(static_cast<uint8_t>(Kind::reply)).string(shell->output).string(shell->prompt).boolean(shell->failed);
    body.u8(static_cast<uint8_t>(shell->next)).u32(static_cast<uint32_t>(shell->run.size()));
    for (const std::string& word : shell->run) body.string(word);
    body.string(shell->input);
  } else if (const auto* list = std::get_if<CandidatesReply>(&reply)) {
    body.u8(static_cast<uint8_t>(Kind::candidates));
    body.u32(static_cast<uint32_t>(std::min<size_t>(list->candidates.size(), kMaxList)));
    for (size_t i = 0; i < list->candidates.size() && i < kMaxList; ++i) {
      const Candidate& one = list->candidates[i];
      body.string(one.word).string(one.help).boolean(one.literal);
    }
  } else {
    body.u8(static_cast<uint8_t>(Kind::event)).string(std::get<EventReply>(reply).text);
  }
  return framed(body);
}

Result<ManagementRequest> read_management_request(Bytes frame) {
  WireReader in(frame);
  const auto kind = static_cast<Kind>(in.u8());
  ManagementRequest request;
  if (kind == Kind::hello) {
    HelloRequest hello;
    hello.ticket = std::string(in.text());
    hello.json = in.boolean();
    request = std::move(hello);
  } else if (kind == Kind::line) {
    request = LineRequest{std::string(in.text())};
  } else if (kind == Kind::complete) {
    request = CompleteRequest{std::string(in.text())};
  } else {
    return fail(ErrorCode::malformed_message);
  }
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::malformed_message);
  return request;
}

Result<ManagementReply> read_management_reply(Bytes frame) {
  WireReader in(frame);
  const auto kind = static_cast<Kind>(in.u8());
  ManagementReply reply;
  if (kind == Kind::reply) {
    ShellReply shell;
    shell.output = std::string(in.text());
    shell.prompt = std::string(in.text());
    shell.failed = in.boolean();
    const uint8_t next = in.u8();
    if (next > static_cast<uint8_t>(ShellReply::Next::closed)) return fail(ErrorCode::malformed_message);
    shell.next = static_cast<ShellReply::Next>(next);
    const uint32_t words = in.u32();
    if (words > kMaxList) return fail(ErrorCode::malformed_message);
    for (uint32_t i = 0; i < words && in.ok(); ++i) shell.run.emplace_back(in.text());
    shell.input = std::string(in.text());
    reply = std::move(shell);
  } else if (kind == Kind::candidates) {
    CandidatesReply list;
    const uint32_t count = in.u32();
    if (count > kMaxList) return fail(ErrorCode::malformed_message);
    for (uint32_t i = 0; i < count && in.ok(); ++i) {
      Candidate& one = list.candidates.emplace_back();
      one.word = std::string(in.text());
      one.help = std::string(in.text());
      one.literal = in.boolean();
    }
    reply = std::move(list);
  } else if (kind == Kind::event) {
    reply = EventReply{std::string(in.text())};
  } else {
    return fail(ErrorCode::malformed_message);
  }
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::malformed_message);
  return reply;
}

// A vector that grows by itself leaves its old memory as it was.
void FrameBuffer::add(Bytes bytes) {
  if (bytes_.capacity() - bytes_.size() < bytes.size()) {
    std::vector<uint8_t> grown;
    grown.reserve(std::max(2 * bytes_.capacity(), bytes_.size() + bytes.size()));
    grown.assign(bytes_.begin(), bytes_.end());
    wipe(bytes_.data(), bytes_.size());
    bytes_ = std::move(grown);
  }
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

Result<std::optional<Bytes>> FrameBuffer::next() {
  if (taken_ > 0) {
    const size_t left = bytes_.size() - taken_;
    std::memmove(bytes_.data(), bytes_.data() + taken_, left);
    wipe(bytes_.data() + left, taken_);
    bytes_.resize(left);
    taken_ = 0;
  }
  if (bytes_.size() < kLength) return std::optional<Bytes>();
  const size_t length = load_be32(bytes_.data());
  if (length == 0 || length > most_) return fail(ErrorCode::malformed_message);
  if (bytes_.size() < kLength + length) return std::optional<Bytes>();
  taken_ = kLength + length;
  return std::optional<Bytes>(Bytes(bytes_).subspan(kLength, length));
}

}  // namespace sluice
