#!/usr/bin/python3
"""The server in grpcui: a web page with a form for every method."""

import base64
import http.cookiejar
import json
import pathlib
import re
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import explore  # noqa: E402
import harness  # noqa: E402
import tools  # noqa: E402
from explore import HEALTH, MESSENGER, METHODS  # noqa: E402


class Grpcui(explore.ToolTest):
    def test_the_page_and_a_call(self):
        running = self.running(
            tools.tool("grpcui"), "-insecure", "-bind", "127.0.0.1",
            "-open-browser=false", self.host)
        running.wait_for("available at http://")
        base = re.search(r"http://\S+?(?=/?\s)", running.out).group()
        cookies = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(cookies))

        page = browser.open(f"{base}/", timeout=harness.DEADLINE).read()
        offered = {service: re.findall('"(\\w+)"', methods)
                   for service, methods in re.findall(
                       r'"([\w.]+)": \[(.*?)\]', page.decode(), re.S)}
        self.assertEqual(offered.keys(), {MESSENGER, HEALTH})
        self.assertEqual(offered[MESSENGER], list(METHODS))

        for name in METHODS:
            about = json.load(browser.open(
                f"{base}/metadata?method={MESSENGER}.{name}",
                timeout=harness.DEADLINE))
            self.assertIn("peyk.v1." + (
                "GetServerInfoRequest" if name == "GetServerInfo"
                else "SealedRequest"), about["messageTypes"])

        token = {cookie.name: cookie.value for cookie in cookies}[
            "_grpcui_csrf_token"]
        request = urllib.request.Request(
            f"{base}/invoke/{MESSENGER}.GetServerInfo",
            json.dumps({"metadata": [], "data": [{}]}).encode(),
            {"Content-Type": "application/json",
             "x-grpcui-csrf-token": token})
        reply = json.load(browser.open(request, timeout=harness.DEADLINE))
        self.assertIsNone(reply["error"])
        message = reply["responses"][0]["message"]
        self.assertEqual(len(base64.b64decode(message["signature"])), 64)


if __name__ == "__main__":
    tools.need("grpcui")
    harness.main()
