#!/usr/bin/python3
"""`buf breaking`: what was released keeps working.

The baseline is the protocol of the last release, proto/baseline.binpb;
HACKING.md says when it moves.
"""

import buf_case
from buf_case import FOUND_SOMETHING, ROOT

BASELINE = ROOT / "proto/baseline.binpb"


class Breaking(buf_case.BufCase):
    def breaking(self, folder):
        return self.buf("breaking", folder, "--against", BASELINE)

    def assert_breaks(self, file, old, new, expected):
        code, said = self.breaking(self.changed(file, old, new))
        self.assertEqual(code, FOUND_SOMETHING, said)
        self.assertRegex(said, expected)

    def test_the_protocol_keeps_to_the_baseline(self):
        code, said = self.breaking(ROOT / "proto")
        self.assertEqual((code, said), (0, ""))

    def test_what_is_added_breaks_nothing(self):
        code, said = self.breaking(self.changed(
            "payload.proto", "  uint32 wait_ms = 3;",
            "  uint32 wait_ms = 3;\n  bool added = 4;"))
        self.assertEqual((code, said), (0, ""))

    def test_a_changed_field_number_breaks(self):
        self.assert_breaks("payload.proto", "uint32 wait_ms = 3;",
                           "uint32 wait_ms = 4;", 'field "3"')

    def test_a_renamed_field_breaks(self):
        self.assert_breaks("payload.proto", "uint32 wait_ms = 3;",
                           "uint32 delay_ms = 3;", "wait_ms")

    def test_a_changed_type_breaks(self):
        self.assert_breaks("payload.proto", "uint32 wait_ms = 3;",
                           "uint64 wait_ms = 3;", "type")

    def test_a_removed_field_breaks(self):
        self.assert_breaks("payload.proto", "  uint32 wait_ms = 3;\n", "",
                           'field "3"')

    def test_a_removed_enum_value_breaks(self):
        self.assert_breaks("payload.proto", "  DISPOSITION_GAP = 4;\n", "",
                           'value "4"')

    def test_a_removed_rpc_breaks(self):
        self.assert_breaks(
            "messenger.proto",
            "  rpc GetServerInfo(GetServerInfoRequest) returns "
            "(GetServerInfoResponse);\n", "", "GetServerInfo")


if __name__ == "__main__":
    buf_case.main()
