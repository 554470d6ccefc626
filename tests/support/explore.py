"""What the tests that explore a server with other people's tools share.

ToolTest has a server, and calls it by hand: `peyk seal` makes the request, a
tool sends it, `peyk open` reads the reply. Conversation holds the tests that
every such tool passes, Short those that it passes in other circumstances too.
"""

import base64
import json
import pathlib
import subprocess
import tempfile

import harness
from harness import Device, PeykTest, ROOT, environment, new_dir, run, tied
from tools import tool

MESSENGER = "peyk.v1.Messenger"
HEALTH = "grpc.health.v1.Health"
REFLECTION = ("grpc.reflection.v1.ServerReflection",
              "grpc.reflection.v1alpha.ServerReflection")
METHODS = ("AddMember", "CreateGroup", "DeleteGroup", "GetGroup",
           "GetPublicKey", "GetServerInfo", "LeaveGroup", "ListGroups",
           "Poll", "RemoveMember", "RotateGroupKey", "Send", "SignUp",
           "UpdateGroup")


class RunningTool(harness.Running):
    """A tool that runs on while the test looks at it."""

    def __init__(self, *args, input=""):
        place = new_dir("tool")
        self.out_path, self.err_path = place / "out", place / "err"
        (place / "in").write_text(input)
        self.args = [str(arg) for arg in args]
        with open(self.out_path, "wb") as out, \
                open(self.err_path, "wb") as err, \
                open(place / "in", "rb") as text:
            self.process = subprocess.Popen(
                tied() + self.args, stdin=text, stdout=out, stderr=err,
                env=environment())


class ToolTest(PeykTest):
    @property
    def host(self):
        return f"localhost:{self.server.port}"

    def running(self, *args, **options):
        started = RunningTool(*args, **options)
        self.addCleanup(started.kill)
        return started

    def grpcurl_args(self, *args):
        """The command line for this server; flags go before the address."""
        flags = [arg for arg in args if str(arg).startswith("-")]
        words = [arg for arg in args if arg not in flags]
        security = "-insecure" if self.server.tls else "-plaintext"
        return [tool("grpcurl"), security, *flags, self.host, *words]

    def grpcurl(self, *args, input=None):
        """Runs grpcurl; flags with a value are written -flag=value."""
        return run(self.grpcurl_args(*args), input=input)

    # --- people who make their calls by hand

    def call(self, method, request):
        """Sends JSON to a method by the tool: what it ended with."""
        return self.grpcurl("-d=@", f"{MESSENGER}/{method}", input=request)

    def person(self, name):
        """A device on which this name was signed up by hand."""
        device = Device(self.server)
        device.name = name
        reply = self.by_hand(device, "SignUp")
        self.assertEqual(reply, {"canonicalName": name})
        return device

    def seal(self, person, method, payload=None, *args):
        words = [] if payload is None else [json.dumps(payload)]
        return person.peyk("seal", method, "--as", person.name, *args,
                           *words).expect(0).out

    def open(self, person, method, said, *args):
        """What `peyk open` makes of all that a tool said."""
        return person.peyk("open", method, "--as", person.name, *args,
                           input=said.out + said.err)

    def by_hand(self, person, method, payload=None, *args, code=0):
        """Seals, sends, opens: the reply as an object, or what refused it."""
        said = self.call(method, self.seal(person, method, payload))
        opened = self.open(person, method, said, *args)
        opened.expect(code)
        return json.loads(opened.out) if code == 0 else opened


class Short:
    """That calls arrive, with any tool that can make one."""

    def test_a_call(self):
        sara = self.person("sara1")
        reply = self.by_hand(sara, "GetPublicKey", {"names": ["sara1"]})
        self.assertIn(b"sara1", base64.b64decode(
            reply["entries"][0]["identity"]["identity"]))

    def test_bare_refusals(self):
        junk = base64.b64encode(bytes(range(64))).decode()
        for request, text in (
                ({}, "malformed request"),
                ({"keyId": junk}, "malformed request"),
                ({"keyId": junk[:8] + "AAA=", "encapsulatedKey": junk[:43] +
                  "=", "ciphertext": junk}, "sealing key changed")):
            said = self.call("Send", json.dumps(request))
            self.assertNotEqual(said.code, 0)
            self.assertIn(text, said.out + said.err)

    def check_info(self, said):
        """The reply to GetServerInfo is that of this server."""
        import peyk_client
        reply = json.loads(said.expect(0).out)
        info = peyk_client.messenger.ServerInfo.FromString(
            base64.b64decode(reply["info"]))
        self.assertEqual(len(base64.b64decode(reply["signature"])), 64)
        self.assertEqual(peyk_client.sha256(info.identity_key).hex(),
                         self.server.fingerprint)
        self.assertEqual(bool(info.tls_certificate_sha256), self.server.tls)


