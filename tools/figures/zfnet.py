"""Drawings of the ZFNet chapter. Numbers: arXiv 1311.2901 and the package's layer table."""

from math import ceil, floor

from draw import LARGE, NORMAL, SMALL, Drawing
from nets import input_image, mega, output, table, tall, thickness


def architecture() -> Drawing:
    """Figure 3's net: eight layers with weights."""
    d = Drawing(236)
    d.heading("ZFNet")
    total = mega(table("zfnet").params)
    d.text(420, 14, f"가중치 계층 8개 · 파라미터 {total}", SMALL, "mute", "right")
    y, x = 96, input_image(d, 4, 96, 224) + 6
    kernels = {"conv1": "7×7 /2", "conv2": "5×5 /2", "conv3": "3×3", "conv4": "3×3", "conv5": "3×3"}
    for layer, kernel in kernels.items():
        channels, side = output("zfnet", layer)
        start = x
        x = d.slab(x, y, thickness(channels), tall(side), "orange", 0.28)
        for row, (words, tone) in enumerate(((str(side), "mute"), (kernel, "ink"), (f"{channels}장", "orange"))):
            d.text((start + x) / 2, y + 82 + 16 * row, words, SMALL, tone)
        x = max(x + 14, start + 50)
    d.arrow((x - 6, y), (x + 8, y))
    for i, units in enumerate((4096, 4096, 1000)):
        h = units**0.5 * 1.1
        d.rect(x + 14 + i * 18, y - h / 2, 8, h, "orange", 0.45, 0.9, r=2)
    d.text(x + 36, y + 82, "4,096 · 4,096", SMALL, "mute")
    d.text(x + 36, y + 98, "완전 연결", SMALL)
    return d


def ceil_sizes() -> Drawing:
    """Why 110 becomes 55: pooling windows counted with floor and with ceil."""
    side, window, stride = 110, 3, 2
    d = Drawing(214)
    last = floor((side - window) / stride) + 1, ceil((side - window) / stride) + 1
    d.heading(f"{side}칸에 3칸 창을 2칸씩 옮기면?")
    shown, cell, x0, y0 = 9, 32, 66, 62
    first = side - shown
    d.text(x0 - 10, y0 + 21, "…", LARGE, "mute", "right")
    d.grid(x0, y0, [[i + 1 for i in range(first, side)]], cell)
    d.rect(x0 + shown * cell, y0, cell, cell, "mute", 0, 1.2, r=0, dash="3 3")
    d.text(x0 + (shown + 0.5) * cell, y0 - 8, "맵의 바깥", SMALL, "mute")
    for row, start in enumerate(range(last[1] - 4, last[1])):
        left = start * stride - first
        tone = "red" if start == last[1] - 1 else "orange"
        if left < 0:
            continue
        y = y0 + cell + 12 + (row % 2) * 22
        d.rect(x0 + left * cell + 2, y, window * cell - 4, 16, tone, 0.3, 1.2, dash="4 3" if tone == "red" else "")
        d.text(x0 + (left + 1.5) * cell, y + 12.5, f"{start + 1}번째 창", SMALL)
    d.text(0, 176, f"모자란 창을 버리면  ⌊({side} − 3) / 2⌋ + 1 = {last[0]}", 14, "mute", "left")
    d.text(0, 202, f"모자란 창도 쓰면  ⌈({side} − 3) / 2⌉ + 1 = {last[1]}  ← 논문의 크기", 14, "orange", "left", 700)
    return d


