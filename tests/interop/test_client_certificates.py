"""Certificates of users and hosts, made by ssh-keygen and judged by or shown by the system's sshd; and the other ways to
know a host: a program's word, sizes, and the usual port."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import foreign_servers as foreign  # noqa: E402
from test_client_ssh import Client, keys, patience  # noqa: E402, F401

TYPES = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521", "ssh-rsa"]
PAST, FUTURE = "20200101:20200102", "20990101:20991231"


def make_key(path, kind="ed25519", *more):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *more, "-N", "", "-f", path], check=True)
    return path


def certify(authority, key, *options, name="test id"):
    """The certificate's path: KEY-cert.pub, as ssh-keygen names it."""
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", name, *map(str, options), f"{key}.pub"], check=True)
    return pathlib.Path(f"{key}-cert.pub")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority")
    return {name: make_key(folder / name) for name in ("users", "hosts", "strangers")}


@pytest.fixture
def world(tmp_path, keys, authority):
    """A server that knows one authority and no key, and makes what it shows to be set by each test."""

    class World:
        folder = tmp_path
        revoked = tmp_path / "revoked"
        host_lines = []

        def serve(self, *lines):
            self.revoked.touch()
            # The accounts' keys are none of this server's: only the certificate lets in.
            extra = "\n".join([f"TrustedUserCAKeys {authority['users']}.pub", f"RevokedKeys {self.revoked}", "AuthorizedKeysFile none",
                               "PasswordAuthentication no", "KbdInteractiveAuthentication no", *lines])
            folder = tmp_path / "server"
            folder.mkdir(exist_ok=True)
            config = folder / "lines"
            config.write_text(extra)
            served = foreign.sshd(keys, folder, "", lists=(extra,), pam=False)
            text = (folder / "sshd_config").read_text().replace(f"AuthorizedKeysFile {keys.authorized}\n", "")
            (folder / "sshd_config").write_text(text)
            return served

        def client(self, port, key, *lines):
            client = Client(tmp_path, port, key)
            # What is said first holds.
            client.config.write_text("Host *\n" + "".join(f"  {line}\n" for line in lines) + client.config.read_text())
            return client

    return World()


def copied(keys, folder, name="ssh-ed25519"):
    """A user's key in a folder of its own, so that no certificate of another test lies beside it."""
    for end in ("", ".pub"):
        shutil.copy(f"{keys.user[name]}{end}", folder / f"id{end}")
    (folder / "id").chmod(0o600)
    return folder / "id"


@pytest.mark.parametrize("kind", TYPES)
def test_a_certificate_beside_its_key_lets_in(world, keys, authority, tmp_path, kind):
    key = copied(keys, tmp_path, kind)
    certify(authority["users"], key, "-n", "ann", "-V", "+1h")
    with world.serve() as server:
        assert world.client(server.port, key).run("test", "echo in").stdout == b"in\n"
        # Without it the same key is nobody's.
        pathlib.Path(f"{key}-cert.pub").unlink()
        assert b"Permission denied" in world.client(server.port, key).run("test", "true", code=255).stderr


def test_certificate_file_names_one_and_its_key_may_be_sealed_or_in_the_agent(world, keys, authority, tmp_path):
    key = copied(keys, tmp_path)
    certificate = certify(authority["users"], key, "-n", "ann").rename(tmp_path / "elsewhere.pub")
    agent = subprocess.run(["ssh-agent", "-s", "-a", tmp_path / "agent"], capture_output=True, text=True, check=True)
    pid = int(agent.stdout.split("SSH_AGENT_PID=")[1].split(";")[0])
    environment = {**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "agent")}
    try:
        with world.serve() as server:
            client = world.client(server.port, key, f"CertificateFile {certificate}")
            assert client.run("test", "echo in").stdout == b"in\n"
            # The private half is the agent's alone.
            subprocess.run(["ssh-add", "-q", key], env=environment, check=True)
            key.rename(tmp_path / "away")
            client.config.write_text(client.config.read_text().replace("IdentityAgent none", f"IdentityAgent {tmp_path}/agent"))
            assert client.run("test", "echo in").stdout == b"in\n"
            # The agent itself holds key and certificate; no file of ours says anything.
            subprocess.run(["ssh-add", "-q", "-D"], env=environment, check=True, stderr=subprocess.DEVNULL)
            (tmp_path / "away").rename(key)
            certificate.rename(f"{key}-cert.pub")
            subprocess.run(["ssh-add", "-q", key], env=environment, check=True)
            for path in (key, pathlib.Path(f"{key}-cert.pub"), pathlib.Path(f"{key}.pub")):
                path.unlink()
            text = client.config.read_text().replace(f"  CertificateFile {certificate}\n", "").replace(f"IdentityFile {key}", "IdentityFile none")
            client.config.write_text(text)
            assert client.run("test", "echo in").stdout == b"in\n"
    finally:
        os.kill(pid, 15)


