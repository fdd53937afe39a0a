"""A small pen for the book's drawings: shapes in the theme's colours, text that stays legible on a phone.

Colours are CSS variables that `book/_static/figures.css` sets for both themes; what stands after the comma is used
where a drawing is shown alone. A drawing is WIDTH units wide: at 350 px, a phone's column, 12 units are 10 px.
"""

import re
from collections.abc import Sequence
from html import escape
from math import atan2, cos, sin

WIDTH = 420
SMALL, NORMAL, LARGE = 12, 13, 15  # units; nothing is smaller than SMALL
FONTS = (
    "Pretendard, 'Noto Sans KR', 'Noto Sans CJK KR', 'Apple SD Gothic Neo', 'Malgun Gothic', NanumGothic, sans-serif"
)
COLOURS = {
    "ink": "currentColor",
    "mute": "var(--fig-mute, #73777f)",
    "blue": "var(--fig-blue, #4a82d8)",
    "orange": "var(--fig-orange, #cf7a2a)",
    "green": "var(--fig-green, #2a9d7c)",
    "violet": "var(--fig-violet, #8f68d4)",
    "red": "var(--fig-red, #d4566b)",
}
PAPER = {"zfnet": "orange", "vgg": "blue", "resnet": "green", "densenet": "violet"}  # a colour for each paper
SUBSCRIPT = rf'<tspan font-size="{SMALL}" dy="4">\1</tspan><tspan dy="-4">&#8203;</tspan>'
Point = tuple[float, float]


def number(value: float) -> str:
    """At most one decimal, so that committed drawings do not depend on the last bits of a float."""
    return f"{round(value + 0.0, 1):g}"


