// Reading, writing and the queue.
#include "control/global_requests.h"

#include "base/message_numbers.h"
#include "base/wire.h"

namespace sluice {

Result<GlobalRequest> parse_global_request(Bytes payload) {
  WireReader in(payload);
  in.u8();
  GlobalRequest request;
  request.name = in.text();
  request.wants_reply = in.boolean();
  request.data = in.rest();
  if (!in.ok()) return fail(ErrorCode::malformed_message);
  return request;
}

std::vector<uint8_t> global_request(std::string_view name, bool wants_reply, Bytes data) {
  return WireWriter().u8(kMsgGlobalRequest).string(name).boolean(wants_reply).raw(data).take();
}

bool AwaitedReplies::await(Then then) {
  if (waiting_.size() == kMaxAwaitedReplies) return false;
  waiting_.push_back(std::move(then));
  return true;
}

void AwaitedReplies::take(Bytes payload) {
  if (waiting_.empty()) return;
  const Then then = std::move(waiting_.front());
  waiting_.pop_front();
  then(payload[0] == kMsgRequestSuccess ? std::optional<Bytes>(payload.subspan(1)) : std::nullopt);
}

}  // namespace sluice