@pytest.mark.parametrize("options,signer,says", [
    (["-n", "ann", "-V", PAST], "users", b"it expired at 2020-01-0"),
    (["-n", "ann", "-V", FUTURE], "users", b"it is valid from 2099-01-01"),
    (["-n", "bob,carol"], "users", b"it is not for ann but for bob, carol"),
    (["-n", "ann"], "strangers", b"the server may not trust its authority"),
], ids=["expired", "too early", "other principals", "other authority"])
def test_a_certificate_that_is_refused_is_explained(world, keys, authority, tmp_path, options, signer, says):
    key = copied(keys, tmp_path)
    certify(authority[signer], key, *options)
    with world.serve() as server:
        said = world.client(server.port, key).run("test", "true", code=255).stderr
    assert says in said and b"Permission denied (publickey" in said and b'ID "test id"' in said, said


def test_a_revoked_certificate_is_refused_and_explained(world, keys, authority, tmp_path):
    key = copied(keys, tmp_path)
    certify(authority["users"], key, "-n", "ann", "-z", "7")
    with world.serve() as server:
        client = world.client(server.port, key)
        client.run("test", "true")
        world.revoked.write_text("serial: 7\n")
        subprocess.run(["ssh-keygen", "-q", "-k", "-f", tmp_path / "krl", "-s", f"{authority['users']}.pub", world.revoked], check=True)
        world.revoked.write_bytes((tmp_path / "krl").read_bytes())
        said = client.run("test", "true", code=255).stderr
    assert b"(serial 7)" in said and b"somebody revoked it" in said, said


def test_files_that_are_no_certificates_are_named(world, keys, authority, tmp_path):
    key = copied(keys, tmp_path)
    certificate = certify(authority["users"], key, "-n", "ann")
    shutil.copy(certificate, tmp_path / "bent.pub")
    text = (tmp_path / "bent.pub").read_text()
    # One character inside of the signature.
    at = len(text.split()[0]) + 1 + len(text.split()[1]) - 20
    (tmp_path / "bent.pub").write_text(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:])
    other = make_key(tmp_path / "other")
    orphan = certify(authority["users"], other, "-n", "ann").rename(tmp_path / "orphan.pub")
    host = certify(authority["hosts"], other, "-h", "-n", "h").rename(tmp_path / "host.pub")
    with world.serve() as server:
        client = world.client(server.port, key, *(f"CertificateFile {path}" for path in (tmp_path / "bent.pub", orphan, host, "/nowhere")))
        said = client.run("test", "true").stderr
    for part in (b"bent.pub: no certificate", b"orphan.pub: neither a file nor the agent", b"host.pub: a host's certificate", b"/nowhere"):
        assert part in said, said


# --- Hosts


def host_certificate(keys, tmp_path, authority, *options, kind="ssh-ed25519"):
    for end in ("", ".pub"):
        shutil.copy(f"{keys.host[kind]}{end}", tmp_path / f"host{end}")
    return certify(authority, tmp_path / "host", "-h", *options)


def trust(client, authority, names="*"):
    known = client.home / ".ssh" / "known_hosts"
    known.write_text(f"@cert-authority {names} {pathlib.Path(f'{authority}.pub').read_text()}")
    return known


@pytest.mark.parametrize("kind", TYPES)
def test_a_host_is_known_by_its_authority(world, keys, authority, tmp_path, kind):
    certificate = host_certificate(keys, tmp_path, authority["hosts"], "-n", "127.0.0.1", kind=kind)
    user = copied(keys, tmp_path)
    certify(authority["users"], user, "-n", "ann")
    with world.serve(f"HostCertificate {certificate}") as server:
        client = world.client(server.port, user, "StrictHostKeyChecking yes")
        known = trust(client, authority["hosts"], f"[127.0.0.1]:{server.port},elsewhere")
        before = known.read_bytes()
        done = client.run("-v", "test", "echo in")
        assert done.stdout == b"in\n" and b"-cert-v01@openssh.com" in done.stderr
        assert known.read_bytes() == before, "what an authority vouches for is not learnt one by one"
        # Keys are renewed in the middle, and the certificate is shown again.
        client.run("-o", "RekeyLimit 64K", "test", "cat", send=os.urandom(1 << 20))


