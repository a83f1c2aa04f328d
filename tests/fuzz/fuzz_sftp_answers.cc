// Fuzzes what an SFTP client reads of a hostile server: packets cut anywhere, and each answer taken for every kind.
//
// The first byte says how long the pieces are that the rest comes in.
#include "base/check.h"
#include "services/sftp_client/answer_reader.h"
#include "services/sftp_client/sftp_messages.h"

namespace {

using namespace sluice;

bool is_plain(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return true;
}

void take_every_way(const SftpAnswer& answer) {
  const auto done = sftp_answer::done(answer);
  if (!done) SLUICE_CHECK(is_plain(done.error().text));
  if (const auto handle = sftp_answer::handle(answer)) SLUICE_CHECK(!handle->empty() && handle->size() <= 256);
  if (const auto names = sftp_answer::names(answer); names && *names) {
    for (const SftpName& name : **names) SLUICE_CHECK(name.name.size() <= answer.body.size());
  }
  (void)sftp_answer::attributes(answer);
  (void)sftp_answer::path(answer);
  if (const auto read = sftp_answer::data(answer)) SLUICE_CHECK(read->size() <= answer.body.size());
  (void)sftp_answer::filesystem(answer);
  (void)sftp_answer::hashes(answer);
  (void)sftp_answer::names_of_ids(answer);
  SftpServerFacts facts;
  if (sftp_answer::limits(answer, facts)) {
    SLUICE_CHECK(facts.most_read > 0 && facts.most_read <= kMaxSftpData && facts.most_write > 0 &&
                 facts.most_write <= kMaxSftpData);
  }
}

class Checker final : public AnswerSink {
 public:
  bool on_answer(SftpType type, uint32_t id, Bytes body) override {
    SLUICE_CHECK(left_ == 0 && body.size() <= kMaxSftpPacket);
    if (type == SftpType::version) (void)read_version(id, body);
    take_every_way({type, {body.begin(), body.end()}});
    return true;
  }
  bool begin_data(uint32_t, uint32_t length) override {
    SLUICE_CHECK(left_ == 0 && length <= kMaxSftpPacket);
    left_ = length;
    return true;
  }
  void on_data_piece(MutableBytes data) override {
    SLUICE_CHECK(!data.empty() && data.size() <= left_);
    left_ -= data.size();
  }
  void end_data() override { SLUICE_CHECK(left_ == 0); }

 private:
  size_t left_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = size_t{1} + data[0];
  std::vector<uint8_t> bytes(data + 1, data + size);
  Checker checker;
  AnswerReader reader(checker);
  for (size_t at = 0; at < bytes.size(); at += piece) {
    if (!reader.feed(MutableBytes(bytes).subspan(at, std::min(piece, bytes.size() - at)))) break;
  }
  return 0;
}
