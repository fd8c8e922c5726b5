"""What an address says of photos, occasions and pages, as the pages and programs write it."""

from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from reid_jax.individuals.gallery.reports.report import Wanted
from reid_jax.individuals.gallery.reports.where import Where

_LONGEST, _MOST = 200, 50  # letters of a value, conditions


@dataclass(frozen=True)
class Filter:
    """What photos have to be, as it was written and as it is understood.

    Attributes:
      conditions: `column=value` each; since, until: as text.
      where: the same.
    """

    conditions: tuple[str, ...]
    since: str
    until: str
    where: Where = field(compare=False)

    @staticmethod
    def of(query: QueryParams) -> "Filter":
        """Of `where` (any number), `since` and `until`.

        Raises:
          UserError: one of them means nothing.
        """
        given = [each.strip()[:_LONGEST] for each in query.getlist("where")[:_MOST]]
        conditions = tuple(dict.fromkeys(filter(None, given)))
        since, until = (query.get(name, "").strip()[:_LONGEST] for name in ("since", "until"))
        return Filter(conditions, since, until, Where.of(conditions, since, until))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """As they stand in an address; those that say nothing are left out."""
        found = [("where", each) for each in self.conditions]
        return [*found, *((n, v) for n, v in (("since", self.since), ("until", self.until)) if v)]

    def address(self, **more: object) -> str:
        """The part of an address behind the `?`; with other parameters that say something."""
        others = [(name, str(value)) for name, value in more.items() if value]
        return urlencode([*self.pairs, *others])


def wanted_of(query: QueryParams, filtered: Filter) -> Wanted:
    """What a report is to be about: `by`, `dates`, `group` and `confirmed` beside the filter.

    Raises:
      UserError: one of them means nothing.
    """
    dates = query.get("dates", "")[: _LONGEST * 10].replace(",", " ").split()
    by = query.get("by", "month")
    return Wanted(
        filtered.where,
        by,  # type: ignore[arg-type]  # which Wanted looks at
        tuple(dates),
        query.get("group", "")[:_LONGEST].strip(),
        query.get("confirmed", "") not in ("", "no", "0", "false"),
    )
