"""``python -m neurorobust.testing [--backend NAME] [--json]``: what holds on which backend."""

import argparse
import json
import sys

from rich.console import Console

from neurorobust.testing.coverage import as_records, as_table, cover, reasons


def main(arguments: list[str] | None = None) -> int:
    """Run the suite and print the table; 1 if a check failed."""
    parser = argparse.ArgumentParser("python -m neurorobust.testing", description=__doc__)
    parser.add_argument("--backend", action="append", metavar="NAME", help="may be repeated")
    parser.add_argument("--only", default="", metavar="TEXT", help="checks with this in the name")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    rows = list(cover(options.backend, options.only))
    console = Console(highlight=False, soft_wrap=True)
    if options.json:
        console.print(json.dumps(as_records(rows), indent=1), markup=False)
    else:
        console.print(as_table(rows))
        for line in reasons(rows):
            console.print(line, markup=False)
    return int(any(row.outcome.status == "failed" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
