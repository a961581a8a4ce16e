"""What can be found wrong in a project by reading its source: no database, no Django, nothing of the project is run.

finding, titles             what is found
tree, literals, settings    files, values, flags
declarations, models, history, project      a project as its source has it
flag_rules, migration_rules, since_rules    rules over flags, migrations, and a change
kinds, walk, uses, queries, options, rawsql, consequences       rules over uses of the column
swallowed                                                       rules over what an except hides
accepted                    the baseline
makers                      who makes rows by hand; for an adoption
"""

from cutover.scan.accepted import Baseline
from cutover.scan.examine import Examined, Order, Place, examine
from cutover.scan.finding import Finding, Severity, in_order
from cutover.scan.makers import makers
from cutover.scan.titles import TITLES

__all__ = ["TITLES", "Baseline", "Examined", "Finding", "Order", "Place", "Severity", "examine", "in_order", "makers"]
