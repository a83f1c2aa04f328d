// An SFTP client on libssh for interop tests: one connection that makes folders, puts, gets, lists and checks.
//
// usage: libssh_sftp PORT USER KEY < commands
// A command is a line of words with tabs between: mkdir PATH | put LOCAL REMOTE | get REMOTE LOCAL | ls PATH.
// Gets have several reads under way; ls prints names and sizes, sorted. The first error ends it with exit code 1.
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/sftp.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace {

constexpr uint32_t kPiece = 32768;
constexpr size_t kReadsUnderWay = 16;

struct Client {
  ssh_session session = nullptr;
  sftp_session sftp = nullptr;
};

[[noreturn]] void die(const Client& client, const std::string& what) {
  std::fprintf(stderr, "%s: %s (sftp status %d)\n", what.c_str(), ssh_get_error(client.session),
               client.sftp ? sftp_get_error(client.sftp) : 0);
  std::exit(1);
}

Client connect(const char* port_word, const char* user, const char* key_file) {
  Client client;
  client.session = ssh_new();
  const unsigned port = static_cast<unsigned>(std::atoi(port_word));
  const int off = 0;
  ssh_options_set(client.session, SSH_OPTIONS_HOST, "127.0.0.1");
  ssh_options_set(client.session, SSH_OPTIONS_PORT, &port);
  ssh_options_set(client.session, SSH_OPTIONS_USER, user);
  ssh_options_set(client.session, SSH_OPTIONS_PROCESS_CONFIG, &off);
  if (ssh_connect(client.session) != SSH_OK) die(client, "connect");
  ssh_key key = nullptr;
  if (ssh_pki_import_privkey_file(key_file, nullptr, nullptr, nullptr, &key) != SSH_OK) die(client, key_file);
  if (ssh_userauth_publickey(client.session, nullptr, key) != SSH_AUTH_SUCCESS) die(client, "userauth");
  ssh_key_free(key);
  client.sftp = sftp_new(client.session);
  if (client.sftp == nullptr || sftp_init(client.sftp) != SSH_OK) die(client, "sftp");
  return client;
}

void put(const Client& client, const std::string& local, const std::string& remote) {
  std::ifstream in(local, std::ios::binary);
  if (!in) die(client, local);
  sftp_file file = sftp_open(client.sftp, remote.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0640);
  if (file == nullptr) die(client, remote);
  std::vector<char> piece(kPiece);
  while (in.read(piece.data(), kPiece), in.gcount() > 0) {
    const auto size = static_cast<size_t>(in.gcount());
    if (sftp_write(file, piece.data(), size) != static_cast<ssize_t>(size)) die(client, "write " + remote);
  }
  if (sftp_fsync(file) != 0) die(client, "fsync " + remote);
  if (sftp_close(file) != SSH_OK) die(client, "close " + remote);
}

void get(const Client& client, const std::string& remote, const std::string& local) {
  std::ofstream out(local, std::ios::binary);
  sftp_file file = sftp_open(client.sftp, remote.c_str(), O_RDONLY, 0);
  if (file == nullptr) die(client, remote);
  std::deque<uint32_t> under_way;
  std::vector<char> piece(kPiece);
  for (bool ended = false; !ended || !under_way.empty();) {
    while (!ended && under_way.size() < kReadsUnderWay) {
      const int id = sftp_async_read_begin(file, kPiece);
      if (id < 0) die(client, "read " + remote);
      under_way.push_back(static_cast<uint32_t>(id));
    }
    const int n = sftp_async_read(file, piece.data(), kPiece, under_way.front());
    under_way.pop_front();
    if (n < 0) die(client, "read " + remote);
    // It asks for whole pieces at fixed places: after a short one only the end may come.
    if (n > 0 && ended) die(client, "data after a short read of " + remote);
    if (n < static_cast<int>(kPiece)) ended = true;
    out.write(piece.data(), n);
  }
  if (sftp_close(file) != SSH_OK || !out.flush()) die(client, "close " + remote);
}

void list(const Client& client, const std::string& path) {
  sftp_dir folder = sftp_opendir(client.sftp, path.c_str());
  if (folder == nullptr) die(client, path);
  std::map<std::string, uint64_t> entries;
  while (sftp_attributes entry = sftp_readdir(client.sftp, folder)) {
    if (entry->name[0] != '.') entries[entry->name] = entry->size;
    sftp_attributes_free(entry);
  }
  if (!sftp_dir_eof(folder) || sftp_closedir(folder) != SSH_OK) die(client, "list " + path);
  for (const auto& [name, size] : entries)
    std::printf("%s\t%llu\n", name.c_str(), static_cast<unsigned long long>(size));
}

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words(1);
  for (const char c : line) {
    if (c == '\t') {
      words.emplace_back();
    } else {
      words.back().push_back(c);
    }
  }
  words.resize(3);
  return words;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const Client client = connect(argv[1], argv[2], argv[3]);
  for (std::string line; std::getline(std::cin, line);) {
    const auto words = words_of(line);
    if (words[0] == "mkdir") {
      if (sftp_mkdir(client.sftp, words[1].c_str(), 0750) != SSH_OK) die(client, words[1]);
    } else if (words[0] == "put") {
      put(client, words[1], words[2]);
    } else if (words[0] == "get") {
      get(client, words[1], words[2]);
    } else if (words[0] == "ls") {
      list(client, words[1]);
    } else {
      die(client, "unknown command " + words[0]);
    }
  }
  sftp_free(client.sftp);
  ssh_disconnect(client.session);
  ssh_free(client.session);
  return 0;
}
