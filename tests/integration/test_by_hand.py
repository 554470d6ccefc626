#!/usr/bin/python3
"""Calls by hand: `peyk seal`, some other program's call, `peyk open`.

The other program is Python's gRPC here, which prints what grpcurl, buf curl
and others would; docs/grpcurl.md's own test uses those tools themselves.
"""

import base64
import concurrent.futures
import json
import pathlib
import sqlite3
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import grpc  # noqa: E402
import harness  # noqa: E402
from google.protobuf import json_format  # noqa: E402
from harness import Device  # noqa: E402
import peyk_client as pc  # noqa: E402
from peyk_client import messenger, payload, status_pb2  # noqa: E402
from peyk_server import LyingServer  # noqa: E402

DONE, FAILED, USAGE, UNREACHABLE, PASSWORD, _, REFUSED = range(7)
CODE = grpc.StatusCode


def camel(code):
    """grpcurl's name of a code: FailedPrecondition."""
    return "".join(part.capitalize() for part in code.name.split("_"))


class Answer:
    """What a call gave, and how tools print it."""

    def __init__(self, code, details, trailers, reply):
        self.code, self.details = code, details
        self.reply = (messenger.SealedResponse.FromString(reply)
                      if code is CODE.OK else None)
        raw = dict(trailers or ()).get("grpc-status-details-bin", b"")
        self.status = status_pb2.Status.FromString(raw)

    def json(self):
        return json_format.MessageToJson(self.reply)

    def any_json(self, detail):
        name = detail.type_url.rsplit(".", 1)[-1]
        kind = getattr(messenger, name, None)
        if kind is None:
            return {"@type": detail.type_url,
                    "@value": base64.b64encode(detail.value).decode()}
        return {"@type": detail.type_url,
                **json_format.MessageToDict(kind.FromString(detail.value))}

    def grpcurl(self):
        """Its plain text."""
        if self.reply is not None:
            return self.json()
        lines = ["ERROR:", f"  Code: {camel(self.code)}",
                 f"  Message: {self.details}"]
        for i, detail in enumerate(self.status.details):
            text = json.dumps(self.any_json(detail), indent=2).split("\n")
            lines += ["  Details:"] if i == 0 else []
            lines += [f"  {i + 1})\t{text[0]}",
                      *("    \t" + line for line in text[1:])]
        return "\n".join(lines) + "\n"

    def grpcurl_unknown(self):
        """The same without descriptors for what is in the details."""
        lines = self.grpcurl().split("  Details:\n")[0]
        for i, detail in enumerate(self.status.details):
            lines += f"  Details:\n  {i + 1})\t" + json.dumps({
                "@type": detail.type_url, "@error": "is not recognized",
                "@value": base64.b64encode(detail.value).decode()}) + "\n"
        return lines

    def format_error(self):
        """grpcurl -format-error, and google.rpc.Status in JSON."""
        return json.dumps({
            "code": self.code.value[0], "message": self.details,
            "details": [self.any_json(d) for d in self.status.details]})

    def connect(self):
        """Connect's error, as buf curl prints it."""
        return json.dumps({
            "code": self.code.name.lower(), "message": self.details,
            "details": [{
                "type": d.type_url.rsplit("/", 1)[-1],
                "value": base64.b64encode(d.value).decode().rstrip("="),
                "debug": {}} for d in self.status.details]}, indent=3)

    def failure_forms(self):
        return (self.grpcurl(), self.grpcurl_unknown(), self.format_error(),
                self.connect())


