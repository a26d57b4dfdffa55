"""`python -m aeanom`: the same as the command `aeanom`."""

from aeanom.cli.main import main

main()
