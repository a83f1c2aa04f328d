// Frames, and the fields of each body with their bounds.
#include "control/monitor/monitor_protocol.h"

#include "base/check.h"
#include "base/wire.h"
#include "control/keys/public_key.h"
#include "control/keys/secret_writer.h"

namespace sluice {
namespace {

constexpr size_t kMaxHostName = 255;
constexpr size_t kMaxAddressText = 64;
constexpr size_t kMaxPort = 0xffff;
constexpr size_t kMaxHash = 64;
constexpr size_t kMaxHostKeysListed = 256;
constexpr size_t kMaxAlgorithms = 16;

// A whole body read, each field within its bound.
class BodyReader {
 public:
  explicit BodyReader(Bytes body) : in(body) {}
  std::string text(size_t most) {
    const std::string_view value = in.text();
    within_ = within_ && value.size() <= most;
    return within_ ? std::string(value) : std::string();
  }
  Bytes bytes(size_t most) {
    const Bytes value = in.string();
    within_ = within_ && value.size() <= most;
    return within_ ? value : Bytes{};
  }
  std::vector<uint8_t> blob(size_t most) {
    const Bytes value = bytes(most);
    return {value.begin(), value.end()};
  }
  uint32_t count(size_t most) {
    const uint32_t value = in.u32();
    within_ = within_ && value <= most;
    return within_ ? value : 0;
  }
  // A truth value has one encoding.
  bool boolean() {
    const uint8_t value = in.u8();
    within_ = within_ && value <= 1;
    return value == 1;
  }
  bool good() const { return within_ && in.ok(); }
  bool done() const { return good() && in.at_end(); }

  WireReader in;