def deconvnet() -> Drawing:
    """Figure 1: up and down side by side, with the switches of a 4x4 map."""
    d = Drawing(452)
    map_ = [[1, 0, 2, 1], [0, 5, 0, 3], [4, 1, 0, 0], [0, 2, 1, 6]]
    signal = [[3, 0], [2, 7]]
    tones = {(0, 0): "orange", (0, 1): "blue", (1, 0): "green", (1, 1): "violet"}
    best = {w: max(((2 * w[0] + i, 2 * w[1] + j) for i in (0, 1) for j in (0, 1)), key=lambda p: map_[p[0]][p[1]])
            for w in tones}  # fmt: skip
    pooled = [[map_[best[i, j][0]][best[i, j][1]] for j in (0, 1)] for i in (0, 1)]
    unpooled = [["0"] * 4 for _ in range(4)]
    for (i, j), (r, c) in best.items():
        unpooled[r][c] = str(signal[i][j])
    d.heading("올라갈 때", 78, 14, anchor="middle")
    d.heading("내려올 때", 342, 14, anchor="middle")
    cell, ys = 28, (44, 140)
    shade2 = {w: (tone, 0.35) for w, tone in tones.items()}
    shade4 = {best[w]: (tone, 0.35) for w, tone in tones.items()}
    d.grid(50, ys[0], pooled, cell, shades=shade2)
    d.grid(314, ys[0], signal, cell, shades=shade2)
    d.text(342, ys[0] - 8, "되돌릴 신호", SMALL, "mute")
    d.text(78, ys[0] - 8, "풀링한 맵", SMALL, "mute")
    d.grid(22, ys[1], map_, cell, shades=shade4)
    d.grid(286, ys[1], unpooled, cell, shades=shade4)
    d.arrow((78, ys[1] - 4), (78, ys[0] + 62), line=2)
    d.text(88, ys[1] - 15, "최대 풀링", NORMAL, anchor="left", weight=700)
    d.arrow((342, ys[0] + 62), (342, ys[1] - 4), line=2)
    d.text(332, ys[1] - 15, "① 언풀링", NORMAL, anchor="right", weight=700)
    d.arrow((140, ys[1] + 56), (280, ys[1] + 56), colour="orange", line=2, dash="5 4")
    d.text(210, ys[1] + 46, "스위치", 14, "orange", weight=700)
    d.text(210, ys[1] + 74, "값이 아니라\n최댓값의 위치", SMALL, "orange")
    rows = ((288, "ReLU", "② ReLU", "음수를 0으로"), (350, "필터로 합성곱", "③ 전치한 필터", "뒤집어 합성곱"))
    for y, up, down, note in rows:
        d.arrow((78, y), (78, y - 32), line=2)
        d.arrow((342, y - 32), (342, y), line=2)
        d.box(14, y, 128, 30, up, weight=700)
        d.box(278, y, 128, 30, down, "orange", 0.16, weight=700)
        d.text(210, y + 19, note, SMALL, "mute")
    d.arrow((78, 412), (78, 382), line=2)
    d.arrow((342, 382), (342, 412), line=2)
    d.box(14, 414, 128, 30, "이미지의 픽셀", fill=0.04)
    d.box(278, 414, 128, 30, "되살린 픽셀", "orange", 0.06)
    return d


def switch_add() -> Drawing:
    """Two overlapping windows choose one cell: a deconvnet adds, max_unpool2d overwrites."""
    row, signal, window, stride = (1, 0, 5, 0, 2), (2, 3), 3, 2
    spots = [max(range(s * stride, s * stride + window), key=row.__getitem__) for s in range(len(signal))]
    assert spots[0] == spots[1]
    add, over = [0] * 5, [0] * 5
    for spot, value in zip(spots, signal, strict=True):
        add[spot] += value
        over[spot] = value
    d = Drawing(300)
    cell, x = 44, 100
    hot = {(0, spots[0]): ("orange", 0.4)}
    d.heading("두 창이 같은 칸을 고르면?")
    d.grid(x, 56, [row], cell, shades=hot, size=16)
    for i, tone in enumerate(("blue", "green")):
        left = x + i * stride * cell
        y = 50 - i * 0 if i == 0 else 106
        d.lines([(left + 3, y + (5 if i == 0 else -5)), (left + 3, y), (left + 3 * cell - 3, y),
                 (left + 3 * cell - 3, y + (5 if i == 0 else -5))], tone, 2)  # fmt: skip
        d.text(left + 66, y + (-6 if i == 0 else 17), f"창 {i + 1}: 신호 {signal[i]}", 14, tone, weight=700)
    for y, cells, words, tone in ((160, add, "더한다", "orange"), (230, over, "덮어쓴다", "mute")):
        d.text(x - 12, y + 27, words, 15, tone, "right", 700)
        d.grid(x, y, [cells], cell, shades={(0, spots[0]): (tone, 0.4)}, size=16)
    d.text(x + 5 * cell + 10, 181, "디컨브넷", SMALL, "orange", "left", 700)
    d.text(x + 5 * cell + 10, 197, "2 + 3 = 5", SMALL, "mute", "left")
    d.text(x + 5 * cell + 10, 251, "max_unpool2d", SMALL, "mute", "left")
    d.text(x + 5 * cell + 10, 267, "3만 남는다", SMALL, "mute", "left")
    return d


