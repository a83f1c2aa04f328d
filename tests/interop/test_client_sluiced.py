"""`sluice ssh` against sluiced: the tests of test_client_ssh.py that are about no other server, and what a socket of ours
looks like from outside: its address, its device."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from test_client_ssh import (  # noqa: E402, F401
    Client, Echo, Terminal, dial, exchange, free_port, keys, link, patience, wait_for, BUILD, PATTERN, PATIENCE,
    test_a_command_runs_and_its_exit_status_is_ours,
    test_standard_input_goes_through_whole_in_both_directions,
    test_a_command_that_a_signal_ends_is_255,
    test_nothing_is_read_with_n,
    test_a_reader_that_goes_away_ends_the_remote_writer,
    test_a_slow_reader_gets_everything,
    test_a_subsystem_is_reached,
    test_rekeying_while_data_flows_loses_nothing,
    test_the_cipher_is_ours_to_choose,
    test_a_changed_host_key_is_loud_and_final,
    test_a_terminal_session_has_size_type_and_exit_status,
    test_an_escape_ends_the_connection_and_leaves_the_terminal_as_it_was,
    test_a_local_port_leads_to_the_other_side,
    test_a_remote_port_leads_back,
    test_sockets_lead_both_ways,
    test_socks_goes_where_it_is_told,
    test_socks_works_backwards_too,
    test_standard_streams_are_a_connection_with_w,
    test_a_port_that_is_taken_ends_it_where_that_was_wished,
    test_an_agent_is_forwarded,
    test_jumps_lead_through_other_hosts,
    test_a_master_serves_others_and_obeys_orders,
    test_a_master_that_asks_waits_for_the_answer_and_nothing_else_does,
    test_a_master_stays_behind_and_goes_after_its_time,
    test_f_returns_when_the_forwarding_stands,
    test_rsync_runs_over_it,
    test_git_runs_over_it,
)
from tests.support.ssh_servers import Sluiced, USER  # noqa: E402

FORWARDING = [f"ssh server port-forwarding {kind}" for kind in ("local", "remote", "unix-local", "unix-remote", "agent")]


@pytest.fixture(scope="module")
def server(tmp_path_factory, keys):
    server = Sluiced(BUILD, tmp_path_factory.mktemp("sluiced"), *FORWARDING)
    with open(server.authorized, "a") as file:
        file.write(keys.user["ssh-ed25519"].with_name(keys.user["ssh-ed25519"].name + ".pub").read_text())
    with server:
        yield server


@pytest.fixture
def client(tmp_path, server, keys):
    client = Client(tmp_path, server.port, keys.user["ssh-ed25519"])
    client.config.write_text(client.config.read_text().replace("User ann", f"User {USER}"))
    return client


def test_the_source_address_is_ours_to_choose(client):
    said = client.run("-b", "127.0.0.5", "test", "echo $SSH_CONNECTION").stdout.split()
    assert said[0] == b"127.0.0.5"
    done = client.run("-b", "192.0.2.77", "test", "true", code=255)
    assert b"192.0.2.77" in done.stderr or b"annot assign" in done.stderr


def test_the_device_is_ours_to_choose(client):
    assert client.run("-B", "lo", "test", "echo in").stdout == b"in\n"
    done = client.run("-B", "nodevice9", "test", "true", code=255)
    assert b"No such device" in done.stderr and b"nodevice9" in done.stderr, done.stderr