class ByHandTest(harness.PeykTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.wire = pc.Server(cls.server.address, tls=cls.server.tls).connect()
        cls.addClassCleanup(cls.wire.close)

    def seal(self, device, method, *args, **options):
        """The SealedRequest that seal prints."""
        ran = device.peyk("seal", method, *args, **options).expect(DONE)
        self.assertEqual(len(ran.lines), 1, ran)
        return json_format.Parse(ran.out, messenger.SealedRequest())

    def call(self, method, request):
        return Answer(*self.wire.call_raw(
            pc.SERVICE + method, request.SerializeToString(), timeout=60))

    def open(self, device, method, text, *args, expect=DONE, **options):
        """The payload that open prints, or what it ran as."""
        ran = device.peyk("--json", "open", method, *args, input=text,
                          **options).expect(expect)
        if expect == DONE:
            self.assertEqual(len(ran.objects), 1, ran)
            return ran.objects[0]
        self.assertEqual(ran.out, "", ran)
        return ran

    def by_hand(self, device, name, method, text="{}", *args):
        answer = self.call(method, self.seal(
            device, method, text, "--as", name))
        return self.open(device, method, answer.grpcurl(), "--as", name,
                         *args)

    def person(self):
        name = harness.unique("hand")
        return self.device(name), name

    def texts(self, device, name):
        return [m["text"] for m in device.poll(name)]

    def assert_alive(self, device, name):
        """Its numbers are right: an ordinary command goes through."""
        device.send(name, name, "alive")
        self.assertEqual(self.texts(device, name)[-1], "alive")


class Calls(ByHandTest):
    """Every method, all the way."""

    def test_sign_up(self):
        device, name = Device(self.server), harness.unique("hand")
        request = self.seal(device, "SignUp", "--as", name)
        answer = self.call("SignUp", request)
        got = self.open(device, "SignUp", answer.grpcurl(), "--as", name)
        self.assertEqual(got, {"canonicalName": name})
        self.assert_alive(device, name)

    def test_sign_up_of_a_name_that_is_taken(self):
        _, name = self.person()
        for form in range(4):
            device = Device(self.server)
            request = self.seal(device, "SignUp", "--as", name)
            answer = self.call("SignUp", request)
            self.assertIs(answer.code, CODE.ALREADY_EXISTS)
            ran = self.open(device, "SignUp", answer.failure_forms()[form],
                            "--as", name, expect=REFUSED)
            self.assert_clear(ran, "taken|exists|belongs")
            self.assertEqual(list(device.home.rglob("identity.key")), [])

    def test_sign_up_that_is_never_sent(self):
        device, name = Device(self.server), harness.unique("hand")
        self.seal(device, "SignUp", "--as", name)
        ran = device.peyk("seal", "SignUp", "--as", name).expect(FAILED)
        self.assert_clear(ran, "under way", "--again")
        again = self.seal(device, "SignUp", "--again", "--as", name)
        device.signup(name)  # finishes it
        ran = device.peyk("seal", "SignUp", "--as", name).expect(FAILED)
        self.assert_clear(ran, "already")
        answer = self.call("SignUp", again)
        self.assertIs(answer.code, CODE.OK, "the same result again")
        ran = self.open(device, "SignUp", answer.grpcurl(), "--as", name,
                        expect=FAILED)
        self.assert_clear(ran, "decided")
        self.assert_alive(device, name)

    def test_sign_up_with_fields_of_its_own(self):
        device, name = Device(self.server), harness.unique("hand")
        own = json.dumps({"passwordProof": base64.b64encode(
            bytes(31)).decode(), "nonce": base64.b64encode(
                bytes(range(32))).decode()})
        answer = self.call("SignUp", self.seal(
            device, "SignUp", own, "--as", name))
        ran = self.open(device, "SignUp", answer.connect(), "--as", name,
                        expect=REFUSED)
        self.assert_clear(ran, "proof")
        ran = device.peyk("seal", "SignUp", '{"identity":{}}', "--as",
                          name).expect(USAGE)
        self.assert_clear(ran, r"\$\.identity")
        self.assertEqual(list(device.home.rglob("identity.key")), [])

    def test_server_info(self):
        device, name = self.person()
        code, _, _, raw = self.wire.call_raw(
            pc.SERVICE + "GetServerInfo", b"", timeout=60)
        self.assertIs(code, CODE.OK)
        reply = messenger.GetServerInfoResponse.FromString(raw)
        text = json_format.MessageToJson(reply)
        got = self.open(device, "GetServerInfo", text, "--as", name)
        self.assertEqual(got["fingerprint"], self.server.fingerprint)
        self.assertEqual(got["limits"]["messagesPerSend"], 256)
        key = self.wire.sealing_keys[0]
        self.assertEqual(base64.b64decode(
            got["sealingKeys"][0]["opened"]["key"]), key.key)
        self.open(device, "GetServerInfo", text)  # by the address
        ran = device.peyk("open", "GetServerInfo", input=text,
                          PEYK_SERVER="localhost:1").expect(DONE)
        self.assert_clear(ran, "compare the fingerprint")
        ran = device.peyk("open", "GetServerInfo", input=text,
                          PEYK_SERVER="peyk://localhost:1#" + "0" * 64)
        self.assert_clear(ran.expect(5), "another server")
        self.assertEqual(ran.out, "")
        reply.signature = bytes(64)
        for text, words in ((json_format.MessageToJson(reply), "altered"),
                            ("{}", "no reply"), ("", "no reply"),
                            ('{"info": 7}', r"\$\.info"),
                            ('{"info": "////"}', "no reply")):
            ran = self.open(device, "GetServerInfo", text, expect=FAILED)
            self.assert_clear(ran, words)

    def test_look_up(self):
        device, name = self.person()
        got = self.by_hand(device, name, "GetPublicKey", json.dumps(
            {"names": [name, "nobody-at-all"]}))
        self.assertEqual([e["name"] for e in got["entries"]],
                         [name, "nobody-at-all"])
        self.assertNotIn("identity", got["entries"][1])
        identity = payload.Identity.FromString(base64.b64decode(
            got["entries"][0]["identity"]["identity"]))
        self.assertEqual(identity.username, name)

    def test_send_and_poll(self):
        device, sara = self.person()
        other, hassan = self.person()
        request = json.dumps({"messages": [
            {"to": hassan, "text": "salam"}, {"to": sara, "text": "to me"},
            {"to": hassan, "text": "«سلام»\n\"x\""}]})
        got = self.by_hand(device, sara, "Send", request)
        ids = [r["id"] for r in got["results"]]
        self.assertEqual([r["outcome"] for r in got["results"]],
                         ["SEND_OUTCOME_STORED"] * 3)
        self.assertEqual([str(uuid.UUID(i)) for i in ids], ids)
        self.assertEqual([m["outcome"] for m in device.history(sara)
                          if m["direction"] == "out"], ["stored"] * 3)

        got = self.by_hand(other, hassan, "Poll", "{}", "--read")
        self.assertEqual([m["id"] for m in got["messages"]],
                         [ids[0], ids[2]])
        self.assertEqual([m["opened"]["text"] for m in got["messages"]],
                         ["salam", "«سلام»\n\"x\""])
        self.assertEqual([m["opened"]["from"] for m in got["messages"]],
                         [sara] * 2)
        # Acknowledged by hand, and shown by poll nonetheless.
        got = self.by_hand(other, hassan, "Poll", json.dumps(
            {"acks": [m["id"] for m in got["messages"]]}))
        self.assertEqual(got, {})
        shown = other.poll(hassan)
        self.assertEqual([(m["text"], m["order"]) for m in shown],
                         [("salam", "expected"),
                          ("«سلام»\n\"x\"", "expected")])
        self.assertEqual(self.texts(other, hassan), [])
        # The chains go on where they were.
        device.send(sara, hassan, "more")
        self.assertEqual([(m["text"], m["order"])
                          for m in other.poll(hassan)],
                         [("more", "expected")])

    def test_groups(self):
        """What needs no keys of a group; ids are strings in JSON."""
        device, name = self.person()
        other, friend = self.person()
        got = self.by_hand(device, name, "GetPublicKey",
                           json.dumps({"names": [friend]}))
        identity = payload.Identity.FromString(base64.b64decode(
            got["entries"][0]["identity"]["identity"]))
        key = base64.b64encode(identity.signing_key).decode()
        made = self.by_hand(device, name, "CreateGroup", json.dumps(
            {"name": "team", "memberKeys": [key]}))
        self.assertEqual(sorted(made), ["groupId", "nextShare"])
        self.assertEqual(len(base64.b64decode(made["nextShare"])), 32)
        group_id = made["groupId"]
        self.assertIsInstance(group_id, str)
        self.assertTrue(0 < int(group_id) < 1 << 63)
        asked = json.dumps({"groupId": group_id})
        got = self.by_hand(device, name, "GetGroup", asked)
        self.assertEqual(got, {"name": "team", "memberKeys": [key],
                               "nextShare": made["nextShare"]})
        self.assertEqual(self.by_hand(other, friend, "GetGroup", asked),
                         {"name": "team"}, "no share, no keys")
        for who, person, mine in ((device, name, {"isAdmin": True}),
                                  (other, friend, {})):
            self.assertEqual(
                self.by_hand(who, person, "ListGroups"),
                {"groups": [{"groupId": group_id, "name": "team", **mine}]})
        self.assertEqual(self.by_hand(
            device, name, "ListGroups",
            json.dumps({"afterGroupId": group_id})), {})
        self.assertEqual(self.by_hand(device, name, "DeleteGroup", asked),
                         {})
        answer = self.call("GetGroup", self.seal(
            device, "GetGroup", asked, "--as", name))
        self.assertIs(answer.code, CODE.NOT_FOUND)
        ran = self.open(device, "GetGroup", answer.grpcurl(), "--as", name,
                        expect=REFUSED)
        self.assert_clear(ran, "no such group")
        ran = device.peyk("seal", "GetGroup", '{"groupId": "team"}', "--as",
                          name).expect(USAGE)
        self.assert_clear(ran, r"\$\.groupId")
        self.assert_alive(device, name)

    def test_poll_that_nobody_acknowledges(self):
        device, name = self.person()
        device.send(name, name, "one")
        first = self.by_hand(device, name, "Poll")
        again = self.by_hand(device, name, "Poll", '{"maxMessages": 1}')
        self.assertEqual(first["messages"][0]["id"],
                         again["messages"][0]["id"])
        self.assertEqual(self.texts(device, name), ["one"])
        self.assertEqual(self.texts(device, name), [])
        self.assertEqual(self.by_hand(device, name, "Poll"), {})

    def test_poll_that_waits(self):
        device, name = self.person()
        friend, sender = self.person()
        request = self.seal(device, "Poll", '{"waitMs": 60000}', "--as", name)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.call, "Poll", request)
            friend.send(sender, name, "at last")
            answer = waiting.result(60)
        got = self.open(device, "Poll", answer.grpcurl(), "--as", name,
                        "--read")
        self.assertEqual([m["opened"]["text"] for m in got["messages"]],
                         ["at last"])
        self.assertEqual(self.texts(device, name), ["at last"])

    def test_raw_send(self):
        """Whatever bytes: the server's judgement, and the number counts."""
        device, name = self.person()
        key = base64.b64encode(bytes(32)).decode()
        raw = json.dumps({"messages": [{
            "recipientKey": key, "ciphertext": "A" * 100}]})
        got = self.by_hand(device, name, "Send", raw)
        self.assertEqual(got, {"results": [
            {"outcome": "SEND_OUTCOME_UNKNOWN_RECIPIENT"}]})
        self.assertEqual(device.history(name), [])
        self.assert_alive(device, name)

    def test_refusals_in_every_form(self):
        device, name = self.person()
        for form in range(4):
            answer = self.call("Send", self.seal(
                device, "Send", "{}", "--as", name))
            self.assertIs(answer.code, CODE.INVALID_ARGUMENT)
            ran = self.open(device, "Send", answer.failure_forms()[form],
                            "--as", name, expect=REFUSED)
            told = [json.loads(line) for line in ran.err.splitlines()]
            self.assertEqual([t["exit"] for t in told], [REFUSED])
            self.assertIn("1 to 256", told[0]["error"])
        self.assert_alive(device, name)

    def test_refused_messages_are_in_the_history(self):
        device, name = self.person()
        sent = self.seal(device, "Send", json.dumps({"messages": [
            {"to": name, "text": "first"}]}), "--as", name)
        self.assertIs(self.call("Send", sent).code, CODE.OK)
        key = base64.b64decode(device.peyk(
            "--json", "whoami", "--as", name).expect(DONE).objects[0]
            ["signing_key"] + "==")
        self.assertTrue(key)
        # Finished by what comes next; and in order.
        device.send(name, name, "second")
        self.assertEqual(self.texts(device, name), ["first", "second"])


