"""Sluice's ENGINE and provider in programs that nobody here wrote: openssl, stock ssh, sshd and sftp, curl, nginx.

Each is told by OPENSSL_CONF alone, as `sluice-offload engine-conf` prints it; what comes out is compared by checksum with
what the same program makes without it.
"""
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from ssh_servers import USER, Sshd, free_port  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
TOOL = BUILD / "apps/sluice_offload/sluice-offload"
MODULES = {"provider": BUILD / "drivers/engine/sluice-provider.so", "engine": BUILD / "drivers/engine/sluice-engine.so"}
TIMEOUT = 600
DATA = os.urandom(5_000_017)


def conf_text(way):
    return subprocess.run([TOOL, "engine-conf", *(["--engine"] if way == "engine" else [])], check=True, capture_output=True,
                          text=True).stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    (folder / "data").write_bytes(DATA)
    confs = {}
    for way in MODULES:
        confs[way] = folder / f"{way}.cnf"
        confs[way].write_text(conf_text(way))
    # The ENGINE's own ciphers: for programs that do not ask by parameters.
    everything = re.sub("(?m)^PROVIDER.*$", "PROVIDER = hmac", confs["engine"].read_text())
    (folder / "whole_engine.cnf").write_text(everything)
    confs["whole engine"] = folder / "whole_engine.cnf"
    return {"folder": folder, "confs": confs}


def with_conf(conf):
    return dict(os.environ, OPENSSL_CONF=str(conf))


def openssl(*words, conf=None, stdin=b"", check=True, **more):
    environment = dict(with_conf(conf) if conf else dict(os.environ, OPENSSL_CONF="/dev/null"), **more)
    return subprocess.run(["openssl", *map(str, words)], input=stdin, capture_output=True, env=environment, timeout=TIMEOUT,
                          check=check)


def test_Openssl_lists_what_the_configuration_brings_in(world):
    listed = openssl("list", "-providers", conf=world["confs"]["provider"]).stdout.decode()
    assert "Sluice" in listed and "OpenSSL Default Provider" in listed
    engine = openssl("engine", "-t", "-c", "sluice", conf=world["confs"]["whole engine"]).stdout.decode()
    assert "available" in engine and "AES-256-CTR" in engine and "id-aes128-GCM" in engine and "ChaCha20-Poly1305" in engine
    # What an ENGINE cannot do well enough its module does as a provider.
    less = openssl("engine", "-c", "sluice", conf=world["confs"]["engine"]).stdout.decode()
    assert "sluice" in less and "[" not in less
    inside = openssl("list", "-cipher-algorithms", conf=world["confs"]["engine"]).stdout.decode()
    assert "AES-256-CTR @ sluice" in inside and "AES-128-CBC, AES128 } @ sluice" in inside and re.search("GCM.*@ sluice", inside)
    part = world["folder"] / "part.cnf"
    part.write_text(re.sub("(?m)^PROVIDER.*$", "PROVIDER = ctr", world["confs"]["engine"].read_text()))
    assert "id-aes128-GCM" in openssl("engine", "-c", "sluice", conf=part).stdout.decode()
    inside = openssl("list", "-cipher-algorithms", conf=part).stdout.decode()
    assert "AES-256-CTR @ sluice" in inside and not re.search("GCM.*@ sluice", inside)


@pytest.mark.parametrize("way", MODULES)
def test_What_asks_for_tags_by_parameters_gets_them(world, tmp_path, way):
    conf = world["confs"][way]
    key, cert, told = tmp_path / "key.pem", tmp_path / "cert.pem", tmp_path / "enveloped.der"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=sluice", "-keyout", key, "-out", cert)
    openssl("cms", "-encrypt", "-binary", "-aes-256-gcm", "-outform", "DER", "-out", told, "-recip", cert, conf=conf, stdin=DATA[:5001])
    for reader in (conf, None):
        read = openssl("cms", "-decrypt", "-binary", "-inform", "DER", "-in", told, "-inkey", key, "-recip", cert, conf=reader)
        assert read.stdout == DATA[:5001]
    gmac = ["mac", "-cipher", "AES-128-GCM", "-macopt", "hexkey:" + "0b" * 16, "-macopt", "hexiv:" + "0c" * 12, "GMAC"]
    assert openssl(*gmac, conf=conf, stdin=DATA[:999]).stdout == openssl(*gmac, stdin=DATA[:999]).stdout