@pytest.mark.parametrize("options,signer,says", [
    (["-n", "127.0.0.1", "-V", PAST], "hosts", b"it expired at 2020-01-0"),
    (["-n", "127.0.0.1", "-V", FUTURE], "hosts", b"it is valid from 2099"),
    (["-n", "one.example,two.example"], "hosts", b"it is for one.example, two.example and not for 127.0.0.1"),
    (["-n", "127.0.0.1"], "strangers", b"no @cert-authority line for this host names its authority"),
    ([], "hosts", b"it names no host"),
    (["-n", "127.0.0.1", "-O", "critical:new@example.org=x"], "hosts", b"a critical option that is not understood"),
], ids=["expired", "too early", "other names", "other authority", "no names", "critical option"])
def test_a_host_certificate_that_does_not_hold_is_explained_and_its_key_looked_at(world, keys, authority, tmp_path, options, signer, says):
    certificate = host_certificate(keys, tmp_path, authority[signer], *options)
    user = copied(keys, tmp_path)
    certify(authority["users"], user, "-n", "ann")
    with world.serve(f"HostCertificate {certificate}") as server:
        client = world.client(server.port, user, "StrictHostKeyChecking yes")
        known = trust(client, authority["hosts"])
        said = client.run("-o", "HostKeyAlgorithms=ssh-ed25519-cert-v01@openssh.com", "test", "true", code=255).stderr
        assert says in said and b"Host key verification failed" in said, said
        # Known by its plain key it is known all the same, as ever.
        known.write_text(known.read_text() + f"[127.0.0.1]:{server.port} {pathlib.Path(str(tmp_path / 'host') + '.pub').read_text()}")
        assert client.run("test", "echo in").stdout == b"in\n"


def test_a_revoked_authority_or_key_is_final(world, keys, authority, tmp_path):
    certificate = host_certificate(keys, tmp_path, authority["hosts"], "-n", "127.0.0.1")
    user = copied(keys, tmp_path)
    certify(authority["users"], user, "-n", "ann")
    with world.serve(f"HostCertificate {certificate}") as server:
        for revoked in (f"{authority['hosts']}.pub", tmp_path / "host.pub"):
            client = world.client(server.port, user, "StrictHostKeyChecking no")
            known = trust(client, authority["hosts"])
            known.write_text(known.read_text() + f"@revoked * {pathlib.Path(revoked).read_text()}")
            said = client.run("test", "true", code=255).stderr
            assert b"REVOKED HOST KEY DETECTED" in said, said


def test_an_authority_may_sign_only_with_what_is_allowed(world, keys, authority, tmp_path):
    certificate = host_certificate(keys, tmp_path, authority["hosts"], "-n", "127.0.0.1")
    user = copied(keys, tmp_path)
    certify(authority["users"], user, "-n", "ann")
    with world.serve(f"HostCertificate {certificate}") as server:
        client = world.client(server.port, user, "StrictHostKeyChecking yes")
        trust(client, authority["hosts"])
        said = client.run("-o", "CASignatureAlgorithms=rsa-sha2-512", "test", "true", code=255).stderr
        assert b"its authority signed with ssh-ed25519, which CASignatureAlgorithms does not name" in said, said
        client.run("-o", "CASignatureAlgorithms=ssh-ed25519", "test", "true")


# --- Other ways to know a host


def test_revoked_host_keys_are_final_in_either_form_of_list(world, keys, authority, tmp_path):
    certificate = host_certificate(keys, tmp_path, authority["hosts"], "-n", "127.0.0.1", "-z", "77")
    user = copied(keys, tmp_path)
    certify(authority["users"], user, "-n", "ann")
    revoked, wants = tmp_path / "revoked_hosts", tmp_path / "specification"

    def revoke(text, *more):
        wants.write_text(text)
        subprocess.run(["ssh-keygen", "-q", "-k", "-f", revoked, *map(str, more), wants], check=True)

    with world.serve(f"HostCertificate {certificate}") as server:
        client = world.client(server.port, user, f"RevokedHostKeys {revoked}")
        known = trust(client, authority["hosts"], f"[127.0.0.1]:{server.port}")
        host = pathlib.Path(str(tmp_path / "host") + ".pub").read_text()
        known.write_text(known.read_text() + f"[127.0.0.1]:{server.port} {host}")
        assert b"revoked_hosts" in client.run("test", "true", code=255).stderr, "a list that is not there"
        revoke("serial: 78\nid: others\n", "-s", f"{authority['hosts']}.pub")
        assert client.run("test", "echo in").stdout == b"in\n"
        plain = ["-o", "HostKeyAlgorithms=ssh-ed25519"]
        for text, more, covers_plain in (("serial: 70-77\n", ["-s", f"{authority['hosts']}.pub"], False),
                                         (f"sha256: {host}", [], True), (f"key: {host}", [], True)):
            revoke(text, *more)
            for words in ([], plain) if covers_plain else ([],):
                said = client.run(*words, "test", "true", code=255).stderr
                assert b"REVOKED HOST KEY" in said and bytes(revoked) in said, said
            if not covers_plain:
                assert client.run(*plain, "test", "echo in").stdout == b"in\n"
        for text in (host, pathlib.Path(f"{authority['hosts']}.pub").read_text()):
            revoked.write_text(text)
            assert b"REVOKED HOST KEY" in client.run("-o", "StrictHostKeyChecking=no", "test", "true", code=255).stderr
        revoked.write_bytes(b"SSHKRL\n\0cut")
        assert b"Host key verification failed" in client.run("test", "true", code=255).stderr


