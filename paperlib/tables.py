"""Results as tables beside the paper's, labelled in Korean: HTML in a notebook, aligned text elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean
from unicodedata import east_asian_width

from paperlib.evaluate import Difference, spread

VERDICTS = {"same": "논문과 같은 방향", "opposite": "논문과 반대 방향", "undecided": "구별할 수 없다"}
CHANGES = {"same": "내려간다", "opposite": "올라간다", "undecided": "구별할 수 없다"}  # where the paper states none


@dataclass(frozen=True, repr=False)
class Table:
    """Rows of text under `columns`: HTML in a notebook, aligned text elsewhere."""

    rows: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...]
    caption: str

    def _right(self) -> list[bool]:
        """Whether each column is of numbers, which are aligned to the right."""
        return [all(row[i][:1] in "0123456789+−–" for row in self.rows) for i in range(len(self.columns))]

    def __repr__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
        pads = [[" " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)] for line in lines]
        text = [self.caption] if self.caption else []
        for line, pad in zip(lines, pads, strict=True):
            cells = zip(line, pad, self._right(), strict=True)
            text.append("  ".join(space + cell if right else cell + space for cell, space, right in cells).rstrip())
        return "\n".join(text)

    def _repr_html_(self) -> str:
        def line(tag: str, cells: Sequence[str]) -> str:
            sides = ["right" if right else "left" for right in self._right()]
            pairs = zip(cells, sides, strict=True)
            return "<tr>" + "".join(f'<{tag} style="text-align:{s}">{escape(c)}</{tag}>' for c, s in pairs) + "</tr>"

        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        body = "".join(line("td", row) for row in self.rows)
        return f"<table>{caption}<thead>{line('th', self.columns)}</thead><tbody>{body}</tbody></table>"


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: two for each Hangul syllable."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _minus(number: str) -> str:
    """A number with a minus sign in place of the hyphen."""
    return number.replace("-", "−")


def table(rows: Iterable[Sequence[object]], columns: Sequence[str], caption: str = "", digits: int = 1) -> Table:
    """A table of text and numbers: floats with `digits` decimals, whole numbers with commas, None as a dash."""

    def text(cell: object) -> str:
        if cell is None:
            return "–"
        if isinstance(cell, float):
            return _minus(f"{cell:,.{digits}f}")
        return _minus(f"{cell:,}") if isinstance(cell, int) else str(cell)

    return Table(tuple(tuple(map(text, row)) for row in rows), tuple(columns), caption)


def values_beside_paper(
    rows: Mapping[str, tuple[float | None, Sequence[float]]], caption: str = "", unit: str = "%"
) -> Table:
    """For each row the paper's value, our mean ± standard deviation over the seeds, and the difference of the two."""
    cells = []
    for label, (paper, ours) in rows.items():
        values = spread(ours).strip() if len(ours) > 1 else float(ours[0])
        cells.append((label, paper, values, None if paper is None else _minus(f"{fmean(ours) - paper:+.1f}")))
    points = "%p" if unit == "%" else unit
    return table(cells, ("", f"논문 ({unit})", f"여기 ({unit})", f"차이 ({points})"), caption)


def differences_beside_paper(rows: Mapping[str, tuple[float | None, Difference]], caption: str = "") -> Table:
    """For each row the paper's difference in %p, ours with its 95% interval, and whether the two have one sign."""
    cells = []
    for label, (paper, ours) in rows.items():
        words = CHANGES if paper is None else VERDICTS
        stated = None if paper is None else _minus(f"{paper:+.1f}")
        interval = _minus(f"{ours.mean:+.1f} ± {ours.half:.1f}")
        cells.append((label, stated, interval, words[ours.verdict(-1.0 if paper is None else paper)]))
    return table(cells, ("", "논문 (%p)", "여기 (%p, 95 % 신뢰 구간)", "판정"), caption)