class Numbers(ByHandTest):
    """What was sealed counts, whatever becomes of it."""

    def test_sent_twice_and_opened_twice(self):
        device, name = self.person()
        request = self.seal(device, "Send", json.dumps({"messages": [
            {"to": name, "text": "once"}]}), "--as", name)
        first, second = (self.call("Send", request) for _ in range(2))
        got = self.open(device, "Send", second.grpcurl(), "--as", name)
        self.assertEqual(got["results"][0]["outcome"], "SEND_OUTCOME_STORED")
        for answer in (first, second):
            ran = self.open(device, "Send", answer.grpcurl(), "--as", name,
                            expect=FAILED)
            self.assert_clear(ran, "decided")
        self.assertEqual(self.texts(device, name), ["once"])
        # Later the same bytes are an old number.
        self.assertIs(self.call("Send", request).code, CODE.ABORTED)
        self.assert_alive(device, name)

    def test_never_sent(self):
        device, name = self.person()
        request = self.seal(device, "Send", json.dumps({"messages": [
            {"to": name, "text": "sealed"}]}), "--as", name)
        ran = device.send(name, name, "after")
        self.assert_clear(ran, "Send that peyk seal had printed")
        self.assertEqual(self.texts(device, name), ["sealed", "after"])
        answer = self.call("Send", request)
        self.assertIs(answer.code, CODE.ABORTED)
        ran = self.open(device, "Send", answer.grpcurl(), "--as", name,
                        expect=FAILED)
        self.assert_clear(ran, "decided")
        self.assert_alive(device, name)

    def test_sent_and_never_opened(self):
        device, name = self.person()
        self.call("Send", self.seal(device, "Send", json.dumps(
            {"messages": [{"to": name, "text": "sealed"}]}), "--as", name))
        ran = device.peyk("--json", "poll", "--as", name).expect(DONE)
        self.assertEqual([m["text"] for m in ran.objects], ["sealed"])
        told = [json.loads(line) for line in ran.err.splitlines()]
        self.assertIn("sealed_finished", [t.get("event") for t in told])
        self.assertEqual(self.texts(device, name), [])

    def test_refused_and_never_opened(self):
        device, name = self.person()
        self.seal(device, "Send", "{}", "--as", name)
        ran = device.peyk("poll", "--as", name).expect(DONE)
        self.assert_clear(ran, "the server refused: a send takes 1 to 256")
        self.assert_alive(device, name)

    def test_seal_after_seal(self):
        """The second finishes the first."""
        device, name = self.person()
        first = self.seal(device, "GetPublicKey", json.dumps(
            {"names": [name]}), "--as", name)
        ran = device.peyk("seal", "Poll", "--as", name).expect(DONE)
        self.assert_clear(ran, "GetPublicKey", "the server has done it")
        answer = self.call("GetPublicKey", first)
        ran = self.open(device, "GetPublicKey", answer.grpcurl(), "--as",
                        name, expect=USAGE)
        self.assert_clear(ran, "waits for a reply is a Poll")
        self.assert_alive(device, name)

    def test_seal_after_an_ordinary_command_that_failed(self):
        device, name = self.person()
        self.server.stop()
        try:
            device.peyk("send", "--as", name, name, "unsent", "--timeout",
                        "1").expect(UNREACHABLE)
            for args in (["Poll"], ["Poll", "--again"]):
                ran = device.peyk("seal", *args, "--as", name, "--timeout",
                                  "1").expect(UNREACHABLE)
                self.assertEqual(ran.out, "")
        finally:
            self.server.start()
        wire = self.wire
        type(self).wire = pc.Server(self.server.address,
                                    tls=self.server.tls).connect()
        self.addClassCleanup(self.wire.close)
        wire.close()
        self.by_hand(device, name, "Poll")
        self.assertEqual(self.texts(device, name), [])
        self.assert_alive(device, name)

    def test_again(self):
        device, name = self.person()
        text = json.dumps({"messages": [{"to": name, "text": "once"}]})
        seals = [self.seal(device, "Send", text, "--as", name)]
        for _ in range(20):
            seals.append(self.seal(
                device, "Send", "--again", "--as", name))
        self.assertEqual(len({s.encapsulated_key for s in seals}), 21)
        answers = [self.call("Send", s) for s in (seals[0], seals[10])]
        ran = self.open(device, "Send", answers[0].grpcurl(), "--as", name,
                        expect=FAILED)
        self.assert_clear(ran, "no reply to the send")
        self.open(device, "Send", answers[1].grpcurl(), "--as", name)
        ran = device.peyk("seal", "Send", "--again", "--as",
                          name).expect(FAILED)
        self.assert_clear(ran, "no request waits")
        self.assertEqual(self.texts(device, name), ["once"])

    def test_again_of_another_method(self):
        device, name = self.person()
        self.seal(device, "Poll", "--as", name)
        ran = device.peyk("seal", "Send", "--again", "--as",
                          name).expect(USAGE)
        self.assert_clear(ran, "poll")
        ran = device.peyk("seal", "Send", "--again", "{}", "--as",
                          name).expect(USAGE)
        self.assert_clear(ran, "json")
        self.assert_alive(device, name)

    def test_two_at_once(self):
        device, name = self.person()
        text = json.dumps({"messages": [{"to": name, "text": "by hand"}]})
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(self.seal, device, "Send", text, "--as", name)
                    for _ in range(3)]
            jobs.append(pool.submit(device.send, name, name, "ordinary"))
            for job in jobs:
                job.result(120)
        self.assertEqual(sorted(self.texts(device, name)),
                         ["by hand"] * 3 + ["ordinary"])
        self.assert_alive(device, name)

    def test_opened_by_two_at_once(self):
        device, name = self.person()
        device.send(name, name, "a message")
        answer = self.call("Poll", self.seal(device, "Poll", "--as", name))
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            jobs = [pool.submit(device.peyk, "open", "Poll", "--as", name,
                                input=answer.json()) for _ in range(3)]
            codes = sorted(job.result(120).code for job in jobs)
        self.assertEqual(codes[0], DONE)
        self.assertLessEqual(set(codes), {DONE, FAILED})
        self.assertEqual(self.texts(device, name), ["a message"])
        self.assertEqual(self.texts(device, name), [])

    def test_secrets_are_gone_when_decided(self):
        """And an old database learns the table."""
        device, name = self.person()
        state = device.user_dir() / "state.db"
        with self.assertRaises(sqlite3.DatabaseError):
            sqlite3.connect(state).execute("SELECT * FROM seals")
        self.by_hand(device, name, "Poll")
        ran = device.peyk("open", "Poll", "--as", name,
                          input="{}").expect(FAILED)
        self.assert_clear(ran, "no reply that peyk understands")


