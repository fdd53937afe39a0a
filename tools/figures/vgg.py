"""Drawings of the VGG chapter. Numbers: arXiv 1409.1556 and the package's table and layer tables."""

from draw import LARGE, NORMAL, SMALL, Drawing
from nets import input_image, mega, stages, table

from paperlib.models.vgg import CHANNELS, TABLE_1

CROP = 224
COLUMNS = {"A": "vgg11", "B": "vgg13", "C": "vgg16_1x1", "D": "vgg16", "E": "vgg19"}


def architecture() -> Drawing:
    """Column D at the scale of the other three papers."""
    d = Drawing(218)
    d.heading("VGG-16")
    d.text(420, 14, f"가중치 계층 16개 · 파라미터 {mega(table('vgg16').params)}", SMALL, "mute", "right")
    x = input_image(d, 2, 96, CROP)
    groups = [
        (f"{c}장", len(k), c, CROP // 2**i) for i, (k, c) in enumerate(zip(TABLE_1["vgg16"], CHANNELS, strict=True))
    ]
    edges = stages(d, "vgg", groups, x=x + 14, y=96, gap=16)
    x = edges[-1][1] + 10
    for i, units in enumerate((4096, 4096, 1000)):
        h = units**0.5 * 1.1
        d.rect(x + i * 16, 96 - h / 2, 8, h, "blue", 0.45, 0.9, r=2)
    d.text(x + 20, 178, "4,096", SMALL, "mute")
    d.text(x + 20, 194, "완전 연결", SMALL)
    d.text(0, 214, "합성곱은 모두 3×3이다. 스테이지 사이의 풀링이 크기를 반으로 줄인다.", SMALL, "mute", "left")
    return d


def pyramid() -> Drawing:
    """Receptive field of stacked 3x3 convolutions, in one dimension."""
    d = Drawing(262)
    cell, middle, layers = 40, 170, 3
    for level in range(layers + 1):
        seen = 1 + 2 * (layers - level)
        y = 222 - level * 66
        cells = 7 - 2 * level
        d.grid(middle - cells * cell / 2, y, [[""] * cells], cell, colour="blue",
               shades={(0, j): ("blue", 0.14 + 0.16 * level) for j in range(cells)})  # fmt: skip
        d.text(
            middle + 7 * cell / 2 + 16, y + 18, "입력" if level == 0 else f"{level}층", 14, anchor="left", weight=700
        )
        d.text(middle + 7 * cell / 2 + 16, y + 35, f"{seen}칸" if level == 0 else f"{1 + 2 * level}칸을 본다", SMALL,
               "blue" if level else "mute", "left")  # fmt: skip
        if level < layers:
            for sign in (-1, 1):
                d.lines(
                    [(middle + sign * cells * cell / 2, y), (middle + sign * (cells - 2) * cell / 2, y - 26)],
                    "blue",
                    1.2,
                    "3 3",
                )
    return d


def stack() -> Drawing:
    """Three 3x3 against one 7x7: the same field, fewer parameters."""
    three, seven = 3 * 3 * 3, 7 * 7
    d = Drawing(246)
    d.heading("3×3 셋", 86, 16, "blue", "middle")
    d.heading("7×7 하나", 322, 16, "mute", "middle")
    for i in range(3):
        x, y = 10 + i * 54, 82
        d.grid(x, y, [[""] * 3] * 3, 16, "blue", {(r, c): ("blue", 0.3) for r in range(3) for c in range(3)})
        d.text(x + 24, y + 68, "ReLU", SMALL, "blue", weight=700)
    d.grid(258, 46, [[""] * 7] * 7, 18, "mute", {(r, c): ("mute", 0.22) for r in range(7) for c in range(7)})
    d.text(321, 190, "ReLU", SMALL, "mute", weight=700)
    d.text(86, 216, f"3 × 9 = {three}", 19, "blue", weight=700)
    d.text(322, 216, f"49 = {seven}".replace("49 = ", "7 × 7 = "), 19, "mute", weight=700)
    d.text(86, 238, f"{1 - three / seven:.0%} 적다 · 비선형 셋", NORMAL, "ink")
    d.text(322, 238, "비선형 하나", NORMAL, "mute")
    d.text(206, 112, "보는 넓이는\n같다", SMALL, "mute")
    return d


def columns() -> Drawing:
    """Table 1 as towers of layers."""
    d = Drawing(400)
    step, h, w, base = 84, 15, 62, 336
    for i, (letter, name) in enumerate(COLUMNS.items()):
        x, y = i * step + 11, base
        tone = "blue" if letter == "D" else "mute"
        for stage, kernels in enumerate(TABLE_1[name]):
            for kernel in kernels:
                y -= h
                one = kernel == "1"
                d.rect(x, y + 1.5, w, h - 3, "orange" if one else "blue", 0.55 if one else 0.12 + 0.11 * stage, 0, r=2)
                if one:
                    d.text(x + w / 2, y + 12, "1×1", SMALL, weight=700)
            y -= 5
        for _ in range(3):
            y -= h
            d.rect(x, y + 1.5, w, h - 3, "ink", 0.25, 0, r=2)
        layers = sum(map(len, TABLE_1[name])) + 3
        d.text(x + w / 2, y - 6, f"{layers}층", 14, tone, weight=700)
        d.text(x + w / 2, base + 20, letter, 17, tone, weight=700)
        d.text(x + w / 2, base + 38, mega(table(name).params), SMALL, "mute")
    d.text(0, 396, "파랑: 3×3 합성곱 · 주황: 1×1 합성곱 · 회색: 완전 연결", SMALL, "mute", "left")
    return d


def costs() -> Drawing:
    """Where column D keeps its parameters and where it computes."""
    rows = table("vgg16")
    d = Drawing(206)
    conv = [row for row in rows if row.kind == "Conv2d"]
    parts = {"합성곱 13개": conv, "fc6": [rows["fc6"]], "fc7, fc8": [rows["fc7"], rows["fc8"]]}
    for i, (words, total, unit, pick) in enumerate((
        ("파라미터", rows.params, mega(rows.params), lambda r: r.params),
        ("곱셈과 덧셈", rows.macs, f"{rows.macs / 1e9:.1f} GMAC", lambda r: r.macs),
    )):  # fmt: skip
        y, x = 16 + i * 104, 0.0
        d.text(0, y, words, LARGE, anchor="left", weight=700)
        d.text(420, y, unit, LARGE, "mute", "right")
        for (part, layers), (tone, fill) in zip(
            parts.items(), (("blue", 0.6), ("orange", 0.6), ("ink", 0.25)), strict=True
        ):
            share = sum(map(pick, layers)) / total
            d.rect(x, y + 10, max(share * 420 - 1.5, 1), 38, tone, fill, 0, r=2)
            if share > 0.05:
                d.text(
                    x + 8, y + 34, f"{part} {share:.0%}" if share > 0.2 else f"{share:.0%}", NORMAL, "ink", "left", 700
                )
            x += share * 420
    d.text(420, 80, "오른쪽 끝: fc7, fc8", SMALL, "mute", "right")
    d.text(0, 200, "fc6 하나가 7 × 7 × 512 × 4,096개의 가중치를 갖는다.", SMALL, "mute", "left")
    return d


def crop_geometry() -> Drawing:
    """A 4:3 photograph at three S with the 224 px crop at the same scale."""
    d = Drawing(206)
    scale, x, base = 0.252, 0.0, 158
    for s in (256, 384, 512):
        w, h, crop = s * 4 / 3 * scale, s * scale, CROP * scale
        y = base - h
        d.rect(x, y, w, h, "mute", 0.08, 1.2, r=1)
        cx, cy, r = x + w * 0.5, y + h * 0.52, h * 0.34
        d.polygon(
            [(cx - r, cy - r * 0.2), (cx - r * 0.85, cy - r * 1.35), (cx - r * 0.25, cy - r * 0.85)], "orange", 0.55, 0
        )
        d.polygon(
            [(cx + r, cy - r * 0.2), (cx + r * 0.85, cy - r * 1.35), (cx + r * 0.25, cy - r * 0.85)], "orange", 0.55, 0
        )
        d.circle(cx, cy, r, "orange", 0.55, 0)
        for sign in (-1, 1):
            d.circle(cx + sign * r * 0.38, cy - r * 0.15, r * 0.1, "ink", 1, 0)
        d.rect(cx - crop / 2 - 2, cy - crop / 2 - 1, crop, crop, "blue", 0.12, 2.4, r=1)
        d.text(x + w / 2, base + 20, f"S = {s}", 14, weight=700)
        d.text(x + w / 2, base + 38, f"{s * 4 / 3:.0f} × {s} px", SMALL, "mute")
        x += w + 16
    d.text(0, 14, "파란 칸: 224 × 224 크롭", 14, "blue", "left", 700)
    d.text(0, 32, "사진의 짧은 변을 S로 맞춘다", SMALL, "mute", "left")
    return d


DRAWINGS = {
    "vgg-architecture": architecture,
    "vgg-pyramid": pyramid,
    "vgg-stack": stack,
    "vgg-columns": columns,
    "vgg-costs": costs,
    "vgg-crop": crop_geometry,
}