def test_A_module_that_is_asked_for_what_it_lacks_is_not_used_at_all(world, tmp_path):
    wrong = tmp_path / "wrong.cnf"
    wrong.write_text(world["confs"]["provider"].read_text().replace("# algorithms = ctr", "algorithms = rot13"))
    assert b"Sluice" not in openssl("list", "-providers", conf=wrong).stdout
    for line in ("# ALGORITHMS = ctr", "PROVIDER = ctr"):
        wrong.write_text(world["confs"]["engine"].read_text().replace(line, line.split()[-3] + " = rot13"))
        done = openssl("engine", "-c", "sluice", conf=wrong, check=False)
        assert done.returncode != 0 or b"CTR" not in done.stdout and b"GCM" not in done.stdout
        assert b"Sluice" not in openssl("list", "-providers", conf=wrong, check=False).stdout


@pytest.mark.parametrize("way", ["provider", "whole engine"])
@pytest.mark.parametrize("cipher", ["aes-128-ctr", "aes-192-ctr", "aes-256-ctr", "aes-128-cbc", "aes-192-cbc", "aes-256-cbc"])
def test_Enc_writes_the_same_file_and_reads_it_back(world, way, cipher):
    key = ["-K", "0f" * (int(cipher.split("-")[1]) // 8), "-iv", "ff" * 14 + "fffe"]
    plain = openssl("enc", f"-{cipher}", *key, stdin=DATA).stdout
    ours = openssl("enc", f"-{cipher}", *key, conf=world["confs"][way], stdin=DATA).stdout
    assert hashlib.sha256(ours).digest() == hashlib.sha256(plain).digest()
    back = openssl("enc", "-d", f"-{cipher}", *key, conf=world["confs"][way], stdin=ours).stdout
    assert back == DATA
    # A pipe gives pieces of all sizes; a buffer of one byte gives the smallest.
    small = openssl("enc", f"-{cipher}", "-bufsize", 7, *key, conf=world["confs"][way], stdin=DATA[:3001]).stdout
    assert small == openssl("enc", f"-{cipher}", *key, stdin=DATA[:3001]).stdout


@pytest.mark.parametrize("way", MODULES)
@pytest.mark.parametrize("digest", ["SHA1", "SHA256", "SHA384", "SHA512", "SHA3-256"])
def test_Mac_makes_the_same_hmac_of_a_file(world, way, digest):
    conf = world["confs"][way]
    assert "HMAC @ sluice" in openssl("list", "-mac-algorithms", conf=conf).stdout.decode()
    for key in ("hexkey:" + "0b" * 20, "hexkey:" + "aa" * 131):
        words = ["mac", "-digest", digest, "-macopt", key, "-in", world["folder"] / "data", "HMAC"]
        assert openssl(*words, conf=conf).stdout == openssl(*words).stdout
    done = openssl("dgst", "-" + digest.lower(), "-mac", "HMAC", "-macopt", "hexkey:" + "0b" * 20, world["folder"] / "data", conf=conf)
    assert done.stdout.split()[-1].lower() == openssl(*words[:4], "hexkey:" + "0b" * 20, *words[5:]).stdout.split()[-1].lower()


@pytest.mark.skipif(not (BUILD / "drivers/sluice-dpdk.so").exists(), reason="built without DPDK")
@pytest.mark.parametrize("way", ["provider", "engine"])
def test_A_crypto_device_that_is_named_gives_the_same_bytes_and_one_that_is_not_there_is_told(world, tmp_path, way):
    for device in ("cryptodev:crypto_openssl", "cryptodev:0000:ff:1f.7"):
        text = subprocess.run([TOOL, "engine-conf", "--device", device, *(["--engine"] if way == "engine" else [])], check=True,
                              capture_output=True, text=True).stdout
        conf = tmp_path / "device.cnf"
        conf.write_text(text)
        key = ["-K", "0f" * 16, "-iv", "ff" * 15 + "f0", "-bufsize", 40000]
        for cipher in ("aes-128-ctr", "aes-128-cbc"):
            done = openssl("enc", f"-{cipher}", *key, conf=conf, stdin=DATA, SLUICE_DEVICE_COUNTS="1")
            told = re.search(rb"the crypto device did (\d+) pieces", done.stderr)
            assert ("ff:1f" in device) == (told is None) and (told is None or int(told[1]) > 50), done.stderr
            assert done.stdout == openssl("enc", f"-{cipher}", *key, stdin=DATA).stdout
            assert (device in done.stderr.decode()) == ("ff:1f" in device), done.stderr


@pytest.mark.parametrize("way", ["provider", "engine"])
def test_Speed_runs_with_it(world, way):
    for cipher in ("aes-128-gcm", "chacha20-poly1305"):
        done = openssl("speed", "-mr", "-seconds", 1, "-bytes", 1024, "-evp", cipher, conf=world["confs"][way])
        assert b"+F:" in done.stdout
    done = openssl("speed", "-seconds", 1, "-bytes", 256, "-engine", MODULES["engine"], "-evp", "aes-256-ctr")
    assert b"AES-256-CTR" in done.stdout


@contextlib.contextmanager
def tls_server(world, conf, *words):
    folder = world["folder"]
    if not (folder / "cert").exists():
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "tls_key", "-out", folder / "cert", "-subj",
                "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", conf="/etc/ssl/openssl.cnf")
    port = free_port()
    environment = with_conf(conf) if conf else dict(os.environ, OPENSSL_CONF="/dev/null")
    server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", folder / "cert", "-key",
                               folder / "tls_key", "-WWW", "-quiet", *words], cwd=folder, env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield port, server
    finally:
        server.kill()
        server.communicate()


