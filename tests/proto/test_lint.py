#!/usr/bin/python3
"""`buf lint` finds nothing, and would find what breaks our rules."""

import buf_case
from buf_case import FOUND_SOMETHING, ROOT


class Lint(buf_case.BufCase):
    def test_the_protocol_is_clean(self):
        code, said = self.buf("lint", ROOT / "proto")
        self.assertEqual((code, said), (0, ""))

    def test_a_field_in_the_wrong_style_is_found(self):
        copy = self.changed("payload.proto", "uint32 wait_ms", "uint32 waitMs")
        code, said = self.buf("lint", copy)
        self.assertEqual(code, FOUND_SOMETHING, said)
        self.assertIn('"waitMs" should be lower_snake_case', said)

    def test_an_enum_without_a_zero_that_means_nothing_is_found(self):
        copy = self.changed("payload.proto", "DISPOSITION_UNSPECIFIED",
                            "DISPOSITION_NONE")
        code, said = self.buf("lint", copy)
        self.assertEqual(code, FOUND_SOMETHING, said)
        self.assertIn("_UNSPECIFIED", said)


if __name__ == "__main__":
    buf_case.main()
