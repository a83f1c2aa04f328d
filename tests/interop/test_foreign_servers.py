"""Our client against stock SSH servers: every key exchange, host key, cipher and MAC that both sides know, every way to
log in that the server has, rekeying from both sides while a checked pattern flows both ways, and what servers say
besides: their other host keys, keepalives.

Pairwise by default; the full cross with SLUICE_TEST_FULL=1.
"""
import contextlib
import json
import os
import pathlib
import subprocess

import pytest

import foreign_servers
from combinations import FULL, HOST_KEYS, KEX, SUITES, agreement, ask, known, pairwise, rekeying_sizes
from foreign_servers import NEW_PASSWORD, PASSWORD
from quick_pow import lend_to

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
TIMEOUT = 180
BYTES = 700_000
REKEY = 256 * 1024
if FULL:
    lend_to("paramiko.kex_group1", "asyncssh.kex_dh")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return foreign_servers.Keys(tmp_path_factory.mktemp("keys"))


class Answer:
    def __init__(self, done):
        self.code, self.errors = done.returncode, done.stderr
        self.__dict__.update(json.loads(done.stdout, strict=False))

    def __repr__(self):
        return str(self.__dict__)


def probe(server, *arguments):
    command = [BUILD / "tests/interop/client_probe", "--port", str(server.port), *map(str, arguments)]
    return Answer(subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT))


def check_echo(server, *arguments, size=BYTES, exchanges=1):
    answer = probe(server, "--bytes", size, *arguments)
    log = pathlib.Path(server.log).read_text(errors="replace")[-1500:] if hasattr(server, "log") else ""
    assert answer.code == 0, f"{answer} {log}"
    assert answer.exchanges >= exchanges, answer
    return answer


def check_combination(server, keys, kex, host_key, suite):
    for size in rekeying_sizes(kex):
        answer = check_echo(server, "--kex", kex, "--host-keys", host_key, "--ciphers", suite[0], "--macs", suite[1], "--rekey-bytes",
                            REKEY, "--identity", keys.user["ssh-ed25519"], "--methods", "publickey", size=size)
        assert answer.agreed.split() == agreement(kex, host_key, suite)
        if answer.exchanges >= 2:
            return
    pytest.fail(f"keys were never changed: {answer}")


def check_ways_in(server, keys, key_types=foreign_servers.KEY_TYPES):
    """What all servers have: keys of each type, a sealed one, and refusals."""
    for name in key_types:
        assert check_echo(server, "--identity", keys.user[name], "--methods", "publickey", size=5000).method == "publickey"
    sealed = check_echo(server, "--identity", keys.sealed, "--passphrase", "wrong", "--passphrase", "phrase", size=5000)
    assert sealed.asked == [str(keys.sealed)] * 2
    check_echo(server, "--password", "wrong", "--password", PASSWORD, "--methods", "password", size=5000)
    stranger = probe(server, "--methods", "publickey", "--identity", keys.host["ssh-ed25519"])
    assert stranger.kind == "permission_denied" and "publickey" in stranger.text, stranger
    refused = probe(server, "--methods", "password", *["--password", "wrong"] * 3)
    # Some servers end the connection themselves at the last try.
    assert refused.kind in ("permission_denied", "disconnected", "closed"), refused
    assert not refused.logged_in


def check_keepalives(server, keys):
    """They are answered while nothing else is said. Three in a row that come late are a silent server, or a busy machine:
    then slower ones are tried."""
    for scale in (1, 10):
        answer = probe(server, "--identity", keys.user["ssh-ed25519"], "--command", f"sleep {scale}", "--alive-ms", 50 * scale)
        if answer.kind != "server_silent":
            break
    assert answer.code == 0, answer


# --- OpenSSH

SSHD_KEX = known(KEX, ask("ssh", "kex"))
SSHD_SUITES = [(c, m) for c, m in SUITES if c in ask("ssh", "cipher") and m in ask("ssh", "mac")]
SSHD_LISTS = ["KexAlgorithms " + ",".join(SSHD_KEX), "Ciphers " + ",".join(ask("ssh", "cipher")),
              "MACs " + ",".join(ask("ssh", "mac"))]


@pytest.fixture(scope="module")
def sshd_that_rekeys(keys, tmp_path_factory):
    with foreign_servers.sshd(keys, tmp_path_factory.mktemp("sshd"), "RekeyLimit 1M", SSHD_LISTS, pam=False) as server:
        yield server


