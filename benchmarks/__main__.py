"""`python -m benchmarks`: the same as `aeanom benchmark`."""

import sys

from aeanom.cli.main import app

app(["benchmark", *sys.argv[1:]], prog_name="aeanom")
