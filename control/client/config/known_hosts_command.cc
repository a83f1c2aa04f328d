// Words with tokens for a program, by what is asked.
#include "control/client/config/known_hosts_command.h"

#include "control/client/config/config_words.h"
#include "control/client/config/program_output.h"
#include "control/keys/base64.h"
#include "control/keys/fingerprint.h"

namespace sluice {
namespace {

constexpr std::string_view kOwnTokens = "fHIKt";

ResultOrText<std::string> word_for(std::string_view word, const TokenFacts& facts, const KnownHostsQuery& query) {
  std::string mixed;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '%' || i + 1 == word.size() || kOwnTokens.find(word[i + 1]) == std::string_view::npos) {
      mixed.push_back(word[i]);
      // Both halves of another token, so that the second % of %% begins none.
      if (word[i] == '%' && i + 1 < word.size()) mixed.push_back(word[++i]);
      continue;
    }
    std::string value = "NONE";
    switch (word[++i]) {
      case 'H': value = query.host; break;
      case 'I': value = query.reason; break;
      case 'f':
        if (query.key) value = sha256_fingerprint(*query.key);
        break;
      case 'K':
        if (query.key) value = base64_encode(query.key->blob());
        break;
      default:
        if (query.key) value = query.key->type_name();
        break;
    }
    // What is put in is no pattern of tokens again.
    for (const char c : value) mixed.append(c == '%' ? "%%" : std::string(1, c));
  }
  return expand_tokens(mixed, kAllTokens, facts);
}

}  // namespace

ResultOrText<KnownHostsProgram> known_hosts_program(std::string_view command, const TokenFacts& facts) {
  auto words = split_words(command);
  if (!words || words->empty()) return fail("a quote is open at its end");
  if (!words->front().starts_with('/')) return fail("'" + words->front() + "' is no absolute path");
  const PublicKey* nobody = nullptr;
  for (const std::string& word : *words) {
    if (auto fits = word_for(word, facts, {"ORDER", {}, nobody}); !fits) return fail(fits.error());
  }
  return KnownHostsProgram(
      [words = std::move(*words), facts](const KnownHostsQuery& query) -> ResultOrText<std::string> {
        std::vector<std::string> expanded;
        for (const std::string& word : words) {
          auto one = word_for(word, facts, query);
          if (!one) return fail(one.error());
          expanded.push_back(std::move(*one));
        }
        return program_output(std::move(expanded), {.most_output = kMaxKnownHostsFile});
      });
}

}  // namespace sluice
