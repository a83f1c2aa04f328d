// Words to requests; what is wrong is named with what was expected.
#include "apps/sluicectl/key_request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "control/config/word_fit.h"

namespace sluice::ctl {
namespace {

// Whoever wants more waits minutes for the pair; OpenSSH's clients take no more either.
constexpr unsigned kMostModulus = 16384;

struct KindWord {
  std::string_view word;
  std::vector<KeyType> types;
};

const std::array<KindWord, 4>& kinds() {
  static const std::array<KindWord, 4> all{
      {{"rsa", {KeyType::rsa}},
       {"dsa", {KeyType::dsa}},
       {"ecdsa", {KeyType::ecdsa_nistp256, KeyType::ecdsa_nistp384, KeyType::ecdsa_nistp521}},
       {"ed25519", {KeyType::ed25519}}}};
  return all;
}

class Words {
 public:
  explicit Words(std::span<const std::string> words) : left_(words) {}

  bool empty() const { return left_.empty(); }
  const std::string& front() const { return left_.front(); }
  std::string take() {
    std::string word = left_.front();
    left_ = left_.subspan(1);
    return word;
  }
  // The one of the choices that the next word is or is short for; taken if it is.
  std::optional<std::string_view> take_one_of(std::span<const std::string_view> choices) {
    if (left_.empty()) return std::nullopt;
    std::optional<std::string_view> found;
    for (const std::string_view choice : choices) {
      if (same_word(left_.front(), choice)) {
        found = choice;
        break;
      }
      if (!abbreviates(left_.front(), choice)) continue;
      if (found) return std::nullopt;
      found = choice;
    }
    if (found) left_ = left_.subspan(1);
    return found;
  }
  bool take(std::string_view word) { return take_one_of({&word, 1}).has_value(); }
  std::string expected(std::string_view what) const {
    return (left_.empty() ? std::string("the command ends early") : "'" + left_.front() + "' is not understood") +
           "; expected " + std::string(what);
  }

 private:
  std::span<const std::string> left_;
};

// All curves where none is named.
ResultOrText<std::vector<KeyType>> take_kind(Words& words, std::string_view expected) {
  std::vector<std::string_view> names;
  for (const KindWord& kind : kinds()) names.push_back(kind.word);
  const auto word = words.take_one_of(names);
  if (!word) return fail(words.expected(expected));
  const auto kind = std::find_if(kinds().begin(), kinds().end(), [&](const KindWord& k) { return k.word == *word; });
  if (kind->types.size() == 1) return kind->types;
  constexpr std::array<std::string_view, 3> kCurves{"nistp256", "nistp384", "nistp521"};
  const auto curve = words.take_one_of(kCurves);
  if (!curve) return kind->types;
  const auto at = std::find(kCurves.begin(), kCurves.end(), *curve) - kCurves.begin();
  return std::vector<KeyType>{kind->types[static_cast<size_t>(at)]};
}

ResultOrText<void> take_label(Words& words, KeyRequest& request) {
  if (words.empty()) return {};
  if (words.take("label") && words.empty()) return fail(words.expected("a label"));
  request.label = words.take();
  if (!valid_key_label(request.label))
    return fail("'" + request.label + "' is no label; expected letters, digits, '.', '_' and '-', at most " +
                std::to_string(kMaxKeyLabel) + " of them");
  return {};
}

ResultOrText<void> take_modulus(Words& words, KeyRequest& request) {
  const std::string text = words.empty() ? std::string() : words.take();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), request.modulus);
  if (error != std::errc() || end != text.data() + text.size() || request.modulus < kRsaBitsFloor ||
      request.modulus > kMostModulus)
    return fail("'" + text + "' is no modulus size; expected " + std::to_string(kRsaBitsFloor) + ".." +
                std::to_string(kMostModulus) + " bits");
  return {};
}

ResultOrText<KeyRequest> parse_generate(Words words) {
  KeyRequest request{KeyRequest::Verb::generate};
  auto types = take_kind(words, "rsa, dsa, ecdsa or ed25519");
  if (!types) return fail(types.error());
  // Without a curve IOS XR makes nistp256's.
  request.types = {types->front()};
  const bool rsa = request.types.front() == KeyType::rsa;
  // One pair signs and there is nothing else to use it for: both words mean the same.
  constexpr std::array<std::string_view, 2> kUses{"usage-keys", "general-keys"};
  if (rsa && words.take_one_of(kUses)) (void)words.take("keys");
  bool labelled = false;
  while (!words.empty()) {
    if (rsa && request.modulus == 0 && words.take("modulus")) {
      if (auto taken = take_modulus(words, request); !taken) return fail(taken.error());
    } else if (!std::exchange(labelled, true)) {
      if (auto taken = take_label(words, request); !taken) return fail(taken.error());
    } else {
      return fail(words.expected("the end of the command"));
    }
  }
  return request;
}

ResultOrText<KeyRequest> finish(Words words, KeyRequest request, bool may_have_label) {
  if (may_have_label) {
    if (auto taken = take_label(words, request); !taken) return fail(taken.error());
  }
  if (!words.empty()) return fail(words.expected("the end of the command"));
  return request;
}

ResultOrText<KeyRequest> parse_crypto(Words words) {
  if (!words.take("key")) return fail(words.expected("key"));
  constexpr std::array<std::string_view, 3> kVerbs{"generate", "zeroize", "import"};
  const auto verb = words.take_one_of(kVerbs);
  if (!verb) return fail(words.expected("generate, zeroize or import"));
  if (*verb == "generate") return parse_generate(words);
  if (*verb == "import") {
    if (words.empty()) return fail(words.expected("the file of a private key"));
    KeyRequest request{KeyRequest::Verb::import};
    request.file = words.take();
    return finish(words, std::move(request), true);
  }
  auto types = take_kind(words, "rsa, dsa, ecdsa or ed25519");
  if (!types) return fail(types.error());
  return finish(words, {KeyRequest::Verb::zeroize, std::move(*types)}, true);
}

ResultOrText<KeyRequest> parse_show(Words words) {
  for (const std::string_view word : {"crypto", "key", "mypubkey"})
    if (!words.take(word)) return fail(words.expected(word));
  KeyRequest request{KeyRequest::Verb::show};
  if (words.empty() || words.take("all")) {
    for (const KindWord& kind : kinds())
      request.types.insert(request.types.end(), kind.types.begin(), kind.types.end());
  } else {
    auto types = take_kind(words, "all, rsa, dsa, ecdsa or ed25519");
    if (!types) return fail(types.error());
    request.types = std::move(*types);
  }
  return finish(words, std::move(request), false);
}

}  // namespace

ResultOrText<KeyRequest> parse_key_request(std::span<const std::string> all) {
  Words words(all);
  constexpr std::array<std::string_view, 2> kFirst{"crypto", "show"};
  const auto first = words.take_one_of(kFirst);
  if (!first) return fail(words.expected("crypto or show"));
  return *first == "crypto" ? parse_crypto(words) : parse_show(words);
}

}  // namespace sluice::ctl
