"""The command line, `aeanom`: fit, score and evaluate tables without writing Python.

`main.py` names the commands, each of which has a module of its own; `group.py` turns errors into
one line and an exit status, `output.py` is how everything is printed. Whatever is slow to import
is imported inside the commands, so that `aeanom --help` answers at once.
"""
