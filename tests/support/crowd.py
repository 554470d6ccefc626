"""Many accounts at once, straight into the database.

Signing up costs two password hashes; a group of 1,000 needs names and keys,
and nobody who answers to most of them.
"""

import secrets
import subprocess

from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

import harness
import peyk_client as pc

# 64 code points of 4 bytes, the longest name there is: CUNEIFORM SIGN A and
# on, which have no other case and no other form.
_DIGIT = 0x12000


def long_name(number):
    digits = f"{number:064d}"
    return "".join(chr(_DIGIT + int(digit)) for digit in digits)


def short_name(number):
    return f"member{number}"


def _hex(data):
    return "\\\\x" + data.hex()


def settle(server, identity_key, names):
    """Makes an account for each name. server: a harness.Peykd; identity_key:
    peyk_client.Server.identity_key of the same."""
    tables = {"accounts (id, username, status, signing_key, encryption_key, "
              "password_hash, first_seq, last_seq, last_request_hash, "
              "last_code, last_message, last_result)": [],
              "usernames (username, account_id, identity)": [],
              "signing_keys (signing_key, account_id, state)": []}
    accounts, usernames, signing_keys = tables.values()
    for name in names:
        signing = ed25519.Ed25519PrivateKey.generate()
        encryption = x25519.X25519PrivateKey.generate()
        identity = pc.make_identity(name, signing, encryption, identity_key)
        number = secrets.randbelow(2**63 - 1) + 1
        canonical = pc.canonical_name(name)
        key = _hex(pc.raw_public(signing))
        accounts.append((number, canonical, 1, key,
                         _hex(pc.raw_public(encryption)), "none", 0, 0,
                         _hex(bytes(32)), 0, "", ""))
        usernames.append((canonical, number,
                          _hex(identity.SerializeToString())))
        signing_keys.append((key, number, 1))
    script = "BEGIN;\n" + "".join(
        f"COPY {table} FROM stdin;\n"
        + "".join("\t".join(map(str, row)) + "\n" for row in rows) + "\\.\n"
        for table, rows in tables.items()) + "COMMIT;\n"
    done = subprocess.run(
        ["psql", "-h", str(server.pg.dir), "-U", "postgres", "-d",
         server.database, "-X", "-q", "-v", "ON_ERROR_STOP=1"],
        input=script, capture_output=True, text=True,
        env=harness.environment())
    if done.returncode != 0:
        raise AssertionError(f"psql: {done.stderr}")
