"""The reference manual has every public function, struct and constant."""

import re
import shutil
import sys
import unittest
import xml.etree.ElementTree as ElementTree

from installed import BUILD, install, libdir, run


def is_described(element):
    return any("".join(text.itertext()).strip()
               for tag in ("briefdescription", "detaileddescription")
               for text in element.findall(tag))


class Manual(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run(["cmake", "--build", BUILD, "--target", "manual"],
            timeout=110).expect(0)
        cls.folder = BUILD / "cmake/grpc_c/manual"
        cls.prefix = install("grpc_c")
        # By kind and name, whether there is a text.
        cls.described = {}
        for path in (cls.folder / "xml").glob("*.xml"):
            for compound in ElementTree.parse(path).getroot():
                kind = compound.get("kind")
                if compound.tag != "compounddef" or kind not in ("file", "struct"):
                    continue
                name = compound.find("compoundname").text
                cls.described[kind, name] = is_described(compound)
                for member in compound.iter("memberdef"):
                    key = member.get("kind"), member.find("name").text
                    cls.described[key] = is_described(member)
        cls.text = "".join(
            path.read_text()
            for path in sorted((cls.prefix / "include/grpc_c").glob("*.h")))

    def test_doxygen_warns_of_nothing(self):
        self.assertEqual((self.folder / "warnings").read_text(), "")

    def test_every_exported_function(self):
        out = run(["nm", "-D", "-g", "--defined-only",
                   libdir(self.prefix) / "libgrpc_c.so"]).expect(0).out
        names = {line.split()[2] for line in out.splitlines()}
        names = {re.sub("^grpc_c_", "", name) for name in names
                 if re.match("(rpc|grpc_c)_", name)}
        self.assertGreater(len(names), 100)
        self.assertEqual([name for name in sorted(names)
                          if not self.described.get(("function", name))], [])

    def test_every_struct_enum_and_macro(self):
        for pattern, kind, least in (
                (r"^struct (\w+) \{", "struct", 20),
                (r"^enum (\w+) \{", "enum", 8),
                (r"^#define (\w+)\b(?!_H$)[^\n]", "define", 5)):
            names = {name for name in re.findall(pattern, self.text, re.M)
                     if not name.endswith("_H")}
            self.assertGreaterEqual(len(names), least, kind)
            self.assertEqual([name for name in sorted(names)
                              if not self.described.get((kind, name))], [])

    def test_members_keep_their_comments(self):
        """As many members with a text as there are comments beside them."""
        bodies = re.findall(r"^struct \w+ \{\n(.*?)^\};", self.text,
                            re.M | re.S)
        comments = sum(body.count("/*") for body in bodies)
        described = [name for (kind, name), is_so in self.described.items()
                     if kind == "variable" and is_so]
        self.assertGreater(comments, 50)
        # Members of one name in two structs count once.
        self.assertGreater(len(described), 0.8 * comments)

    def test_pages_are_readable(self):
        html = self.folder / "html"
        page = (html / "rpc__server_8h.html").read_text()
        self.assertIn("rpc_server_start", page)
        self.assertIn("grpc_c/rpc_server.h", page)
        # Examples inside comments stay as they are written.
        page = (html / "client__call_8h.html").read_text()
        self.assertRegex(page, r'<pre class="fragment">options = \{')
        self.assertIn("gRPC for C", (html / "index.html").read_text())


if __name__ == "__main__":
    if shutil.which("doxygen") is None:
        print("skipped: no doxygen")
        sys.exit(77)
    unittest.main()
