"""Other people's tools that tests run: grpcurl, grpcui, buf.

tools/install-tools brings them, where Go and npm are there. A test that needs
one which is not there is skipped, by the exit code that ctest counts as such,
and fails where PEYK_REQUIRE_TOOLS=1 says that it must be there.
"""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build-tools/bin"
SKIPPED = 77  # SKIP_RETURN_CODE of these tests
OPTIONAL = {"grpcui"}  # not to be had everywhere, even where Go is


def tool(name):
    """The tool's path; need() has said that it is there."""
    return str(FOLDER / name)


def is_there(name):
    return os.access(FOLDER / name, os.X_OK)


def need(*names):
    """Ends the test as skipped, or as failed, unless all these are there."""
    missing = [name for name in names if not is_there(name)]
    if not missing:
        return
    must = (os.environ.get("PEYK_REQUIRE_TOOLS") == "1"
            and not OPTIONAL.issuperset(missing))
    print(f"{'FAILED' if must else 'skipped'}: {', '.join(missing)} not found "
          f"in {FOLDER}; tools/install-tools gets it", file=sys.stderr)
    sys.exit(1 if must else SKIPPED)
