// SftpEngine: SFTP's client on one channel, in the connection's worker: calls and their answers, transfers in place.
//
// A put reads its file into the records to be sent, behind the WRITE's head; a get writes DATA to its file from where
// it was received. What would wait for a disk goes through the pool. All requests share one stream: once a WRITE's head
// is written nothing else is sent before its data is whole. Invariant: what is unanswered is bounded by kMostAsks and
// the FlightWindow; what waits in memory by kMaxJobBytes.
#pragma once

#include <array>
#include <deque>

#include "dataplane/channel.h"
#include "services/sftp_client/answer_reader.h"
#include "services/sftp_client/flight_window.h"
#include "services/sftp_client/transfer.h"
#include "services/transfer/file_io_pool.h"
#include "services/transfer/file_kind.h"
#include "services/transfer/outbox.h"

namespace sluice {

class SftpClient;

struct SftpStart {
  // A subsystem's name, or with `command` a program's line.
  std::string name = "sftp";
  bool command = false;
  // Environment to be asked for before it is started: servers may refuse.
  std::vector<std::pair<std::string, std::string>> environment = {};
  // 0: as the server's limits allow; less where the user says so (sftp -B).
  uint32_t most_request = 0;
  // Requests of transfers that may be unanswered; 0: as the path needs (sftp -R).
  size_t most_requests = 0;
};

class SftpEngine final : public Service, private Watcher, private AnswerSink {
 public:
  using Then = std::function<void(SftpResult<SftpAnswer>)>;
  using Done = std::function<void(TransferEnd)>;

  SftpEngine(std::shared_ptr<SftpClient> client, SftpStart start);
  ~SftpEngine() override;

  // On the worker. Each `then` and `done` is called once, later or at once, whatever happens.
  void ask(SftpCall call, Then then);
  void start(std::shared_ptr<SftpTransfer> transfer, Done done);
  const SftpServerFacts& facts() const { return facts_; }
  const FlightWindow& flight() const { return flight_; }
  // In good order: EOF, and CLOSE.
  void close();

  void attach(Channel& channel) override;
  void on_confirmed(Bytes) override;
  void on_refused(OpenFailure reason, std::string_view text) override;
  void on_data(std::span<const MutableBytes> pieces) override;
  void on_stderr(Bytes data) override;
  RequestAnswer on_request(const ChannelRequest& request) override;
  void on_reply(bool success) override;
  void on_eof() override { on_close(); }
  void on_close() override;
  void on_turn() override;

 private:
  struct Range {
    uint64_t offset, length;
  };
  // A transfer with what it has under way. Offsets count from its beginning.
  struct Running {
    std::shared_ptr<SftpTransfer> transfer;
    Done done;
    FileKind kind = FileKind::memory;
    uint64_t next = 0;  // to be sent, or asked for
    uint64_t end = 0;
    uint32_t size = 0;  // of one request
    size_t unanswered = 0;
    size_t jobs = 0;
    std::optional<SftpFault> fault{};
    uint64_t warm_until = 0;                 // of a put: was read by the pool a moment ago
    std::deque<Range> again{};               // of a get: what short answers left out
    uint64_t seen_until = 0;                 // of a get: the end of what came
    std::vector<SftpResult<void>> behind{};  // of a put: answers to the calls behind it
    size_t behind_out = 0;

    bool put() const { return transfer->order().direction == TransferOrder::Direction::put; }
    bool stopped() const { return fault || transfer->cancelled_.load(std::memory_order_relaxed); }
  };
  struct Pending {
    enum class Kind : uint8_t { free, ask, write, read };
    Kind kind = Kind::free;
    uint32_t generation = 0;
    uint32_t length = 0;
    uint64_t offset = 0;
    uint64_t sent_ns = 0;
    Running* run = nullptr;
    Then then = {};
  };
  struct WaitingAsk {
    SftpCall call;
    Then then;
  };
  // A WRITE of which the head is in the stream.
  struct OpenWrite {
    Running* run = nullptr;
    uint32_t left = 0;
  };
  // DATA of a run's adjoining requests that lies in received records.
  struct Gather {
    Running* run = nullptr;
    uint64_t offset = 0;
    size_t bytes = 0;
    size_t count = 0;
    std::array<iovec, 64> pieces;