class Conversation(Short):
    """What can be done by hand with any tool that can make a call."""

    def test_a_conversation(self):
        sara, hassan = self.person("sara"), self.person("hassan")

        entry = self.by_hand(sara, "GetPublicKey",
                             {"names": ["hassan", "nobody"]})["entries"]
        self.assertEqual([one["name"] for one in entry], ["hassan", "nobody"])
        self.assertIn(b"hassan",
                      base64.b64decode(entry[0]["identity"]["identity"]))
        self.assertNotIn("identity", entry[1])

        sent = self.by_hand(sara, "Send", {"messages": [
            {"to": "hassan", "text": "salam mashti"},
            {"to": "hassan", "text": "chetori"}]})["results"]
        self.assertEqual([one["outcome"] for one in sent],
                         ["SEND_OUTCOME_STORED"] * 2)

        got = self.by_hand(hassan, "Poll", {"maxMessages": 1}, "--read")
        self.assertTrue(got["more"])
        self.assertEqual(got["messages"][0]["id"], sent[0]["id"])
        self.assertEqual(got["messages"][0]["opened"]["text"], "salam mashti")
        self.assertEqual(got["messages"][0]["opened"]["from"], "sara")
        got = self.by_hand(hassan, "Poll", {"acks": [sent[0]["id"]]}, "--read")
        self.assertEqual([one["opened"]["text"] for one in got["messages"]],
                         ["chetori"])
        got = self.by_hand(hassan, "Poll", {"acks": [sent[1]["id"]]})
        self.assertFalse(got.get("messages"))

        # The numbers are right: the ordinary commands go on from here.
        sara.send("sara", "hassan", "and by peyk")
        self.assertEqual([one["text"] for one in hassan.poll("hassan")],
                         ["salam mashti", "chetori", "and by peyk"])

        # Sealed refusals say why; the next call goes on.
        refused = self.by_hand(sara, "GetPublicKey", {"names": []}, code=6)
        self.assert_clear(refused, "1 to 256 names")
        other = Device(self.server)
        other.name = "sara"
        refused = self.by_hand(other, "SignUp", code=6)
        self.assert_clear(refused, "name is taken")
        self.by_hand(sara, "GetPublicKey", {"names": ["hassan"]})

        # Bare ones decide nothing, and the request can be sealed again.
        sealed = json.loads(self.seal(sara, "GetPublicKey",
                                      {"names": ["sara"]}))
        spoiled = dict(sealed, keyId=base64.b64encode(bytes(8)).decode())
        said = self.call("GetPublicKey", json.dumps(spoiled))
        self.assertIn("sealing key changed", said.out + said.err)
        self.open(sara, "GetPublicKey", said).expect(3)
        again = self.seal(sara, "GetPublicKey", None, "--again")
        self.assertNotEqual(json.loads(again), sealed)
        opened = self.open(sara, "GetPublicKey",
                           self.call("GetPublicKey", again)).expect(0)
        self.assertEqual(json.loads(opened.out)["entries"][0]["name"], "sara")


def descriptors():
    """A FileDescriptorSet of proto/, with comments."""
    from google.protobuf import descriptor_pb2
    files = [str(path.relative_to(ROOT / "proto"))
             for path in sorted((ROOT / "proto").rglob("*.proto"))]
    with tempfile.NamedTemporaryFile(dir=harness.work_dir()) as out:
        subprocess.run(["protoc", f"-I{ROOT}/proto", "--include_imports",
                        "--include_source_info",
                        f"--descriptor_set_out={out.name}", *files],
                       check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(
            pathlib.Path(out.name).read_bytes())