class Wrong(ByHandTest):
    """Wrong input: a sentence, a documented code, and nothing is lost."""

    def test_usage(self):
        device, name = self.person()
        for args, words in (
                (["seal"], "missing"),
                (["open"], "missing"),
                (["seal", "send"], "did you mean send"),
                (["seal", "peyk.v2.Messenger/Send"], "no method"),
                (["seal", "Nonsense"], "getpublickey"),
                (["open", "Nonsense"], "getpublickey"),
                (["seal", "GetServerInfo"], "not sealed"),
                (["seal", "Send", "{}", "{}"], "quotes"),
                (["open", "Send", "--read"], "poll"),
                (["open", "Poll", "--again"], "no option"),
                (["seal", "Poll", "--read"], "no option"),
                (["seal", "Poll", "{"], r"\$: line 1"),
                (["seal", "Poll", "[]"], "object"),
                (["seal", "Poll", '{"waitMs":"x"}'], r"\$\.waitms"),
                (["seal", "Poll", '{"wait":1}'], "no such field"),
                (["seal", "Send", '{"messages":[{"recipientKey":"!"}]}'],
                 r"\$\.messages\[0\]\.recipientkey"),
                (["seal", "Send", '{"messages":[{"to":"a","text":"b"},{}]}'],
                 r"\$\.messages\[1\]"),
                (["seal", "Send", '{"messages":[{"to":"a"}]}'], "two strings"),
                (["seal", "Send", '{"messages":[{"to":"a","text":1}]}'],
                 "two strings"),
                (["seal", "Send", '{"messages":[{"to":"@a","text":"b"}]}'],
                 "peyk send"),
                (["seal", "Send", '{"messages":[{"to":"a","text":""}]}'],
                 "empty"),
                (["seal", "Send", json.dumps({"messages": [
                    {"to": name, "text": "x"}] * 257})], "256"),
                (["seal", "Send", '{"messages":[{"to":"a","text":"b"}],'
                  '"x":1}'], "more than")):
            ran = device.peyk(*args, "--as", name, input="").expect(USAGE)
            self.assert_clear(ran, words)
        for args in (["seal", "Poll", "-"], ["open", "Poll"]):
            ran = device.peyk(*args, "--as", name, "--password-fd", "0",
                              input="{}").expect(USAGE)
            self.assert_clear(ran, "password")
        ran = device.peyk("seal", "SignUp", PEYK_AS="").expect(USAGE)
        self.assert_clear(ran, "--as")
        self.assert_alive(device, name)

    def test_names_of_methods_and_standard_input(self):
        device, name = self.person()
        for method in ("Poll", "Messenger/Poll", "peyk.v1.Messenger/Poll",
                       "/peyk.v1.Messenger/Poll", "peyk.v1.Messenger.Poll"):
            request = self.seal(device, method, "-", "--as", name,
                                input=' {"max_messages": "3"}\n')
            answer = self.call("Poll", request)
            self.open(device, method, answer.grpcurl(), "--as", name)
        ran = device.peyk("seal", "Poll", "-", "--as", name,
                          input=" " * (9 << 20)).expect(USAGE)
        self.assert_clear(ran, "8 mib")

    def test_unknown_recipient(self):
        device, name = self.person()
        ran = device.peyk("seal", "Send", json.dumps({"messages": [
            {"to": "nobody-at-all", "text": "x"}]}), "--as",
            name).expect(REFUSED)
        self.assert_clear(ran, "nobody-at-all")
        self.assertEqual(ran.out, "")
        self.assert_alive(device, name)

    def test_bare_statuses(self):
        device, name = self.person()
        request = self.seal(device, "Poll", "--as", name)
        for text, words in (
                ("ERROR:\n  Code: Unavailable\n  Message: away\n", "away"),
                ('{"code":"unavailable","message":"away"}', "away"),
                ('{"code":14,"message":"aw\\u202eay"}', "away"),
                ("ERROR:\n  Code: FailedPrecondition\n"
                 "  Message: sealing key changed\n", "--again"),
                ('{"code": 9, "message": "sealing key changed"}', "--again")):
            ran = device.peyk("open", "Poll", "--as", name,
                              input=text).expect(UNREACHABLE)
            self.assert_clear(ran, words, "nobody vouches")
        tampered = messenger.SealedRequest.FromString(
            request.SerializeToString())
        tampered.ciphertext = bytes(len(tampered.ciphertext))
        answer = self.call("Poll", tampered)
        self.assertIs(answer.code, CODE.UNAUTHENTICATED)
        self.open(device, "Poll", answer.grpcurl(), "--as", name,
                  expect=UNREACHABLE)
        unknown = messenger.SealedRequest.FromString(
            request.SerializeToString())
        unknown.key_id = bytes(8)
        ran = self.open(device, "Poll",
                        self.call("Poll", unknown).connect(), "--as", name,
                        expect=UNREACHABLE)
        self.assert_clear(ran, "--again")
        # The request itself is as good as ever.
        self.open(device, "Poll", self.call("Poll", request).json(), "--as",
                  name)

    def test_what_is_no_reply(self):
        device, name = self.person()
        other, friend = self.person()
        request = self.seal(device, "Poll", "--as", name)
        theirs = self.call("Poll", self.seal(other, "Poll", "--as", friend))
        answer = self.call("Poll", request)
        altered = messenger.SealedResponse.FromString(
            answer.reply.SerializeToString())
        altered.ciphertext = altered.ciphertext[:-1] + bytes(
            [altered.ciphertext[-1] ^ 1])
        for text in (theirs.json(), json_format.MessageToJson(altered),
                     '{"nonce":"AAAA","ciphertext":"AAAA"}',
                     '{"nonce":"AAAA"}'):
            ran = self.open(device, "Poll", text, "--as", name, expect=FAILED)
            self.assert_clear(ran, "no reply to the poll")
        for text in ("", "{}", "hello", "Failed to dial target host\n",
                     '{"nonce":"!","ciphertext":"AAAA"}', "\0\xff{{{"):
            ran = self.open(device, "Poll", text, "--as", name, expect=FAILED)
            self.assert_clear(ran, "no reply that peyk understands")
        ran = self.open(device, "Send", answer.json(), "--as", name,
                        expect=USAGE)
        self.assert_clear(ran, "is a poll, not a send")
        self.open(device, "Poll", answer.json(), "--as", name)
        self.open(other, "Poll", theirs.json(), "--as", friend)

    def test_the_database_is_away(self):
        """“Not now”, sealed or not: the request stays."""
        device, name = self.person()
        request = self.seal(device, "Send", json.dumps({"messages": [
            {"to": name, "text": "later"}]}), "--as", name)
        self.server.pg.stop()
        try:
            answer = self.call("Send", request)
        finally:
            self.server.pg.start()
        self.assertIsNot(answer.code, CODE.OK)
        ran = self.open(device, "Send", answer.grpcurl(), "--as", name,
                        expect=UNREACHABLE)
        self.assert_clear(ran)

        def done():
            again = self.call("Send", request)
            return again if again.code is CODE.OK else None
        answer = harness.poll_until(done, "the server works again")
        self.open(device, "Send", answer.grpcurl(), "--as", name)
        self.assertEqual(self.texts(device, name), ["later"])

    def test_other_server(self):
        """A request is of its account; no server, no seal."""
        device, name = self.person()
        ran = device.peyk("seal", "Poll", "--as", name, "--server",
                          f"localhost:{harness.free_port()}").expect(FAILED)
        self.assert_clear(ran)
        wrong = harness.new_dir("wrong") / "password"
        wrong.write_text("not the password\n")
        wrong.chmod(0o600)
        for args in (["seal", "Poll"], ["open", "Poll"]):
            ran = device.peyk(*args, "--as", name, "--password-file",
                              str(wrong), input='{"nonce":"AAAA"}')
            ran.expect(PASSWORD)

    def test_output_that_cannot_be_written(self):
        """Nobody saw the payload: it can be opened again."""
        device, name = self.person()
        answer = self.call("Poll", self.seal(device, "Poll", "--as", name))
        with open("/dev/full", "wb") as full:
            ran = harness.subprocess.run(
                [harness.program("peyk"), "open", "Poll", "--as", name],
                input=answer.json().encode(), stdout=full,
                stderr=harness.subprocess.PIPE, env=device.environment(),
                timeout=harness.DEADLINE, check=False)
        self.assertEqual(ran.returncode, FAILED)
        self.assertEqual(self.open(device, "Poll", answer.json(), "--as",
                                   name), {})


