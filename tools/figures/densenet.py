"""Drawings of the DenseNet chapter. Numbers: arXiv 1608.06993 and the package's layer tables."""

from draw import LARGE, NORMAL, SMALL, Drawing
from nets import input_image, mega, table, tall

from paperlib.models.densenet import TABLE_1, layers_per_block

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
    d = Drawing(232, "DenseNet-121의 구조", "밀집 블록 넷에 6, 12, 24, 16계층이 있고 특징 맵은 56, 28, 14, 7 픽셀이다. 블록 사이의 전이 계층이 채널과 크기를 반으로 줄인다.")
    d.heading("DenseNet-121")
    d.text(420, 14, f"가중치 계층 121개 · 파라미터 {mega(table('densenet121').params)}", SMALL, "mute", "right")
    y = 104
    x = input_image(d, 0, y, 224) + 8
    m = 2 * GROWTH
    for i, layers in enumerate(BLOCKS):
        h, start = tall(56 // 2**i), x
        shift = h * 0.22
        for j in range(layers):
            d.polygon([(x + j * 4 + shift, y - h / 2 - shift / 2), (x + j * 4, y - h / 2 + shift / 2),
                       (x + j * 4, y + h / 2 + shift / 2), (x + j * 4 + shift, y + h / 2 - shift / 2)], "violet", 0.1 + 0.25 * j / layers, 0.8)  # fmt: skip
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
    d = Drawing(264, "밀집 블록", "6채널에서 시작해 계층 넷이 4채널씩 보탠다. 계층마다 앞의 모든 출력에서 오는 호가 있다.")
    xs, y, unit = [26 + i * 88 for i in range(layers + 1)], 158, 9
    for i in range(layers + 1):
        for j in range(i + 2, layers + 1):
            d.arc(xs[i] + 8, xs[j] - 4, y - 20 - 4 * (j - i), 18 + 22 * (j - i - 1), "violet", 1.8)
    d.text(0, 14, "앞의 출력을 모두 읽는다", 14, "violet", "left", 700)
    for i, x in enumerate(xs):
        n = k if i else k0
        h = n * unit
        for c in range(n):
            d.rect(x - 10, y - h / 2 + c * unit, 20, unit - 1.5, "violet" if i else "mute", 0.3 + 0.14 * i if i else 0.4, 0, r=1)
        d.text(x, y + 48, f"x_{i}", 16, weight=700)
        d.text(x, y + 68, f"{k0}채널" if not i else f"+{k}채널", SMALL, "mute" if not i else "violet")
        if i < layers:
            d.arrow((x + 14, y), (xs[i + 1] - 14, y), colour="violet", line=1.8)
            d.text(x + 44, y - 9, f"H_{i + 1}", NORMAL, "violet", weight=700)
    d.text(210, 258, "k_0 = 6채널로 시작해 계층마다 성장률 k = 4채널을 보탠다", NORMAL)
    return d


def add_or_concatenate() -> Drawing:
    """ResNet adds, DenseNet concatenates: what can still be told apart."""
    d = Drawing(234, "더하기와 이어 붙이기", "같은 두 특징 맵을 ResNet은 더해 하나로 섞고, DenseNet은 채널 방향으로 이어 붙여 둘을 그대로 남긴다.")
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
    d = Drawing(252, "깊이에 따른 채널 수", "DenseNet-121의 채널 수는 블록 안에서 계층마다 32씩 늘고 전이 계층에서 반으로 준다. 64에서 256, 128에서 512, 256에서 1,024, 512에서 1,024가 된다.")
    x0, w, base = 20, 390 / len(steps), 206
    at = lambda m: base - m / top * 158  # noqa: E731
    for i, (what, m) in enumerate(steps):
        tone = {"stem": "mute", "layer": "violet", "transition": "orange"}[what]
        d.rect(x0 + i * w, at(m), w - 1, base - at(m), tone, 0.8 if what == "transition" else 0.4, 0, r=1)
    d.lines([(x0 - 4, base), (414, base)], "mute", 0.8)
    start = 1
    for n in BLOCKS:
        last = start + n - 1
        d.text(x0 + (last + 0.5) * w, at(steps[last][1]) - 7, f"{steps[last][1]:,}", NORMAL, "violet", "right" if n == BLOCKS[-1] else "middle", 700)
        d.text(x0 + (start + n / 2) * w, base + 18, f"{n}계층", SMALL, "mute")
        start += n + 1
    d.text(0, 14, "채널 수", SMALL, "mute", "left")
    d.text(x0 + 4, 244, "보라: 계층마다 +32", NORMAL, "violet", "left")
    d.text(414, 244, "주황: 전이 계층에서 절반", NORMAL, "orange", "right")
    return d


def transition() -> Drawing:
    """The first transition of DenseNet-121: channels by theta, side by the pool."""
    d = Drawing(220, "전이 계층", "256채널 56 픽셀 맵이 BN과 ReLU, 1×1 합성곱을 지나 128채널이 되고 2×2 평균 풀링으로 28 픽셀이 된다.")
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
    d = Drawing(222, "밀집 계층의 병목", f"{m}채널을 읽은 계층이 1×1 합성곱으로 {4 * k}채널로 줄이고 3×3 합성곱으로 {k}채널만 새로 쓴다.")
    unit, y = 0.3, 100
    widths = ((0, m, "앞의 출력을\n모두 읽는다"), (170, 4 * k, "4k채널"), (330, k, "k채널만\n새로 쓴다"))
    for x, n, words in widths:
        h = n * unit
        d.rect(x + 20, y - h / 2, 26, h, "violet", 0.6, 0, r=3)
        d.text(x + 33, y - h / 2 - 8, str(n), LARGE, "violet", weight=700)
        d.text(x + 33, 198, words, SMALL, "mute")
    for (x, n, _), (x2, n2, _), words in ((widths[0], widths[1], "1×1"), (widths[1], widths[2], "3×3")):
        d.polygon([(x + 48, y - n * unit / 2), (x + 48, y + n * unit / 2), (x2 + 18, y + n2 * unit / 2), (x2 + 18, y - n2 * unit / 2)], "violet", 0.1, 0)
        d.text((x + x2) / 2 + 33, y + 6, words, 17, weight=700)
    return d


def memory() -> Drawing:
    """Copies that stay for the backward pass: a triangle when kept, a line when recomputed."""
    n = 8
    kept, line = n * (n + 1) // 2, n
    d = Drawing(266, "메모리: 복사본을 남길 때와 다시 계산할 때", f"계층 {n}개에서 순진한 구현은 계층마다 앞의 맵을 모두 복사해 삼각형 모양으로 {kept}칸을 남기고, 재계산은 계층마다 한 칸씩 {line}칸만 남긴다.")
    d.heading("순진한 구현", 0, 16, "red")
    d.heading("재계산", 236, 16, "violet")
    cell = 22
    for i in range(n):
        for j in range(i + 1):
            d.rect(i * cell, 214 - (j + 1) * cell, cell - 2, cell - 2, "red" if j < i else "violet", 0.35 if j < i else 0.7, 0, r=2)
        d.rect(236 + i * cell, 214 - cell, cell - 2, cell - 2, "violet", 0.7, 0, r=2)
        if i:
            d.rect(236 + i * cell, 214 - (i + 1) * cell, cell - 2, i * cell - 2, "mute", 0, 0.9, r=2, dash="2 3")
    d.text(0, 40, "계층마다 복사본을 남긴다", SMALL, "mute", "left")
    d.text(236, 40, "버렸다가 역전파 때 다시 만든다", SMALL, "mute", "left")
    d.text(88, 238, f"1 + 2 + … + {n} = {kept}", LARGE, "red", weight=700)
    d.text(324, 238, f"{line}", LARGE, "violet", weight=700)
    d.text(88, 258, "깊이의 제곱으로 는다", NORMAL)
    d.text(324, 258, "깊이에 비례한다", NORMAL)
    return d


def reuse() -> Drawing:
    """How to read Figure 5: column reads, row is read."""
    n = 6
    d = Drawing(322, "그림 5를 읽는 법", "세로줄은 읽는 계층, 가로줄은 읽히는 계층이다. 칸이 진할수록 그 계층의 특징에 무게를 많이 둔다. 아래쪽 절반만 칠해진 삼각형이다.")
    x0, y0, cell = 96, 50, 34
    for source in range(n):
        for target in range(n):
            reads = target >= source
            hot = (source, target) == (1, 4)
            d.rect(x0 + target * cell, y0 + source * cell, cell - 2, cell - 2, "violet" if reads else "mute",
                   0.75 if hot else (0.16 if reads else 0.0), 0 if reads else 0.6, r=2, dash="" if reads else "2 3")  # fmt: skip
        d.text(x0 - 8, y0 + source * cell + 21, "입력" if source == 0 else f"{source}계층", SMALL, "orange" if source == 1 else "mute", "right", 700 if source == 1 else 400)
    for target in range(n):
        d.text(x0 + target * cell + 16, y0 + n * cell + 16, str(target + 1), SMALL, "blue" if target == 4 else "mute", weight=700 if target == 4 else 400)
    d.text(x0 + n * cell / 2, y0 + n * cell + 36, "읽는 계층", NORMAL, "blue", weight=700)
    d.text(x0 - 8, y0 - 14, "읽히는 것", NORMAL, "orange", "right", 700)
    d.arrow((x0 + 4.5 * cell, y0 - 16), (x0 + 4.5 * cell, y0 + cell - 2), colour="blue", line=2)
    d.arrow((x0 + 6.2 * cell, y0 + 1.45 * cell), (x0 + 5.05 * cell, y0 + 1.45 * cell), colour="ink", line=2)
    d.text(x0 + 6.3 * cell, y0 + 1.3 * cell, "5계층이\n1계층의 특징에\n두는 무게", SMALL, "ink", "left")
    d.text(0, 318, "한 칸의 값: 그 사이에 놓인 필터 가중치의 절댓값 평균", NORMAL, "ink", "left")
    return d


def connections() -> Drawing:
    """L(L+1)/2 counts one block; the 40-layer net has three of 12 layers, and what follows a block reads 13 maps."""
    layers, depth = layers_per_block("small", 40, bottleneck=False), 40
    whole, inside, after = depth * (depth + 1) // 2, layers[0] * (layers[0] + 1) // 2, layers[0] + 1
    d = Drawing(312, "연결은 블록 안에서만", f"40층 네트워크의 모든 계층을 이으면 {whole}개지만, 밀집 블록 셋 안에서만 이어지므로 작은 삼각형 셋에 "
                f"{3 * (inside + after) + 1}개만 있다.")  # fmt: skip
    cell, x0, y0 = 6.6, 4, 36
    d.polygon([(x0, y0), (x0 + 40 * cell, y0 + 40 * cell), (x0, y0 + 40 * cell)], "mute", 0.06, 1)
    d.rect(x0, y0, cell - 1, cell - 1, "mute", 0.8, 0, r=0.5)
    first, cells = 1, 1  # the stem reads the image
    for i, n in enumerate(layers):
        for row in range(n + 1):
            for column in range(row + 1):
                tone = "orange" if row == n else "violet"
                d.rect(x0 + (first + column) * cell, y0 + (first + row) * cell, cell - 1, cell - 1, tone, 0.7, 0, r=0.5)
                cells += 1
        d.text(x0 + (first + 13) * cell, y0 + (first + 6.5) * cell, f"블록 {i + 1}: {inside} + {after}", NORMAL, "violet", "left", 700)
        first += n + 1
    assert cells == 3 * (inside + after) + 1
    d.text(0, 16, f"회색 삼각형 전체: 40 × 41 / 2 = {whole}", LARGE, "mute", "left", 700)
    d.text(420, 60, "주황: 블록 뒤의 전이 계층이나", SMALL, "orange", "right")
    d.text(420, 76, "분류기가 읽는 13개", SMALL, "orange", "right")
    d.text(420, 300, f"모두 {cells}개", 18, "violet", "right", 700)
    return d


DRAWINGS = {
    "densenet-architecture": architecture,
    "densenet-arcs": arcs,
    "densenet-add": add_or_concatenate,
    "densenet-channels": channels,
    "densenet-transition": transition,
    "densenet-bottleneck": bottleneck,
    "densenet-memory": memory,
    "densenet-reuse": reuse,
    "densenet-connections": connections,
}