class Drawing:
    """One SVG: shapes in the order in which they were drawn."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        self.width, self.height = width, height
        self.shapes: list[str] = []

    def svg(self, title: str, alt: str) -> str:
        """The file's text. `title` names the drawing, `alt` says what it shows to those who do not see it."""
        size = f"{number(self.width + 8)} {number(self.height + 6)}"  # a margin for outlines
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -3 {size}" role="img" color="#73777f"'
        lines = [
            f'{head} font-family="{FONTS}">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(alt)}</desc>",
            *self.shapes,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"

    def shape(self, tag: str, colour: str, fill: float, line: float, dash: str = "", **where: float | str) -> None:
        """Any element, filled with `fill` of the colour (0 to 1) and outlined `line` units wide (0: no outline)."""
        place = " ".join(f'{k}="{number(v) if not isinstance(v, str) else v}"' for k, v in where.items())
        paint = f'fill="{COLOURS[colour]}" fill-opacity="{fill:g}"' if fill else 'fill="none"'
        if line:
            paint += f' stroke="{COLOURS[colour]}" stroke-width="{line:g}"' + (
                f' stroke-dasharray="{dash}"' * bool(dash)
            )
        self.shapes.append(f"<{tag} {place} {paint}/>")

    def rect(
        self, x: float, y: float, w: float, h: float, colour: str = "ink", fill: float = 0.0, line: float = 1.2,
        r: float = 3, dash: str = "",
    ) -> None:  # fmt: skip
        self.shape("rect", colour, fill, line, dash, x=x, y=y, width=w, height=h, rx=r)

    def circle(self, x: float, y: float, r: float, colour: str = "ink", fill: float = 0.0, line: float = 1.2) -> None:
        self.shape("circle", colour, fill, line, cx=x, cy=y, r=r)

    def path(self, d: str, colour: str = "ink", line: float = 1.4, fill: float = 0.0, dash: str = "") -> None:
        self.shape("path", colour, fill, line, dash, d=d)

    def lines(self, points: Sequence[Point], colour: str = "ink", line: float = 1.4, dash: str = "") -> None:
        """A polyline through the points."""
        self.path("M" + "L".join(f"{number(x)} {number(y)}" for x, y in points), colour, line, dash=dash)

    def polygon(self, points: Sequence[Point], colour: str = "ink", fill: float = 0.15, line: float = 1.2) -> None:
        d = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + "Z"
        self.path(d, colour, line, fill)

    def arrow(self, *points: Point, colour: str = "mute", line: float = 1.5, dash: str = "") -> None:
        """A polyline with a head at its last point."""
        (x0, y0), (x1, y1) = points[-2:]
        angle = atan2(y1 - y0, x1 - x0)
        back = (x1 - 5 * cos(angle), y1 - 5 * sin(angle))
        self.lines([*points[:-1], back], colour, line, dash)
        self.head(x1, y1, angle, colour)

    def head(self, x: float, y: float, angle: float, colour: str = "mute", size: float = 7) -> None:
        """An arrow's head whose tip is at (x, y), pointing along `angle`."""
        wings = [(x - size * cos(angle + a), y - size * sin(angle + a)) for a in (0.45, -0.45)]
        self.polygon([(x, y), *wings], colour, 1, 0)

    def arc(
        self, x0: float, x1: float, y: float, height: float, colour: str = "mute", line: float = 1.5, head: bool = True
    ) -> None:
        """A curve from (x0, y) over `height` units (below where negative) to (x1, y)."""
        top = y - height * 4 / 3  # the curve of a cubic with both handles there peaks at y - height
        bend = (x1 - x0) * 0.12
        self.path(
            f"M{number(x0)} {number(y)}C{number(x0 + bend)} {number(top)} {number(x1 - bend)} {number(top)} "
            f"{number(x1)} {number(y)}", colour, line,
        )  # fmt: skip
        if head:
            self.head(x1, y, atan2(y - top, bend), colour)

    def text(
        self, x: float, y: float, words: str, size: float = NORMAL, colour: str = "ink", anchor: str = "middle",
        weight: int = 400,
    ) -> None:  # fmt: skip
        """Words whose first line stands on y; a line break starts a new line, "_1" is a subscript."""
        assert size >= SMALL, words
        anchor = {"left": "start", "right": "end"}.get(anchor, anchor)
        style = f'font-size="{size:g}" text-anchor="{anchor}" fill="{COLOURS[colour]}"' + f' font-weight="{weight}"' * (
            weight != 400
        )
        for i, line in enumerate(words.split("\n")):
            place = f'x="{number(x)}" y="{number(y + i * size * 1.35)}"'
            line = re.sub(r"_(\d)", SUBSCRIPT, escape(line))
            self.shapes.append(f"<text {place} {style}>{line}</text>")

    def heading(self, words: str, x: float = 0, y: float = 14, colour: str = "ink", anchor: str = "left") -> None:
        self.text(x, y, words, LARGE, colour, anchor, 700)

    def box(
        self, x: float, y: float, w: float, h: float, words: str, colour: str = "ink", fill: float = 0.12,
        size: float = NORMAL, weight: int = 400, ink: str = "ink", dash: str = "", line: float = 1.2,
    ) -> None:  # fmt: skip
        """A rectangle with words in its middle."""
        self.rect(x, y, w, h, colour, fill, line, r=4, dash=dash)
        rows = words.count("\n")
        self.text(x + w / 2, y + h / 2 + size * (0.36 - rows * 0.675), words, size, ink, weight=weight)

    def grid(
        self, x: float, y: float, cells: Sequence[Sequence[object]], side: float, colour: str = "ink",
        shades: dict[tuple[int, int], tuple[str, float]] | None = None, size: float = SMALL,
    ) -> None:  # fmt: skip
        """Rows of square cells with what they hold ("" for nothing); `shades` colours (row, column)."""
        for i, row in enumerate(cells):
            for j, value in enumerate(row):
                tone, fill = (shades or {}).get((i, j), (colour, 0.0))
                self.rect(x + j * side, y + i * side, side, side, tone, fill, 0, r=0)
                self.rect(x + j * side, y + i * side, side, side, colour, 0, 0.8, r=0)
                if value != "":
                    self.text(x + (j + 0.5) * side, y + (i + 0.5) * side + size * 0.36, str(value), size)

    def slab(
        self, x: float, y: float, w: float, side: float, colour: str, fill: float = 0.2, slope: float = 0.22
    ) -> float:
        """A feature map seen from the side: `w` thick, `side` high, centred on y. Returns the x of its right edge."""
        shift, top, bottom = side * slope, y - side / 2, y + side / 2
        a, b = (x, top + shift / 2), (x + w, top + shift / 2)
        far = [(b[0] + shift, top - shift / 2), (a[0] + shift, top - shift / 2)]
        self.polygon([a, b, (x + w, bottom + shift / 2), (x, bottom + shift / 2)], colour, fill, 0.9)
        self.polygon([a, b, *far], colour, fill * 0.5, 0.9)
        self.polygon([b, far[0], (far[0][0], bottom - shift / 2), (x + w, bottom + shift / 2)], colour, fill * 1.6, 0.9)
        return x + w + shift
