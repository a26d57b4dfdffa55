"""The report: one HTML file about a model and what it makes of some rows, to show to a colleague.

`write_report` is all that callers need. `scored.py` has the figures of the rows, `pictures.py` the
pictures, `content.py` what is said where, `page.py` the page; `templates/` is how it looks. Jinja2
and matplotlib are imported inside the functions that need them.
"""

from aeanom.report.page import render_report, write_report

__all__ = ["render_report", "write_report"]
