#!/usr/bin/env python3
"""sluice-offload as an operator uses it: answers, refusals, JSON, every way of handing records over, hugepages."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

TOOL = sys.argv.pop(1)
NR_HUGEPAGES = pathlib.Path('/proc/sys/vm/nr_hugepages')
HUGEPAGES_WANTED = 128  # 256 MB of 2 MB pages: more than EAL asks for
SUITES = 'aes128-gcm,aes256-ctr+hmac-sha2-256-etm,aes256-ctr+hmac-sha2-512,aes128-cbc+hmac-sha1-etm,3des-cbc+hmac-md5-96'


def tool(*args):
    return subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=120, check=False)


class SluiceOffload(unittest.TestCase):
    def test_Wrong_usage_is_told_apart_from_a_missing_device(self):
        for args in ([], ['frobnicate'], ['list', '--devce', 'x'], ['bench', '--size', '0'], ['bench', '--suite', 'rot13'],
                     ['verify', '--handoff', 'thrown'], ['list', '--json=yes'], ['bench', '--size']):
            done = tool(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn('usage:', done.stderr)
        for device in ('cryptodev:nothing', 'cryptodev:0000:ff:1f.7', 'cryptodev', 'quantum', 'openssl:no_engine'):
            done = tool('list', '--device', device)
            self.assertEqual(done.returncode, 3, device)
            self.assertIn(device, done.stderr)
        self.assertEqual(tool('help').returncode, 0)

    def test_What_EAL_refuses_is_an_error_with_its_words_and_not_the_end_of_the_process(self):
        done = tool('list', '--vdev', 'crypto_aesni_mb', '--eal', '--no-such-option')
        self.assertEqual(done.returncode, 3)
        self.assertIn('--no-such-option', done.stderr)

    def test_A_plain_list_has_the_software_drivers_and_starts_no_DPDK(self):
        answer = json.loads(tool('list', '--json').stdout)
        self.assertEqual(answer['dpdk'], '')
        devices = {device['name']: device for device in answer['devices']}
        self.assertTrue(devices['openssl']['available'])
        self.assertFalse(devices['cryptodev']['available'])
        self.assertTrue(all(suite['yes'] for suite in devices['openssl']['suites']))

    def test_A_list_of_a_device_says_which_suites_it_takes_and_why_not(self):
        answer = json.loads(tool('list', '--json', '--device', 'cryptodev:crypto_null').stdout)
        device = answer['devices'][0]
        self.assertEqual(device['dpdk']['bus'], 'vdev')
        for suite in device['suites']:
            self.assertFalse(suite['yes'])
            self.assertTrue(suite['reason'])

    def verify(self, *args):
        done = tool('verify', '--json', '--suite', SUITES, *args)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        answer = json.loads(done.stdout)
        for row in answer['rows']:
            self.assertNotIn('skipped', row)
            self.assertEqual(row['wrong'], 0)
            self.assertGreater(row['records'], 300)
        return answer

    def test_Devices_answer_as_OpenSSL_does_however_records_are_handed_over(self):
        for handoff in ('direct', 'in-dst', 'bounced'):
            self.verify('--handoff', handoff, '--device', 'cryptodev:crypto_aesni_mb', '--device',
                        'cryptodev:crypto_openssl', '--device',
                        'cryptodev:crypto_scheduler,worker=crypto_aesni_mb_1,worker=crypto_openssl_2,mode=round-robin')

    def test_A_bench_has_a_row_for_each_combination(self):
        done = tool('bench', '--json', '--device', 'cryptodev:crypto_aesni_mb', '--suite', 'aes128-gcm,chacha20-poly1305',
                    '--size', '100,5000', '--batch', '1,8', '--seconds', '0.01')
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = json.loads(done.stdout)['rows']
        self.assertEqual(len(rows), 2 * 2 * 2 * 2)
        for row in rows:
            self.assertEqual('skipped' in row, row['suite'] == 'chacha20-poly1305')
            if 'skipped' not in row:
                self.assertGreater(row['bytes_per_second'], 0)
                self.assertEqual(row['failed'], 0)
                self.assertLessEqual(row['latency_us']['p50'], row['latency_us']['max'])

    def test_Without_hugepages_it_runs_on_plain_memory(self):
        answer = self.verify('--device', 'cryptodev:crypto_aesni_mb', '--eal', '--no-huge --no-shconf -m 192')
        self.assertIn('no hugepages', answer['dpdk'])

    def test_With_hugepages_it_uses_them(self):
        if os.geteuid() != 0 or not os.access(NR_HUGEPAGES, os.W_OK):
            self.skipTest('hugepages can be reserved by root only')
        before = NR_HUGEPAGES.read_text(encoding='ascii').strip()
        try:
            try:
                NR_HUGEPAGES.write_text(str(max(int(before), HUGEPAGES_WANTED)), encoding='ascii')
            except OSError as error:
                self.skipTest(f'vm.nr_hugepages cannot be set here: {error}')
            free = pathlib.Path('/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages').read_text(encoding='ascii')
            if int(free) < HUGEPAGES_WANTED:
                self.skipTest(f'the kernel gave {free.strip()} hugepages of the {HUGEPAGES_WANTED} asked for')
            answer = self.verify('--device', 'cryptodev:crypto_aesni_mb')
            self.assertIn(', hugepages', answer['dpdk'])
        finally:
            try:
                NR_HUGEPAGES.write_text(before, encoding='ascii')
            except OSError:
                pass


if __name__ == '__main__':
    unittest.main(verbosity=2)