def test_a_program_knows_hosts(world, keys, authority, tmp_path):
    user = copied(keys, tmp_path)
    certify(authority["users"], user, "-n", "ann")
    program = tmp_path / "knows hosts"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$*" >> ' + f"'{tmp_path}/asked'\n" + '[ "$1" = ORDER ] && exit 0\necho "$2 $3 $4"\n')
    program.chmod(0o755)
    with world.serve() as server:
        client = world.client(server.port, user, "StrictHostKeyChecking yes", f'KnownHostsCommand "{program}" %I %H %t %K 100%%')
        assert client.run("test", "echo in").stdout == b"in\n"
        asked = (tmp_path / "asked").read_text().splitlines()
        where = f"[127.0.0.1]:{server.port}"
        assert asked[0] == f"ORDER {where} NONE NONE 100%"
        assert asked[1].startswith(f"HOSTNAME {where} ssh-ed25519 AAAA") and asked[1].endswith(" 100%")
        program.write_text("#!/bin/sh\nexit 3\n")
        said = client.run("test", "true", code=255).stderr
        assert b"KnownHostsCommand" in said and b"exit status 3" in said, said


def test_a_key_known_at_the_usual_port_is_known_at_another(world, keys, authority, tmp_path):
    user = copied(keys, tmp_path)
    certify(authority["users"], user, "-n", "ann")
    with world.serve() as server:
        client = world.client(server.port, user, "StrictHostKeyChecking yes")
        known = client.home / ".ssh" / "known_hosts"
        known.write_text(f"127.0.0.1 {pathlib.Path(str(keys.host['ssh-ed25519']) + '.pub').read_text()}")
        client.run("test", "true")
        # Another key there says nothing about this port.
        known.write_text(f"127.0.0.1 {pathlib.Path(str(keys.user['ssh-ed25519']) + '.pub').read_text()}")
        assert b"No ED25519 host key is known" in client.run("test", "true", code=255).stderr


def test_short_rsa_keys_are_refused_on_both_sides(world, keys, authority, tmp_path):
    user = copied(keys, tmp_path)
    certify(authority["users"], user, "-n", "ann")
    with world.serve() as server:
        client = world.client(server.port, user)
        said = client.run("-o", "RequiredRSASize=3072", "-o", "HostKeyAlgorithms=rsa-sha2-512", "test", "true", code=255).stderr
        assert b"shorter than allowed (RequiredRSASize)" in said, said
        client.run("-o", "RequiredRSASize=2048", "-o", "HostKeyAlgorithms=rsa-sha2-512", "test", "true")
        rsa = copied(keys, tmp_path, "ssh-rsa")
        certify(authority["users"], rsa, "-n", "ann")
        client = world.client(server.port, rsa, "HostKeyAlgorithms ssh-ed25519", "UserKnownHostsFile /dev/null")
        client.run("test", "true")
        said = client.run("-o", "RequiredRSASize=3072", "test", "true", code=255).stderr
        assert b"a key of 2048 bits, and RequiredRSASize is 3072" in said, said


def test_a_public_half_alone_names_the_agents_key(world, keys, authority, tmp_path):
    """IdentityFile may be what says which of the agent's many keys is meant."""
    key = copied(keys, tmp_path)
    agent = subprocess.run(["ssh-agent", "-s", "-a", tmp_path / "agent"], capture_output=True, text=True, check=True)
    pid = int(agent.stdout.split("SSH_AGENT_PID=")[1].split(";")[0])
    environment = {**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "agent")}
    try:
        for i in range(8):
            subprocess.run(["ssh-add", "-q", make_key(tmp_path / f"other{i}")], env=environment, check=True)
        subprocess.run(["ssh-add", "-q", key], env=environment, check=True)
        key.unlink()
        with world.serve("MaxAuthTries 3", f"AuthorizedKeysFile {keys.authorized}") as server:
            text = (tmp_path / "server" / "sshd_config").read_text().replace("AuthorizedKeysFile none\n", "")
            (tmp_path / "server" / "sshd_config").write_text(text + f"AuthorizedKeysFile {keys.authorized}\n")
            for only in ("yes", "no"):
                client = world.client(server.port, f"{key}.pub", f"IdentitiesOnly {only}")
                client.config.write_text(client.config.read_text().replace("IdentityAgent none", f"IdentityAgent {tmp_path}/agent"))
                assert client.run("test", "echo in").stdout == b"in\n"
    finally:
        os.kill(pid, 15)