@pytest.mark.parametrize("kex,host_key,suite", pairwise(SSHD_KEX, HOST_KEYS, SSHD_SUITES))
def test_sshd(sshd_that_rekeys, keys, kex, host_key, suite):
    check_combination(sshd_that_rekeys, keys, kex, host_key, suite)


def test_sshd_with_our_defaults_lets_us_in_by_each_method(keys, tmp_path):
    with foreign_servers.sshd(keys, tmp_path) as server:
        check_ways_in(server, keys)
        dialogue = check_echo(server, "--methods", "keyboard-interactive", "--answer", "wrong", "--answer", PASSWORD)
        assert dialogue.asked == ["Password: "] * 2


def test_sshd_takes_a_key_from_an_agent(keys, tmp_path):
    started = subprocess.run(["ssh-agent", "-s", "-a", tmp_path / "agent"], capture_output=True, text=True, check=True)
    agent = int(started.stdout.split("SSH_AGENT_PID=")[1].split(";")[0])
    try:
        environment = dict(os.environ, SSH_AUTH_SOCK=str(tmp_path / "agent"))
        for name in ("ecdsa-sha2-nistp384", "ssh-rsa"):
            subprocess.run(["ssh-add", "-q", keys.user[name]], env=environment, check=True)
            with foreign_servers.sshd(keys, tmp_path) as server:
                check_echo(server, "--agent", tmp_path / "agent", "--methods", "publickey")
            subprocess.run(["ssh-add", "-q", "-D"], env=environment, check=True, capture_output=True)
    finally:
        os.kill(agent, 15)


@pytest.mark.parametrize("second,arguments", [("password", ["--password", PASSWORD]),
                                              ("keyboard-interactive", ["--answer", PASSWORD])])
def test_sshd_that_wants_two_methods_gets_both(keys, tmp_path, second, arguments):
    with foreign_servers.sshd(keys, tmp_path, f"AuthenticationMethods publickey,{second}") as server:
        answer = check_echo(server, "--identity", keys.user["ssh-ed25519"], *arguments)
        assert answer.method == second
        half = probe(server, "--identity", keys.user["ssh-ed25519"], "--methods", "publickey")
        assert half.kind == "permission_denied" and second in half.text, half


def test_sshd_that_wants_two_keys_gets_two(keys, tmp_path):
    with foreign_servers.sshd(keys, tmp_path, "AuthenticationMethods publickey,publickey") as server:
        check_echo(server, "--identity", keys.user["ssh-ed25519"], "--identity", keys.user["ssh-rsa"])
        assert probe(server, "--identity", keys.user["ssh-ed25519"]).kind == "permission_denied"


def test_a_banner_is_shown(keys, tmp_path):
    (tmp_path / "banner").write_text("Beware of the dog.\n")
    with foreign_servers.sshd(keys, tmp_path, f"Banner {tmp_path / 'banner'}") as server:
        assert "Beware of the dog." in check_echo(server, "--identity", keys.user["ssh-ed25519"]).shown


def host_part(path):
    return path.with_name(path.name + ".pub").read_text().split()[1]


def test_sshd_teaches_its_other_host_keys_and_they_are_proven(keys, tmp_path):
    known_hosts = tmp_path / "known_hosts"
    with foreign_servers.sshd(keys, tmp_path) as server:
        login = ["--identity", keys.user["ssh-ed25519"], "--known-hosts", known_hosts, "--linger-ms", 500]
        first = check_echo(server, *login, "--host-keys", "ssh-ed25519", size=1000)
        assert "Permanently added" in first.shown
        # Met just now: what it announces is not believed yet.
        assert len(known_hosts.read_text().splitlines()) == 1
        gone = f"[127.0.0.1]:{server.port} ssh-ed25519 {host_part(keys.user['ssh-ed25519'])}\n"
        known_hosts.write_text(known_hosts.read_text() + gone)
        # It hears what the server says in the half second that it lingers: on a busy machine not at the first time.
        for _ in range(20):
            check_echo(server, *login, "--strict", "yes", size=1000)
            lines = known_hosts.read_text()
            if gone not in lines:
                break
        assert all(host_part(path) in lines for path in keys.host.values()), lines
        assert gone not in lines
        # Each of them is good for a login, RSA among them.
        for algorithm in HOST_KEYS:
            check_echo(server, *login, "--strict", "yes", "--host-keys", algorithm, size=1000)