def fetch(world, port, conf, *words):
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run(["curl", "-s", "-S", "--max-time", "120", "--cacert", world["folder"] / "cert", *words,
                               f"https://127.0.0.1:{port}/data"], capture_output=True, env=with_conf(conf), timeout=TIMEOUT)
        if done.returncode != 7 or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert done.returncode == 0, done.stderr
    return done.stdout


TLS = {"1.3 aes128-gcm": ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"],
       "1.3 chacha20": ["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
       "1.2 aes256-gcm": ["-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"],
       "1.2 chacha20": ["-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"],
       "1.2 aes128-cbc": ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"],
       "1.2 aes256-cbc no etm": ["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384", "-legacy_renegotiation"]}


@pytest.mark.parametrize("suite", TLS)
@pytest.mark.parametrize("way", ["provider", "engine", "whole engine"])
def test_Tls_between_it_and_stock_gives_the_same_bytes(world, way, suite):
    conf = world["confs"][way]
    for server_conf, client_conf in ((conf, conf), (conf, "/dev/null"), (None, conf)):
        with tls_server(world, server_conf, *TLS[suite]) as (port, _):
            body = fetch(world, port, client_conf)
            assert hashlib.sha256(body).digest() == hashlib.sha256(DATA).digest()


@pytest.mark.parametrize("way", ["provider", "whole engine"])
def test_S_client_talks_to_s_server_with_it_at_both_ends(world, way):
    conf = world["confs"][way]
    with tls_server(world, conf, "-tls1_3") as (port, _):
        fetch(world, port, conf)
        done = openssl("s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", world["folder"] / "cert", "-quiet", "-ign_eof",
                       conf=conf, stdin=b"GET /data HTTP/1.0\r\n\r\n", check=False)
    assert done.stdout.endswith(DATA)


class EngineSshd(Sshd):
    """sshd, told by OPENSSL_CONF like every program."""

    def __init__(self, folder, conf, *options):
        super().__init__(folder, *options)
        self.conf = conf

    def launch(self, command_for):
        previous = os.environ.get("OPENSSL_CONF")
        os.environ["OPENSSL_CONF"] = str(self.conf)
        try:
            return super().launch(command_for)
        finally:
            os.environ.pop("OPENSSL_CONF")
            if previous is not None:
                os.environ["OPENSSL_CONF"] = previous


def maps(pid, name):
    with contextlib.suppress(OSError):
        return name in pathlib.Path(f"/proc/{pid}/maps").read_text()
    return False


GCM = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]
OTHERS = ["aes128-ctr", "aes256-ctr", "chacha20-poly1305@openssh.com"]
CBC = ["aes128-cbc", "aes256-cbc"]


@pytest.mark.parametrize("cipher", GCM + OTHERS + CBC)
@pytest.mark.parametrize("way", MODULES)
def test_Stock_sshd_and_sftp_move_the_same_bytes_and_rekey(world, tmp_path, way, cipher):
    conf = world["confs"][way]
    with EngineSshd(tmp_path / "sshd", conf, "LogLevel=DEBUG1", "Ciphers=+aes128-cbc,aes256-cbc") as server:
        mapped = maps(server.process.pid, MODULES[way].name)
        assert mapped, "sshd did not load it"
        assert not maps(server.process.pid, "librte"), "nobody asked for a device"
        for client_conf in (conf, "/dev/null"):
            commands = f"put {world['folder']}/data {tmp_path}/there\nget {tmp_path}/there {tmp_path}/back\n"
            done = subprocess.run(["sftp", "-v", "-b", "-", *server.options(), "-o", "LogLevel=DEBUG1", "-c", cipher, "-o", "RekeyLimit=2M", "-P",
                                   str(server.port), f"{USER}@127.0.0.1"], input=commands.encode(), capture_output=True,
                                  env=with_conf(client_conf), timeout=TIMEOUT)
            assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:] + server.log.read_text()[-2000:]
            for name in ("there", "back"):
                assert hashlib.sha256((tmp_path / name).read_bytes()).digest() == hashlib.sha256(DATA).digest()
            assert done.stderr.count(b"SSH2_MSG_NEWKEYS received") > 2, "it did not rekey"


