/* VGG's dense evaluation (section 3.2) of a photograph: the score map, and what its average says. */
live.explorers["score-map"] = (page) => {
  "use strict";
  const NET = "vgg-caltech", LEAST = 64;
  const state = { q: 128, mirror: true, several: false, label: null, cell: null };
  let photo, net, result, crop;

  const picture = live.canvas("사진과 점수 맵", (pen, width, height) => {
    if (!result) return;
    const { map, image } = result.scales.at(-1), classes = net.classes.length;
    pen.filter = "saturate(.35) brightness(.8)";
    pen.drawImage(live.bitmap(photo), 0, 0, width, height);
    pen.filter = "none";
    const scale = width / image.width, values = [];
    for (let i = 0; i < map.h * map.w; i++) values.push(probability(map, i, state.label, classes));
    const heat = live.mapBitmap({ h: map.h, w: map.w, c: 1, data: values }, 0, [0, Math.max(0.05, ...values)]);
    pen.globalAlpha = 0.62; // a cell sees 64 px; it is drawn as the 32 px in the middle of them
    pen.imageSmoothingEnabled = true;
    pen.drawImage(heat, 16 * scale, 16 * scale, map.w * 32 * scale, map.h * 32 * scale);
    pen.globalAlpha = 1;
    pen.font = "600 12px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let i = 0; i < map.h * map.w; i++) {
      const x = (16 + (i % map.w) * 32) * scale, y = (16 + Math.floor(i / map.w) * 32) * scale, side = 32 * scale;
      pen.strokeStyle = "#ffffff59";
      pen.lineWidth = 1;
      pen.strokeRect(x, y, side, side);
      if (side < 36) continue;
      pen.fillStyle = "#fff";
      pen.shadowColor = "#000";
      pen.shadowBlur = 4;
      pen.fillText(`${Math.round(100 * values[i])}%`, x + side / 2, y + side / 2);
      pen.shadowBlur = 0;
    }
    if (state.cell) {
      const [row, column] = state.cell;
      live.stroke(pen, "#fff", column * 32 * scale, row * 32 * scale, LEAST * scale, LEAST * scale);
    }
  });

  /* Softmax of one cell. */
  function probability(map, cell, label, classes) {
    const scores = map.data.subarray(cell * classes, (cell + 1) * classes), most = Math.max(...scores);
    let sum = 0;
    for (const s of scores) sum += Math.exp(s - most);
    return Math.exp(scores[label] - most) / sum;
  }

  const run = live.latest(() => page.work(async () => {
    const { q } = state, others = state.several ? [q - 32, q + 32].filter((side) => side >= LEAST) : [];
    const start = performance.now();
    result = await live.call("dense", NET, photo, [...others, q], state.mirror);
    result.waited = performance.now() - start;
    const best = live.best(result.posterior, net.classes)[0][2];
    if (state.label == null || !state.held) state.label = best;
    const { map } = result.scales.at(-1);
    state.cell = state.cell && [Math.min(state.cell[0], map.h - 1), Math.min(state.cell[1], map.w - 1)];
    await inspect();
    show();
  }));

  /* The cell's own crop through the ordinary network: equal but for the zeros that pad its borders. */
  async function inspect() {
    if (!state.cell) return;
    const { image } = result.scales.at(-1), [row, column] = state.cell;
    const square = await live.call("crop", image, LEAST, column * 32, row * 32);
    crop = (await live.call("score", NET, square)).data;
  }

  function show() {
    const { map, milliseconds, image } = result.scales.at(-1), name = live.className(net.classes[state.label]);
    picture.ratio = photo.height / photo.width;
    picture.draw();
    picture.canvas.setAttribute("aria-label", `${photo.title}: ${name}의 점수 맵 ${map.h}×${map.w}칸. `
      + "방향 키로 칸을 고른다.");
    classes.set(String(state.label));
    const top = live.best(result.posterior, net.classes);
    bars.replaceChildren(live.bars(top, state.label, (id) => { state.label = id; state.held = true; show(); }));
    facts.replaceChildren(live.facts([
      ["입력", `${image.width}×${image.height}`, "px"],
      ["점수 맵", `${map.w}×${map.h}`, `칸 × ${net.classes.length}클래스`],
      ["한 번 통과", milliseconds.toFixed(0), live.simd ? "ms" : "ms (SIMD 없이)"]]));
    const cells = map.h * map.w, scores = map.data;
    if (state.cell) {
      const i = state.cell[0] * map.w + state.cell[1], at = i * map.c;
      detail.textContent = `고른 칸 (${state.cell[0] + 1}행 ${state.cell[1] + 1}열)의 ${name} 점수는 `
        + `${scores[at + state.label].toFixed(2)}, 흰 상자의 64 px만 잘라 통과시키면 ${crop[state.label].toFixed(2)}이다. `
        + "차이는 가장자리의 패딩에서 온다. 잘라 낸 크롭은 둘레가 0이고, 지도에서는 이웃한 픽셀이다.";
    } else detail.textContent = cells === 1 ? "정확히 64 px이면 점수 맵은 한 칸, 보통의 VGG와 같다."
      : "그림의 칸을 누르면 그 칸이 보는 64 px을 잘라 통과시킨 점수와 견준다.";
    page.say(`${photo.title}: ${top[0][0]} ${live.percent(top[0][1])}. 점수 맵 ${cells}칸의 평균에서 나왔다.`);
  }

  async function choose(row, column) {
    const { map } = result.scales.at(-1);
    state.cell = [Math.min(Math.max(row, 0), map.h - 1), Math.min(Math.max(column, 0), map.w - 1)];
    await page.work(inspect);
    show();
  }

  const bars = live.element("div"), facts = live.element("div");
  const detail = live.element("p", { class: "live-note" });
  let classes;

  page.onDemand([NET], "우주인의 사진을 자르지 않고 VGG에 넣는다. 101개 클래스의 점수가 칸마다 나온다. "
    + "내 사진을 넣어도 된다. 사진은 이 기기를 떠나지 않는다.", async (first, network) => {
    [photo, net] = [first, network];
    classes = live.select("지도로 볼 클래스", net.classes.map((c, i) => [String(i), live.className(c)]), "0", (v) => {
      state.label = +v;
      state.held = true;
      show();
    });
    const picker = live.picker(page.root, (next) => {
      photo = next;
      Object.assign(state, { cell: null, held: false });
      return run();
    }, page.say);
    page.body.append(live.element("div", { class: "live-split" },
      live.element("div", {}, live.element("div", { class: "live-picture" }, picture.canvas),
        live.element("p", { class: "live-caption" }, "점수 맵의 공간 평균 → 소프트맥스: 상위 5. 아는 것은 Caltech-101의 101개 클래스뿐이다."), bars),
      live.element("div", {}, picker,
        live.slider("크기 Q", { min: 64, max: 256, step: 32, value: 128, show: (v) => `${v} px` },
          (v) => { state.q = v; run(); }),
        classes,
        live.element("div", { class: "live-row" },
          live.check("좌우 반전도 평균", true, (v) => { state.mirror = v; run(); }),
          live.check("Q ± 32도 평균", false, (v) => { state.several = v; run(); })),
        facts, detail)));
    live.pointable(picture.canvas, {
      point: (x, y) => {
        const { map, image } = result.scales.at(-1);
        choose(Math.floor((y * image.height - 16) / 32), Math.floor((x * image.width - 16) / 32), map);
      },
      move: (dx, dy) => choose((state.cell?.[0] ?? 0) + dy, (state.cell?.[1] ?? 0) + dx),
    });
    await run();
  });
  return "idle";
};