def test_a_changed_host_key_is_refused_loudly(keys, tmp_path):
    known_hosts = tmp_path / "known_hosts"
    with foreign_servers.sshd(keys, tmp_path) as server:
        known_hosts.write_text(f"[127.0.0.1]:{server.port} ssh-ed25519 {host_part(keys.user['ssh-ed25519'])}\n")
        for strict in ("yes", "ask", "accept-new"):
            answer = probe(server, "--known-hosts", known_hosts, "--strict", strict, "--identity", keys.user["ssh-ed25519"])
            assert answer.kind == "host_key_changed" and "REMOTE HOST IDENTIFICATION HAS CHANGED" in answer.text, answer
        # Let pass, it gets a signature but no password.
        check_echo(server, "--known-hosts", known_hosts, "--strict", "no", "--identity", keys.user["ssh-ed25519"])
        answer = probe(server, "--known-hosts", known_hosts, "--strict", "no", "--password", PASSWORD)
        assert answer.kind == "permission_denied" and answer.asked == [], answer


def test_the_user_is_asked_about_a_new_host(keys, tmp_path):
    with foreign_servers.sshd(keys, tmp_path) as server:
        login = ["--strict", "ask", "--identity", keys.user["ssh-ed25519"], "--host-keys", "ssh-ed25519"]
        assert probe(server, *login, "--word", "no").kind == "host_key_declined"
        check_echo(server, *login, "--word", "perhaps", "--word", "yes")
        listing = subprocess.run(["ssh-keygen", "-lf", keys.host["ssh-ed25519"]], capture_output=True, text=True, check=True)
        check_echo(server, *login, "--word", listing.stdout.split()[1])
        assert probe(server, *login[2:], "--strict", "yes").kind == "host_key_unknown"


def test_no_common_algorithm_is_said_with_both_lists(keys, tmp_path):
    with foreign_servers.sshd(keys, tmp_path, "Ciphers aes256-ctr") as server:
        answer = probe(server, "--ciphers", "aes128-ctr")
        assert answer.kind == "no_common" and "aes128-ctr" in answer.text and "aes256-ctr" in answer.text, answer


def test_sshd_sees_that_an_idle_client_lives(keys, tmp_path):
    with foreign_servers.sshd(keys, tmp_path, "ClientAliveInterval 1\nClientAliveCountMax 5") as server:
        check_echo(server, "--identity", keys.user["ssh-ed25519"], "--command", "sleep 8", size=0)


def test_keepalives_are_answered_by_sshd(keys, tmp_path):
    with foreign_servers.sshd(keys, tmp_path) as server:
        check_keepalives(server, keys)


def test_nobody_listens_on_a_closed_port(keys, tmp_path):
    with foreign_servers.sshd(keys, tmp_path) as server:
        pass
    assert probe(server).kind == "connection_refused"


# --- Dropbear

DROPBEAR_KEX = ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
                "ecdh-sha2-nistp521", "diffie-hellman-group14-sha256"]
DROPBEAR_SUITES = [("chacha20-poly1305@openssh.com", "hmac-sha2-256"), ("aes128-ctr", "hmac-sha2-256"),
                   ("aes256-ctr", "hmac-sha2-256"), ("aes128-ctr", "hmac-sha1"), ("aes256-ctr", "hmac-sha1")]
# It signs with SHA-256 only where the key is RSA.
DROPBEAR_HOST_KEYS = [name for name in HOST_KEYS if name != "rsa-sha2-512"]


@pytest.fixture(scope="module")
def dropbears(keys, tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(foreign_servers.dropbear(keys, tmp_path_factory.mktemp("dropbear"), names))
               for names in foreign_servers.HOST_KEY_SETS]


# It rekeys by itself after a gigabyte or eight hours, both built in: here the client is the one that rekeys.
@pytest.mark.parametrize("kex,host_key,suite", pairwise(DROPBEAR_KEX, DROPBEAR_HOST_KEYS, DROPBEAR_SUITES))
def test_dropbear(dropbears, keys, kex, host_key, suite):
    check_combination(foreign_servers.holder(dropbears, host_key), keys, kex, host_key, suite)


# No keyboard-interactive: Dropbear does it with PAM alone, and Debian builds it without.
def test_dropbear_lets_us_in_by_each_method(keys, tmp_path):
    with foreign_servers.dropbear(keys, tmp_path) as server:
        check_ways_in(server, keys)


def test_keepalives_are_answered_by_dropbear(keys, tmp_path):
    with foreign_servers.dropbear(keys, tmp_path) as server:
        check_keepalives(server, keys)


