#!/usr/bin/python3
"""The server as `buf curl` sees it, by either version of reflection (C8)."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import explore  # noqa: E402
import harness  # noqa: E402
import tools  # noqa: E402
from explore import HEALTH, MESSENGER, METHODS, REFLECTION  # noqa: E402
from harness import run  # noqa: E402

# buf's exit code is the gRPC code, shifted.
NOT_FOUND = 5 << 3


class BufCurl:
    reflection = "grpc-v1"

    def buf_curl(self, *args, input=None, path=""):
        if self.server.tls:
            security = ["--cacert", self.server.data / "server.crt"]
        else:
            security = ["--http2-prior-knowledge"]
        url = f"http{'s' if self.server.tls else ''}://{self.host}{path}"
        return run([tools.tool("buf"), "curl", "--protocol", "grpc",
                    "--reflect-protocol", self.reflection, *security, *args,
                    url], input=input)

    def call(self, method, request):
        return self.buf_curl("--data", "@-", path=f"/{MESSENGER}/{method}",
                             input=request)

    def test_list(self):
        said = self.buf_curl("--list-services").expect(0)
        self.assertEqual(said.lines, sorted((MESSENGER, HEALTH, *REFLECTION)))
        said = self.buf_curl("--list-methods").expect(0)
        self.assertLessEqual({f"{MESSENGER}/{name}" for name in METHODS},
                             set(said.lines))

    def test_get_server_info(self):
        self.check_info(self.buf_curl(path=f"/{MESSENGER}/GetServerInfo"))

    def test_health(self):
        said = self.buf_curl("--data", json.dumps({"service": MESSENGER}),
                             path=f"/{HEALTH}/Check").expect(0)
        self.assertEqual(json.loads(said.out), {"status": "SERVING"})
        said = self.buf_curl("--data", '{"service": "peyk.v1.Nothing"}',
                             path=f"/{HEALTH}/Check").expect(NOT_FOUND)
        self.assertIn("not_found", said.err)


class V1(BufCurl, explore.Conversation, explore.ToolTest):
    pass


class Alpha(BufCurl, explore.Short, explore.ToolTest):
    """The older reflection, and no TLS."""

    reflection = "grpc-v1alpha"
    tls = False


if __name__ == "__main__":
    tools.need("buf")
    harness.main()
