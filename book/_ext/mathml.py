"""Sphinx extension: formulas as MathML, written at build: no script in the page, no tab stop, text in print.

latex2mathml translates the TeX; `mended` sets right what browsers would space or stretch wrongly. The letters come from
a subset of STIX Two Math (SIL Open Font License), so that formulas look the same on every system.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from docutils import nodes
from fontTools import subset
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

MINUS, COMMA = "&#x02212;", "&#x0002C;"
FENCES = "&#x0230A;|&#x0230B;|&#x02308;|&#x02309;|&#x0007C;|&#x02016;"  # floor, ceiling, bars: not stretched, no space
FUNCTIONS = "max|min|log|ln|exp|softmax|argmax"
OPERATORS = "&#x0003D;|&#x02248;|&#x02192;|&#x02264;|&#x0003C;|&#x0003E;"
SIGN_AFTER = rf"{OPERATORS}|{COMMA}|&#x000B7;|&#x00028;|\[|&#x0005B;"  # a minus after these is a sign
MENDS = (  # pattern, replacement
    (rf"(?<=\d)</mn><mrow><mo>{COMMA}</mo></mrow><mn>(?=\d{{3}})", ","),  # 1{,}000
    (rf"<m[io](?: stretchy=\"false\")?>({FENCES})</m[io]>", r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>'),
    (rf"<m[io]>({FUNCTIONS})</m[io]>(?!<mo[^>]*>&#x00028;)", r'<mi>\1</mi><mspace width="0.167em"/>'),
    (rf"<mo>({FUNCTIONS})</mo>", r"<mi>\1</mi>"),
    (rf"(<mo[^>]*>(?:{SIGN_AFTER})</mo>)<mo>{MINUS}</mo>", rf'\1<mo form="prefix">{MINUS}</mo>'),
    (r"<mi>:</mi><mo>&#x0003D;</mo>", "<mo>&#x02254;</mo>"),  # :=
    (r"<mo>&#x0002F;</mo>", '<mo lspace="0" rspace="0">/</mo>'),
    (r"<mo>&#x02202;</mo>", "<mi>&#x02202;</mi>"),  # a partial derivative's sign is a letter
)  # fmt: skip
LONG = 24  # characters; an inline formula of more may break after its operators
BREAK_AFTER = re.compile(rf"<mo>(?:{OPERATORS}|&#x0002B;|&#x000B7;|&#x000D7;|{MINUS})</mo>")


SLANTED = (  # first and last letter of a range, first of the slanted letters
    (0x41, 0x5A, 0x1D434),
    (0x61, 0x7A, 0x1D44E),
    (0x391, 0x3A9, 0x1D6E2),
    (0x3B1, 0x3C9, 0x1D6FC),
)


class FormulaError(ValueError):
    """A formula that latex2mathml does not know in full."""


def mended(mathml: str) -> str:
    for pattern, replacement in MENDS:
        mathml = re.sub(pattern, replacement, mathml)
    return mathml


def to_mathml(tex: str, display: bool) -> str:
    """One formula; the TeX stays in it as `alttext`. Unknown commands are an error, not red letters in a page."""
    mathml = mended(convert(tex.strip(), display="block" if display else "inline"))
    unknown = re.search(r"<m[iot][^>]*>\\[^<]*<", mathml)
    if unknown:
        raise FormulaError(f"latex2mathml does not know {unknown[0]} in {tex!r}")
    return mathml


def in_pieces(mathml: str) -> str:
    """A long inline formula as several, so that a line can break after an operator (browsers do not break MathML)."""
    if len(re.sub(r"<[^>]*>|&#\w+;", ".", re.sub(r"</?m(?:row|ath)[^>]*>|</\w+>", "", mathml))) <= LONG:
        return mathml
    opening, inside, closing = re.fullmatch(r"(<math[^>]*><mrow>)(.*)(</mrow></math>)", mathml, re.S).groups()
    pieces, depth, start = [], 0, 0
    for token in re.finditer(r"<mo[^>]*>[^<]*</mo>|<(/?)m\w+[^>]*?(/?)>", inside):
        if not token[0].startswith("<mo"):
            depth += 0 if token[2] else -1 if token[1] else 1
        elif depth == 0 and BREAK_AFTER.fullmatch(token[0]):
            pieces.append(inside[start : token.start()] + token[0].replace("<mo>", '<mo form="infix">'))
            start = token.end()
    return "<wbr>".join(opening + piece + closing for piece in [*pieces, inside[start:]] if piece)


def visit_math(translator: HTML5Translator, node: nodes.math) -> None:
    opening = translator.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    translator.body.append(opening + in_pieces(to_mathml(node.astext(), display=False)) + "</span>")
    raise nodes.SkipNode


def visit_displaymath(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    translator.body.append(to_mathml(node.astext(), display=True))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "이 식의 주소")
        translator.body.append("</span>")
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def letters_of_formulas(app: Sphinx) -> set[int]:
    """Every code point that a formula of the book shows, whichever page was rebuilt."""
    found = set(map(ord, "√()[]{}|‖⌊⌋⌈⌉∑∫"))  # roots have no letter of their own; what stretches keeps its larger forms
    for name in app.env.found_docs:
        for formula in app.env.get_doctree(name).findall(lambda n: isinstance(n, nodes.math | nodes.math_block)):
            shown = re.sub(r"<[^>]*>", "", to_mathml(formula.astext(), display=True))
            found |= {int(code, 16) for code in re.findall(r"&#x([0-9A-Fa-f]+);", shown)}
            found |= {ord(letter) for letter in re.sub(r"&#?\w+;", "", shown)}
    return found


def mathematical(code: int) -> set[int]:
    """A letter and the slanted one that browsers show for it inside <mi>."""
    for first, last, slanted in (
        (0x41, 0x5A, 0x1D434),
        (0x61, 0x7A, 0x1D44E),
        (0x391, 0x3A9, 0x1D6E2),
        (0x3B1, 0x3C9, 0x1D6FC),
    ):
        if first <= code <= last:
            return {code, code - first + slanted, *({0x210E} if code == ord("h") else ())}
    return {code, *({0x1D716} if code == 0x3F5 else ())}


def write_font(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    package = find_spec("ziamath")
    assert package
    assert package.origin
    options = subset.Options(flavor="woff2", layout_features=["ssty", "dtls", "kern"], notdef_outline=True)
    options.name_IDs = [0, 1, 2, 13, 14]  # copyright and licence stay in the file
    font = subset.load_font(str(Path(package.origin).parent / "fonts" / "STIXTwoMath-Regular.ttf"), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes={more for code in letters_of_formulas(app) for more in mathematical(code)})
    subsetter.subset(font)
    made = BytesIO()
    subset.save_font(font, made, options)
    place = Path(app.outdir) / "_static" / "fonts" / "math.woff2"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(made.getvalue())


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.connect("build-finished", write_font)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
