"""Make the three reports that show what `aeanom report` does, and check each of them.

`python -m benchmarks.reports --output reports` (or `make reports`) writes

- `fashion-mnist.html`: reference run 2, on its 10,000 test images;
- `breast-cancer.html`: the table of `aeanom demo`, with baselines;
- `cardio.html`: an ADBench table, whose first column is called `<script>alert(1)</script>`.

Fashion-MNIST and the ADBench table come from `AEANOM_DATA`; without it only the second is made.
Each is fitted and reported by the command line, as a user would. Checked are: valid HTML (by
html5lib), no script and nothing from elsewhere, names and references inside, headings, captions,
titles, under 3 MB, and the same file twice. The exit status is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from aeanom import data
from benchmarks.page_checks import complaints

HOSTILE = "<script>alert(1)</script>"
COMMAND_LINE = (sys.executable, "-m", "aeanom.cli.main")


def main() -> None:
    """Make the reports, print what they are, and say what is wrong with them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--output", type=Path, default=Path("reports"))
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    where = os.environ.get("AEANOM_DATA")
    made = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        made.append(breast_cancer(work, folder / "breast-cancer.html"))
        if where is None:
            print("AEANOM_DATA is not set: no report of Fashion-MNIST and of an ADBench table")
        else:
            table = Path(where) / "tabular" / "6_cardio.npz"
            made.append(cardio(table, work, folder / "cardio.html"))
            made.append(fashion_mnist(work, folder / "fashion-mnist.html"))
    wrong = 0
    for path in made:
        page = path.read_text(encoding="utf-8")
        found = complaints(page)
        wrong += len(found)
        print(f"{path}: {len(page.encode()) / 1e6:.2f} MB, {'; '.join(found) or 'nothing wrong'}")
    sys.exit(wrong > 0)


def aeanom(*arguments: object) -> None:
    """Run a command, quietly unless it fails."""
    command = [*COMMAND_LINE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"aeanom {' '.join(command[3:])}\n{done.stdout}{done.stderr}")


def breast_cancer(work: Path, path: Path) -> Path:
    """Fit the rows of `aeanom demo` and report on those held out."""
    table = data.breast_cancer()
    labels = np.where(table.is_anomaly, "malignant", "benign")
    training, test = data.train_test_split_normal(table.rows, table.is_anomaly, 0.3, 0)
    for name, rows in (("train", training), ("test", test)):
        write_csv(work / f"{name}.csv", table.rows[rows], table.names, labels[rows])
    return fit_and_report(work, path, "benign")


def cardio(source: Path, work: Path, path: Path) -> Path:
    """Fit half of the normal rows of an ADBench table and report on the others."""
    with np.load(source) as arrays:
        rows, is_anomaly = arrays["X"], arrays["y"] != 0
    names = [HOSTILE, *(f"column {index}" for index in range(1, rows.shape[1]))]
    training, test = data.train_test_split_normal(rows, is_anomaly, 0.5, 0)
    for name, which in (("train", training), ("test", test)):
        write_csv(work / f"{name}.csv", rows[which], names, is_anomaly[which].astype(int))
    made = fit_and_report(work, path, "0")
    if HOSTILE in made.read_text(encoding="utf-8"):
        sys.exit(f"{made} has {HOSTILE} as it is")
    return made


def fit_and_report(work: Path, path: Path, normal: str) -> Path:
    """Fit train.csv and report on test.csv, twice: the second must be the same."""
    model, train, test = work / "model.aeanom", work / "train.csv", work / "test.csv"
    aeanom("fit", train, "--label", "label", "--normal", normal, "--output", model)
    for output in (path, work / "again.html"):
        aeanom("report", model, test, "--label", "label", "--normal", normal,
               "--baselines", train, "--output", output)  # fmt: skip
    if path.read_bytes() != (work / "again.html").read_bytes():
        sys.exit(f"{path} is another one the second time")
    return path


def fashion_mnist(work: Path, path: Path) -> Path:
    """Run the reference run with its report."""
    aeanom("reproduce", "fashion-mnist", "--backend", "numpy", "--report", "--output", work)
    path.write_bytes((work / "report.html").read_bytes())
    return path


def write_csv(path: Path, rows: np.ndarray, names: list[str], labels: np.ndarray) -> None:
    """Write a table with the label as its last column."""
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in [*names, "label"])
    lines = (
        ",".join([*map(repr, row), str(label)])
        for row, label in zip(rows.tolist(), labels.tolist(), strict=True)
    )
    path.write_text("\n".join([quoted, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
