"""Many parents by one statement, so that a page of them costs a constant number of queries."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any

from django.db import models

from cutover.mapping import Binding, held
from cutover.mapping.held import Origin
from cutover.read import attribute, document, shadow

MOST_PARENTS = 1000  # of one statement


def prefetch(binding: Binding, instances: Iterable[models.Model]) -> None:
    """Read the documents of these instances and keep them there, as the first access would one by one.

    What is in memory already stays: a value that was served or assigned, or, below PROPERTY_SHIM, loaded.
    """
    rows = attribute.reads_rows(binding)
    wanted: dict[Any, list[models.Model]] = defaultdict(list)
    for instance in instances:
        loaded = not rows and held.attname(binding) in instance.__dict__
        if not loaded and not attribute.settled(binding, instance):
            wanted[instance.pk].append(instance)
    keys = iter(list(wanted))
    while batch := list(islice(keys, MOST_PARENTS)):
        for key, text in document.texts(binding, batch).items():
            for instance in wanted[key]:
                attribute.keep(binding, instance, text, Origin.SERVED if rows else Origin.COLUMN)
        shadow.reads(binding, batch)