class Lying(ByHandTest):
    """A server that lies, or is newer: nothing false is believed."""

    serve = False

    @classmethod
    def setUpClass(cls):
        cls.server = LyingServer().start()
        cls.addClassCleanup(cls.server.stop)
        cls.wire = pc.Server(cls.server.address).connect()
        cls.addClassCleanup(cls.wire.close)

    @classmethod
    def tearDownClass(cls):
        """Nothing of it is to be checked, unlike peykd."""

    def tearDown(self):
        self.server.honest()

    def lie(self, device, name, **hooks):
        """The answer to a sealed Send, and the request."""
        request = self.seal(device, "Send", json.dumps({"messages": [
            {"to": name, "text": "hello"}]}), "--as", name)
        for hook, action in hooks.items():
            setattr(self.server, hook, action)
        answer = self.call("Send", request)
        self.server.honest()
        return answer, request

    def changed(self, **values):
        def change(_call, reply):
            for field, value in values.items():
                setattr(reply, field, value)
        return change

    def test_outcomes_that_decide_nothing(self):
        device, name = self.person()
        for values, code, words in (
                ({"disposition": payload.DISPOSITION_NOT_PROCESSED,
                  "code": 14, "message": "bu\u202esy", "retry_after_ms": 1500,
                  "body": b""}, UNREACHABLE, "1500 ms"),
                ({"disposition": payload.DISPOSITION_REPLAY, "code": 10,
                  "body": b""}, FAILED, "old or copied"),
                ({"disposition": payload.DISPOSITION_GAP, "code": 11,
                  "expected_sequence": 1, "body": b""}, FAILED,
                 "old or copied")):
            answer, request = self.lie(device, name,
                                       on_result=self.changed(**values))
            ran = self.open(device, "Send", answer.format_error(), "--as",
                            name, expect=code)
            self.assert_clear(ran, words)
            self.assertNotIn("\u202e", ran.err)
            answer = self.call("Send", request)
            self.open(device, "Send", answer.json(), "--as", name)
        self.assertEqual(self.texts(device, name), ["hello"] * 3)

    def test_what_is_no_reply(self):
        def other(_call, signed):
            signed.signature = pc.sign(pc.Ed25519PrivateKey.generate(),
                                       pc.LABEL_REPLY, signed.content)
        device, name = self.person()
        for hook in ({"on_signed": other},
                     {"on_result": self.changed(request_hash=bytes(32))},
                     {"on_result": self.changed(sequence=7)},
                     {"on_result": self.changed(final=False)},
                     {"on_result": self.changed(
                         method="/peyk.v1.Messenger/Poll")},
                     {"on_result": self.changed(
                         disposition=payload.DISPOSITION_UNSPECIFIED)},
                     {"on_result": self.changed(
                         disposition=payload.DISPOSITION_REFUSED)}):
            answer, request = self.lie(device, name, **hook)
            self.open(device, "Send", answer.json(), "--as", name,
                      expect=FAILED)
            self.open(device, "Send", self.call("Send", request).json(),
                      "--as", name)

    def test_payloads_that_are_none(self):
        """Done, it says, but not what: not stored, as far as we know."""
        device, name = self.person()
        for body in (b"\xff\xff", b"\x0a\x04\x12\x02a\0"):
            answer, _ = self.lie(device, name,
                                 on_result=self.changed(body=body))
            ran = self.open(device, "Send", answer.json(), "--as", name,
                            expect=FAILED)
            self.assert_clear(ran, "not one of this version")
        self.assertEqual([m["outcome"] for m in device.history(name)],
                         ["refused"] * 2)
        self.assert_alive(device, name)

    def test_terminals_are_safe(self):
        device, name = self.person()
        evil = "\x1b[2J\x9b2J\u202e\u2028x"
        body = payload.SendResponse(results=[payload.SendResult(
            outcome=1, id=evil)]).SerializeToString()
        for args in ([], ["--json"]):
            answer, _ = self.lie(device, name,
                                 on_result=self.changed(body=body))
            ran = device.peyk("open", "Send", "--as", name, *args,
                              input=answer.json()).expect(DONE)
            self.assertEqual(json.loads(ran.out)["results"][0]["id"], evil)
            for character in "\x1b\x9b\u202e\u2028":
                self.assertNotIn(character, ran.out)
        answer, _ = self.lie(device, name, on_result=self.changed(
            disposition=payload.DISPOSITION_REFUSED, code=3, message=evil,
            body=b""))
        ran = self.open(device, "Send", answer.connect(), "--as", name,
                        expect=REFUSED)
        for character in "\x1b\x9b\u202e\u2028":
            self.assertNotIn(character, ran.err)

    def test_messages_of_strangers(self):
        """--read: what cannot be read is null, whoever is not known says
        so, and nothing is consumed."""
        device, name = self.person()
        wire = pc.Server(self.server.address).connect()
        self.addCleanup(wire.close)
        friend = pc.Account(wire, harness.unique("stranger"))
        friend.sign_up()
        friend.send([(name, "from a stranger")])
        who = device.peyk("--json", "whoami", "--as",
                          name).expect(DONE).objects[0]
        self.server.deliver(bytes.fromhex(who["signing_key"]), b"x" * 100)
        answer = self.call("Poll", self.seal(device, "Poll", "--as", name))
        got = self.open(device, "Poll", answer.json(), "--as", name, "--read")
        first, second = (m["opened"] for m in got["messages"])
        self.assertEqual((first["from"], first["text"], first["author"]),
                         (friend.name, "from a stranger", "unverified"))
        self.assertIsNone(second)
        ran = device.peyk("--json", "poll", "--as", name).expect(DONE)
        self.assertEqual([(m["text"], m["author"]) for m in ran.objects],
                         [("from a stranger", "pinned")])
        self.assertIn("set_aside", ran.err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