def processes_below(pid):
    found = []
    for child in subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split():
        found += [child, *processes_below(child)]
    return found


def is_confined(pid):
    with contextlib.suppress(OSError):
        return "Seccomp:\t2" in pathlib.Path(f"/proc/{pid}/status").read_text()
    return False


@pytest.mark.skipif(os.geteuid() != 0, reason="sshd confines its processes as root alone")
@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "aes256-ctr"])
@pytest.mark.parametrize("way", MODULES)
def test_Sshd_s_process_before_the_login_has_it_in_its_seccomp_sandbox(world, tmp_path, way, cipher):
    # An agent that never answers keeps the connection where it is: under its keys, before the login.
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(str(tmp_path / "agent"))
    silent.listen(8)
    with EngineSshd(tmp_path / "sshd", world["confs"][way]) as server, silent:
        client = subprocess.Popen(["ssh", "-o", f"IdentityAgent={tmp_path}/agent", *server.options(), "-o", "IdentitiesOnly=no", "-v", "-c", cipher,
                                   "-o", "LogLevel=DEBUG1", "-p", str(server.port), f"{USER}@127.0.0.1", "true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, env=with_conf(world["confs"][way]))
        try:
            silent.settimeout(TIMEOUT)
            asked, _ = silent.accept()
            with asked:
                confined = [pid for pid in processes_below(server.process.pid) if is_confined(pid)]
                assert len(confined) == 1 and maps(confined[0], MODULES[way].name)
            # The agent is gone, the key of the file is left.
            client.communicate(timeout=TIMEOUT)
            assert client.returncode == 0, server.log.read_text()[-2000:]
        finally:
            client.kill()


def test_A_dozen_connections_at_once_do_not_meet(world, tmp_path):
    with EngineSshd(tmp_path / "sshd", world["confs"]["provider"]) as server:
        results = [None] * 12

        def run(number):
            cipher = (GCM + OTHERS)[number % 5]
            results[number] = subprocess.run(["ssh", *server.options(), "-c", cipher, "-p", str(server.port), f"{USER}@127.0.0.1",
                                              "cat"], input=DATA[:700_001], capture_output=True,
                                             env=with_conf(world["confs"]["provider"]), timeout=TIMEOUT)

        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(results))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(done.stdout == DATA[:700_001] for done in results), [done.stderr[-300:] for done in results]


NGINX = """daemon off; {user} worker_processes 2; pid {folder}/pid; error_log {folder}/error.log; events {{ worker_connections 64; }}
http {{ access_log {folder}/access.log; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  log_format workers "$pid $status $ssl_cipher"; access_log {folder}/workers.log workers;
  server {{ listen 127.0.0.1:{port} ssl reuseport; root {folder}; ssl_certificate {tls}/cert; ssl_certificate_key {tls}/tls_key;
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {suite}; }} }}
"""


class Nginx(EngineSshd):
    """nginx with two workers that its master forks, told by OPENSSL_CONF like every program."""

    def __init__(self, folder, conf, tls, suite):
        super().__init__(folder, conf)
        self.tls, self.suite = tls, suite

    def __enter__(self):
        def command(port):
            user = f"user {USER};" if os.geteuid() == 0 else ""
            text = NGINX.format(folder=self.folder, port=port, tls=self.tls, suite=self.suite, user=user)
            (self.folder / "nginx.conf").write_text(text)
            return [NGINX_PROGRAM, "-c", self.folder / "nginx.conf", "-e", self.log]

        return self.launch(command)

    def workers(self):
        return subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True).stdout.split()


NGINX_PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@pytest.mark.skipif(NGINX_PROGRAM is None, reason="nginx is not installed (Debian: nginx-light)")
@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"])
@pytest.mark.parametrize("way", MODULES)
def test_Nginx_s_workers_serve_a_large_file_to_stock_curl(world, tmp_path, way, suite):
    with tls_server(world, None):  # which makes the certificate
        pass
    content = os.urandom(50_000_003)
    with Nginx(tmp_path / "nginx", world["confs"][way], world["folder"], suite) as server:
        (server.folder / "data").write_bytes(content)
        assert len(server.workers()) == 2 and all(maps(pid, MODULES[way].name) for pid in server.workers())
        bodies = [None] * 4

        def run(number):
            bodies[number] = fetch(world, server.port, "/dev/null" if number % 2 else world["confs"][way])

        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(bodies))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [hashlib.sha256(body or b"").digest() for body in bodies] == [hashlib.sha256(content).digest()] * len(bodies)
        served = (server.folder / "workers.log").read_text().splitlines()
        assert len(served) == len(bodies) and all(line.split()[0] in server.workers() and suite in line for line in served)
