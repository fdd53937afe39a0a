"""Drawings of the DenseNet chapter. Numbers: arXiv 1608.06993 and the package's layer tables."""

from draw import LARGE, NORMAL, SMALL, Drawing
from nets import input_image, mega, table, tall

from paperlib.models.densenet import TABLE_1

BLOCKS = TABLE_1[121]
GROWTH = 32


def channels_along() -> list[tuple[str, int]]:
    """(what, channels) after the stem, every layer and every transition of DenseNet-121."""
    m, steps = 2 * GROWTH, [("stem", 2 * GROWTH)]
    for i, layers in enumerate(BLOCKS):
        for _ in range(layers):
            m += GROWTH
            steps.append(("layer", m))
        if i < len(BLOCKS) - 1:
            m //= 2
            steps.append(("transition", m))
    return steps


def architecture() -> Drawing:
    """DenseNet-121 at the scale of the other three papers; a block is as long as it has layers."""
    d = Drawing(232)
    d.heading("DenseNet-121")
    d.text(420, 14, f"가중치 계층 121개 · 파라미터 {mega(table('densenet121').params)}", SMALL, "mute", "right")
    y = 104
    x = input_image(d, 0, y, 224) + 8
    m = 2 * GROWTH
    for i, layers in enumerate(BLOCKS):
        h, start = tall(56 // 2**i), x
        shift = h * 0.22
        for j in range(layers):
            d.polygon(
                [
                    (x + j * 4 + shift, y - h / 2 - shift / 2),
                    (x + j * 4, y - h / 2 + shift / 2),
                    (x + j * 4, y + h / 2 + shift / 2),
                    (x + j * 4 + shift, y + h / 2 - shift / 2),
                ],
                "violet",
                0.1 + 0.25 * j / layers,
                0.8,
            )
        end = x + layers * 4 + shift
        for j in range(1, 4):
            d.arc(start + 4, start + 4 + (end - start - 8) * j / 3, y - h / 2 - 8, 5 + 5 * j, "violet", 1.1, head=False)
        middle, after = (start + end) / 2, m + layers * GROWTH
        d.text(middle, 34, f"{layers}계층", SMALL, "violet", weight=700)
        d.text(middle, 186, str(56 // 2**i), SMALL, "mute")
        d.text(middle, 202, f"{m}→{after:,}" if i else f"{m}→{after}", SMALL)
        m = after // 2
        x = end + 6
        if i < len(BLOCKS) - 1:
            d.rect(x, y - 16, 6, 32, "orange", 0.6, 0, r=2)
            x += 14
    d.rect(x + 4, y - 17, 8, 34, "violet", 0.45, 0.9, r=2)
    d.text(0, 228, "주황: 전이 계층. 블록 아래는 들어오고 나가는 채널의 수다.", SMALL, "mute", "left")
    return d


def arcs() -> Drawing:
    """Figure 1's block: k0 = 6, k = 4, four layers; every layer reads all before it."""
    k0, k, layers = 6, 4, 4
    d = Drawing(264)
    xs, y, unit = [26 + i * 88 for i in range(layers + 1)], 158, 9
    for i in range(layers + 1):
        for j in range(i + 2, layers + 1):
            d.arc(xs[i] + 8, xs[j] - 4, y - 20 - 4 * (j - i), 18 + 22 * (j - i - 1), "violet", 1.8)
    d.text(0, 14, "앞의 출력을 모두 읽는다", 14, "violet", "left", 700)
    for i, x in enumerate(xs):
        n = k if i else k0
        h = n * unit
        for c in range(n):
            d.rect(
                x - 10,
                y - h / 2 + c * unit,
                20,
                unit - 1.5,
                "violet" if i else "mute",
                0.3 + 0.14 * i if i else 0.4,
                0,
                r=1,
            )
        d.text(x, y + 48, f"x_{i}", 16, weight=700)
        d.text(x, y + 68, f"{k0}채널" if not i else f"+{k}채널", SMALL, "mute" if not i else "violet")
        if i < layers:
            d.arrow((x + 14, y), (xs[i + 1] - 14, y), colour="violet", line=1.8)
            d.text(x + 44, y - 9, f"H_{i + 1}", NORMAL, "violet", weight=700)
    d.text(210, 258, "k_0 = 6채널로 시작해 계층마다 성장률 k = 4채널을 보탠다", NORMAL)
    return d


def add_or_concatenate() -> Drawing:
    """ResNet adds, DenseNet concatenates: what can still be told apart."""
    d = Drawing(234)
    a, b = [[1, 0, 2]], [[3, 4, 0]]
    total = [[p + q for p, q in zip(a[0], b[0], strict=True)]]
    for y, words, tone in ((0, "ResNet: 더한다", "green"), (122, "DenseNet: 이어 붙인다", "violet")):
        d.text(0, y + 14, words, LARGE, tone, "left", 700)
        d.grid(0, y + 46, a, 30, "blue", {(0, j): ("blue", 0.3) for j in range(3)}, 14)
        d.grid(122, y + 46, b, 30, "orange", {(0, j): ("orange", 0.3) for j in range(3)}, 14)
        d.text(106, y + 67, "+" if y == 0 else ",", 20, "mute", weight=700)
        d.arrow((222, y + 61), (250, y + 61), line=2)
    d.grid(262, 46, total, 30, "green", {(0, j): ("green", 0.3) for j in range(3)}, 14)
    d.text(362, 66, "섞였다", NORMAL, "mute", "left")
    d.grid(262, 152, a, 30, "blue", {(0, j): ("blue", 0.3) for j in range(3)}, 14)
    d.grid(262, 184, b, 30, "orange", {(0, j): ("orange", 0.3) for j in range(3)}, 14)
    d.text(362, 188, "둘 다\n남았다", NORMAL, "violet", "left", 700)
    return d


def channels() -> Drawing:
    """The saw of DenseNet-121: growth in the blocks, halving in the transitions."""
    steps = channels_along()
    top = max(m for _, m in steps)
    d = Drawing(252)
    x0, w, base = 20, 390 / len(steps), 206
    at = lambda m: base - m / top * 158  # noqa: E731
    for i, (what, m) in enumerate(steps):
        tone = {"stem": "mute", "layer": "violet", "transition": "orange"}[what]
        d.rect(x0 + i * w, at(m), w - 1, base - at(m), tone, 0.8 if what == "transition" else 0.4, 0, r=1)
    d.lines([(x0 - 4, base), (414, base)], "mute", 0.8)
    start = 1
    for n in BLOCKS:
        last = start + n - 1
        d.text(
            x0 + (last + 0.5) * w,
            at(steps[last][1]) - 7,
            f"{steps[last][1]:,}",
            NORMAL,
            "violet",
            "right" if n == BLOCKS[-1] else "middle",
            700,
        )
        d.text(x0 + (start + n / 2) * w, base + 18, f"{n}계층", SMALL, "mute")
        start += n + 1
    d.text(0, 14, "채널 수", SMALL, "mute", "left")
    d.text(x0 + 4, 244, "보라: 계층마다 +32", NORMAL, "violet", "left")
    d.text(414, 244, "주황: 전이 계층에서 절반", NORMAL, "orange", "right")
    return d


def transition() -> Drawing:
    """The first transition of DenseNet-121: channels by theta, side by the pool."""
    d = Drawing(220)
    y = 96
    end = d.slab(4, y, 256**0.5 * 1.6, 100, "violet", 0.25)
    d.text(26, 176, "256채널\n56 × 56", NORMAL)
    d.arrow((end + 4, y), (end + 22, y), line=2)
    d.box(end + 24, y - 30, 82, 60, "BN · ReLU\n1×1 합성곱", "orange", 0.16, SMALL)
    d.text(end + 65, y + 52, "θ = 0.5", NORMAL, "orange", weight=700)
    x = end + 112
    mid = d.slab(x + 6, y, 128**0.5 * 1.6, 100, "violet", 0.25)
    d.text(x + 26, 176, "128채널\n56 × 56", NORMAL)
    d.arrow((mid + 4, y), (mid + 20, y), line=2)
    d.box(mid + 22, y - 30, 68, 60, "2×2\n평균 풀링", "orange", 0.16, SMALL)
    last = d.slab(mid + 104, y, 128**0.5 * 1.6, 50, "violet", 0.25)
    d.text(last - 14, 176, "128채널\n28 × 28", NORMAL)
    d.text(0, 14, "채널을 반으로", 14, "orange", "left", 700)
    d.text(420, 14, "크기를 반으로", 14, "orange", "right", 700)
    d.text(0, 218, "크기가 다른 특징 맵은 이어 붙일 수 없어서 블록을 나눈다.", NORMAL, "ink", "left")
    return d


def bottleneck() -> Drawing:
    """A layer with bottleneck: m channels in, 4k between, k out."""
    k, m = GROWTH, 512
    d = Drawing(222)
    unit, y = 0.3, 100
    widths = ((0, m, "앞의 출력을\n모두 읽는다"), (170, 4 * k, "4k채널"), (330, k, "k채널만\n새로 쓴다"))
    for x, n, words in widths:
        h = n * unit
        d.rect(x + 20, y - h / 2, 26, h, "violet", 0.6, 0, r=3)
        d.text(x + 33, y - h / 2 - 8, str(n), LARGE, "violet", weight=700)
        d.text(x + 33, 198, words, SMALL, "mute")
    for (x, n, _), (x2, n2, _), words in ((widths[0], widths[1], "1×1"), (widths[1], widths[2], "3×3")):
        d.polygon(
            [
                (x + 48, y - n * unit / 2),
                (x + 48, y + n * unit / 2),
                (x2 + 18, y + n2 * unit / 2),
                (x2 + 18, y - n2 * unit / 2),
            ],
            "violet",
            0.1,
            0,
        )
        d.text((x + x2) / 2 + 33, y + 6, words, 17, weight=700)
    return d


DRAWINGS = {
    "densenet-architecture": architecture,
    "densenet-arcs": arcs,
    "densenet-add": add_or_concatenate,
    "densenet-channels": channels,
    "densenet-transition": transition,
    "densenet-bottleneck": bottleneck,
}