# --- libssh

LIBSSH_KEX = ["curve25519-sha256", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
              "diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
              "diffie-hellman-group-exchange-sha256"]
LIBSSH_SUITES = [(c, m) for c, m in SUITES if "gcm" in c or "chacha" in c or (c in ("aes128-ctr", "aes192-ctr", "aes256-ctr")
                 and m.removesuffix("-etm@openssh.com") in ("hmac-sha2-256", "hmac-sha2-512"))]


LIBSSH_SERVER = BUILD / "tests/interop/libssh_server"


@pytest.fixture(scope="module")
def libsshs(keys, tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(foreign_servers.libssh(keys, tmp_path_factory.mktemp("libssh"), LIBSSH_SERVER, names))
               for names in foreign_servers.HOST_KEY_SETS]


# A server of libssh never starts a rekey of its own: here too it is the client.
@pytest.mark.parametrize("kex,host_key,suite", pairwise(LIBSSH_KEX, HOST_KEYS, LIBSSH_SUITES))
def test_libssh(libsshs, keys, kex, host_key, suite):
    check_combination(foreign_servers.holder(libsshs, host_key), keys, kex, host_key, suite)


def test_libssh_lets_us_in_by_each_method(keys, tmp_path):
    with foreign_servers.libssh(keys, tmp_path, LIBSSH_SERVER) as server:
        check_ways_in(server, keys)
        dialogue = check_echo(server, "--methods", "keyboard-interactive", "--answer", PASSWORD, "--answer", "green")
        assert dialogue.asked == ["Password: ", "Colour: "]


# --- Paramiko

PARAMIKO_KEX = ["curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
                "diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256"]
PARAMIKO_SUITES = [(c, m) for c, m in SUITES if "gcm" not in c and "chacha" not in c and c != "3des-cbc"
                   and m != "hmac-sha1-etm@openssh.com"]


@pytest.fixture(scope="module")
def paramiko_that_rekeys(keys):
    with foreign_servers.ParamikoServer(keys, rekey_bytes=REKEY) as server:
        yield server


@pytest.mark.parametrize("kex,host_key,suite", pairwise(PARAMIKO_KEX, HOST_KEYS, PARAMIKO_SUITES))
def test_paramiko(paramiko_that_rekeys, keys, kex, host_key, suite):
    check_combination(paramiko_that_rekeys, keys, kex, host_key, suite)


def test_paramiko_lets_us_in_by_each_method(keys):
    with foreign_servers.ParamikoServer(keys) as server:
        check_ways_in(server, keys)
        dialogue = check_echo(server, "--methods", "keyboard-interactive", "--answer", PASSWORD, "--answer", "green", size=5000)
        assert dialogue.asked == ["Password: ", "Colour: "]


# --- AsyncSSH

ASYNCSSH_KEX = [k for k in KEX if not k.startswith(("mlkem", "sntrup"))]  # it needs liboqs for those


@pytest.fixture(scope="module")
def asyncssh_that_rekeys(keys):
    algorithms = {"kex_algs": ASYNCSSH_KEX, "encryption_algs": sorted({c for c, _ in SUITES}),
                  "mac_algs": sorted({m for _, m in SUITES})}
    with foreign_servers.AsyncSshServer(keys, algorithms, rekey_bytes=REKEY) as server:
        yield server


@pytest.mark.parametrize("kex,host_key,suite", pairwise(ASYNCSSH_KEX, HOST_KEYS, SUITES))
def test_asyncssh(asyncssh_that_rekeys, keys, kex, host_key, suite):
    check_combination(asyncssh_that_rekeys, keys, kex, host_key, suite)


def test_asyncssh_lets_us_in_by_each_method(keys, tmp_path):
    with foreign_servers.AsyncSshServer(keys, {}) as server:
        check_ways_in(server, keys)
        dialogue = check_echo(server, "--methods", "keyboard-interactive", "--answer", PASSWORD, "--answer", "green",
                              "--answer", "7", size=5000)
        assert dialogue.asked == ["Password: ", "Colour: ", "Number: "]
        changed = check_echo(server, "--methods", "password", "--password", "old pw", "--new-password", NEW_PASSWORD, size=5000)
        assert changed.asked[1] == "Your password has expired."
        refused = probe(server, "--methods", "password", "--password", "old pw", "--new-password", "other")
        assert refused.kind == "permission_denied"