def masks() -> Drawing:
    """What the three rules let through a ReLU: gradient, deconvnet, guided backpropagation."""
    up, down = (2, -1), (-4, 5)
    rules = {
        "역전파": ([s if u > 0 else 0 for u, s in zip(up, down, strict=True)], "올라갈 때 음수였던 칸을 지운다"),
        "디컨브넷": ([max(s, 0) for s in down], "내려오는 신호의 음수를 지운다"),
        "guided": ([s if u > 0 and s > 0 else 0 for u, s in zip(up, down, strict=True)], "둘 다 지운다"),
    }
    d = Drawing(292)
    show = lambda values: [[str(v).replace("-", "−") for v in values]]  # noqa: E731
    d.text(96, 16, "올라갈 때의 값", 14, weight=700)
    d.grid(56, 28, show(up), 40, size=16, shades={(0, 1): ("red", 0.2)})
    d.text(300, 16, "내려오는 신호", 14, weight=700)
    d.grid(260, 28, show(down), 40, size=16, shades={(0, 0): ("red", 0.2)})
    d.lines([(0, 92), (420, 92)], "mute", 0.6)
    for i, (name, (values, note)) in enumerate(rules.items()):
        y, tone = 108 + i * 62, "orange" if name == "디컨브넷" else "mute"
        d.text(0, y + 26, name, 15, tone, "left", 700)
        d.grid(96, y, show(values), 40, size=16, shades={(0, j): (tone, 0.3) for j, v in enumerate(values) if v})
        d.text(192, y + 25, note, NORMAL, "ink" if tone == "orange" else "mute", "left")
    return d


def occlusion() -> Drawing:
    """A grey square slides over a cup; the map holds how much of the cup it leaves."""
    d = Drawing(232)
    n, cell, x0, y0 = 8, 18, 4, 44
    cup = {(r, c) for r in range(2, 7) for c in range(2, 5)} | {(3, 5), (4, 6), (5, 5)}
    d.heading("가린 사진", x0)
    d.rect(x0, y0, n * cell, n * cell, "mute", 0.06, 1.2)
    left, top, w, h = x0 + 2 * cell, y0 + 2 * cell, 3 * cell, 5 * cell
    d.path(f"M{left + w} {top + 16}c34 -6 34 58 0 52", "orange", 7)
    d.path(f"M{left} {top}h{w}v{h - 12}q0 12 -12 12h-{w - 24}q-12 0 -12 -12z", "orange", 1.5, 0.6)
    d.rect(x0 + 3 * cell, y0 + 3 * cell, 3 * cell, 3 * cell, "mute", 1, 0, r=1)
    d.arrow((x0 + 6 * cell + 4, y0 + 4.5 * cell), (x0 + 7.6 * cell, y0 + 4.5 * cell), colour="ink")
    d.arrow((154, y0 + 72), (178, y0 + 72), line=2)
    d.box(180, y0 + 48, 74, 48, "네트워크", weight=700)
    d.arrow((256, y0 + 72), (274, y0 + 72), line=2)
    d.heading("P(컵)의 지도", 276)
    for r in range(n):
        for c in range(n):
            hidden = len(cup & {(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)}) / 9
            d.rect(276 + c * cell, y0 + r * cell, cell, cell, "orange", 0.85 * (1 - hidden) + 0.02, 0, r=0)
    d.rect(276, y0, n * cell, n * cell, "mute", 0, 1.2, r=0)
    d.rect(276 + 4 * cell, y0 + 4 * cell, cell, cell, "ink", 0, 2, r=0)
    d.text(x0, 208, "정사각형을 한 칸씩 옮긴다", SMALL, "mute", "left")
    d.text(276, 208, "옅을수록 확률이 낮다:", SMALL, "mute", "left")
    d.text(276, 224, "그 자리에 물체가 있다", SMALL, "orange", "left", 700)
    return d


DRAWINGS = {
    "zfnet-architecture": architecture,
    "zfnet-ceil": ceil_sizes,
    "zfnet-deconvnet": deconvnet,
    "zfnet-switches": switch_add,
    "zfnet-masks": masks,
    "zfnet-occlusion": occlusion,
}