 private:
  bool within_ = true;
};

template <class T>
Result<T> finished(const BodyReader& body, T value) {
  if (!body.done()) return fail(ErrorCode::malformed_message);
  return value;
}

bool known(uint8_t type) { return (type >= 1 && type <= 7) || (type >= 65 && type <= 70); }

}  // namespace

Result<MonitorFrame> FrameReader::next() {
  WireReader in(rest_);
  const uint32_t length = in.u32();
  if (!in.ok() || length < kMonitorHeader - 4 || length > in.rest().size()) {
    rest_ = {};
    return fail(ErrorCode::malformed_message);
  }
  WireReader frame(in.rest().first(length));
  rest_ = in.rest().subspan(length);
  const uint8_t type = frame.u8();
  MonitorFrame out{{static_cast<MonitorType>(type), frame.u32(), frame.u32()}, frame.rest()};
  if (!known(type)) return fail(ErrorCode::malformed_message);
  return out;
}

PacketQueue::~PacketQueue() {
  while (!packets_.empty()) pop();
}

void PacketQueue::append(const MonitorHeader& header, Bytes body, UniqueFd descriptor) {
  SLUICE_CHECK(body.size() <= kMaxMonitorBody);
  const size_t size = kMonitorHeader + body.size();
  if (packets_.empty() || packets_.back().bytes.size() + size > kMaxMonitorPacket ||
      (descriptor && packets_.back().descriptor)) {
    packets_.emplace_back();
    // In one piece: growing would leave copies of passwords behind.
    packets_.back().bytes.reserve(kMaxMonitorPacket);
  }
  if (descriptor) packets_.back().descriptor = std::move(descriptor);
  std::vector<uint8_t>& packet = packets_.back().bytes;
  uint8_t head[kMonitorHeader];
  store_be32(head, static_cast<uint32_t>(size - 4));
  head[4] = static_cast<uint8_t>(header.type);
  store_be32(head + 5, header.connection);
  store_be32(head + 9, header.request);
  packet.insert(packet.end(), head, head + kMonitorHeader);
  packet.insert(packet.end(), body.begin(), body.end());
}

void PacketQueue::pop() {
  wipe(packets_.front().bytes.data(), packets_.front().bytes.size());
  packets_.pop_front();
}

std::vector<uint8_t> write_open(const LoginSource& source) {
  return WireWriter()
      .string(std::string_view(source.address).substr(0, kMaxAddressText))
      .string(std::string_view(source.host).substr(0, kMaxHostName))
      .u32(source.port)
      .string(std::string_view(source.local_address).substr(0, kMaxAddressText))
      .u32(source.local_port)
      .take();
}

Result<LoginSource> read_open(Bytes body) {
  BodyReader in(body);
  LoginSource source;
  source.address = in.text(kMaxAddressText);
  source.host = in.text(kMaxHostName);
  source.port = static_cast<uint16_t>(in.count(kMaxPort));
  source.local_address = in.text(kMaxAddressText);
  source.local_port = static_cast<uint16_t>(in.count(kMaxPort));
  return finished(in, std::move(source));
}

std::vector<uint8_t> write_sign(const SignRequest& sign) {
  return WireWriter().string(sign.kex).string(sign.algorithm).string(sign.host_key).string(sign.hash).take();
}

Result<SignRequest> read_sign(Bytes body) {
  BodyReader in(body);
  SignRequest sign;
  sign.kex = in.text(kMaxAlgorithmName);
  sign.algorithm = in.text(kMaxAlgorithmName);
  sign.host_key = in.blob(kMaxPublicBlob);
  sign.hash = in.blob(kMaxHash);
  return finished(in, std::move(sign));
}

std::vector<uint8_t> write_prove(const std::vector<ProofKey>& keys) {
  WireWriter out;
  out.u32(static_cast<uint32_t>(keys.size()));
  for (const ProofKey& key : keys) out.string(key.host_key).string(key.algorithm);
  return out.take();
}

Result<std::vector<ProofKey>> read_prove(Bytes body) {
  BodyReader in(body);
  std::vector<ProofKey> keys;
  const uint32_t count = in.count(kMaxProofKeys);
  for (uint32_t i = 0; i < count && in.good(); ++i) {
    ProofKey key;
    key.host_key = in.blob(kMaxPublicBlob);
    key.algorithm = in.text(kMaxAlgorithmName);
    keys.push_back(std::move(key));
  }
  return finished(in, std::move(keys));
}

Secret write_question(const AuthQuestion& question) {
  SLUICE_CHECK(question.answers.size() <= kMaxPrompts);
  SecretWriter out(kMaxMonitorBody);
  out.u8(static_cast<uint8_t>(question.kind)).u8(question.unknown_method ? 1 : 0).string(question.user);
  out.string(question.algorithm).string(question.key).string(question.signature);
  out.string(question.password.view()).string(question.new_password.view()).string(question.submethods);
  out.u32(static_cast<uint32_t>(question.answers.size()));
  for (const Secret& answer : question.answers) out.string(answer.view());
  return out.take();
}

Result<AuthQuestion> read_question(Bytes body) {
  BodyReader in(body);
  AuthQuestion question;
  const uint8_t kind = in.in.u8();
  if (kind >= static_cast<uint8_t>(QuestionKind::count_)) return fail(ErrorCode::malformed_message);
  question.kind = static_cast<QuestionKind>(kind);
  question.unknown_method = in.boolean();
  question.user = in.text(kMaxUserName);
  question.algorithm = in.text(kMaxAlgorithmName);
  question.key = in.blob(kMaxPublicBlob);
  question.signature = in.blob(kMaxSignature);
  question.password = Secret(in.bytes(kMaxPassword));
  question.new_password = Secret(in.bytes(kMaxPassword));
  question.submethods = in.text(kMaxSubmethods);
  const uint32_t answers = in.count(kMaxPrompts);
  for (uint32_t i = 0; i < answers && in.good(); ++i) question.answers.emplace_back(in.bytes(kMaxPassword));
  // To getpwnam and PAM a name ends at a NUL; here it would be another name than the one that was judged.
  if (question.user.find('\0') != std::string::npos) return fail(ErrorCode::malformed_message);
  return finished(in, std::move(question));
}

std::vector<uint8_t> write_host_keys(const PublicFacts& facts) {
  WireWriter out;
  out.u8(facts.first_methods.bits()).u32(static_cast<uint32_t>(facts.keys.size()));
  for (const OfferedHostKey& key : facts.keys) {
    out.string(key.blob).u32(static_cast<uint32_t>(key.algorithms.size()));
    for (const std::string& name : key.algorithms) out.string(name);
  }
  return out.take();
}

Result<PublicFacts> read_host_keys(Bytes body) {
  BodyReader in(body);
  PublicFacts facts;
  facts.first_methods = MethodSet::from_bits(in.in.u8());
  const uint32_t count = in.count(kMaxHostKeysListed);
  for (uint32_t i = 0; i < count && in.good(); ++i) {
    OfferedHostKey key;
    key.blob = in.blob(kMaxPublicBlob);
    const uint32_t algorithms = in.count(kMaxAlgorithms);
    for (uint32_t j = 0; j < algorithms && in.good(); ++j) key.algorithms.push_back(in.text(kMaxAlgorithmName));
    facts.keys.push_back(std::move(key));
  }
  return finished(in, std::move(facts));
}

std::vector<uint8_t> write_blobs(const std::vector<std::vector<uint8_t>>& blobs) {
  WireWriter out;
  out.u32(static_cast<uint32_t>(blobs.size()));
  for (const auto& blob : blobs) out.string(blob);
  return out.take();
}

Result<std::vector<std::vector<uint8_t>>> read_blobs(Bytes body) {
  BodyReader in(body);
  std::vector<std::vector<uint8_t>> blobs;
  const uint32_t count = in.count(kMaxProofKeys);
  for (uint32_t i = 0; i < count && in.good(); ++i) blobs.push_back(in.blob(kMaxSignature));
  return finished(in, std::move(blobs));
}

std::vector<uint8_t> write_verdict(const AuthVerdict& verdict) {
  WireWriter out;
  out.u8(static_cast<uint8_t>(verdict.kind)).u8(verdict.methods.bits()).string(verdict.text);
  out.string(verdict.prompts.name).string(verdict.prompts.instruction);
  out.u32(static_cast<uint32_t>(verdict.prompts.prompts.size()));
  for (const Prompt& prompt : verdict.prompts.prompts) out.string(prompt.text).boolean(prompt.echo);
  out.boolean(verdict.permit.has_value());
  if (verdict.permit) verdict.permit->write(out);
  return out.take();
}

Result<AuthVerdict> read_verdict(Bytes body) {
  BodyReader in(body);
  AuthVerdict verdict;
  const uint8_t kind = in.in.u8();
  if (kind >= static_cast<uint8_t>(VerdictKind::count_)) return fail(ErrorCode::malformed_message);
  verdict.kind = static_cast<VerdictKind>(kind);
  verdict.methods = MethodSet::from_bits(in.in.u8());
  verdict.text = in.text(kMaxBanner);
  verdict.prompts.name = in.text(kMaxPromptText);
  verdict.prompts.instruction = in.text(kMaxBanner);
  const uint32_t count = in.count(kMaxPrompts);
  for (uint32_t i = 0; i < count && in.good(); ++i) {
    std::string text = in.text(kMaxPromptText);
    verdict.prompts.prompts.push_back({std::move(text), in.boolean()});
  }
  if (in.boolean()) {
    auto permit = Permit::read(in.in);
    if (!permit) return fail(permit.error());
    verdict.permit = std::move(*permit);
  }
  return finished(in, std::move(verdict));
}

std::vector<uint8_t> write_broker(const BrokerReply& reply) {
  return WireWriter().boolean(reply.started).string(std::string_view(reply.text).substr(0, kMaxReason)).take();
}

Result<BrokerReply> read_broker(Bytes body) {
  BodyReader in(body);
  BrokerReply reply;
  reply.started = in.boolean();
  reply.text = in.text(kMaxReason);
  return finished(in, std::move(reply));
}

std::vector<uint8_t> write_reason(std::string_view reason) {
  return WireWriter().string(reason.substr(0, kMaxReason)).take();
}

Result<std::string> read_reason(Bytes body) {
  BodyReader in(body);
  std::string reason = in.text(kMaxReason);
  return finished(in, std::move(reason));
}

}  // namespace sluice
