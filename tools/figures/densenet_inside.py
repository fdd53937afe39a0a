"""Drawings of what goes on inside a dense block. Numbers: arXiv 1608.06993."""

from draw import LARGE, NORMAL, SMALL, Drawing

from paperlib.models.densenet import layers_per_block


def memory() -> Drawing:
    """Copies that stay for the backward pass: a triangle when kept, a line when recomputed."""
    n = 8
    kept, line = n * (n + 1) // 2, n
    d = Drawing(266)
    d.heading("순진한 구현", 0, 16, "red")
    d.heading("재계산", 236, 16, "violet")
    cell = 22
    for i in range(n):
        for j in range(i + 1):
            d.rect(
                i * cell,
                214 - (j + 1) * cell,
                cell - 2,
                cell - 2,
                "red" if j < i else "violet",
                0.35 if j < i else 0.7,
                0,
                r=2,
            )
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
    d = Drawing(322)
    x0, y0, cell = 96, 50, 34
    for source in range(n):
        for target in range(n):
            reads = target >= source
            hot = (source, target) == (1, 4)
            d.rect(
                x0 + target * cell,
                y0 + source * cell,
                cell - 2,
                cell - 2,
                "violet" if reads else "mute",
                0.75 if hot else (0.16 if reads else 0.0),
                0 if reads else 0.6,
                r=2,
                dash="" if reads else "2 3",
            )
        d.text(
            x0 - 8,
            y0 + source * cell + 21,
            "입력" if source == 0 else f"{source}계층",
            SMALL,
            "orange" if source == 1 else "mute",
            "right",
            700 if source == 1 else 400,
        )
    for target in range(n):
        d.text(
            x0 + target * cell + 16,
            y0 + n * cell + 16,
            str(target + 1),
            SMALL,
            "blue" if target == 4 else "mute",
            weight=700 if target == 4 else 400,
        )
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
    d = Drawing(312)
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
        d.text(
            x0 + (first + 13) * cell,
            y0 + (first + 6.5) * cell,
            f"블록 {i + 1}: {inside} + {after}",
            NORMAL,
            "violet",
            "left",
            700,
        )
        first += n + 1
    assert cells == 3 * (inside + after) + 1
    d.text(0, 16, f"회색 삼각형 전체: 40 × 41 / 2 = {whole}", LARGE, "mute", "left", 700)
    d.text(420, 60, "주황: 블록 뒤의 전이 계층이나", SMALL, "orange", "right")
    d.text(420, 76, "분류기가 읽는 13개", SMALL, "orange", "right")
    d.text(420, 300, f"모두 {cells}개", 18, "violet", "right", 700)
    return d


DRAWINGS = {
    "densenet-memory": memory,
    "densenet-reuse": reuse,
    "densenet-connections": connections,
}
