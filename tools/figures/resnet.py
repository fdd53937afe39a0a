"""Drawings of the ResNet chapter. Numbers: arXiv 1512.03385 and the package's table and layer tables."""

import torch
from draw import NORMAL, SMALL, Drawing
from nets import input_image, mega, stages, table

from paperlib import build
from paperlib.models.resnet import TABLE_1

OPTIONS = {"A": 25.03, "B": 24.52, "C": 24.19}  # Table 3, ResNet-34


def architecture() -> Drawing:
    """ResNet-34 at the scale of the other three papers; a slab is a block of two layers."""
    d = Drawing(232)
    d.heading("ResNet-34")
    d.text(420, 14, f"가중치 계층 34개 · 파라미터 {mega(table('resnet34').params)}", SMALL, "mute", "right")
    x = input_image(d, 0, 104, 224)
    blocks = TABLE_1["resnet34"][1]
    groups = [("64장", 1, 64, 112), *((f"{64 * 2**i}장", n, 64 * 2**i, 56 // 2**i) for i, n in enumerate(blocks))]
    edges = stages(d, "resnet", groups, x=x + 22, y=104, gap=28)
    for (left, right), n in zip(edges[1:], blocks, strict=True):
        step = (right - left) / n
        for i in range(n):
            d.arc(left + i * step, left + (i + 1) * step, 58, 9, "green", 1.3, head=False)
        d.text((left + right) / 2, 40, f"{n}블록", SMALL, "green", weight=700)
    x = edges[-1][1] + 10
    d.rect(x, 104 - 17, 8, 34, "green", 0.45, 0.9, r=2)
    d.text(x + 4, 186, "GAP", SMALL, "mute")
    d.text(x + 4, 202, "1,000", SMALL)
    d.text(0, 228, "블록 하나에 3×3 합성곱이 둘 있고, 그 위로 지름길이 지나간다.", SMALL, "mute", "left")
    return d


def block() -> Drawing:
    """A plain block beside a residual block: what the layers have to learn."""
    d = Drawing(300)
    right = 276
    for x, words, tone in ((84, "plain 블록", "mute"), (right, "잔차 블록", "green")):
        d.heading(words, x, 16, tone, "middle")
        d.text(x, 48, "x", 17, weight=700)
        d.arrow((x, 54), (x, 76), line=2)
        d.box(x - 62, 78, 124, 34, "3×3 합성곱", tone, 0.14)
        d.arrow((x, 114), (x, 142), line=2)
        d.text(x + 8, 133, "ReLU", SMALL, "mute", "left")
        d.box(x - 62, 144, 124, 34, "3×3 합성곱", tone, 0.14)
    d.arrow((84, 180), (84, 250), line=2)
    d.text(92, 220, "ReLU", SMALL, "mute", "left")
    d.text(84, 274, "H(x)", 18, weight=700)
    d.text(84, 294, "처음부터 만든다", SMALL, "mute")
    d.arrow((right, 180), (right, 201), line=2)
    d.circle(right, 213, 11, "green", 0.25, 1.8)
    d.text(right, 219, "+", 18, weight=700)
    d.path(
        f"M{right} 62H{right + 72}Q{right + 92} 62 {right + 92} 82V193Q{right + 92} 213 {right + 72} 213H{right + 20}",
        "green",
        3,
    )
    d.head(right + 12, 213, 3.14159, "green", 10)
    d.text(right + 100, 133, "지름길", NORMAL, "green", "left", 700)
    d.text(right + 100, 152, "x", 16, "green", "left", 700)
    d.arrow((right, 225), (right, 250), line=2)
    d.text(right + 8, 243, "ReLU", SMALL, "mute", "left")
    d.text(right - 70, 133, "F(x)", 15, "green", "right", 700)
    d.text(right, 274, "F(x) + x", 18, "green", weight=700)
    d.text(right, 294, "x에서 달라질 만큼만 배운다", SMALL, "mute")
    return d


def shortcuts() -> Drawing:
    """Options A, B and C where a stage begins and inside it."""
    d = Drawing(318)
    said = {"A": "0으로 채운다", "B": "바뀌는 곳만 투영", "C": "모두 투영"}
    plain = table("plain34").params
    for i, (option, error) in enumerate(OPTIONS.items()):
        x = 34 + i * 146
        d.heading(option, x + 30, 18, "green", "middle")
        d.text(x + 30, 38, said[option], NORMAL)
        for j, (changed, words) in enumerate(((True, "56 → 28"), (False, "28 → 28"))):
            y = 60 + j * 92
            projected = option == "C" or (option == "B" and changed)
            d.box(x - 20, y + 12, 58, 46, words, "mute", 0.1, SMALL)
            d.arrow((x + 9, y - 6), (x + 9, y + 11))
            d.arrow((x + 9, y + 58), (x + 9, y + 80))
            if projected or changed:
                d.path(f"M{x + 9} {y}H{x + 68}V{y + 23}M{x + 68} {y + 47}V{y + 70}H{x + 15}", "green", 2.4)
                tone = "orange" if projected else "green"
                d.box(x + 46, y + 23, 44, 24, "1×1" if projected else "0", tone, 0.2, NORMAL, 700)
            else:
                d.path(f"M{x + 9} {y}H{x + 68}V{y + 70}H{x + 15}", "green", 2.4)
            d.head(x + 11, y + 70, 3.14159, "green")
        with torch.device("meta"):
            params = sum(p.numel() for p in build("resnet34", shortcut=option).parameters())
        more = params / plain - 1
        d.text(x + 30, 268, f"{error} %", 18, "green", weight=700)
        d.text(x + 30, 288, f"파라미터 +{more:.1%}" if more else "파라미터 그대로", SMALL, "mute")
    d.text(210, 312, "ResNet-34의 top-1 오류. plain-34는 28.54 %", SMALL, "mute")
    return d


def zero_padding() -> Drawing:
    """Option A on channels: 64 maps of 56 px become 128 of 28 px without a parameter."""
    d = Drawing(236)
    d.text(62, 16, "64채널, 56 px", 14, weight=700)
    d.text(196, 16, "64채널, 28 px", 14, weight=700)
    d.text(348, 16, "128채널, 28 px", 14, "green", weight=700)
    d.grid(
        8,
        36,
        [[""] * 6] * 6,
        18,
        "green",
        {(r, c): ("green", 0.6 if r % 2 == c % 2 == 0 else 0.08) for r in range(6) for c in range(6)},
    )
    d.arrow((124, 90), (152, 90), line=2)
    d.grid(170, 63, [[""] * 3] * 3, 18, "green", {(r, c): ("green", 0.6) for r in range(3) for c in range(3)})
    d.arrow((232, 90), (260, 90), line=2)
    for i in range(4):
        d.rect(296 + i * 9, 30 + i * 7, 54, 54, "green", 0.3, 1.2, r=1)
    for i in range(4):
        d.rect(296 + i * 9, 118 + i * 7, 54, 54, "mute", 0.0, 1.2, r=1, dash="3 3")
    d.text(350, 170, "0", 20, "mute", weight=700)
    d.text(282, 60, "받은 64", SMALL, "green", "right")
    d.text(282, 150, "0으로 64", SMALL, "mute", "right")
    d.text(0, 178, "두 칸마다 하나", SMALL, "green", "left", 700)
    d.text(0, 228, "곱셈도 파라미터도 없다. 채운 채널은 잔차를 배우지 않는다.", NORMAL, "ink", "left")
    return d


def bottleneck() -> Drawing:
    """Two 3x3 at 64 channels beside 1x1, 3x3, 1x1 at 256: nearly the same number of weights."""
    basic, narrow = 2 * 9 * 64 * 64, 256 * 64 + 9 * 64 * 64 + 64 * 256
    d = Drawing(318)
    d.heading("기본 블록", 100, 16, "mute", "middle")
    d.heading("병목 블록", 306, 16, "green", "middle")
    for x, widths, kernels, tone in (
        (100, (64, 64, 64), ("3×3", "3×3"), "mute"),
        (306, (256, 64, 64, 256), ("1×1", "3×3", "1×1"), "green"),
    ):
        step = 210 / len(kernels)
        ys = [40 + step * i for i in range(len(widths))]
        for (y, w), (y2, w2), kernel in zip(
            zip(ys, widths, strict=True), list(zip(ys, widths, strict=True))[1:], kernels, strict=False
        ):
            half, half2 = w * 0.34, w2 * 0.34
            d.polygon([(x - half, y + 14), (x + half, y + 14), (x + half2, y2), (x - half2, y2)], tone, 0.14, 0)
            d.text(x, (y + y2) / 2 + 12, kernel, 15, weight=700)
        for y, w in zip(ys, widths, strict=True):
            d.rect(x - w * 0.34, y, w * 0.68, 14, tone, 0.7, 0, r=2)
            d.text(
                x + w * 0.34 + 8 if w < 100 else x,
                y + 11.5,
                f"{w}채널",
                SMALL,
                "ink",
                "left" if w < 100 else "middle",
            )
    d.text(100, 290, f"가중치 {basic:,}", 14, "mute", weight=700)
    d.text(306, 290, f"가중치 {narrow:,}", 14, "green", weight=700)
    d.text(210, 312, "네 배 넓은 채널을 같은 값에 잇는다", NORMAL)
    return d


def pre_activation() -> Drawing:
    """Where ReLU stands after the addition, and where it does not: eq. (1)-(5) need the second."""
    d = Drawing(330)
    orders = ((110, "2015년의 블록", ("합성곱", "BN", "ReLU", "합성곱", "BN"), True, "green"),
              (310, "사전 활성화 블록", ("BN", "ReLU", "합성곱", "BN", "ReLU", "합성곱"), False, "violet"))  # fmt: skip
    for x, words, parts, relu_after, tone in orders:
        d.heading(words, x, 16, tone, "middle")
        for top, bottom in ((30, 277), (305, 318)) if relu_after else ((30, 318),):
            d.lines([(x - 70, top), (x - 70, bottom)], tone, 5)
        d.path(f"M{x - 70} 40H{x + 10}V52", tone, 1.8)
        y = 52.0
        for part in parts:
            active = part == "ReLU"
            d.box(
                x - 34,
                y,
                90,
                26,
                part,
                "red" if active else tone,
                0.2 if active else 0.12,
                NORMAL,
                700 if active else 400,
            )
            y += 31
        d.path(f"M{x + 10} {y - 5}V{258}H{x - 58}", tone, 1.8)
        d.circle(x - 70, 258, 9, tone, 1, 0)
        d.text(x - 92, 264, "+", 18, tone, weight=700)
        if relu_after:
            d.rect(x - 104, 278, 68, 26, "red", 0.25, 1.2, r=4)
            d.text(x - 70, 296, "ReLU", NORMAL, weight=700)
            d.text(x - 28, 296, "신호가 여기서 바뀐다", SMALL, "red", "left", 700)
        else:
            d.text(x - 58, 296, "그대로 다음 블록으로", SMALL, "violet", "left", 700)
    return d


def backbone() -> Drawing:
    """C2 to C5 and what a feature pyramid makes of them."""
    rows = table("resnet50")
    last = {"C2": "conv2_x", "C3": "conv3_x", "C4": "conv4_x", "C5": "conv5_x"}
    shapes = {}
    for row in rows:
        for c, stage in last.items():
            if stage in row.name and len(row.shape) == 3:
                shapes[c] = row.shape
    d = Drawing(316)
    d.heading("백본 (ResNet-50)", 0, 14, "green")
    d.heading("FPN", 330, 14, "blue", "middle")
    for i, (c, stage) in enumerate(reversed(last.items())):
        channels, side, _ = shapes[c]
        y, half = 52 + i * 68, side * 0.95 + 14
        d.polygon(
            [(96 - half, y + 12), (96 + half - 12, y + 12), (96 + half, y - 6), (96 - half + 12, y - 6)], "green", 0.3
        )
        d.text(96, y + 32, f"{stage} · {side} px · {channels:,}채널", SMALL, "ink")
        d.arrow((180, y + 3), (242, y + 3), colour="orange", line=2)
        d.text(210, y - 5, "1×1", NORMAL, "orange", weight=700)
        d.circle(252, y + 3, 8, "blue", 0.25, 1.6)
        d.text(252, y + 8, "+", 14, weight=700)
        wide = half * 0.78
        d.polygon(
            [(336 - wide, y + 12), (336 + wide - 12, y + 12), (336 + wide, y - 6), (336 - wide + 12, y - 6)],
            "blue",
            0.3,
        )
        if i:
            d.arrow((336, y - 34), (336, y - 9), colour="blue", line=2)
            d.text(344, y - 18, "×2", SMALL, "blue", "left")
            d.arrow((96, y - 12), (96, y - 30), colour="green", line=2)
    d.text(336, 292, "모두 256채널", SMALL, "blue")
    d.text(0, 312, "이미지 224 px에서 한 칸의 간격은 4, 8, 16, 32 px이다.", SMALL, "mute", "left")
    return d


DRAWINGS = {
    "resnet-architecture": architecture,
    "resnet-block": block,
    "resnet-shortcuts": shortcuts,
    "resnet-zero-padding": zero_padding,
    "resnet-bottleneck": bottleneck,
    "resnet-pre-activation": pre_activation,
    "resnet-backbone": backbone,
}
