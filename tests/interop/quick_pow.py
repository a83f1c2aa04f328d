"""Modular powers by libcrypto, ten times as fast as Python's own, for the thousands of rows of a full cross.

AsyncSSH and Paramiko compute Diffie-Hellman with pow(): nine tenths of a second each time in group 18.
"""
import contextlib
import ctypes
import ctypes.util
import importlib

CRYPTO = ctypes.CDLL(ctypes.util.find_library("crypto"))
CRYPTO.BN_mod_exp.argtypes = [ctypes.c_void_p] * 5
CRYPTO.BN_bin2bn.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
CRYPTO.BN_bn2binpad.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
CRYPTO.BN_free.argtypes = CRYPTO.BN_CTX_free.argtypes = [ctypes.c_void_p]
CRYPTO.BN_new.restype = CRYPTO.BN_bin2bn.restype = CRYPTO.BN_CTX_new.restype = ctypes.c_void_p


def quick_pow(base, exponent, modulus):
    size = (modulus.bit_length() + 7) // 8
    context, result = CRYPTO.BN_CTX_new(), CRYPTO.BN_new()
    numbers = [CRYPTO.BN_bin2bn(number.to_bytes(size, "big"), size, None) for number in (base, exponent, modulus)]
    out = ctypes.create_string_buffer(size)
    try:
        assert CRYPTO.BN_mod_exp(result, *numbers, context) == 1
        assert CRYPTO.BN_bn2binpad(result, out, size) == size
        return int.from_bytes(out.raw, "big")
    finally:
        for number in (result, *numbers):
            CRYPTO.BN_free(number)
        CRYPTO.BN_CTX_free(context)


def lend_to(*modules):
    """In these modules, of peers that are installed, pow() is the quick one."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name).pow = quick_pow
