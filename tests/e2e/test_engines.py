"""sluiced with OpenSSL engines: one that computes, pauses, fails or is not there, and a PKCS#11 token with the host keys."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from ssh_servers import USER, Sluiced, free_port  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
FAKE = BUILD / "tests/unit/kex/fake_engine.so"
SOFTHSM = next(pathlib.Path("/usr/lib").glob("**/libsofthsm2.so"), None)
PIN = "731952"
TIMEOUT = 600


def ssh(server, *words, check=True):
    return subprocess.run(["ssh", *server.options(), "-p", str(server.port), *words, f"{USER}@127.0.0.1", "echo there"],
                          capture_output=True, text=True, timeout=TIMEOUT, check=check)


def counts(server):
    """What the network process says of its engine at the end."""
    server.stop()
    found = re.search(r"engine \S+: operations (\d+), failures (\d+)", server.log.read_text())
    assert found, server.log.read_text()[-2000:]
    return int(found[1]), int(found[2])


def told_by_sluicectl(server):
    """Rows of the engines by process."""
    shown = subprocess.run([BUILD / "apps/sluicectl/sluicectl", "--state-dir", server.folder / "state", "--json", "show", "crypto",
                            "offload"], capture_output=True, text=True, timeout=TIMEOUT, check=True)
    return {row["process"]: row for row in json.loads(shown.stdout)["engines"]}


def exchanges(server, rounds=2):
    for _ in range(rounds):
        for kex in ("curve25519-sha256", "diffie-hellman-group14-sha256", "ecdh-sha2-nistp256"):
            done = ssh(server, "-o", f"KexAlgorithms={kex}", "-o", "HostKeyAlgorithms=rsa-sha2-512")
            assert done.stdout == "there\n", done.stderr


def test_An_engine_that_pauses_does_the_arithmetic_of_logins(tmp_path):
    with Sluiced(BUILD, tmp_path, f"crypto engine {FAKE},PAUSES=2,DELAY_US=3000") as server:
        exchanges(server)
        network = told_by_sluicectl(server)["network"]
        assert network["state"] == "in-service" and int(network["operations"]) >= 10 and network["failures"] == "0"
        # It has no methods for NIST's curves.
        assert int(network["lacking"]) >= 2
        assert server.log.read_text().count("has no methods for ECDH; software does it") == 1
        operations, failures = counts(server)
        assert operations >= 10 and failures == 0


def test_An_engine_that_fails_is_told_once_and_nobody_notices(tmp_path):
    with Sluiced(BUILD, tmp_path, f"crypto engine {FAKE},FAIL=1") as server:
        exchanges(server)
        rows = told_by_sluicectl(server)
        assert int(rows["network"]["failures"]) >= 8 and int(rows["monitor"]["failures"]) >= 1, rows
        operations, failures = counts(server)
        assert operations == 0 and failures >= 8
        # Two processes have an engine each.
        told = [line for line in server.log.read_text().splitlines() if "failed at" in line]
        assert 1 <= len(told) <= 2, told


def test_An_engine_that_signs_wrongly_gives_no_wrong_signature_away(tmp_path):
    with Sluiced(BUILD, tmp_path, f"crypto engine {FAKE},WRONG=1") as server:
        exchanges(server, 1)
        server.stop()
        assert "failed at a signature" in server.log.read_text()


@pytest.mark.parametrize("engine", ["no_such_engine", "/nowhere/engine.so", f"{FAKE},NO_SUCH_COMMAND=1"])
def test_An_engine_that_cannot_be_had_is_said_so_and_software_serves(tmp_path, engine):
    with Sluiced(BUILD, tmp_path, f"crypto engine {engine}") as server:
        exchanges(server, 1)
        assert "software does its work" in server.log.read_text()
        assert {row["state"] for row in told_by_sluicectl(server).values()} == {"not-loaded"}


def test_What_an_engine_did_is_there_for_prometheus(tmp_path):
    port = free_port()
    with Sluiced(BUILD, tmp_path, f"crypto engine {FAKE},FAIL=1", f"metrics port {port}") as server:
        exchanges(server, 1)
        # The text is made again a moment later.
        def failures():
            text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT).read().decode()
            found = re.search(r'^sluice_engine_failures_total\{engine="[^"]*fake_engine.so",process="network"\} (\d+)$', text, re.M)
            return found and int(found[1])

        deadline = time.monotonic() + 60
        while not failures() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert failures()


def sha256_through(server, cipher, size=9_000_000):
    data = os.urandom(size)
    done = subprocess.run(["ssh", *server.options(), "-c", cipher, "-p", str(server.port), f"{USER}@127.0.0.1", "sha256sum"], input=data,
                          capture_output=True, timeout=TIMEOUT)
    return done.stdout.split()[:1] == [hashlib.sha256(data).hexdigest().encode()]


@pytest.mark.parametrize("command", ["DELAY_US=20", "FAIL=1", "NEVER=1"])
def test_Records_by_an_engine_that_pauses_fails_or_never_answers_arrive(tmp_path, command):
    lines = [f"crypto offload device openssl:{FAKE},{command}", "crypto offload policy hardware"]
    with Sluiced(BUILD, tmp_path, *lines) as server:
        for cipher in ("aes128-gcm@openssh.com", "aes256-ctr", "chacha20-poly1305@openssh.com"):
            assert sha256_through(server, cipher), server.log.read_text()[-2000:]
        log = server.log.read_text()
        assert log.count("cannot serve chacha20-poly1305: ") == 1, log[-2000:]
        if command == "FAIL=1":
            assert "failed at a record; software does it" in log


def test_One_engine_does_records_and_logins_of_the_same_process(tmp_path):
    link = tmp_path / "link.so"
    link.symlink_to(FAKE)
    lines = [f"crypto offload device openssl:{FAKE},DELAY_US=20", "crypto offload policy hardware", f"crypto engine {link}"]
    with Sluiced(BUILD, tmp_path / "server", *lines) as server:
        assert sha256_through(server, "aes128-gcm@openssh.com") and sha256_through(server, "aes256-ctr")
        exchanges(server, 1)
        rows = told_by_sluicectl(server)
        assert rows["network"]["state"] == "in-service" and int(rows["network"]["operations"]) >= 4, rows
        assert "software does its work" not in server.log.read_text()


def test_A_record_engine_that_cannot_be_had_is_said_so_and_software_serves(tmp_path):
    with Sluiced(BUILD, tmp_path, "crypto offload device openssl:/nowhere/engine.so") as server:
        assert sha256_through(server, "aes128-gcm@openssh.com")
        assert sum("/nowhere/engine.so" in line for line in server.log.read_text().splitlines()) == 1


@pytest.fixture
def token(tmp_path, monkeypatch):
    if SOFTHSM is None or not shutil.which("softhsm2-util"):
        pytest.skip("softhsm2 is not installed")
    folder = tmp_path / "token"
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))

    def tool(*words):
        subprocess.run(["softhsm2-util", *map(str, words)], check=True, capture_output=True)

    tool("--init-token", "--free", "--label", "sluice", "--so-pin", PIN, "--pin", PIN)
    publics = {}
    for number, (name, words) in enumerate({"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
                                            "p256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                                            "p384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]}.items(), 1):
        file = folder / f"{name}.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", *words, "-out", file], check=True, capture_output=True)
        tool("--import", file, "--token", "sluice", "--label", name, "--id", f"0{number}", "--pin", PIN)
        pem = subprocess.run(["openssl", "pkey", "-in", file, "-pubout"], check=True, capture_output=True).stdout
        (folder / "public").write_bytes(pem)
        publics[name] = subprocess.run(["ssh-keygen", "-i", "-m", "PKCS8", "-f", folder / "public"], check=True,
                                       capture_output=True, text=True).stdout.strip()
        file.unlink()
    return publics


def token_lines(*names, pin=PIN):
    return [f"crypto token engine pkcs11,MODULE_PATH={SOFTHSM},PIN={pin}",
            *(f"crypto token host-key pkcs11:token=sluice;object={name};type=private" for name in names)]


def known(server, public):
    file = server.folder / "known"
    file.write_text(f"[127.0.0.1]:{server.port} {public}\n")
    return ["-o", f"UserKnownHostsFile={file}", "-o", "StrictHostKeyChecking=yes"]


ALGORITHMS = {"rsa": ["rsa-sha2-512", "rsa-sha2-256"], "p256": ["ecdsa-sha2-nistp256"], "p384": ["ecdsa-sha2-nistp384"]}


def test_Host_keys_in_a_token_sign_and_are_in_no_file(tmp_path, token):
    with Sluiced(BUILD, tmp_path / "server", *token_lines(*token), "ssh server rekey-volume 1024") as server:
        for name, public in token.items():
            for algorithm in ALGORITHMS[name]:
                # The first of a command line counts.
                done = subprocess.run(["ssh", *known(server, public), "-o", f"HostKeyAlgorithms={algorithm}", *server.options(),
                                       "-p", str(server.port), f"{USER}@127.0.0.1", "echo there"], capture_output=True, text=True,
                                      timeout=TIMEOUT)
                assert done.stdout == "there\n", done.stderr + server.log.read_text()[-1500:]
        # A rekey signs again, after the login.
        done = subprocess.run(["ssh", "-v", *known(server, token["rsa"]), "-o", "RekeyLimit=1M", "-o", "HostKeyAlgorithms=rsa-sha2-512",
                               *server.options()[:-2], "-p", str(server.port), f"{USER}@127.0.0.1",
                               "head -c 9000000 /dev/zero"], capture_output=True, timeout=TIMEOUT)
        assert len(done.stdout) == 9000000 and done.stderr.count(b"SSH2_MSG_NEWKEYS received") >= 3, done.stderr[-2000:]
        assert list((tmp_path / "server" / "state" / "host_keys").glob("*.*")) == []
        assert PIN not in server.log.read_text()


def test_A_token_that_cannot_be_opened_is_said_so_and_files_serve(tmp_path, token):
    # A first start without the token makes the files.
    with Sluiced(BUILD, tmp_path / "server") as server:
        assert ssh(server).stdout == "there\n"
    with Sluiced(BUILD, tmp_path / "server", *token_lines("rsa", "no_such_key")) as server:
        public = token["rsa"]
        done = subprocess.run(["ssh", *known(server, public), "-o", "HostKeyAlgorithms=rsa-sha2-512", *server.options(), "-p",
                               str(server.port), f"{USER}@127.0.0.1", "echo there"], capture_output=True, text=True, timeout=TIMEOUT)
        assert done.stdout == "there\n", done.stderr
        assert ssh(server, "-o", "HostKeyAlgorithms=ssh-ed25519").stdout == "there\n"
        assert "no_such_key" in server.log.read_text()
    with Sluiced(BUILD, tmp_path / "server", "crypto token engine /nowhere/pkcs11.so", *token_lines("rsa")[1:]) as server:
        assert ssh(server).stdout == "there\n"
        assert "/nowhere/pkcs11.so" in server.log.read_text()


CLIENT = BUILD / "apps/sluice/sluice"


def login_by_client(server, engine, kex):
    """What the client does beside its login, on standard error."""
    words = [CLIENT, "ssh", "-o", "LogLevel=DEBUG", *server.options(), "-o", f"CryptoEngine={engine}", "-o",
             f"KexAlgorithms={kex}", "-p", str(server.port), f"{USER}@127.0.0.1", "echo there"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0 and done.stdout == "there\n", done.stderr
    return done.stderr


KEX = ("curve25519-sha256", "diffie-hellman-group14-sha256", "ecdh-sha2-nistp256")


@pytest.mark.parametrize("kex", KEX)
def test_A_client_s_engine_does_the_arithmetic_of_its_logins(tmp_path, kex):
    with Sluiced(BUILD, tmp_path) as server:
        told = login_by_client(server, f"{FAKE},PAUSES=2,DELAY_US=3000", kex)
        found = re.search(r"engine \S+: operations (\d+), failures 0", told)
        assert found and int(found[1]) >= 1, told
        failing = login_by_client(server, f"{FAKE},FAIL=1", kex)
        found = re.search(r"engine \S+: operations 0, failures (\d+)", failing)
        assert found and int(found[1]) >= 1 and failing.count("failed at") == 1, failing


def test_A_client_s_engine_signs_with_its_user_s_rsa_key(tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", tmp_path / "rsa"], check=True)
    with Sluiced(BUILD, tmp_path / "server") as server:
        with open(server.authorized, "a") as file:
            file.write((tmp_path / "rsa.pub").read_text())
        server.key = tmp_path / "rsa"
        # A wrong signature does not leave: software makes another one.
        told = login_by_client(server, f"{FAKE},WRONG=1", "sntrup761x25519-sha512@openssh.com")
        assert re.search(r"engine \S+: operations \d+, failures [1-9]", told), told


def test_A_client_whose_engine_is_not_there_says_so_and_logs_in(tmp_path):
    with Sluiced(BUILD, tmp_path) as server:
        told = login_by_client(server, "/nowhere/engine.so", KEX[0])
        assert "/nowhere/engine.so" in told and "software does its work" in told