    void clear() {
      run = nullptr;
      bytes = count = 0;
    }
  };
  // Of a put's read: where each WRITE began, so that it can be taken back.
  struct Begun {
    uint32_t id;
    uint32_t length;
    size_t position;  // of its head
    uint64_t before;  // bytes of the read in front of its data
  };
  // Where the read's places began, and what was left of a WRITE that was open then.
  struct RunBegin {
    size_t position;
    uint32_t left;
  };

  // sftp_engine.cc
  void on_ready(uint32_t) override { woken_ = true; }
  bool on_answer(SftpType type, uint32_t id, Bytes body) override;
  bool take_version(uint32_t version, Bytes body);
  void set_limits();
  Pending* find(uint32_t id);
  uint32_t open_pending(Pending::Kind kind, Running* run, uint64_t offset, uint32_t length);
  void close_pending(Pending& pending, uint32_t id);
  // Of a request that was never sent.
  void unmake_pending(uint32_t id);
  void free_pending(Pending& pending, uint32_t id);
  void send_asks();
  void take_jobs();
  FileIoPort* port();
  void submit(Running& run, std::unique_ptr<FileJob> job);
  // False: the limit says not now; a timer gives a turn.
  bool may_move(const Running& run);
  bool may_request() const;
  bool ask_behind();
  void end_transfers();
  bool is_over(const Running& run) const;
  void end(SftpFault fault);

  // engine_puts.cc
  bool finish_open_write(DraftStream& stream);
  void fill_with_zeros(DraftStream& stream);
  bool send_puts(DraftStream& stream);
  uint64_t plan_writes(const Running& run) const;
  bool put_run(DraftStream& stream, Running& run);
  bool begin_write(DraftStream& stream, Running& run, uint64_t before);
  uint64_t read_file(Running& run, std::span<const iovec> places, uint64_t offset, uint64_t wanted);
  void take_back(DraftStream& stream, Running& run, const RunBegin& began, uint64_t got);
  void warm(Running& run, uint64_t offset);
  void take_job(FileJob& job);

  // engine_gets.cc
  void send_gets();
  bool send_read(Running& run);
  bool begin_data(uint32_t id, uint32_t length) override;
  void on_data_piece(MutableBytes data) override;
  void end_data() override;
  void take_end_of_file(Running& run, uint64_t offset);
  void flush_gather();
  void write_in_pool();
  void take_written(Running& run, uint64_t offset, uint64_t length, int error);

  std::shared_ptr<SftpClient> client_;
  SftpStart start_;
  SftpServerFacts facts_;
  Channel* channel_ = nullptr;
  AnswerReader reader_{*this};
  Outbox outbox_;
  FlightWindow flight_;
  std::deque<WaitingAsk> waiting_;
  std::vector<Pending> pending_;
  std::vector<uint32_t> free_;
  size_t asks_out_ = 0;
  size_t requests_out_ = 0;  // of transfers
  std::vector<std::unique_ptr<Running>> running_;
  size_t moved_ = 0;      // bytes read and sent in this turn
  bool opened_ = false;   // the program was asked for
  bool started_ = false;  // and it runs
  bool ready_ = false;    // its VERSION came
  bool served_ = false;   // its limits are known: transfers may begin
  bool over_ = false;
  bool woken_ = true;  // posts, jobs or time
  bool timer_set_ = false;
  std::string complaint_;  // what came on standard error

  OpenWrite open_write_;
  std::vector<Begun> begun_;
  // The DATA that comes now; an ask's is collected.
  uint32_t data_id_ = 0;
  uint64_t data_at_ = 0;
  std::vector<uint8_t> data_kept_;
  Gather gather_;
  size_t held_ = 0;  // bytes of this on_data() that are not consumed yet: a job has them

  std::unique_ptr<FileIoPort> port_;
  size_t job_bytes_ = 0;
  UniqueFd timer_;
};

}  // namespace sluice
